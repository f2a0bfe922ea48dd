"""How fast are joints and landmarks?  The library against the smplx package's whole mesh.

Both read the default body, which has the size of the real one, and get the same poses on one CPU
thread.  Times are CPU medians; the methods take turns, so a busy machine slows all alike and the
ratios stay meaningful.  The mesh work saved is why a metric over thousands of clips takes seconds.
``python -m madis_lib.perf.bench_body`` prints them.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import torch

from madis_lib import body, parts
from madis_lib.body.model import DEFAULT_FILE

TARGET = 50.0  # landmarks must be this many times faster than the mesh they are read from


def run(
    batches: tuple[int, ...] = (1, 16, 64, 256), rounds: int = 7
) -> dict[int, dict[str, float]]:
    """Frames per second of each method and their ratios, for each batch size; prints a table.

    Returns:
        ``{batch: {"smplx mesh": fps, "joints": fps, "landmarks": fps, "joints ratio": r,
        "landmarks ratio": r}}``, the ratios against the smplx mesh.

    Raises:
        ModuleNotFoundError: smplx is not installed.
        ValueError: the two disagree by more than 1e-5 m.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        results = {batch: _measure(batch, rounds) for batch in batches}
    finally:
        torch.set_num_threads(threads)
    print(f"frames per second, one CPU thread, medians of {rounds} (target: {TARGET:.0f} x)")
    print(f"{'batch':>5} {'smplx mesh':>12} {'joints':>10} {'':>7} {'landmarks':>10}")
    for batch, row in results.items():
        print(
            f"{batch:5d} {row['smplx mesh']:12,.0f} {row['joints']:10,.0f} "
            f"{row['joints ratio']:5.0f} x {row['landmarks']:10,.0f} {row['landmarks ratio']:5.0f} x"
        )
    return results


@torch.no_grad()
def _measure(batch: int, rounds: int) -> dict[str, float]:
    generator = torch.Generator().manual_seed(0)
    features = 0.3 * torch.randn(batch, parts.NUM_FEATURES, generator=generator)
    pose = parts.axis_angles(features)
    ours, mesh = body.load(DEFAULT_FILE), _smplx_mesh(pose)
    methods: dict[str, Callable[[], torch.Tensor]] = {
        "smplx mesh": mesh,
        "joints": lambda: ours.joints(pose),
        "landmarks": lambda: ours.landmarks(features)["body"],
    }
    apart = (methods["joints"]() - mesh()).abs().max().item()  # warms both up
    if apart > 1e-5:
        raise ValueError(f"joints and smplx differ by {apart:.1e} m: one of them is wrong")
    seconds: dict[str, list[float]] = {name: [] for name in methods}
    for _ in range(rounds):
        for name, method in methods.items():
            calls = 1 if name == "smplx mesh" else 10  # short calls need a longer clock
            start = time.process_time()
            for _ in range(calls):
                method()
            seconds[name].append((time.process_time() - start) / calls)
    row = {name: batch / float(np.median(times)) for name, times in seconds.items()}
    for name in ("joints", "landmarks"):
        row[f"{name} ratio"] = row[name] / row["smplx mesh"]
    return row


def _smplx_mesh(pose: torch.Tensor) -> Callable[[], torch.Tensor]:
    """A call of the smplx package on ``[N, 55, 3]`` poses; its 55 joints."""
    try:
        import smplx
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "bench body compares with the smplx package: pip install smplx (non-commercial licence)"
        ) from error
    model = smplx.create(str(DEFAULT_FILE), use_pca=False, flat_hand_mean=True)
    zeros = torch.zeros(len(pose), 10)
    arguments = {
        "betas": zeros,
        "expression": zeros,
        "global_orient": pose[:, 0],
        "body_pose": pose[:, 1:22].flatten(1),
        "jaw_pose": pose[:, 22],
        "leye_pose": pose[:, 23],
        "reye_pose": pose[:, 24],
        "left_hand_pose": pose[:, 25:40].flatten(1),
        "right_hand_pose": pose[:, 40:55].flatten(1),
    }
    return lambda: model(**arguments).joints[:, :55]


if __name__ == "__main__":
    run()
