"""Statistics of measurements: plain numbers in, plain numbers out."""

from __future__ import annotations

from hilbench.stats.auc import Auc, AucShift, auc, paired_auc
from hilbench.stats.intervals import median_interval, quantile_interval, wilson_interval
from hilbench.stats.paired import (
    PairedAccuracy,
    holm,
    mcnemar_exact,
    paired_accuracy,
    paired_difference_interval,
    smallest_visible_difference,
    vectors_to_decide,
)
from hilbench.stats.shift import Shift, mann_whitney_p, paired_shift, unpaired_shift, wilcoxon_p
from hilbench.stats.student import student_quantile

__all__ = [
    "Auc",
    "AucShift",
    "PairedAccuracy",
    "Shift",
    "auc",
    "holm",
    "mann_whitney_p",
    "mcnemar_exact",
    "median_interval",
    "paired_accuracy",
    "paired_auc",
    "paired_difference_interval",
    "paired_shift",
    "quantile_interval",
    "smallest_visible_difference",
    "student_quantile",
    "unpaired_shift",
    "vectors_to_decide",
    "wilcoxon_p",
    "wilson_interval",
]
