"""How fast is the sampler, idea by idea, and how far from the floor?

Contestants sign the same sentences and take turns; of each the CPU time of a call is kept (on one
thread what a busy machine least disturbs), the first round is left out, and ratios are medians of
paired rounds with a 95 % bootstrap interval.  The plain loop computes what the authors' release
does (:mod:`plain_loop`); each idea of :class:`fast_sampler.Ideas` is added to those before it.
Weights are those of a shipped checkpoint, in a vocabulary of the size asked for (the rows that are
added are never the best choice of a head, as heads choose among codes), or random ones.
``madis bench sampler`` prints it.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import madis_lib
from madis_lib import fast_sampler, presets, sampler, utc
from madis_lib.data import signworld
from madis_lib.experiments.provenance import processor
from madis_lib.fast_sampler import NONE, Ideas
from madis_lib.metrics import Interval
from madis_lib.model import MaDiS
from madis_lib.perf import floors, plain_loop
from madis_lib.presets import ModelConfig
from madis_lib.sampler import Generated
from madis_lib.systems.madis import MaDiSSystem, encode_texts
from madis_lib.tokenizer import Tokenizer
from madis_lib.vocab import Vocab

PLAIN, SAMPLER = "plain loop, as the release", "sampler.generate"
EXTRA = "buckets"  # an idea that is off unless asked for: it depends on the sentences
GOALS = {2_500: 1.4, 24_000: 4.0}  # times the plain loop's speed, by size of the vocabulary
Sign = Callable[[], Generated]


@dataclass(frozen=True)
class Row:
    """One contestant: milliseconds a step, and its speed against the plain loop and its forerunner."""

    name: str
    ms_per_step: float
    tokens_per_second: float  # all M places of all sentences count
    effective: float  # those before eos
    over_plain: Interval
    over_last: Interval
    gb_per_second: float
    gflops: float
    share_of_floor: float
    agreement: float  # share of the plain loop's tokens that are the same


def widened(model: MaDiS, text_size: int) -> MaDiS:
    """The same model with random rows more among its text, ``text_size`` in all."""
    old = model.vocab
    extra = text_size - old.text_size
    if extra < 0:
        raise ValueError(f"the model has {old.text_size} text rows already: give at least as many")
    vocab = replace(old, text_size=text_size)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        found = MaDiS(
            replace(model.config, text_vocab=text_size), vocab, model.fusion.codebooks
        ).to(model.embed.weight.dtype)
    state, rows = model.state_dict(), found.embed.weight.detach().clone()
    rows[: old.text_size] = model.embed.weight[: old.text_size].detach()
    rows[text_size:] = model.embed.weight[old.text_size :].detach()
    found.load_state_dict({**state, "embed.weight": rows})
    return found.eval()


def random_model(config: ModelConfig, codes: tuple[int, int, int]) -> MaDiS:
    """Random weights; sentences of it seldom end before M."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        vocab = Vocab(config.text_vocab, 0, 0, codes)
        return MaDiS(config, vocab, [torch.randn(k, 64) for k in codes]).eval()


def contestants(model: MaDiS, text_ids: Tensor, text_valid: Tensor, steps: int) -> dict[str, Sign]:
    """The plain loop, the plain sampler, and the fast one with one idea more each."""
    arguments = (model, text_ids, text_valid, steps)
    found: dict[str, Sign] = {
        PLAIN: lambda: plain_loop.generate(*arguments),
        SAMPLER: lambda: sampler.generate(*arguments),
    }
    names = [f.name for f in fields(Ideas) if f.default] + [EXTRA]
    if model.config.text_reads_signs:
        names.remove("text_once")
    ideas = NONE
    for name in names:
        ideas = replace(ideas, **{name: True})
        found[f"+ {name}"] = partial(fast_sampler.generate, *arguments, ideas=ideas)
    return found


def timed(methods: dict[str, Sign], rounds: int) -> dict[str, np.ndarray]:
    """CPU seconds of each method in each round, ``[rounds]``; one round before them is not kept."""
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds + 1):
        for name, method in methods.items():
            seconds[name].append(floors.seconds_of(method, torch.device("cpu")))
    return {name: np.array(of[1:]) for name, of in seconds.items()}


def ratio(slow: np.ndarray, fast: np.ndarray, seed: int = 0) -> Interval:
    """Median of the paired ratios of rounds ``[n]``, with its 95 % bootstrap interval."""
    ratios = slow / fast
    drawn = np.random.default_rng(seed).integers(len(ratios), size=(2000, len(ratios)))
    low, high = np.quantile(np.median(ratios[drawn], axis=1), [0.025, 0.975])
    return Interval(float(np.median(ratios)), float(low), float(high))


def same_share(found: Generated, plain: Generated) -> float:
    """Share of the plain loop's tokens, up to the ends of its sentences, that ``found`` has too."""
    inside = torch.arange(plain.codes.shape[1]) < plain.lengths[:, None].cpu()
    same = (found.codes == plain.codes).all(-1).cpu() & (
        torch.arange(plain.codes.shape[1]) < found.lengths[:, None].cpu()
    )
    return float(same[inside].float().mean())


