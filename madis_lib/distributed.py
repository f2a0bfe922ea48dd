"""One training run as several processes: torchrun, DDP, and FSDP2 by a flag.

N processes compute what one computes on the same batch of B samples, up to the order of sums:

* Noise belongs to a sample, not to a process: each process draws the noise of the *whole* batch
  from the same generator and takes its own B/N rows (:meth:`World.rows`).
* Gradients are averaged over processes.  A mean over samples needs no more, as all have B/N.  A
  mean over something they have different numbers of, such as masked positions, is multiplied with
  ``N n_r / sum_r n_r`` first (:meth:`World.weight`): the average of the products is the mean over
  all.
* What is learned without a gradient, the codebooks, is learned from the latents of all processes
  (:meth:`World.gather`).
* Checkpoints hold whole tensors (:func:`whole`), so any number of processes can go on from them.

Pure functions take a :class:`World` whose default, :data:`ALONE`, does nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils._pytree import tree_map

# While the first process signs and scores, the others wait; torchrun ends them when it fails.
PATIENCE = timedelta(days=7)


@dataclass(frozen=True)
class World:
    """The processes that train together, seen from one of them."""

    rank: int = 0
    size: int = 1
    sharded: bool = False  # weights lie in pieces (FSDP2), not whole on every process (DDP)

    @property
    def first(self) -> bool:
        """Whether this is the process that writes files and tells of progress."""
        return self.rank == 0

    def rows(self, batch_size: int) -> slice:
        """This process's rows of a batch; ValueError unless all processes get as many."""
        if batch_size % self.size:
            raise ValueError(
                f"a batch of {batch_size} cannot be shared equally by {self.size} processes: "
                "start as many as divide the batch size"
            )
        share = batch_size // self.size
        return slice(self.rank * share, (self.rank + 1) * share)

    def weight(self, count: Tensor) -> float:
        """``N n_r / sum_r n_r``, the factor of a mean over ``count`` = n_r terms; 0 if all are 0."""
        if self.size == 1:
            return 1.0
        total = count.clone()
        dist.all_reduce(total)
        return self.size * int(count) / max(1, int(total))

    def mean(self, values: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The average over processes of each scalar, without gradient."""
        if self.size == 1:
            return values
        stacked = torch.stack([v.detach().double() for v in values.values()])
        dist.all_reduce(stacked)
        return dict(zip(values, (stacked / self.size).unbind(), strict=True))

    def gather(self, x: Tensor) -> Tensor:
        """The rows ``[n_r, ...]`` of all processes, in order of rank; ``[sum n_r, ...]``."""
        if self.size == 1:
            return x
        counts = x.new_empty(self.size, dtype=torch.int64)
        dist.all_gather_into_tensor(counts, counts.new_tensor([len(x)]))
        longest = int(counts.max())  # a collective wants equal shapes
        padded = x.new_zeros((longest, *x.shape[1:]))
        padded[: len(x)] = x
        everyone = [torch.empty_like(padded) for _ in range(self.size)]
        dist.all_gather(everyone, padded)
        return torch.cat([rows[:n] for rows, n in zip(everyone, counts.tolist(), strict=True)])

    def decide(self, answer: bool) -> bool:
        """The first process's answer, for all; also a point where all of them meet."""
        if self.size == 1:
            return answer
        told = torch.tensor(answer)  # not on the GPU: nothing waits for its queue
        dist.broadcast(told, 0)
        return bool(told)


ALONE = World()


def is_first() -> bool:
    """Whether this process may write files: the first of those that met, or the only one."""
    return not dist.is_initialized() or dist.get_rank() == 0


@contextmanager
def joined(sharded: bool = False) -> Iterator[World]:
    """The processes that torchrun started, for the time of a ``with``; else one alone.

    On GPUs each process takes its own (NCCL), else all share the CPU (gloo).

    Raises:
        ValueError: ``sharded`` without torchrun, or more processes than GPUs.
    """
    if not {"RANK", "WORLD_SIZE"} <= os.environ.keys():
        if sharded:
            raise ValueError(
                "--fsdp spreads the weights over processes: start them with "
                "torchrun --nproc-per-node N -m madis_lib ..."
            )
        yield ALONE
        return
    cuda = torch.cuda.is_available()
    if cuda:
        place, there = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if place >= there:
            raise ValueError(
                f"more processes than the {there} GPUs here: start one for each, or hide them with "
                "CUDA_VISIBLE_DEVICES="
            )
        torch.cuda.set_device(place)
    dist.init_process_group("cpu:gloo,cuda:nccl" if cuda else "gloo", timeout=PATIENCE)
    world = World(dist.get_rank(), dist.get_world_size(), sharded)
    yield world
    world.decide(True)  # the others wait for the first, so that all leave together
    dist.destroy_process_group()  # not after an error: torchrun ends the others


class _Step(nn.Module):
    """A loss as the forward pass of the module it trains, which is what DDP and FSDP wrap."""

    def __init__(self, module: nn.Module, loss_of: Callable) -> None:
        super().__init__()
        self.module, self.loss_of = module, loss_of

    def forward(self, *arguments: Any) -> Any:
        return self.loss_of(*arguments)


def spread(module: nn.Module, loss_of: Callable, world: World) -> Callable:
    """``loss_of``, whose backward pass averages the gradients of ``module`` over processes.

    DDP starts all processes with the first one's weights.  FSDP2 replaces the parameters of
    ``module`` by their pieces (make the optimiser after it): one group for each of the
    ``module.blocks`` it names, one for the rest.  A module that names no blocks is small and is
    replicated in either case.
    """
    blocks = getattr(module, "blocks", ())
    if world.sharded and blocks:
        from torch.distributed.fsdp import fully_shard  # slow to import

        step = _Step(module, loss_of)
        for block in blocks:
            fully_shard(block)
        fully_shard(step)
        return step
    if world.size == 1:
        return loss_of
    return DistributedDataParallel(
        _Step(module, loss_of),
        broadcast_buffers=False,  # codebooks: the same everywhere, by construction
        find_unused_parameters=True,  # pretraining does not use the mixture of parts
        gradient_as_bucket_view=True,
    )


def whole(state: Any) -> Any:
    """A state dict with its sharded tensors put together; all processes must ask."""
    return tree_map(lambda x: x.full_tensor() if _is_sharded(x) else x, state)


def _is_sharded(x: Any) -> bool:
    """Whether ``x`` is a DTensor, without importing what defines it."""
    return hasattr(x, "full_tensor")


def load_optimiser(optimiser: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a whole state dict; the moments of a sharded parameter are cut as it is."""
    weights = [p for group in optimiser.param_groups for p in group["params"]]

    def cut(value: Any, weight: Any) -> Any:
        if not _is_sharded(weight) or value.shape != weight.shape:
            return value
        from torch.distributed.tensor import distribute_tensor

        return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements)

    moments = {
        i: {name: cut(value, weights[i]) for name, value in of.items()}
        for i, of in state["state"].items()
    }
    optimiser.load_state_dict({**state, "state": moments})
