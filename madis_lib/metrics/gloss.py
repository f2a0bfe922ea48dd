"""Gloss error rate: how many glosses are wrong, missing or too many.

It is the word error rate of sign recognition, on the glosses that an oracle or a recogniser reads
off a motion: 100 · (substitutions + deletions + insertions) / glosses in the references.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import NDArray

Glosses = Sequence[Hashable]


def edit_distance(a: Glosses, b: Glosses) -> int:
    """Fewest substitutions, deletions and insertions that turn ``a`` into ``b`` (Levenshtein)."""
    previous = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        row = [i]
        for j, y in enumerate(b, start=1):
            row.append(min(previous[j - 1] + (x != y), previous[j] + 1, row[-1] + 1))
        previous = row
    return previous[-1]


def gloss_error_counts(
    hypotheses: Sequence[Glosses], references: Sequence[Glosses]
) -> NDArray[np.int64]:
    """Edits and reference length of each of ``N`` sentences; ``[N, 2]``."""
    if len(hypotheses) != len(references):
        raise ValueError(f"{len(hypotheses)} hypotheses, {len(references)} references: pair them")
    rows = [(edit_distance(h, r), len(r)) for h, r in zip(hypotheses, references, strict=True)]
    return np.array(rows, np.int64).reshape(-1, 2)


def gloss_error_rate(hypotheses: Sequence[Glosses], references: Sequence[Glosses]) -> float:
    """Gloss error rate of a corpus in percent; above 100 when much is inserted."""
    edits, length = gloss_error_counts(hypotheses, references).sum(axis=0)
    if length == 0:
        raise ValueError("the references hold no gloss: an error rate needs at least one")
    return float(100 * edits / length)


def sentence_gloss_error_rates(
    hypotheses: Sequence[Glosses], references: Sequence[Glosses]
) -> NDArray[np.float64]:
    """Gloss error rate of each sentence in percent; ``[N]``.  Every reference needs a gloss."""
    edits, length = gloss_error_counts(hypotheses, references).T
    if not length.all():
        raise ValueError(f"reference {int(np.argmin(length))} is empty: leave such sentences out")
    return 100 * edits / length
