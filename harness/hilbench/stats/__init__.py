"""Pure statistics: intervals of proportions and quantiles."""

from hilbench.stats.intervals import median_interval, quantile_interval, wilson_interval

__all__ = ["median_interval", "quantile_interval", "wilson_interval"]
