"""Where is masked diffusion faster than a cached autoregressive decoder, and where does it turn round?

The paper reports 40 % more tokens a second than SOKE with KV caching (MaDiS §4.1), of one setting:
25 steps, one sentence at a time.  A step of masked diffusion reads all L places, a step of the
decoder one, so n steps do about n times the arithmetic of the whole decoder; but they read the
weights n times and not M times.  Where a machine waits for its memory, or for launches, that decides,
where it computes, the arithmetic does, and more sentences at once move a machine from the first to the
second.

Both have the same backbone with random weights, the same text, and write all M places; their rounds
alternate, the first is left out, ratios are medians of paired rounds with 95 % bootstrap intervals.
On a CPU it is the CPU time of one thread; on a GPU of the clock, and each is compiled and one CUDA
graph, from the first kernel to the last, whose tokens are checked.  The decoder that stops at the end of
a sentence does less: ``break-even`` is the length below which it is faster.
``madis bench crossover`` prints it.
"""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from madis_lib import fast_sampler, presets, utc
from madis_lib.experiments.provenance import processor
from madis_lib.fast_sampler import ALL, STATIC
from madis_lib.metrics import Interval
from madis_lib.model import MaDiS
from madis_lib.perf import cached_decoder, floors
from madis_lib.perf.bench_sampler import random_model, ratio
from madis_lib.perf.cuda_graph import graphed
from madis_lib.presets import ModelConfig
from madis_lib.sampler import Generated

CACHED = "cached decoder"
TOKENS_PER_STEP = (1, 2, 4, 10)
BATCHES = (1, 2, 4, 8, 16, 64)
LEVELS = {1.0: "faster", 1.4: "40 % faster"}  # the second is the paper's claim
ROUNDS = (3, 9)  # fewest and most
AGREEMENT = 0.995  # share of tokens that must be those of the call without a graph
# Not cuDNN's, which prepares every new shape for some tenths of a second: there are 151 a batch size.
ATTENTION = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
CODES = (96, 192, 192)
TEXT = 24  # tokens of a sentence


@dataclass(frozen=True)
class Row:
    """A contestant at a batch size; times of all M places of all sentences."""

    name: str
    seconds: np.ndarray  # of each round
    passes: int
    flops: float
    floor: float  # seconds, on this machine
    speed: Interval  # of the decoder's time over this one's: above 1 it is faster


def shape(name: str) -> ModelConfig:
    """The backbone called ``name``: "small" is ``quick``'s with the paper's canvas, "paper" Qwen3-0.6B."""
    if name == "paper":
        return replace(presets.paper().model, text_vocab=512, qwen3=None)
    return replace(presets.quick().model, max_tokens=presets.paper().model.max_tokens)


def contestants(config: ModelConfig) -> dict[str, int | None]:
    """Steps by name; the decoder has none."""
    paces = {f"{k} token{'s' if k > 1 else ''} a step": k for k in TOKENS_PER_STEP}
    return {CACHED: None} | {n: utc.steps_for(config.max_tokens, k) for n, k in paces.items()}


def crossing(batches: Sequence[int], speeds: Sequence[float], level: float) -> float:
    """The batch size at which a falling speed passes ``level``, on a straight line in logarithms.

    0 if it is below from the smallest on, inf if above to the largest.
    """
    if speeds[-1] >= level:
        return math.inf
    above = [i for i, s in enumerate(speeds) if s >= level]
    if not above:
        return 0.0
    i = above[-1]
    share = math.log(speeds[i] / level) / math.log(speeds[i] / speeds[i + 1])
    return float(batches[i] * (batches[i + 1] / batches[i]) ** share)


