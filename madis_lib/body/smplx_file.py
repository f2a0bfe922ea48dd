"""Reading an SMPL-X ``.npz`` with numpy alone; nothing in it is ever unpickled."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from madis_lib.parts import PARENTS

NUM_VERTICES = 10475
NUM_JOINTS = 55
NUM_BETAS = 10
NUM_EXPRESSION = 10
NUM_POSE_DIRS = 9 * (NUM_JOINTS - 1)
_SHAPE_SPACE, _ALL_DIRS = 300, 400  # in a full file expression starts after 300 shape directions

LICENSED_FILE_HELP = (
    "register at https://smpl-x.is.tue.mpg.de, download SMPLX_NEUTRAL.npz (its licence, like the "
    "smplx package's, is non-commercial) and set MADIS_SMPLX to it, or unset MADIS_SMPLX to use "
    "the default body"
)


@dataclass(frozen=True)
class SmplxFile:
    """The arrays of one SMPL-X model, lengths in metres; float64, the two ``dirs`` float32.

    Attributes:
        template: ``[V, 3]`` vertices at rest, mean shape.
        faces: ``[F, 3]`` int64.
        weights: ``[V, 55]`` skinning weights.
        joint_regressor: ``[55, V]``.
        shape_dirs: ``[V, 3, 20]``, 10 shape then 10 expression directions; None when all zero.
        pose_dirs: ``[V, 3, 486]`` corrections per entry of ``R_1 - I ... R_54 - I``; None when
            all zero.
        hand_mean: ``[30, 3]`` mean axis angles of the 15 left, then 15 right hand joints.
    """

    template: np.ndarray
    faces: np.ndarray
    weights: np.ndarray
    joint_regressor: np.ndarray
    shape_dirs: np.ndarray | None
    pose_dirs: np.ndarray | None
    hand_mean: np.ndarray


def read(path: str | Path) -> SmplxFile:
    """Read and check ``path``.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no npz, lacks a key, or a key has the wrong shape, kind or values.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such body model file; {LICENSED_FILE_HELP}")
    try:
        zipfile.ZipFile(path).close()  # np.load takes a file that is no zip for a pickle
        with np.load(path, allow_pickle=False) as npz:
            return _checked(npz, path)
    except (zipfile.BadZipFile, EOFError) as error:
        raise ValueError(f"{path}: not a readable npz ({error}); {LICENSED_FILE_HELP}") from error


def _checked(npz: np.lib.npyio.NpzFile, path: Path) -> SmplxFile:
    def fail(key: str, problem: str) -> ValueError:
        return ValueError(
            f"{path}: {key}: {problem}, so this is not an SMPL-X model; {LICENSED_FILE_HELP}"
        )

    def array(key: str, *shape: int | None, dtype: type = np.float64) -> np.ndarray:
        if key not in npz.files:
            raise fail(key, "missing")
        try:
            value = npz[key]
        except (ValueError, zipfile.BadZipFile, zlib.error) as error:
            raise fail(key, f"unreadable ({error})") from error
        if value.dtype.kind not in "fiu":
            raise fail(key, f"holds {value.dtype}, not numbers")
        fits = len(value.shape) == len(shape) and all(
            want in (None, got) for want, got in zip(shape, value.shape, strict=True)
        )
        if not fits:
            wanted = ", ".join("any" if want is None else str(want) for want in shape)
            raise fail(key, f"has shape {list(value.shape)} where [{wanted}] is needed")
        if not value.any():  # NaN counts as any; this spares the default body's zero directions
            return np.zeros(value.shape, dtype)
        if value.dtype.kind == "f" and not np.isfinite(value).all():
            raise fail(key, "holds NaN or infinity")
        return value.astype(dtype)

    tree = array("kintree_table", 2, NUM_JOINTS, dtype=np.int64)
    if tree[0, 1:].tolist() != PARENTS[1:]:
        raise fail("kintree_table", "is another skeleton than SMPL-X's 55 joints")
    faces = array("f", None, 3, dtype=np.int64)
    if len(faces) == 0 or faces.min() < 0 or faces.max() >= NUM_VERTICES:
        raise fail("f", f"is empty or has a vertex outside 0..{NUM_VERTICES - 1}")
    weights = array("weights", NUM_VERTICES, NUM_JOINTS)
    if abs(weights.sum(1) - 1).max() > 1e-2:
        raise fail("weights", "has rows that do not sum to 1")
    shape_dirs = array("shapedirs", NUM_VERTICES, 3, None, dtype=np.float32)
    found = shape_dirs.shape[2]
    if found < NUM_BETAS + NUM_EXPRESSION:
        raise fail("shapedirs", f"has {found} directions where 20 or more are needed")
    first = _SHAPE_SPACE if found >= _ALL_DIRS else NUM_BETAS
    columns = np.r_[:NUM_BETAS, first : first + NUM_EXPRESSION]
    pose_dirs = array("posedirs", NUM_VERTICES, 3, NUM_POSE_DIRS, dtype=np.float32)
    hand_mean = np.stack([array("hands_meanl", 45), array("hands_meanr", 45)])
    return SmplxFile(
        template=array("v_template", NUM_VERTICES, 3),
        faces=faces,
        weights=weights,
        joint_regressor=array("J_regressor", NUM_JOINTS, NUM_VERTICES),
        shape_dirs=_unless_zero(shape_dirs[:, :, columns]),
        pose_dirs=_unless_zero(pose_dirs),
        hand_mean=hand_mean.reshape(30, 3),
    )


def _unless_zero(directions: np.ndarray) -> np.ndarray | None:
    return directions if directions.any() else None
