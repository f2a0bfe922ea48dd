"""Retrieval recall R@k on a similarity matrix (MaDiS §4, SiCLIP; Table 6).

Rows are queries, columns the gallery, and a right answer of query ``i`` is column ``i``.  For
sign-to-text the rows are signs.  Recall depends on the size of the gallery: ``pool`` cuts the
matrix into consecutive square blocks and searches each on its own.

Corpora say some sentences more than once.  Given the ``texts``, every entry with the query's own
text is a right answer too: no system can tell them apart, so none should be punished for it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

KS = (1, 5, 10)  # of the R@k that are printed


def retrieval(
    similarity: ArrayLike,
    ks: Sequence[int] = KS,
    pool: int | None = None,
    texts: Sequence[str] | None = None,
) -> dict[str, float]:
    """``{"R@1": percent, ...}``, the share of queries with a right answer among the ``k`` best.

    ``similarity`` is ``[N, N]``; see :func:`retrieval_hits` for ties, ``pool`` and ``texts``.
    """
    return {f"R@{k}": 100 * float(retrieval_hits(similarity, k, pool, texts).mean()) for k in ks}


def retrieval_hits(
    similarity: ArrayLike,
    k: int,
    pool: int | None = None,
    texts: Sequence[str] | None = None,
) -> NDArray[np.float64]:
    """Chance, per query, that a right answer is among the ``k`` best: ``[N, N] -> [N]``, 0 to 1.

    It is 0 or 1 without ties.  Entries that tie are drawn in random order: where ``r`` right and
    ``t`` wrong ones share the best right score and ``g`` wrong ones are better, at least one right
    one is among the k - g drawn with chance 1 - C(t, k - g) / C(t + r, k - g).  So a constant
    matrix scores :func:`chance_hits`, not 0 or 100.

    Args:
        pool: search consecutive blocks of that many; the last may be smaller.
        texts: of the N pairs; where they are equal, each answers the other (within its pool).

    Raises:
        ValueError: not square, empty or NaN; ``k`` or ``pool`` below 1; not N texts.
    """
    similarity = np.asarray(similarity, np.float64)
    if similarity.ndim != 2 or len(similarity) == 0 or len(similarity) != similarity.shape[1]:
        raise ValueError(f"similarity has shape {similarity.shape}: give a square matrix")
    if np.isnan(similarity).any():
        raise ValueError("similarity holds NaN: check the features")
    if k < 1:
        raise ValueError(f"k is {k}: give 1 or more")
    n = len(similarity)
    size = n if pool is None else pool
    if size < 1:
        raise ValueError(f"pool is {pool}: give 1 or more, or None for the full gallery")
    if texts is not None and len(texts) != n:
        raise ValueError(f"{len(texts)} texts for {n} pairs: give one for each")
    said = np.arange(n) if texts is None else np.unique(list(texts), return_inverse=True)[1]
    hits: list[float] = []
    for start in range(0, n, size):
        block = similarity[start : start + size, start : start + size]
        label = said[start : start + size]
        right = label[:, None] == label
        best = np.where(right, block, -np.inf).max(axis=1, keepdims=True)
        better = (~right & (block > best)).sum(axis=1)
        wrong_tied = (~right & (block == best)).sum(axis=1)
        tied = (block == best).sum(axis=1)
        drawn = np.clip(k - better, 0, tied)
        hits += [  # of whole numbers, which may be larger than any float
            1 - math.comb(t, d) / math.comb(of, d)
            for t, d, of in zip(*map(np.ndarray.tolist, (wrong_tied, drawn, tied)), strict=True)
        ]
    return np.array(hits)


def chance_hits(
    n: int, k: int, pool: int | None = None, texts: Sequence[str] | None = None
) -> NDArray[np.float64]:
    """What :func:`retrieval_hits` gives who knows nothing: k of N drawn, ``[n]``."""
    return retrieval_hits(np.zeros((n, n)), k, pool, texts)
