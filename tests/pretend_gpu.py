"""A GPU to be mistaken about: tensors that say they are on one, and refuse what one refuses.

Most of what breaks on a machine with a GPU is a tensor left on the CPU.  Within :func:`pretend_gpu` a
tensor that is sent to "cuda" stays where it is but is marked, what is computed from it is marked too,
and to mix marked and unmarked ones is an error, as it is there; so is to give a marked one to numpy.
Speed, streams, graphs and compilation are not pretended.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves

GPU, CPU = torch.device("cuda", 0), torch.device("cpu")
MOVES = {Tensor.to: None, Tensor.cpu: CPU, Tensor.cuda: GPU}
# These take tensors of both.
MIXED = (Tensor.copy_, torch._foreach_copy_, torch._has_compatible_shallow_copy_type)
TO_NUMPY = (Tensor.numpy, Tensor.__array__)
NO_SCALARS = ("cat", "stack")  # elsewhere a scalar may be on the CPU


def on_gpu(tensor: Tensor) -> bool:
    """Whether a tensor pretends to be there."""
    return getattr(tensor, "_pretends", False)


def _mark(tensor: Tensor, gpu: bool) -> Tensor:
    tensor._pretends = gpu
    return tensor


class _Mode(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if function == Tensor.device.__get__ and on_gpu(args[0]):
            return GPU
        if function == Tensor.is_cuda.__get__:
            return on_gpu(args[0])
        if function == Tensor.data.__set__:  # how modules are moved
            _mark(args[0], on_gpu(args[1]))
            return function(*args)
        if function in MOVES:
            return _moved(MOVES[function], *args, **kwargs)
        given = [x for x in tree_leaves((args, kwargs)) if isinstance(x, Tensor)]
        gpu = any(map(on_gpu, given))
        if gpu and function in TO_NUMPY:
            raise TypeError("can't convert cuda:0 device type tensor to numpy")
        if gpu and function not in MIXED:
            _check(function.__name__, args, given)
        if kwargs.get("device") is not None:
            gpu = torch.device(kwargs["device"]).type == "cuda"
            kwargs["device"] = CPU if gpu else kwargs["device"]
        if gpu and kwargs.get("generator") is not None:
            raise RuntimeError(f"{function.__name__}: expected a 'cuda' generator, found 'cpu'")
        out = function(*args, **kwargs)
        for found in tree_leaves(out):
            if isinstance(found, Tensor) and gpu:
                _mark(found, True)
        return out


def _moved(target: torch.device | None, tensor: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """``tensor.to``: a dtype, a device or both, or those of another tensor."""
    dtype = tensor.dtype
    for wanted in (*args, *kwargs.values()):
        if isinstance(wanted, torch.dtype):
            dtype = wanted
        elif isinstance(wanted, Tensor):
            target, dtype = (GPU if on_gpu(wanted) else CPU), wanted.dtype
        elif isinstance(wanted, str | torch.device):
            target = torch.device(wanted)
    gpu = on_gpu(tensor) if target is None else target.type == "cuda"
    out = tensor.to(dtype)
    if out is tensor and gpu != on_gpu(tensor):
        out = tensor.clone()
    return _mark(out, gpu)


def _check(name: str, args: Any, given: list[Tensor]) -> None:
    """RuntimeError where a GPU raises one; scalars and indices may be on the CPU."""
    if name == "__getitem__" and on_gpu(args[0]):
        return
    if name == "__setitem__" and on_gpu(args[0]):
        given = [x for x in (args[0], args[2]) if isinstance(x, Tensor)]
    if any(not on_gpu(x) and (x.dim() > 0 or name in NO_SCALARS) for x in given):
        told = ", ".join(f"{tuple(x.shape)} {'cuda' if on_gpu(x) else 'cpu'}" for x in given)
        raise RuntimeError(f"{name}: expected all tensors to be on the same device: {told}")


@contextmanager
def pretend_gpu() -> Iterator[None]:
    """Within, there is a GPU, and tensors can be sent there."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.cuda, "is_available", lambda: True)
        patch.setattr(torch.cuda, "synchronize", lambda *_: None)
        patch.setattr(torch.cuda, "current_device", lambda: 0)
        fork = torch.random.fork_rng  # of the CPU's generator alone: there is no other
        patch.setattr(torch.random, "fork_rng", lambda devices=None: fork(devices=[]))
        patch.setattr(torch.cuda, "get_device_name", lambda *_: "a pretended GPU")
        with _Mode():
            yield
