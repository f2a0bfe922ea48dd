"""One training loop for everything that is trained here.

An update is a function of (weights, optimiser state, seed, update number) alone: which samples it
sees and all its noise are drawn from generators seeded by (seed, number).  So a run that is killed
at any moment and started again ends with the same weights (on a GPU up to the order of sums).  Several processes (``distributed``) share
the samples of an update and end with the same weights as one, up to the order of sums.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from madis_lib import distributed
from madis_lib.distributed import ALONE, World
from madis_lib.files import atomic_write
from madis_lib.presets import TrainConfig

LossFunction = Callable[[Tensor, torch.Generator, int], tuple[Tensor, dict[str, Tensor]]]
History = list[dict[str, float]]

SAVE_EVERY = 20.0  # seconds between checkpoints, which a kill can cost: for each one writing takes
LOG_POINTS = 100  # a run's history holds about this many averages
WATCH_EVERY = 10  # of these averages, where a run is watched

_until: float | None = None


class OutOfTimeError(RuntimeError):
    """Training stopped at a checkpoint because the time set by :func:`stop_at` was over."""


def stop_at(when: float | None) -> None:
    """Let all training of this process stop at the first checkpoint after ``when`` (epoch seconds)."""
    global _until
    _until = when


# Else a GPU rounds what convolutions read to 10 bits, and near ties become other tokens than on a CPU.
torch.backends.cudnn.allow_tf32 = False


def device() -> torch.device:
    """The GPU where there is one."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def on_device(*modules: nn.Module) -> Iterator[torch.device]:
    """Within, modules are on :func:`device`, which is given; then where they were."""
    before = [next(module.parameters()).device for module in modules]
    try:
        for module in modules:
            module.to(device())
        yield device()
    finally:
        for module, where in zip(modules, before, strict=True):
            module.to(where)


