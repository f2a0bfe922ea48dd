"""Mean and spread of the 133 features, and the normalisation made of them (MaDiS §3.1)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from madis_lib.data.errors import DataError, MissingDataError
from madis_lib.files import atomic_write
from madis_lib.parts import NUM_FEATURES, SMPLX_FIELDS, Array, reduce_179

_NUM_SMPLX = sum(SMPLX_FIELDS.values())  # 179
_CONSTANT = 1e-5  # a feature that varies less is left at its scale instead of being blown up
_ZERO = 1e-8


def divisor(std: Array) -> Array:
    """What features are divided by: ``std``, and 1 where it is 0, so that they are only centred."""
    return std + (std < _ZERO)


@dataclass(frozen=True, eq=False)
class Stats:
    """Mean and standard deviation of each feature; float32 ``[133]`` each."""

    mean: np.ndarray
    std: np.ndarray

    def __post_init__(self) -> None:
        for name in ("mean", "std"):
            values = np.asarray(getattr(self, name), np.float32)
            if values.shape != (NUM_FEATURES,) or not np.isfinite(values).all():
                raise ValueError(f"{name}: {NUM_FEATURES} finite numbers are needed")
            object.__setattr__(self, name, values)
        if (self.std < 0).any():
            raise ValueError("std: a standard deviation is negative")

    def normalise(self, features: np.ndarray) -> np.ndarray:
        """``(x - mean) / std``; ``[..., 133]``.  As ``Tokenizer.normalise``: see :func:`divisor`."""
        return (features - self.mean) / divisor(self.std)

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with any of the numbers."""
        raw = b"".join(v.astype("<f4").tobytes() for v in (self.mean, self.std))
        return hashlib.sha256(raw).hexdigest()[:16]

    def save(self, path: str | Path) -> None:
        """Write one ``.safetensors`` file, or ``mean.pt`` and ``std.pt`` (179 each) into a folder.

        In the long vectors what features lack has mean 0 and standard deviation 1.
        """
        path = Path(path)
        if path.suffix == ".safetensors":
            with atomic_write(path) as temporary:
                save_file({"mean": self.mean, "std": self.std}, temporary)
            return
        kept = reduce_179(np.arange(_NUM_SMPLX))
        for name, values, rest in (("mean", self.mean, 0.0), ("std", self.std, 1.0)):
            vector = torch.full((_NUM_SMPLX,), rest)
            vector[kept] = torch.from_numpy(values)
            with atomic_write(path / f"{name}.pt") as temporary:
                torch.save(vector, temporary)


def compute(clips: Iterable[np.ndarray], floor: float = 0.0) -> Stats:
    """Statistics over all frames of ``[T, 133]`` clips (those of the training splits).

    Sums are float64.  A feature that never moves gets standard deviation 1, one that moves less
    than ``floor`` (radians, or expression units) gets ``floor``, so that noise is not blown up.
    """
    count, mean, squares = 0, np.zeros(NUM_FEATURES), np.zeros(NUM_FEATURES)
    for clip in clips:
        x = np.asarray(clip, np.float64)
        if len(x) == 0:
            continue
        # merge the clip's own mean and squared deviations (Chan et al.): no large sums cancel
        total = count + len(x)
        shift = x.mean(0) - mean
        squares += ((x - x.mean(0)) ** 2).sum(0) + shift**2 * (count * len(x) / total)
        mean += shift * (len(x) / total)
        count = total
    if not count:
        raise ValueError("statistics of no clips: read a training split first")
    std = np.sqrt(squares / count)
    return Stats(mean, np.where(std < _CONSTANT, 1.0, np.maximum(std, floor)))


def load(path: str | Path) -> Stats:
    """Read what :meth:`Stats.save` wrote, or the authors' folder with ``mean.pt`` and ``std.pt``.

    Long vectors (179) are cut to the 133 features.  MissingDataError when a file is not there,
    DataError when it holds something else.
    """
    path = Path(path)
    if path.suffix == ".safetensors":
        vectors = _load_safetensors(path)
    else:
        vectors = {name: _load_pt(path / f"{name}.pt") for name in ("mean", "std")}
    try:
        return Stats(vectors["mean"], vectors["std"])
    except ValueError as error:
        raise DataError(path, "statistics", str(error), "compute them again") from error


def _load_safetensors(path: Path) -> dict[str, np.ndarray]:
    _exists(path)
    try:
        vectors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise DataError(path, "file", f"not readable ({error})", "compute it again") from error
    for name in ("mean", "std"):
        if name not in vectors:
            raise DataError(path, name, "is missing", "compute it again")
    return vectors


def _load_pt(path: Path) -> np.ndarray:
    _exists(path)
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever is wrong with a file that should hold one tensor
        kind = type(error).__name__
        problem = f"no plain tensor, or one of other things besides ({kind})"
        raise DataError(path, "file", problem, "save a tensor with torch.save") from error
    usual = isinstance(values, torch.Tensor) and values.layout == torch.strided
    usual = usual and values.is_floating_point() and values.device.type == "cpu"
    if not usual or values.numel() not in (_NUM_SMPLX, NUM_FEATURES):
        raise DataError(path, "tensor", f"not {_NUM_SMPLX} numbers", "use the corpus's own file")
    vector = values.detach().float().reshape(-1).numpy()
    return reduce_179(vector) if len(vector) == _NUM_SMPLX else vector


def _exists(path: Path) -> None:
    if not path.is_file():
        raise MissingDataError(path, "statistics", "no such file", "put it there or compute it")
