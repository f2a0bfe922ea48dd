"""The least time a pass can take: bytes and FLOPs of the model against what the machine can do.

A pass through the stack reads every weight once and multiplies every weight with every token:

    FLOPs = 2 P L B + 4 L^2 (heads x head_dim) layers B + 2 d (rows of the heads) n B
    bytes = (P + rows d) x bytes of a number
    floor = max(FLOPs / FLOP/s, bytes / (bytes/s))

with P weights of the layers, L = text + M tokens, B sentences, and n places whose logits are asked.
Activations are not counted: most fit in a cache.  The floor is the plain algorithm's: a sampler
that leaves work out (``fast_sampler.open_last_layer``) has a lower one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from madis_lib.presets import ModelConfig


@dataclass(frozen=True)
class Machine:
    """What the machine was seen to do: multiply-adds as 2 FLOP, and bytes read from memory."""

    flops: float  # per second, of a large matrix product
    bandwidth: float  # bytes per second


@dataclass(frozen=True)
class Work:
    """What one pass costs."""

    flops: float
    bytes: float

    def floor(self, machine: Machine) -> float:
        """Seconds, if nothing but the tighter of the two bounds held it up."""
        return max(self.flops / machine.flops, self.bytes / machine.bandwidth)


def layer_weights(config: ModelConfig) -> int:
    """Weights of the stack's matrices, P: Qwen3-0.6B has 440.4 M."""
    d, inner = config.hidden_size, config.num_heads * config.head_dim
    keys = config.num_kv_heads * config.head_dim
    return config.num_layers * (2 * d * inner + 2 * d * keys + 3 * d * config.intermediate_size)


def step(
    config: ModelConfig, text: int, batch: int = 1, head_rows: int = 0, number: int = 4
) -> Work:
    """One denoising pass over ``text`` + M tokens.

    Args:
        head_rows: rows of the output layer that are asked at all M places; the three heads have
            the codes and an eos each, a full one the whole vocabulary.
        number: bytes of a weight; 4 is float32, 2 bfloat16.
    """
    weights, length = layer_weights(config), text + config.max_tokens
    inner = config.num_heads * config.head_dim
    attention = 4 * length**2 * inner * config.num_layers
    heads = 2 * config.hidden_size * head_rows * config.max_tokens
    flops = batch * (2 * weights * length + attention + heads)
    return Work(flops, number * (weights + head_rows * config.hidden_size))


def token(
    config: ModelConfig, context: int, batch: int = 1, head_rows: int = 0, number: int = 4
) -> Work:
    """One step of a causal decoder that has its cache: a token for each sentence.

    The weights are read for B tokens, not for B L, and the cache with them:

        FLOPs = B (2 P + 4 context (heads x head_dim) layers + 2 d (rows of the heads))
        bytes = (P + rows d + B context 2 (kv heads x head_dim) layers) x bytes of a number

    Args:
        context: tokens whose keys and values are read.
    """
    weights, inner = layer_weights(config), config.num_heads * config.head_dim
    cached = 2 * config.num_kv_heads * config.head_dim * config.num_layers  # numbers a token
    attention = 4 * context * inner * config.num_layers
    heads = head_rows * config.hidden_size
    flops = batch * (2 * weights + attention + 2 * heads)
    return Work(flops, number * (weights + heads + batch * context * cached))


def sentence(
    config: ModelConfig,
    text: int,
    steps: int | None,
    batch: int = 1,
    head_rows: int = 0,
    number: int = 4,
) -> list[Work]:
    """Every pass that M tokens of B sentences take.

    Args:
        steps: of a masked diffusion sampler; None is the cached decoder, whose pass over the text
            writes the first token and each of the others one more.
    """  # fmt: skip
    size = config.max_tokens
    if steps is not None:
        return [step(config, text, batch, head_rows, number)] * steps
    prefill = step(replace(config, max_tokens=0), text, batch, 0, number)
    each = (token(config, text + i, batch, head_rows, number) for i in range(1, size))
    return [prefill, *each]


def seconds(passes: Sequence[Work], machine: Machine) -> float:
    """The least time they take one after another."""
    return sum(work.floor(machine) for work in passes)


def probe(
    device: torch.device | None = None, dtype: torch.dtype = torch.float32, rounds: int = 20
) -> Machine:
    """What this machine does with the threads torch has: the best of ``rounds``, under a second.

    As the benchmark does, of CPU time on a CPU: give torch one thread.
    """
    device = device or torch.device("cpu")
    n = 1024 if device.type == "cpu" else 8192
    a = torch.randn(n, n, device=device, dtype=dtype)
    count = 2**25 if device.type == "cpu" else 2**30  # in no cache, and no moment to a GPU
    numbers = torch.ones(count, device=device, dtype=dtype)
    multiply = _best(lambda: a @ a, rounds, device)
    read = _best(lambda: numbers.sum(), rounds, device)
    return Machine(2 * n**3 / multiply, numbers.numel() * numbers.element_size() / read)


def _best(work: Callable[[], Tensor], rounds: int, device: torch.device) -> float:
    seconds = [seconds_of(work, device) for _ in range(rounds + 1)]
    return min(seconds[1:])  # the first one warms up


def now(device: torch.device) -> float:
    """Seconds: CPU time of all threads on a CPU, else the clock's, once all that was queued is done."""
    if device.type != "cuda":
        return time.process_time()
    torch.cuda.synchronize()
    return time.perf_counter()


def seconds_of(work: Callable[[], object], device: torch.device) -> float:
    """What a call takes, by :func:`now`."""
    start = now(device)
    work()
    return now(device) - start
