"""The sign tokenizer trained and measured: a VQ-VAE for each part (MaDiS §3.1)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file

from madis_lib import body as bodies
from madis_lib import train
from madis_lib.data.batches import pad_features
from madis_lib.experiments.evaluate import BODY_JOINTS
from madis_lib.experiments.store import CHECKPOINT, Run
from madis_lib.files import atomic_write
from madis_lib.metrics import mpjpe_mm
from madis_lib.parts import FRAMES_PER_TOKEN, PARTS
from madis_lib.presets import TokenizerConfig, TrainConfig
from madis_lib.tokenizer import Tokenizer
from madis_lib.train import device, one_thread

if TYPE_CHECKING:
    from madis_lib.experiments.suite import Suite

VQVAE_FILE = "vqvae.safetensors"  # of a part's run


def trained(suite: Suite, name: str, size: TokenizerConfig, updates: TrainConfig) -> Run:
    """A sign tokenizer of VQ-VAEs that were trained one by one."""

    def work(folder: Path) -> dict[str, Any]:
        tokenizer = _untrained(suite, size)
        histories = []
        for part in tokenizer.parts:
            vqvae = trained_vqvae(suite, part, size, updates)
            tokenizer.vqvaes[part].load_state_dict(load_file(vqvae.folder / VQVAE_FILE))
            histories.append(vqvae.result["history"])
        if suite.store.world.first:
            tokenizer.save(folder / "tokenizer.safetensors")
        return {"history": [_summed(moment) for moment in zip(*histories, strict=True)]}

    config = _config(suite, size, updates)
    return suite.store.run(name, config, ("tokenizer",), work, together=True)


def trained_vqvae(suite: Suite, part: str, size: TokenizerConfig, updates: TrainConfig) -> Run:
    """One part's VQ-VAE, trained on all corpora together.

    Parts share nothing but the loss, a sum, and all see the same windows of the same clips: what
    comes out is what training them at once gives, but for ``grad_clip``, which is of each by
    itself, and for the noise of a batch with fewer latents than codes.
    It does not depend on the suite's seed.
    """
    p = suite.preset

    def work(folder: Path) -> dict[str, Any]:
        clips = [clip for c in suite.corpora for clip in suite.clips(c, "train")]
        tokenizer = _untrained(suite, size).to(device())
        world = suite.store.world
        tokenizer.train_with(world)

        def loss_of(indices: torch.Tensor, generator: torch.Generator, update: int):
            chosen = []
            for i in indices.tolist():
                slack = len(clips[i]) - p.tokenizer_window
                start = 0
                if slack > 0:
                    start = int(torch.randint(slack + 1, (1,), generator=generator))
                chosen.append(clips[i][start : start + p.tokenizer_window])
            mine = world.rows(len(chosen))
            features, lengths = (x[mine].to(device()) for x in pad_features(chosen))
            if update < p.tokenizer_warmup:
                return tokenizer.autoencoder_loss(features, lengths, (part,))
            return tokenizer.loss(features, lengths, generator, (part,))

        vqvae = tokenizer.vqvaes[part]
        with one_thread():
            history = train.fit(
                vqvae, loss_of, len(clips), updates,
                folder / CHECKPOINT, p.seeds[0], f"sign tokenizer, {part}", world,
            )  # fmt: skip
        if world.first:
            with atomic_write(folder / VQVAE_FILE) as temporary:
                save_file(vqvae.cpu().state_dict(), temporary)
        return {"history": history}

    config = {**_config(suite, size, updates), "part": part}
    return suite.store.run(f"vqvae-{part}", config, ("tokenizer",), work, together=True)


def _config(suite: Suite, size: TokenizerConfig, updates: TrainConfig) -> dict[str, object]:
    p = suite.preset
    return {
        "corpus": suite.corpus, "tokenizer": size, "train": updates,
        "window": p.tokenizer_window, "warmup": p.tokenizer_warmup, "seed": p.seeds[0],
        "max_tokens": p.model.max_tokens,
    }  # fmt: skip


def _untrained(suite: Suite, size: TokenizerConfig) -> Tokenizer:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(suite.preset.seeds[0])
        return Tokenizer(
            size, torch.tensor(suite.statistics.mean), torch.tensor(suite.statistics.std)
        )


def _summed(moment: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """What the parts logged at one moment, as if trained at once: their losses are terms of one."""
    found: dict[str, float] = {"update": moment[0]["update"]}
    for logs in moment:
        for name, number in logs.items():
            if name != "update":
                found[name] = found.get(name, 0.0) + number
    return found


def quality(suite: Suite) -> Run:
    """Codes used, perplexity and reconstruction error of each part on the test splits."""
    body, tokenizer = bodies.load(), suite.tokenizer

    def work(folder: Path) -> dict[str, Any]:
        tokens: list[np.ndarray] = []
        errors: dict[str, list[float]] = {part: [] for part in PARTS}
        for corpus in suite.corpora:
            clips = suite.clips(corpus, "test")
            for clip, codes in zip(clips, suite.tokens(corpus, "test"), strict=True):
                with torch.no_grad():
                    again = tokenizer.decode(torch.tensor(codes)[None])[0]
                    points = [body.landmarks(x) for x in (again, torch.tensor(clip))]
                for part in PARTS:
                    rebuilt, true = (x[part].numpy() for x in points)
                    joints = BODY_JOINTS if part == "body" else None
                    errors[part].append(mpjpe_mm(rebuilt, true, joints))
                tokens.append(codes)
        used, perplexity = {}, {}
        for i, part in enumerate(PARTS):
            counts = np.bincount(np.concatenate(tokens)[:, i], minlength=tokenizer.config.codes[i])
            share = counts[counts > 0] / counts.sum()
            used[part] = len(share)
            perplexity[part] = float(np.exp(-(share * np.log(share)).sum()))
        return {
            "codes": dict(zip(PARTS, tokenizer.config.codes, strict=True)),
            "codes_used": used,
            "perplexity": perplexity,
            "error_mm": {part: float(np.mean(errors[part])) for part in PARTS},
        }

    config = {"tokens": suite.tokens_run, "body": body.fingerprint()}
    return suite.store.run("tokenizer-quality", config, ("metrics",), work)


def encode(tokenizer: Tokenizer, clips: list[np.ndarray], batch_size: int = 64) -> list[np.ndarray]:
    """Tokens ``[L, 3]`` of clips of any lengths."""
    order = np.argsort([len(c) for c in clips], kind="stable")
    found: dict[int, np.ndarray] = {}
    on = tokenizer.mean.device
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        features, lengths = pad_features([clips[i] for i in chosen])
        with torch.no_grad():
            codes = tokenizer.encode(features.to(on), lengths.to(on)).cpu().numpy()
        for i, row, length in zip(chosen, codes, lengths.tolist(), strict=True):
            found[int(i)] = row[: length // FRAMES_PER_TOKEN]
    return [found[i] for i in range(len(clips))]