def crossover(
    slow: Mapping[int, np.ndarray], fast: Mapping[int, np.ndarray], level: float, seed: int = 0
) -> Interval:
    """:func:`crossing` of the medians of paired rounds, with its 95 % bootstrap interval.

    Args:
        slow: seconds of each round ``[n]`` by batch size, of the decoder; ``fast`` of the sampler.
    """
    batches, rng = sorted(slow), np.random.default_rng(seed)
    ratios = {b: slow[b] / fast[b] for b in batches}
    drawn = [
        crossing(
            batches, [np.median(rng.choice(ratios[b], len(ratios[b]))) for b in batches], level
        )
        for _ in range(1000)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975], method="nearest")  # some may be infinite
    whole = crossing(batches, [float(np.median(ratios[b])) for b in batches], level)
    return Interval(whole, float(low), float(high))


def checked_graph(work: Callable[[], Tensor | Generated]) -> Callable[[], Tensor | Generated]:
    """``work`` as a CUDA graph; RuntimeError unless it writes the same tokens."""
    graph = graphed(work)
    mine, right = (x if isinstance(x, Tensor) else x.codes for x in (graph(), work()))
    same = float((mine == right).all(-1).float().mean())
    if same < AGREEMENT:
        raise RuntimeError(f"a CUDA graph writes {same:.1%} of the tokens that its calls write")
    return graph


