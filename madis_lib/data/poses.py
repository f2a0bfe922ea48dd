"""One clip of SMPL-X poses on disk: a pickle per clip, or a folder with a pickle per frame."""

from __future__ import annotations

import pickle
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from madis_lib.data import safe_pickle
from madis_lib.data.errors import DataError, MissingDataError
from madis_lib.files import atomic_write
from madis_lib.parts import (
    NUM_FEATURES,
    SMPLX_FIELDS,
    features_from_smplx,
    reduce_179,
    smplx_from_features,
)

_FRAME_NUMBER = re.compile(r"(\d+)(_3D)?\.pkl$")
_FIELD_OF_FEATURE = reduce_179(np.repeat(list(SMPLX_FIELDS), list(SMPLX_FIELDS.values())))
_EXPORT = "export the poses again"
LARGEST = 1000.0  # far beyond any angle in radians or expression coefficient


def read(places: Sequence[Path]) -> np.ndarray:
    """Features of the clip at the first of ``places`` that exists; float32 ``[T, 133]``.

    A place without its suffix: ``<place>.pkl`` holds the whole clip; a folder ``<place>/`` holds
    ``*_<k>_3D.pkl``, one per frame, taken in the order of the numbers k.  All clip files are tried
    before any folder.  MissingDataError when there is neither, DataError when arrays are missing,
    have a wrong shape or hold NaN, infinity or what is beyond :data:`LARGEST`.
    """
    files = [place.with_name(place.name + ".pkl") for place in places]
    for path in files:
        if path.is_file():
            return _read_clip(path)
    for folder in places:
        if folder.is_dir():
            return _read_frames(folder)
    others = "".join(f", nor {path}" for path in [*files[1:], *(f"{p}/" for p in places)])
    raise MissingDataError(files[0], "poses", f"no such file{others}", "put the poses there")


def write(path: Path, features: np.ndarray) -> None:
    """Write ``[T, 133]`` features as the seven arrays of a pose file; legs and shape are zero."""
    data = pickle.dumps(smplx_from_features(features), protocol=3)
    # numpy 2 names a module numpy 1 lacks; both read the older name
    data = data.replace(b"cnumpy._core.multiarray\n", b"cnumpy.core.multiarray\n", 1)
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def check_features(path: Path, features: np.ndarray, where: str = "") -> None:
    """DataError unless ``features`` are ``[T, 133]`` numbers up to :data:`LARGEST` in size.

    ``where`` names the clip.
    """
    if features.ndim != 2 or features.shape[1] != NUM_FEATURES:
        shape = list(features.shape)
        raise DataError(path, f"{where}features", f"{shape}, not [T, {NUM_FEATURES}]", _EXPORT)
    bad = np.argwhere(~(np.abs(features) <= LARGEST))  # NaN too
    if len(bad):
        frame, column = bad[0]
        problem = f"frame {frame} is {features[frame, column]}, not within ±{LARGEST:g}"
        raise DataError(path, where + _FIELD_OF_FEATURE[column], problem, _EXPORT)


def _read_clip(path: Path) -> np.ndarray:
    arrays = _arrays(path)
    frames = next(iter(arrays.values())).shape[:1]
    for field, size in SMPLX_FIELDS.items():
        if arrays[field].ndim != 2 or arrays[field].shape != (*frames, size):
            wanted = [*frames, size] if frames else ["T", size]
            raise DataError(path, field, f"{list(arrays[field].shape)}, not {wanted}", _EXPORT)
    return _features(path, arrays)


def _read_frames(folder: Path) -> np.ndarray:
    numbered = {}
    for path in folder.glob("[!.]*.pkl"):
        match = _FRAME_NUMBER.search(path.name)
        if match is None:
            raise DataError(path, "file name", "has no frame number", "name it *_<number>_3D.pkl")
        if int(match[1]) in numbered:
            raise DataError(path, "file name", f"second frame {match[1]}", "remove one of the two")
        numbered[int(match[1])] = path
    if not numbered:
        raise DataError(folder, "poses", "the folder holds no .pkl", _EXPORT)
    frames = []
    for _, path in sorted(numbered.items()):
        arrays = _arrays(path)
        for field, size in SMPLX_FIELDS.items():
            if arrays[field].size != size:
                raise DataError(path, field, f"{arrays[field].size} numbers, not {size}", _EXPORT)
        frames.append(_features(path, {k: v.reshape(1, -1) for k, v in arrays.items()}))
    return np.concatenate(frames)


def _features(path: Path, arrays: dict[str, np.ndarray]) -> np.ndarray:
    with np.errstate(over="ignore"):  # what overflows float32 is infinite, and refused
        features = features_from_smplx(arrays)
    check_features(path, features)
    return features


def _arrays(path: Path) -> dict[str, np.ndarray]:
    """The seven arrays of a pose pickle, whatever else is in it."""
    data = safe_pickle.load(path)
    if not isinstance(data, dict):
        raise DataError(path, "poses", "is no dict of arrays", _EXPORT)
    for field in SMPLX_FIELDS:
        if field not in data:
            raise DataError(path, field, "is missing", _EXPORT)
        if not isinstance(data[field], np.ndarray) or data[field].dtype.kind not in "fiu":
            raise DataError(path, field, "is no array of numbers", _EXPORT)
    return {field: data[field] for field in SMPLX_FIELDS}
