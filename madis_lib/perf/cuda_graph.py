"""All kernels of a call as one CUDA graph: the host hands over the whole loop at once.

A step of a small batch is some hundred kernels of a few microseconds each, which a GPU runs faster
than Python can ask for them.  A graph needs the same shapes and addresses in every call, and that
nothing in between waits for the device: :data:`fast_sampler.STATIC`, and the cached decoder.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

import torch

Out = TypeVar("Out")
WARM_UPS = 3  # before the capture: libraries make their workspaces, and caches fill


def graphed(work: Callable[[], Out]) -> Callable[[], Out]:
    """``work`` as a graph.  Each call returns the same tensors, filled anew.

    What ``work`` reads it finds where it was: to sign another batch, copy it into the same tensors.

    Raises:
        RuntimeError: there is no GPU, or something in ``work`` waits for it.
    """
    side = torch.cuda.Stream()  # a capture must not meet what was queued before it
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UPS):
            work()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = work()

    return partial(_replay, graph, out, work)


def _replay(graph: torch.cuda.CUDAGraph, out: Out, work: object) -> Out:
    """``work`` is only held, for the tensors that its kernels read."""
    graph.replay()
    return out