def measure(model: MaDiS, batch: int, machine: floors.Machine, budget: float) -> list[Row]:
    """The decoder, and the sampler by each number of tokens a step, with as many rounds as fit.

    Args:
        model: its backbone is both's.
        budget: seconds, of which at least the fewest rounds are taken.
    """
    config, device, dtype = model.config, model.embed.weight.device, model.embed.weight.dtype
    text = torch.randint(1, config.text_vocab, (batch, TEXT), generator=_seed()).to(device)
    on_gpu = device.type == "cuda"
    torch.compiler.reset()  # of one function eight shapes are compiled, and others silently not
    ideas = replace(STATIC, compiled=True) if on_gpu else replace(ALL, early_stop=False)
    steps = contestants(config)
    methods: dict[str, Callable[[], Tensor | Generated]] = {}
    for name, n in steps.items():
        methods[name] = partial(cached_decoder.generate, model, text, compiled=on_gpu)
        if n is not None:
            methods[name] = partial(fast_sampler.generate, model, text, None, n, ideas=ideas)
        if on_gpu:
            methods[name] = checked_graph(methods[name])
    first = sum(floors.seconds_of(method, device) for method in methods.values())  # warms up
    rounds = int(np.clip(budget / first, *ROUNDS))
    taken = np.array(
        [[floors.seconds_of(m, device) for m in methods.values()] for _ in range(rounds)]
    ).T
    rows = []
    for (name, n), seconds in zip(steps.items(), taken, strict=True):
        passes = floors.sentence(config, TEXT, n, batch, sum(CODES), torch.finfo(dtype).bits // 8)
        rows.append(
            Row(name, seconds, len(passes), sum(p.flops for p in passes),
                floors.seconds(passes, machine), ratio(taken[0], seconds))
        )  # fmt: skip
    return rows


def run(
    name: str = "small",
    batches: Sequence[int] = BATCHES,
    budget: float = 10.0,
    config: ModelConfig | None = None,
) -> dict[int, list[Row]]:
    """Rows by batch size; prints a table of each, and where the ratio passes 1 and 1.4.

    Args:
        name: of the :func:`shape`; "paper" needs a GPU.
        budget: seconds for each batch size.
        config: another backbone.

    Raises:
        ValueError: the paper's shape without a GPU.
    """
    config = config or shape(name)
    on_gpu = torch.cuda.is_available() and name == "paper"
    if name == "paper" and not on_gpu:
        raise ValueError("the paper's shape takes hours on a CPU: use a GPU, or the small shape")
    device = torch.device("cuda" if on_gpu else "cpu")
    dtype = torch.bfloat16 if on_gpu else torch.float32
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    found = {}
    try:
        machine = floors.probe(device, dtype)
        _print_head(config, machine, device, dtype)
        model = random_model(config, CODES).to(device, dtype)
        for batch in batches:
            with sdpa_kernel(ATTENTION):
                found[batch] = measure(model, batch, machine, budget)
            _print(config, batch, found[batch])
        _print_crossovers(config, found, machine, torch.finfo(dtype).bits // 8)
    finally:
        torch.set_num_threads(threads)
    return found


def roofline(
    config: ModelConfig,
    steps: int,
    batches: Sequence[int],
    machine: floors.Machine,
    number: int,
    text: int = TEXT,
) -> list[float]:
    """What the speeds would be if both reached their floors, by batch size."""

    def least(batch: int, n: int | None) -> float:
        return floors.seconds(floors.sentence(config, text, n, batch, sum(CODES), number), machine)

    return [least(b, None) / least(b, steps) for b in batches]


def _print_head(
    config: ModelConfig, machine: floors.Machine, device: torch.device, dtype: torch.dtype
) -> None:
    where = processor() if device.type == "cpu" else torch.cuda.get_device_name(device)
    print(
        f"{platform.machine()}, {where}, torch {torch.__version__}, "
        f"{torch.get_num_threads()} thread, {str(dtype).removeprefix('torch.')}"
    )
    print(
        f"seen: {machine.flops / 1e9:,.0f} GFLOP/s of a matrix product, "
        f"{machine.bandwidth / 1e9:,.1f} GB/s read"
    )
    print(
        f"{config.num_layers} layers x {config.hidden_size}, "
        f"{floors.layer_weights(config) / 1e6:.1f} M weights, M = {config.max_tokens}, {TEXT} text "
        "tokens; random weights, all places written; ms of a pass"
    )


def _print(config: ModelConfig, batch: int, rows: Sequence[Row]) -> None:
    print(
        f"\nbatch {batch}, {len(rows[0].seconds)} rounds\n{'':19s}{'passes':>7s}{'ms/pass':>9s}"
        f"{'tok/s':>9s}{'GFLOP':>9s}{'GFLOP/s':>9s}{'floor':>7s}{'x decoder':>11s}{'':16s}"
        f"{'break-even':>11s}"
    )
    for r in rows:
        s = float(np.median(r.seconds))
        even = "" if r.name == CACHED else f"{config.max_tokens / r.speed.estimate:8.0f}"
        told = f"{r.speed.estimate:11.2f} [{r.speed.low:5.2f}, {r.speed.high:5.2f}]"
        print(
            f"{r.name:19s}{r.passes:7d}{1000 * s / r.passes:9.2f}"
            f"{batch * config.max_tokens / s:9.0f}{r.flops / 1e9:9.2f}{r.flops / s / 1e9:9.1f}"
            f"{r.floor / s:7.0%}{told}{even:>11s}"
        )


def _print_crossovers(
    config: ModelConfig, found: dict[int, list[Row]], machine: floors.Machine, number: int
) -> None:
    print("\nup to which batch size, [95 % interval], and if both reached their floors here")
    seconds = {b: {r.name: r.seconds for r in rows} for b, rows in found.items()}
    slow = {b: of[CACHED] for b, of in seconds.items()}
    for name, steps in contestants(config).items():
        if steps is None:
            continue
        fast = {b: of[name] for b, of in seconds.items()}
        least = roofline(config, steps, list(found), machine, number)
        for level, told in LEVELS.items():
            x, floor = crossover(slow, fast, level), crossing(list(found), least, level)
            print(
                f"  {name:18s}{told:>12s}: {_batch(x.estimate, found):>16s} "
                f"[{_batch(x.low, found)}, {_batch(x.high, found)}]; floors: {_batch(floor, found)}"
            )


def _batch(size: float, among: Mapping[int, object]) -> str:
    """A crossing in words."""
    if size == 0:
        return f"not even at {min(among)}"
    return f"beyond {max(among)}" if math.isinf(size) else f"{size:.1f}"


def _seed() -> torch.Generator:
    return torch.Generator().manual_seed(0)


if __name__ == "__main__":
    run()
