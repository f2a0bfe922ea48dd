"""The paper's metrics as formulas: arrays in, numbers out (MaDiS §3.4, §4).

======================  ==================================================================
``dtw_jpe``             distance of two motions of different length, summed metres
``procrustes_error``    distance of two poses when rotations do not count
``mpjpe_mm``            distance of two motions of equal length, millimetres
``unaligned_jpe``       the same of any lengths, one resampled and not warped, metres
``sibleu``              BLEU of sign tokens, 0 to 100
``retrieval``           R@k of a similarity matrix, percent
``gloss_error_rate``    wrong glosses, percent
``krippendorff_alpha``  agreement of raters, at most 1
``…_interval`` etc.     how far to trust any of them
======================  ==================================================================
"""

from madis_lib.metrics.agreement import krippendorff_alpha
from madis_lib.metrics.dtw import (
    accumulated_cost,
    dtw_from_cost,
    dtw_jpe,
    dtw_jpe_many,
    dtw_pairs,
    dtw_path,
    mpjpe_mm,
    pairwise_jpe,
    resample,
    unaligned_jpe,
    warping_path,
)
from madis_lib.metrics.gloss import (
    edit_distance,
    gloss_error_counts,
    gloss_error_rate,
    sentence_gloss_error_rates,
)
from madis_lib.metrics.intervals import (
    Estimate,
    Interval,
    bootstrap_draws,
    bootstrap_interval,
    bootstrap_statistic,
    holm,
    nested_estimate,
    paired_interval,
    percentile_interval,
    spearman,
    wilson_interval,
)
from madis_lib.metrics.procrustes import kabsch, procrustes_error
from madis_lib.metrics.retrieval import KS, chance_hits, retrieval, retrieval_hits
from madis_lib.metrics.sibleu import sibleu, sibleu_from_statistics, sibleu_statistics

__all__ = [
    "KS",
    "Estimate",
    "Interval",
    "accumulated_cost",
    "bootstrap_draws",
    "bootstrap_interval",
    "bootstrap_statistic",
    "chance_hits",
    "dtw_from_cost",
    "dtw_jpe",
    "dtw_jpe_many",
    "dtw_pairs",
    "dtw_path",
    "edit_distance",
    "gloss_error_counts",
    "gloss_error_rate",
    "holm",
    "kabsch",
    "krippendorff_alpha",
    "mpjpe_mm",
    "nested_estimate",
    "paired_interval",
    "pairwise_jpe",
    "percentile_interval",
    "procrustes_error",
    "resample",
    "retrieval",
    "retrieval_hits",
    "sentence_gloss_error_rates",
    "sibleu",
    "sibleu_from_statistics",
    "sibleu_statistics",
    "spearman",
    "unaligned_jpe",
    "warping_path",
    "wilson_interval",
]