@contextmanager
def one_thread() -> Iterator[None]:
    """For runs that may be made side by side: on a CPU, their last bits depend on it."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def generator_for(*key: int) -> torch.Generator:
    """A generator that depends on ``key`` only."""
    state = np.random.SeedSequence(key).generate_state(1, np.uint64)[0]
    return torch.Generator().manual_seed(int(state) >> 1)


def samples_of(update: int, num_samples: int, batch_size: int, seed: int) -> Tensor:
    """Which samples an update sees: shuffled epochs laid end to end; int ``[batch_size]``."""
    first = update * batch_size
    chosen = []
    for epoch in range(first // num_samples, (first + batch_size - 1) // num_samples + 1):
        order = torch.randperm(num_samples, generator=generator_for(seed, 0, epoch))
        start = max(0, first - epoch * num_samples)
        chosen.append(order[start : first + batch_size - epoch * num_samples])
    return torch.cat(chosen)


def learning_rate(update: int, config: TrainConfig) -> float:
    """Linear warm-up, then cosine from ``learning_rate`` to ``final_learning_rate``."""
    if update < config.warmup:
        return config.learning_rate * (update + 1) / config.warmup
    done = (update - config.warmup) / max(1, config.updates - config.warmup)
    high, low = config.learning_rate, config.final_learning_rate
    return low + (high - low) * (1 + math.cos(math.pi * done)) / 2


def _load_checkpoint(path: Path, world: World) -> dict | None:
    """What was saved, or None: the same for all processes, as the first one decides."""
    saved = _read(path) if world.first else None
    if world.decide(saved is None):
        return None
    return saved if world.first else torch.load(path, weights_only=True, map_location="cpu")


def _read(path: Path) -> dict | None:
    """A checkpoint, or None where there is none; a damaged one is put aside, not written over."""
    if not path.exists():
        return None
    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except (OSError, MemoryError):  # of the machine, not of the file: it may be read next time
        raise
    except Exception as error:  # noqa: BLE001 - damaged bytes can make any step fail in any way
        aside = path.with_name(f".tmp-damaged-{path.name}")  # not among what a run has made
        path.replace(aside)
        logging.getLogger(__name__).warning(
            "%s is damaged (%s): starting this run anew; it is kept as %s", path, error, aside.name
        )
        return None


def fit(
    module: nn.Module,
    loss_of: LossFunction,
    num_samples: int,
    config: TrainConfig,
    checkpoint: Path,
    seed: int = 0,
    description: str = "training",
    world: World = ALONE,
    watch: Callable[[], Mapping[str, float]] | None = None,
) -> History:
    """Train ``module`` in place for the updates of ``config``; resume from ``checkpoint``.

    Args:
        loss_of: indices ``[B]``, a generator and the update's number to the loss and what to log.
            Each process gets the indices of the whole batch, draws the noise of all of it and
            computes the loss of its ``world.rows``.
        checkpoint: written about every 20 s (large ones: in a twentieth of the time) and at the
            end, whole; any number of processes goes on from it.
        world: the processes that train together.  Where weights are sharded they stay so:
            ``distributed.whole(module.state_dict())`` puts them together.
        watch: what to measure of the module about ten times, with nothing changed by it.

    Returns:
        averages of the loss and the logs over about a hundred stretches of the run; with what was
        watched at the end of every tenth.

    Raises:
        OutOfTimeError: the time set by :func:`stop_at` is over; the checkpoint is written.
        FloatingPointError: the loss is not finite.
        OSError: the checkpoint cannot be read; a damaged one is put aside, and the run starts anew.
        ValueError: the batch cannot be shared equally by the processes.
    """
    world.rows(config.batch_size)
    config = config.counted(num_samples)
    saved = _load_checkpoint(checkpoint, world)
    if saved:
        module.load_state_dict(saved["module"])
    loss_of = distributed.spread(module, loss_of, world)
    weights = [p for p in module.parameters() if p.requires_grad]
    optimiser = torch.optim.AdamW(
        weights, lr=config.learning_rate, betas=config.betas, weight_decay=config.weight_decay
    )
    history: History = []
    sums: dict[str, tuple[float, int]] = {}  # of the current stretch, and of how many updates
    start = 0
    if saved:
        distributed.load_optimiser(optimiser, saved["optimiser"])
        start, history, sums = saved["update"], saved["history"], saved["sums"]

    def save(update: int) -> float:
        """Write the checkpoint; the seconds it took."""
        began = time.monotonic()
        state = {
            "module": distributed.whole(module.state_dict()),
            "optimiser": distributed.whole(optimiser.state_dict()),
            "update": update,
            "history": history,
            "sums": sums,
        }
        if world.first:
            with atomic_write(checkpoint) as temporary:
                torch.save(state, temporary)
        return time.monotonic() - began

    stretch = max(1, config.updates // LOG_POINTS)
    module.train()
    saved_at, saving = time.monotonic(), 0.0
    bar = tqdm(
        range(start, config.updates), description, config.updates, initial=start, mininterval=2.0,
        disable=not world.first,
    )  # fmt: skip
    for update in bar:
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(update, config)
        indices = samples_of(update, num_samples, config.batch_size, seed)
        loss, logs = loss_of(indices, generator_for(seed, 1, update), update)
        told = world.mean({"loss": loss, **logs})
        if not told["loss"].isfinite():
            raise FloatingPointError(
                f"{description}: the loss is {told['loss'].item()} at update {update}"
            )
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if config.grad_clip is not None:
            nn.utils.clip_grad_norm_(weights, config.grad_clip)
        optimiser.step()
        for name, value in told.items():
            total, count = sums.get(name, (0.0, 0))
            sums[name] = (total + float(value.detach()), count + 1)
        if (update + 1) % stretch == 0 or update + 1 == config.updates:
            history.append({"update": update + 1, **{k: v / n for k, (v, n) in sums.items()}})
            bar.set_postfix(loss=f"{history[-1]['loss']:.3f}")
            sums = {}
            last = update + 1 == config.updates
            if watch is not None and (len(history) % WATCH_EVERY == 0 or last):
                module.eval()
                history[-1] |= watch()
                module.train()
        if world.decide(time.monotonic() - saved_at > SAVE_EVERY * max(1.0, saving)):
            saving = save(update + 1)
            saved_at = time.monotonic()
        if _until is not None and world.decide(time.time() > _until):
            save(update + 1)
            raise OutOfTimeError(f"{description}: stopped after {update + 1} updates")
    if start < config.updates:
        save(config.updates)
    module.eval()
    return history
