import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from madis_lib.metrics import krippendorff_alpha

_ = np.nan
# Krippendorff (2011), "Computing Krippendorff's Alpha-Reliability", example C: four observers,
# twelve units, gaps.  Interval metric: 0.849.
TEXTBOOK = [
    [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
    [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
    [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
    [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
]


def by_pairs(table):
    """The definition, pair by pair."""
    units = [[x for x in unit if not np.isnan(x)] for unit in np.transpose(table)]
    units = [unit for unit in units if len(unit) > 1]
    values = [x for unit in units for x in unit]
    n = len(values)
    observed = sum(sum((a - b) ** 2 for a in u for b in u) / (len(u) - 1) for u in units) / n
    expected = sum((a - b) ** 2 for a in values for b in values) / (n * (n - 1))
    return 1 - observed / expected


def test_the_textbook_example():
    assert round(krippendorff_alpha(TEXTBOOK), 3) == 0.849


@given(
    st.integers(2, 4),
    st.integers(2, 6),
    st.integers(0, 10**6),
)
def test_equals_the_definition(raters, units, seed):
    rng = np.random.default_rng(seed)
    table = rng.integers(1, 11, (raters, units)).astype(float)
    table[rng.random(table.shape) < 0.2] = np.nan
    paired = table[:, (~np.isnan(table)).sum(0) > 1]
    if not paired.size or np.nanmax(paired) == np.nanmin(paired):
        with pytest.raises(ValueError):
            krippendorff_alpha(table)
        return
    found = krippendorff_alpha(table)
    assert found == pytest.approx(by_pairs(table), abs=1e-9)
    assert found == pytest.approx(krippendorff_alpha(3 * table - 100), abs=1e-9)


def test_extremes():
    assert krippendorff_alpha([[1, 2, 9], [1, 2, 9]]) == 1
    assert krippendorff_alpha([[1, 10], [10, 1]]) == pytest.approx(-0.5)
    rng = np.random.default_rng(0)
    assert abs(krippendorff_alpha(rng.integers(1, 11, (5, 4000)))) < 0.02


def test_what_cannot_be_compared():
    for table, says in (
        ([1, 2], "axes"),
        ([[1, np.inf], [1, 2]], "infinity"),
        ([[1, _], [_, 2]], "no unit has two ratings"),
        ([[3, 3], [3, 3]], "all ratings are equal"),
    ):
        with pytest.raises(ValueError, match=says):
            krippendorff_alpha(table)
