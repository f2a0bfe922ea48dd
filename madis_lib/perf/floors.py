"""The least time a pass can take: bytes and FLOPs of the model against what the machine can do.

A pass through the stack reads every weight once and multiplies every weight with every token:

    FLOPs = 2 P L B + 4 L^2 (heads x head_dim) layers B + 2 d (rows of the heads) n B
    bytes = (P + rows d) x bytes of a number
    floor = max(FLOPs / FLOP/s, bytes / (bytes/s))

with P weights of the layers, L = text + M tokens, B sentences, and n places whose logits are asked.
Activations are not counted: they fit in a cache.  The floor is the plain algorithm's: a sampler
that leaves work out (``fast_sampler.open_last_layer``) has a lower one.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

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


def probe(
    device: torch.device | None = None, dtype: torch.dtype = torch.float32, rounds: int = 20
) -> Machine:
    """What this machine does with the threads torch has: the best of ``rounds``, under a second.

    As the benchmark does, of CPU time on a CPU: give torch one thread.
    """
    device = device or torch.device("cpu")
    n = 1024 if device.type == "cpu" else 8192
    a = torch.randn(n, n, device=device, dtype=dtype)
    numbers = torch.ones(2**25, device=device, dtype=dtype)  # 128 MB in float32: in no cache
    multiply = _best(lambda: a @ a, rounds, device)
    read = _best(lambda: numbers.sum(), rounds, device)
    return Machine(2 * n**3 / multiply, numbers.numel() * numbers.element_size() / read)


def _best(work: Callable[[], Tensor], rounds: int, device: torch.device) -> float:
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    seconds = []
    for _ in range(rounds + 1):
        start = clock()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        seconds.append(clock() - start)
    return min(seconds[1:])  # the first one warms up
