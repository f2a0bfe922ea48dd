"""Procrustes alignment: what a joint error is when rotations do not count.

The paper leaves it out because "it will align rotation before computing joint errors" (MaDiS §4).
For two sets of points X, Y ``[J, 3]`` the rigid motion that brings X closest to Y is::

    R, t = argmin  sum_j |R x_j + t - y_j|^2
    X' Y'^T = sum_j (x_j - mean x)(y_j - mean y)^T = U S V^T          singular value decomposition
    R = V diag(1, 1, det(V U^T)) U^T,    t = mean y - R mean x        (Kabsch 1976)

The determinant keeps R a rotation: a hand is never turned into its mirror image.  There is no
scale: all clips here have the same bones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]


def kabsch(points: ArrayLike, targets: ArrayLike) -> Floats:
    """The rotations R that turn centred ``points`` closest to centred ``targets``.

    ``[..., J, 3], [..., J, 3] -> [..., 3, 3]``.  ValueError for shapes that differ or are none.
    """
    x, y = _centred(points, targets)
    u, _, vt = np.linalg.svd(np.swapaxes(x, -1, -2) @ y)
    v, ut = np.swapaxes(vt, -1, -2), np.swapaxes(u, -1, -2)
    v[..., :, 2] *= np.sign(np.linalg.det(v @ ut))[..., None]
    return v @ ut


def procrustes_error(points: ArrayLike, targets: ArrayLike) -> Floats:
    """Mean joint distance after rigid alignment, in the points' unit; ``[..., J, 3] -> [...]``."""
    x, y = _centred(points, targets)
    turned = x @ np.swapaxes(kabsch(x, y), -1, -2)
    return np.linalg.norm(turned - y, axis=-1).mean(axis=-1)


def _centred(points: ArrayLike, targets: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(points, np.float64), np.asarray(targets, np.float64)
    if x.shape != y.shape or x.ndim < 2 or x.shape[-1] != 3 or x.size == 0:
        raise ValueError(f"points {x.shape}, targets {y.shape}: give the same [..., joints, 3]")
    return x - x.mean(axis=-2, keepdims=True), y - y.mean(axis=-2, keepdims=True)
