"""Pure statistics: intervals of proportions and quantiles."""

from hilbench.stats.auc import Auc, auc
from hilbench.stats.intervals import median_interval, quantile_interval, wilson_interval

__all__ = ["Auc", "auc", "median_interval", "quantile_interval", "wilson_interval"]
