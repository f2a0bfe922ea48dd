"""What does the full model cost?  Time and peak memory of each piece, with random weights.

One update of the tokenizer, of pretraining and of fine-tuning (forward, backward, AdamW), and one
sentence generated in the preset's 25 steps, each on made-up data of full length: clips of M = 100
tokens.  Times are CPU time of all threads, which a busy machine does not stretch; on a GPU, of the
clock, after one call that is not counted.  ``python -m madis_lib.perf.bench_paper`` prints them.

Measured with ``batch_size=1``, all 151,669 text rows, float32, one thread of a busy two-core virtual
machine with 24 GB (CPU seconds; peak of the whole process):

    tokenizer, one update        2.1 s     1.4 GB
    pretraining, one update     27.2 s    12.1 GB
    fine-tuning, one update     13.5 s    12.1 GB
    one sentence in 25 steps    42.2 s     3.9 GB

No GPU was at hand.
"""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, nn

from madis_lib import objectives, presets, sampler, utc
from madis_lib.model import MaDiS
from madis_lib.objectives import Batch
from madis_lib.parts import FRAMES_PER_TOKEN, NUM_FEATURES, PARTS
from madis_lib.perf import floors
from madis_lib.presets import Preset, TrainConfig
from madis_lib.tokenizer import Tokenizer
from madis_lib.vocab import Vocab

Costs = dict[str, tuple[float, float]]  # seconds, and peak memory in GB
Out = TypeVar("Out")


def run(
    preset: Preset | None = None,
    batch_size: int = 2,
    text_vocab: int | None = None,
    text_length: int = 24,
) -> Costs:
    """Seconds and peak memory (GB, all that is alive then) of each piece; prints them.

    Args:
        preset: default ``paper``.
        batch_size: clips, or sentences, of an update.
        text_vocab: rows of text embeddings, where the preset's do not fit; they cost 16 bytes a
            number in training.
        text_length: tokens of a sentence.
    """
    preset = preset or presets.paper()
    if text_vocab:
        preset = replace(preset, model=replace(preset.model, text_vocab=text_vocab))
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    costs: Costs = {}
    generator = torch.Generator().manual_seed(0)
    batch = _made_up(preset, batch_size, text_length, generator).to(device)
    frames = torch.full((batch_size,), batch.motion.shape[1], device=device)

    measure = partial(_measured, costs, device)
    tokenizer = measure("build the tokenizer", lambda: Tokenizer(preset.tokenizer).to(device), 0)
    measure(
        "tokenizer, one update",
        lambda: _update(
            tokenizer,
            lambda: tokenizer.loss(batch.motion, frames, generator)[0],
            preset.train_tokenizer,
        ),
    )
    tokenizer.eval().requires_grad_(False)
    tokenizer.zero_grad(set_to_none=True)
    decoders = [tokenizer.vqvaes[part].decode_latents for part in PARTS]

    text = preset.model.text_vocab
    vocab = Vocab(text, text - 1, text - 1, preset.tokenizer.codes)
    model = measure(
        "build the model", lambda: MaDiS(preset.model, vocab, tokenizer.codebooks()).to(device), 0
    )
    measure(
        "pretraining, one update",
        lambda: _update(
            model,
            lambda: objectives.pretraining_loss(model, decoders, batch, generator)[0],
            preset.pretrain,
        ),
    )
    measure(
        "fine-tuning, one update",
        lambda: _update(
            model,
            lambda: objectives.finetuning_loss(
                model, decoders, batch, generator, preset.method.alpha
            )[0],
            preset.finetune,
        ),
    )
    model.eval()
    model.zero_grad(set_to_none=True)
    steps = utc.steps_for(preset.model.max_tokens, preset.tokens_per_step)
    measure(
        f"generation, one sentence in {steps} steps",
        lambda: sampler.generate(model, batch.text_ids[:1], batch.text_valid[:1], steps),
    )

    parameters = sum(p.numel() for p in model.parameters())
    print(f"preset {preset.name}: {parameters:,} parameters, {text:,} text rows, ", end="")
    print(f"batch {batch_size}, {torch.get_num_threads()} threads, {device.type}")
    for name, (seconds, peak) in costs.items():
        print(f"{name:38s} {seconds:9.2f} s  {peak:7.2f} GB at most")
    return costs


def _made_up(preset: Preset, size: int, text_length: int, generator: torch.Generator) -> Batch:
    """Random sentences with random signing that fills the canvas."""
    length = preset.model.max_tokens
    return Batch(
        torch.randint(preset.model.text_vocab - 1, (size, text_length), generator=generator),
        torch.ones(size, text_length, dtype=torch.bool),
        torch.stack(
            [torch.randint(k, (size, length), generator=generator) for k in preset.tokenizer.codes],
            -1,
        ),
        torch.full((size,), length),
        torch.randn(size, FRAMES_PER_TOKEN * length, NUM_FEATURES, generator=generator),
    )


def _update(module: nn.Module, loss_of: Callable[[], Tensor], config: TrainConfig) -> None:
    """One update as ``train.fit`` makes it; FloatingPointError if its loss is not finite."""
    optimiser = torch.optim.AdamW(
        module.parameters(),
        lr=config.learning_rate,
        betas=config.betas,
        weight_decay=config.weight_decay,
    )
    module.train()
    optimiser.zero_grad(set_to_none=True)
    loss = loss_of()
    if not loss.isfinite():
        raise FloatingPointError(f"the loss is {loss.item()}")
    loss.backward()
    optimiser.step()


def _measured(
    costs: Costs, device: torch.device, name: str, work: Callable[[], Out], warm_ups: int = 1
) -> Out:
    """What ``work`` gives; enters its costs under ``name``, on a GPU after ``warm_ups``."""
    for _ in range(warm_ups if device.type == "cuda" else 0):
        work()
    _forget_peak(device)
    start = floors.now(device)
    out = work()
    costs[name] = (floors.now(device) - start, _peak(device) / 1e9)
    return out


def _forget_peak(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats()
    elif sys.platform == "linux":
        Path("/proc/self/clear_refs").write_text("5")  # the peak is now what is in use now


def _peak(device: torch.device) -> float:
    """Bytes in use at most since :func:`_forget_peak`; on a Mac since the process began."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    if sys.platform == "linux":
        status = Path("/proc/self/status").read_text().splitlines()
        return next(1024 * float(s.split()[1]) for s in status if s.startswith("VmHWM"))
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)


if __name__ == "__main__":
    run()
