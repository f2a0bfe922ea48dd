"""What one process and two are compared on; two run this file: ``python -m tests.distributed.cases``."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from madis_lib import distributed, train
from madis_lib.distributed import ALONE, World
from madis_lib.presets import TrainConfig

ROOT = Path(__file__).parents[2]
CONFIG = TrainConfig(updates=6, batch_size=4, learning_rate=1e-3, warmup=2, grad_clip=1.0)
STOP = 3  # updates before a run is cut
SAMPLES = 10


def toy(world: World):
    """A mean over masked places, of which samples have different numbers; noise for each sample."""
    torch.manual_seed(world.rank)  # DDP makes the first process's weights everybody's
    module = nn.Linear(3, 1)
    g = torch.Generator().manual_seed(1)
    x, masked = torch.randn(SAMPLES, 5, 3, generator=g), torch.rand(SAMPLES, 5, generator=g) < 0.5
    masked[::3] = False

    def loss_of(indices, generator, update):
        noise = torch.randn(len(indices), 5, generator=generator)
        mine = world.rows(len(indices))
        here, noise = masked[indices[mine]], noise[mine]
        error = (module(x[indices[mine]])[..., 0] - 1 + noise).square()[here]
        loss = world.weight(here.sum()) * (error.mean() if here.any() else error.sum())
        return loss, {"per sample": noise.mean()}

    return module, loss_of


def tokenizer(world: World):
    """Three VQ-VAEs on clips of different lengths: two updates without the codes, then with."""
    from madis_lib.presets import TokenizerConfig
    from madis_lib.tokenizer import Tokenizer

    torch.manual_seed(0)
    module = Tokenizer(TokenizerConfig((8, 6, 6), 16, 8, depth=2, decay=0.5))
    module.train_with(world)
    g = torch.Generator().manual_seed(1)
    features = torch.randn(SAMPLES, 32, 133, generator=g)
    lengths = torch.tensor([32, 32, 28, 16, 32, 8, 4, 12, 20, 32])

    def loss_of(indices, generator, update):
        mine = indices[world.rows(len(indices))]
        if update < 2:
            return module.autoencoder_loss(features[mine], lengths[mine])
        return module.loss(features[mine], lengths[mine], generator)

    return module, loss_of


def pretrain(world: World):
    return _madis(world, "pretraining_loss")


def finetune(world: World):
    return _madis(world, "finetuning_loss")


def _madis(world: World, loss: str):
    from madis_lib import objectives
    from tests.tiny import small_model

    module = small_model()
    g = torch.Generator().manual_seed(2)
    lengths = torch.tensor([9, 7, 3, 1, 9, 2, 5, 4, 8, 6])
    data = objectives.Batch(
        text_ids=torch.randint(1, 20, (SAMPLES, 6), generator=g),
        text_valid=torch.arange(6) < torch.randint(2, 7, (SAMPLES, 1), generator=g),
        codes=torch.randint(0, 5, (SAMPLES, 9, 3), generator=g),
        lengths=lengths,
        motion=torch.randn(SAMPLES, 36, 133, generator=g),
    )
    maps = [torch.randn(16, 4 * d, generator=g) / 4 for d in (43, 45, 45)]
    decoders = [lambda h, _, w=w: (h @ w).reshape(len(h), -1, w.shape[1] // 4) for w in maps]

    def loss_of(indices, generator, update):
        batch = objectives.Batch(*(x[indices] for x in vars(data).values()))
        return getattr(objectives, loss)(module, decoders, batch, generator, world=world)

    return module, loss_of


CASES = {f.__name__: f for f in (toy, tokenizer, pretrain, finetune)}


def fit(case: str, world: World, checkpoint: Path, stop: int | None = None) -> dict | None:
    """Whole weights and history of a run; None when it is cut after ``stop`` updates."""
    module, loss_of = CASES[case](world)

    def cut(indices, generator, update):
        if update == stop:
            raise KeyboardInterrupt
        return loss_of(indices, generator, update)

    usual, train.SAVE_EVERY = train.SAVE_EVERY, -1.0  # a checkpoint after every update
    try:
        history = train.fit(module, cut, SAMPLES, CONFIG, checkpoint, seed=3, world=world)
    except KeyboardInterrupt:
        return None
    finally:
        train.SAVE_EVERY = usual
    state = module.state_dict()
    assert any(hasattr(x, "full_tensor") for x in state.values()) == world.sharded
    return {"weights": distributed.whole(state), "history": history}


def alone(case: str, folder: Path) -> None:
    """One process: a whole run, and one that is cut."""
    torch.save(fit(case, ALONE, folder / f"{case}-one.pt"), folder / f"{case}-one.out")
    fit(case, ALONE, folder / f"{case}-one-cut.pt", STOP)


def together(case: str, world: World, folder: Path) -> None:
    """Several processes: two whole runs, one that goes on where :func:`alone` was cut, one cut."""
    name = f"{case}-fsdp" if world.sharded else case
    if world.first:
        shutil.copy(folder / f"{case}-one-cut.pt", folder / f"{name}-resumed.pt")
    world.decide(True)
    for run in ("two", "again", "resumed"):
        found = fit(case, world, folder / f"{name}-{run}.pt")
        if world.first:
            torch.save(found, folder / f"{name}-{run}.out")
    fit(case, world, folder / f"{name}-two-cut.pt", STOP)


def start(processes: int, *arguments: object) -> None:
    """Run this file as so many processes, as torchrun would, and wait."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = os.environ | {
        "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "WORLD_SIZE": str(processes),
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port),
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.distributed.cases", *map(str, arguments)]
    started = [
        subprocess.Popen(
            command, cwd=ROOT, env=env | {"RANK": str(r), "LOCAL_RANK": str(r)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for r in range(processes)
    ]  # fmt: skip
    try:
        said = [process.communicate(timeout=600)[0] for process in started]
    finally:
        for process in started:
            process.kill()
    assert not any(process.returncode for process in started), "\n".join(said)


def main() -> None:
    folder, *cases = sys.argv[1:]
    torch.set_num_threads(1)
    with distributed.joined() as world:
        for name in cases:
            case, _, sharded = name.partition("-")
            together(case, replace(world, sharded=bool(sharded)), Path(folder))


if __name__ == "__main__":
    main()
