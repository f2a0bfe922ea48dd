"""SiBLEU: corpus BLEU over sign tokens (MaDiS §3.4; Papineni et al. 2002).

    BLEU = 100 · min(1, exp(1 - R/H)) · (p_1 · … · p_n) ^ (1/n)

``p_k`` is the share of the hypotheses' k-grams found in their references (each reference k-gram
used once), ``H`` and ``R`` the total lengths.  All counts are summed over the corpus first, so
:func:`sibleu_statistics` once and :func:`sibleu_from_statistics` on any choice of its rows gives
the score of any choice of sentences: what a bootstrap needs.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def sibleu(
    hypotheses: Sequence[ArrayLike], references: Sequence[ArrayLike], max_order: int = 4
) -> float:
    """SiBLEU of ``N`` token sequences against one reference each; 0 to 100 (MaDiS §3.4).

    Tokens are ids or words.  ``max_order=4`` is BLEU-4, equal to ``sacrebleu.corpus_bleu`` with
    ``tokenize="none"`` and its default exponential smoothing; ``max_order=1`` is clipped unigram
    overlap with a brevity penalty, blind to order.  One stream at a time: the score of the hands is
    the mean of the left and the right hand's.
    """
    return sibleu_from_statistics(sibleu_statistics(hypotheses, references, max_order))


def sibleu_statistics(
    hypotheses: Sequence[ArrayLike], references: Sequence[ArrayLike], max_order: int = 4
) -> NDArray[np.int64]:
    """What BLEU counts, per sentence; ``[N, 2 + 2·max_order]``.

    Columns: hypothesis length, reference length, then matches and k-grams for k = 1 to max_order.
    """
    if max_order < 1:
        raise ValueError(f"max_order is {max_order}: give 1 or more")
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses, {len(references)} references: pair them")
    if len(hypotheses) == 0:
        raise ValueError("no sentences: give at least one hypothesis and its reference")
    rows = []
    for pair in zip(hypotheses, references, strict=True):
        hypothesis, reference = map(_tokens, pair)
        row = [len(hypothesis), len(reference)]
        for order in range(1, max_order + 1):
            grams, wanted = _ngrams(hypothesis, order), _ngrams(reference, order)
            row += [(grams & wanted).total(), grams.total()]
        rows.append(row)
    return np.array(rows, np.int64)


def sibleu_from_statistics(statistics: NDArray[np.int64]) -> Any:
    """Corpus SiBLEU from rows of :func:`sibleu_statistics`: ``[N, K]`` to a number from 0 to 100, and
    ``[..., N, K]`` to an array of them.

    Exponential smoothing, as in sacrebleu: the m-th order in which nothing matched has 2^-m matches.
    BLEU is 0 where nothing matched at all, or the hypotheses have no k-gram of some order.
    """
    counts = np.sum(statistics, axis=-2)
    hypothesis_length, reference_length = counts[..., 0], counts[..., 1]
    matches, grams = counts[..., 2::2], counts[..., 3::2]
    defined = (grams > 0).all(-1) & (matches > 0).any(-1)
    missed = matches == 0
    matches = np.where(missed, 0.5 ** np.cumsum(missed, -1), matches)
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = np.log(matches / grams).mean(-1)
        brevity = np.minimum(0.0, 1 - reference_length / hypothesis_length)
        score = 100 * np.exp(shares + brevity)
    found = np.where(defined, score, 0.0)
    return found if found.ndim else float(found)


def _tokens(sequence: ArrayLike) -> list[int | str]:
    array = np.asarray(sequence)
    if array.ndim != 1:
        raise ValueError(f"a token sequence has shape {array.shape}: give one list of tokens each")
    return array.tolist()


def _ngrams(tokens: list[int | str], order: int) -> Counter[tuple[int | str, ...]]:
    return Counter(tuple(tokens[i : i + order]) for i in range(len(tokens) - order + 1))
