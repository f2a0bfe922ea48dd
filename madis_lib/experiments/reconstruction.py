"""Signs rebuilt from partly masked tokens by the pretrained model (MaDiS §4.2, Fig. 8)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from madis_lib import body as bodies
from madis_lib import metrics, objectives
from madis_lib.data.batches import pad_tokens
from madis_lib.experiments.contrasts import sentence_estimate
from madis_lib.experiments.evaluate import BODY_JOINTS
from madis_lib.experiments.store import Run
from madis_lib.experiments.suite import Suite
from madis_lib.parts import FRAMES_PER_TOKEN
from madis_lib.systems.madis import MaDiSSystem, encode_texts
from madis_lib.train import generator_for, on_device

RATIOS = (0.25, 0.5, 0.75, 1.0)
# rows of paper.FIG_8: what share of the tokens is masked
MASKED = {"tokenizer": 0.0} | {f"masked_{round(100 * ratio)}": ratio for ratio in RATIOS}


@torch.no_grad()
def rebuild(
    system: MaDiSSystem, texts: list[str], codes: list[np.ndarray], ratio: float, seed: int = 0
) -> list[np.ndarray]:
    """Motion ``[4L, 133]`` when a share ``ratio`` of each sentence's triples is masked.

    The latents H_p that the pretrained model predicts (MaDiS §3.2) stand in for the masked codes;
    the others keep their codebook vectors.  Text and length stay visible.
    """
    model, tokenizer = system.model, system.tokenizer
    text_ids, text_valid = encode_texts(system.text, texts)
    padded, lengths = pad_tokens(codes, 0)
    size = padded.shape[1] + 1
    ids = objectives.canvas(padded, lengths, size, model.vocab)
    valid = torch.arange(size) <= lengths[:, None]
    masked = torch.zeros(len(codes), size, dtype=torch.bool)
    generator = generator_for(seed, round(1000 * ratio))
    for row, length in zip(masked, lengths.tolist(), strict=True):
        order = torch.randperm(length, generator=generator)
        row[order[: math.ceil(ratio * length)]] = True
    shown = ids.masked_fill(masked[..., None], model.vocab.mask)
    with on_device(model, tokenizer) as where:
        given = (x.to(where) for x in (text_ids, text_valid, shown, valid))
        padded, masked, lengths = (x.to(where) for x in (padded, masked, lengths))
        _, hidden = model(*given, mop=False)
        latents = [
            torch.where(masked[:, :-1, None], predicted, book[padded[..., p]])
            for p, (predicted, book) in enumerate(
                zip(model.latents(hidden[:, :-1]), model.fusion.codebooks, strict=True)
            )
        ]
        motion = tokenizer.denormalise(tokenizer.decode_latents(latents, lengths)).cpu()
    ends = (lengths * FRAMES_PER_TOKEN).tolist()
    return [clip[:end].numpy() for clip, end in zip(motion, ends, strict=True)]


def errors_mm(clips: list[np.ndarray], true: list[np.ndarray]) -> dict[str, np.ndarray]:
    """Mean joint error of each clip in mm, over all its frames; hands averaged."""
    body = bodies.load()
    rows: dict[str, list[float]] = {"body": [], "hands": []}
    with torch.no_grad():
        for clip, reference in zip(clips, true, strict=True):
            a, b = body.landmarks(clip), body.landmarks(reference[: len(clip)])
            a, b = ({k: np.asarray(v) for k, v in x.items()} for x in (a, b))
            rows["body"].append(metrics.mpjpe_mm(a["body"], b["body"], BODY_JOINTS))
            hands = [metrics.mpjpe_mm(a[side], b[side]) for side in ("left", "right")]
            rows["hands"].append(float(np.mean(hands)))
    return {k: np.array(v) for k, v in rows.items()}


def measured(suite: Suite, corpus: str) -> Run:
    """Joint error of every test sentence at every mask ratio, of one pretrained model.

    The result's ``errors`` map a row of :data:`MASKED`, then "body" or "hands", to millimetres
    sentence by sentence.
    """
    config = {
        "system": suite.named.pretrained, "corpus": corpus, "ratios": RATIOS,
        "body": bodies.load().fingerprint(),
    }  # fmt: skip

    def work(_: Path) -> dict[str, Any]:
        system = MaDiSSystem.load(suite.pretrained.folder / "model", suite.tokenizer)
        texts, codes = suite.texts(corpus, "test"), suite.tokens(corpus, "test")
        true, errors = suite.clips(corpus, "test"), {}
        for row, ratio in MASKED.items():
            found = errors_mm(rebuild(system, texts, codes, ratio), true)
            errors[row] = {part: values.tolist() for part, values in found.items()}
        return {"errors": errors}

    return suite.store.run(f"masked-{corpus}", config, ("model", "metrics"), work)


def estimate(
    runs: Mapping[int, Run], weights: Mapping[str, float], part: str
) -> metrics.Estimate | None:
    """Sum over rows of weight times mean error in mm; ``runs`` of :func:`measured` by seed."""
    if not runs or set(weights) - set(MASKED):
        return None
    errors = [
        np.array([run.result["errors"][row][part] for run in runs.values()]) for row in weights
    ]
    return sentence_estimate(list(weights.values()), errors)