def measure(
    model: MaDiS,
    text_ids: Tensor,
    text_valid: Tensor,
    steps: int,
    rounds: int,
    machine: floors.Machine,
) -> list[Row]:
    """Every contestant on the same sentences.

    Raises:
        ValueError: in float64 one of them signs other tokens than the plain loop.
    """
    exact = contestants(model.double(), text_ids, text_valid, steps)
    truth = exact[PLAIN]()
    for name, sign in exact.items():
        if (share := same_share(sign(), truth)) < 1 or not torch.equal(
            sign().lengths, truth.lengths
        ):
            raise ValueError(f"{name}: {share:.1%} of the plain loop's tokens in float64, not all")
    methods = contestants(model.float(), text_ids, text_valid, steps)
    out = {name: sign() for name, sign in methods.items()}
    seconds = timed(methods, rounds)
    batch, text = len(text_ids), int(text_valid.sum(1).float().mean())
    head_rows = sum(model.vocab.codes) + 3
    work = floors.step(model.config, text, batch, head_rows)
    rows, before = [], PLAIN
    for name, taken in seconds.items():
        total = float(np.median(taken))
        rows.append(
            Row(
                name,
                1000 * total / steps,
                batch * model.config.max_tokens / total,
                float(out[name].lengths.sum()) / total,
                ratio(seconds[PLAIN], taken),
                ratio(seconds[before], taken),
                work.bytes * steps / total / 1e9,
                work.flops * steps / total / 1e9,
                work.floor(machine) * steps / total,
                same_share(out[name], out[PLAIN]),
            )
        )
        before = name
    return rows


def run(
    vocabularies: Sequence[int] = (2_500, 24_000),
    batches: Sequence[int] = (1, 8),
    rounds: int = 9,
    corpus: str = "csl",
    random_size: int = 100,
) -> dict[tuple[str, int, int], list[Row]]:
    """Rows by (weights, rows of the vocabulary, sentences at once); prints a table of each.

    Args:
        vocabularies: embedding rows, text and codes together.
        corpus: whose shipped checkpoint, and whose test sentences.
        random_size: M of the model with random weights.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found = {}
    try:
        machine = floors.probe()
        print(f"{platform.machine()}, {processor()}, torch {torch.__version__}, 1 thread, float32")
        print(
            f"seen: {machine.flops / 1e9:.0f} GFLOP/s of a matrix product, "
            f"{machine.bandwidth / 1e9:.1f} GB/s read; medians of {rounds} rounds of CPU time"
        )
        trained, encode = _shipped(corpus)
        for rows in vocabularies:
            for batch in batches:
                config = ModelConfig(128, 4, 4, 2, 32, 384, random_size, rows - 481)
                random = random_model(config, (96, 192, 192))
                text = torch.randint(1, rows - 481, (batch, 64), generator=_seed())
                full = torch.ones_like(text, dtype=torch.bool)
                wide = widened(trained, rows - 1 - sum(trained.vocab.codes))
                cases = {
                    "random weights": (random, text, full),
                    f"shipped {corpus}": (wide, *encode(batch)),
                }
                for name, (model, text_ids, text_valid) in cases.items():
                    steps = utc.steps_for(model.config.max_tokens, 4)
                    found[name, rows, batch] = measure(
                        model, text_ids, text_valid, steps, rounds, machine
                    )
                    _print(name, model, batch, steps, found[name, rows, batch])
    finally:
        torch.set_num_threads(threads)
    return found


def _print(name: str, model: MaDiS, batch: int, steps: int, rows: list[Row]) -> None:
    c, size = model.config, model.vocab.size
    print(
        f"\n{name}: {c.num_layers} layers x {c.hidden_size}, M = {c.max_tokens}, {steps} steps, "
        f"{size:,} embedding rows, batch {batch}"
    )
    print(
        f"{'':28s}{'ms/step':>9s}{'tok/s':>9s}{'before eos':>11s}{'GFLOP/s':>9s}{'GB/s':>7s}"
        f"{'floor':>7s}{'x plain':>9s}{'':13s}{'x last':>8s}{'':13s}{'same tokens':>12s}"
    )
    for r in rows:
        print(
            f"{r.name:28s}{r.ms_per_step:9.2f}{r.tokens_per_second:9.0f}{r.effective:11.0f}"
            f"{r.gflops:9.1f}{r.gb_per_second:7.2f}{r.share_of_floor:7.0%}"
            f"{_cell(r.over_plain, 9)}{_cell(r.over_last, 8)}{r.agreement:12.1%}"
        )
    if (goal := GOALS.get(size)) is not None:
        fast = next(r for r in reversed(rows) if EXTRA not in r.name).over_plain
        met = "reached" if fast.estimate >= goal else "missed"
        print(
            f"goal: {goal:g} x the plain loop, {met} with {fast.estimate:.2f}, without {EXTRA}; "
            "in float64 all tokens are the same"
        )


def _cell(x: Interval, width: int) -> str:
    return f"{x.estimate:{width}.2f} [{x.low:5.2f},{x.high:5.2f}]"


def _shipped(corpus: str) -> tuple[MaDiS, Callable[[int], tuple[Tensor, Tensor]]]:
    """A shipped model, and its first so many test sentences of SignWorld as ids and validity."""
    folder = Path(madis_lib.__file__).parent / "checkpoints"
    system = MaDiSSystem.load(folder / corpus, Tokenizer.load(folder / "tokenizer.safetensors"))
    world = signworld.build(corpus, presets.laptop().corpus)
    said = [u.text for u in world.utterances("test")]
    return system.model, lambda count: encode_texts(system.text, said[:count])


def _seed() -> torch.Generator:
    return torch.Generator().manual_seed(0)


if __name__ == "__main__":
    run()
