"""Retrieval recall R@k on a similarity matrix (MaDiS §4, SiCLIP; Table 6).

Rows are queries, columns the gallery, and the right answer of query ``i`` is column ``i``.  For
sign-to-text the rows are signs.  Recall depends on the size of the gallery: ``pool`` cuts the
matrix into consecutive square blocks and searches each on its own.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def retrieval(
    similarity: ArrayLike, ks: Sequence[int] = (1, 5, 10), pool: int | None = None
) -> dict[str, float]:
    """``{"R@1": percent, ...}``, the share of queries whose answer is among the ``k`` best.

    ``similarity`` is ``[N, N]``; see :func:`retrieval_hits` for ties and ``pool``.
    """
    return {f"R@{k}": 100 * float(retrieval_hits(similarity, k, pool).mean()) for k in ks}


def retrieval_hits(similarity: ArrayLike, k: int, pool: int | None = None) -> NDArray[np.float64]:
    """Chance, per query, that its answer is among the ``k`` best: ``[N, N] -> [N]``, 0 to 1.

    It is 0 or 1 without ties.  An answer that ties with ``t`` others below ``g`` better ones takes
    each of the ranks g+1 … g+t+1 equally often, so it counts (k - g) / (t + 1) within [0, 1]: a
    constant matrix scores chance, not 0 or 100.  ``pool`` searches consecutive blocks of that many;
    the last may be smaller.
    """
    similarity = np.asarray(similarity, np.float64)
    if similarity.ndim != 2 or len(similarity) == 0 or len(similarity) != similarity.shape[1]:
        raise ValueError(f"similarity has shape {similarity.shape}: give a square matrix")
    if np.isnan(similarity).any():
        raise ValueError("similarity holds NaN: check the features")
    if k < 1:
        raise ValueError(f"k is {k}: give 1 or more")
    size = len(similarity) if pool is None else pool
    if size < 1:
        raise ValueError(f"pool is {pool}: give 1 or more, or None for the full gallery")
    hits = []
    for start in range(0, len(similarity), size):
        block = similarity[start : start + size, start : start + size]
        right = np.diagonal(block)[:, None]
        better = (block > right).sum(axis=1)
        tied = (block == right).sum(axis=1)  # itself included
        hits.append(np.clip((k - better) / tied, 0, 1))
    return np.concatenate(hits)
