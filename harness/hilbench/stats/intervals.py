"""Intervals for a proportion and for quantiles, without assumptions on the distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist


def wilson_interval(successes: int, n: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of a proportion.

    Parameters
    ----------
    successes, n : int
        0 <= successes <= n, n >= 1.
    confidence : float
        In (0, 1).

    Returns
    -------
    (low, high) : float
        In [0, 1].

    Notes
    -----
    E. B. Wilson, JASA 22 (1927) 209-212; without continuity correction.
    """
    if not 0 <= successes <= n or n < 1:
        raise ValueError(f"{successes} of {n}")
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p = successes / n
    centre = p + z * z / (2 * n)
    half = z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    return max(0.0, (centre - half) / scale), min(1.0, (centre + half) / scale)


def quantile_interval(
    values: Sequence[float], q: float, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Quantile and its order-statistic interval.

    Parameters
    ----------
    values : sequence of float
        At least one.
    q : float
        In (0, 1).
    confidence : float
        In (0, 1).

    Returns
    -------
    (estimate, low, high) : float
        The interval of two order statistics whose coverage is at least ``confidence`` by the
        binomial distribution, or the extremes when the sample is too small for it.

    Notes
    -----
    H. A. David and H. N. Nagaraja, Order Statistics, 3rd ed., section 7.1.  The estimate is the
    linear interpolation between order statistics (type 7 of Hyndman and Fan).
    """
    ordered = sorted(values)
    n = len(ordered)
    if n == 0:
        raise ValueError("no values")
    position = q * (n - 1)
    below = math.floor(position)
    above = min(below + 1, n - 1)
    estimate = ordered[below] + (position - below) * (ordered[above] - ordered[below])
    tail = (1 - confidence) / 2
    low = _binomial_rank(n, q, tail)
    high = n - 1 - _binomial_rank(n, 1 - q, tail)
    return estimate, ordered[max(low, 0)], ordered[min(high, n - 1)]


def median_interval(
    values: Sequence[float], confidence: float = 0.95
) -> tuple[float, float, float]:
    """Median and its order-statistic interval; see :func:`quantile_interval`."""
    return quantile_interval(values, 0.5, confidence)


def _binomial_rank(n: int, q: float, tail: float) -> int:
    """Largest 0-based rank r with P(Binomial(n, q) <= r) <= tail; -1 when there is none."""
    cumulative, rank = 0.0, -1
    log_q, log_p = math.log(q), math.log1p(-q)
    for k in range(n + 1):
        log_pmf = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
        cumulative += math.exp(log_pmf + k * log_q + (n - k) * log_p)
        if cumulative > tail:
            break
        rank = k
    return rank
