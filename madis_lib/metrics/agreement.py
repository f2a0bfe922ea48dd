"""Do raters agree?  Krippendorff's alpha."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike


def krippendorff_alpha(ratings: ArrayLike) -> float:
    """Krippendorff's alpha of ``[raters, units]`` with the interval metric; NaN is "not rated".

    α = 1 - D_o / D_e, where D_o is the mean squared difference of two ratings of the *same* unit
    and D_e that of any two ratings::

        D_o = 1/n Σ_u 1/(m_u - 1) Σ_{i≠j in u} (x_i - x_j)²     D_e = 1/(n(n-1)) Σ_{i≠j} (x_i - x_j)²

    with m_u ratings of unit u and n in all; units rated once cannot be paired and do not count.
    1 is agreement, 0 what ratings dealt out at random would give, below 0 worse than that.

    Raises:
        ValueError: another shape, infinity, no unit with two ratings, or all ratings equal.
    """
    table = np.asarray(ratings, np.float64)
    if table.ndim != 2:
        raise ValueError(f"ratings have {table.ndim} axes: give [raters, units]")
    if np.isinf(table).any():
        raise ValueError("ratings hold infinity: use NaN where there is no rating")
    table = table[:, (~np.isnan(table)).sum(0) > 1]
    if not table.size:
        raise ValueError("no unit has two ratings: agreement needs pairs")
    table = table - np.nanmean(table)  # alpha does not change; the sums below lose no digits
    per_unit = (~np.isnan(table)).sum(0)
    n = per_unit.sum()
    # Σ_{i≠j} (x_i - x_j)² = 2 (m Σ x² - (Σ x)²)
    within = 2 * (per_unit * np.nansum(table**2, 0) - np.nansum(table, 0) ** 2)
    expected = 2 * (n * np.nansum(table**2) - np.nansum(table) ** 2) / (n * (n - 1))
    if np.nanmax(table) == np.nanmin(table):
        raise ValueError("all ratings are equal: agreement needs a difference to agree on")
    return float(1 - (within / (per_unit - 1)).sum() / n / expected)
