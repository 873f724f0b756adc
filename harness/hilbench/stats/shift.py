"""How far one sample lies from another, without assumptions on their distribution.

Paired samples: Wilcoxon's signed-rank test and the Walsh averages; unpaired ones: Mann-Whitney's
test and the differences of all pairs.  The estimate is Hodges and Lehmann's in both.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike, NDArray

#: Below, p-values and ranks of intervals of samples without ties are exact.
EXACT_PAIRED, EXACT_UNPAIRED = 50, 400
#: Above, Walsh averages and pairwise differences are of a seeded subsample: n * n of them.
LARGEST = 2000


@dataclass(frozen=True)
class Shift:
    """Second sample against first: how much higher, between which bounds, and the p-value."""

    shift: float
    low: float
    high: float
    p: float


def paired_shift(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Shift:
    """Hodges-Lehmann shift of paired samples, with Wilcoxon's signed-rank test.

    Parameters
    ----------
    first, second : array_like of float, shape (n,)
        n at least 1.

    Notes
    -----
    F. Wilcoxon, Biometrics Bulletin 1 (1945) 80-83; zero differences are dropped from the test.
    J. L. Hodges and E. L. Lehmann, Annals of Mathematical Statistics 34 (1963) 598-611.
    """
    difference = np.asarray(second, np.float64) - np.asarray(first, np.float64)
    if difference.ndim != 1 or not difference.size:
        raise ValueError(f"differences of shape {difference.shape}")
    used = _thinned(difference)
    n = len(used)
    rows, columns = np.triu_indices(n)
    walsh = np.sort((used[rows] + used[columns]) / 2)
    rank = _signed_rank_quantile(n, (1 - confidence) / 2)
    low, high = _bounds(walsh, rank)
    return Shift(float(np.median(walsh)), low, high, wilcoxon_p(difference))


def unpaired_shift(first: ArrayLike, second: ArrayLike, confidence: float = 0.95) -> Shift:
    """Hodges-Lehmann shift of independent samples, with Mann-Whitney's test.

    Parameters
    ----------
    first, second : array_like of float, shapes (m,) and (n,)
        m and n at least 1.

    Notes
    -----
    H. B. Mann and D. R. Whitney, Annals of Mathematical Statistics 18 (1947) 50-60.
    """
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    if x.ndim != 1 or y.ndim != 1 or not x.size or not y.size:
        raise ValueError(f"samples of shapes {x.shape} and {y.shape}")
    used_x, used_y = _thinned(x), _thinned(y)
    pairs = np.sort((used_y[:, None] - used_x[None, :]).ravel())
    rank = _rank_sum_quantile(len(used_x), len(used_y), (1 - confidence) / 2)
    low, high = _bounds(pairs, rank)
    return Shift(float(np.median(pairs)), low, high, mann_whitney_p(x, y))


def wilcoxon_p(difference: ArrayLike) -> float:
    """Two-sided p-value of differences that are symmetric about zero; 1 when all are zero.

    Exact for up to 50 differences without ties, else by the normal approximation with the
    correction for ties and for continuity.
    """
    d = np.asarray(difference, np.float64)
    d = d[d != 0]
    n = len(d)
    if n == 0:
        return 1.0
    ranks, ties = _ranks(np.abs(d))
    above = float(ranks[d > 0].sum())
    statistic = min(above, n * (n + 1) / 2 - above)
    if n <= EXACT_PAIRED and not ties:
        counts = _signed_rank_counts(n)
        return min(1.0, float(2 * sum(counts[: int(statistic) + 1]) / 2**n))
    mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24 - ties / 48
    return _normal_p(statistic, mean, variance)


def mann_whitney_p(first: ArrayLike, second: ArrayLike) -> float:
    """Two-sided p-value of samples from one distribution.

    Exact for up to 400 pairs without ties, else by the normal approximation with the correction
    for ties and for continuity.
    """
    x, y = np.asarray(first, np.float64), np.asarray(second, np.float64)
    m, n = len(x), len(y)
    ranks, ties = _ranks(np.concatenate([x, y]))
    u = float(ranks[:m].sum()) - m * (m + 1) / 2
    statistic = min(u, m * n - u)
    if m * n <= EXACT_UNPAIRED and not ties:
        counts = _rank_sum_counts(m, n)
        return min(1.0, float(2 * sum(counts[: int(statistic) + 1]) / math.comb(m + n, m)))
    total = m + n
    variance = m * n / 12 * (total + 1 - ties / (total * (total - 1)))
    return _normal_p(statistic, m * n / 2, variance)


def _normal_p(statistic: float, mean: float, variance: float) -> float:
    if variance <= 0:
        return 1.0
    z = min(0.0, (statistic - mean + 0.5) / math.sqrt(variance))
    return min(1.0, 2 * NormalDist().cdf(z))


def _ranks(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Mid-ranks from 1, and the sum of t**3 - t over groups of t equal values."""
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    middle = last - (counts - 1) / 2
    ties = float((counts.astype(np.float64) ** 3 - counts).sum())
    return middle[inverse.ravel()], ties


def _thinned(values: NDArray[np.float64]) -> NDArray[np.float64]:
    if len(values) <= LARGEST:
        return values
    return np.random.default_rng(0).choice(values, LARGEST, replace=False)


def _bounds(ordered: NDArray[np.float64], rank: int) -> tuple[float, float]:
    """The ``rank``-th value from both ends; the extremes when the sample is too small for it."""
    return float(ordered[max(rank, 0)]), float(ordered[len(ordered) - 1 - max(rank, 0)])


def _signed_rank_quantile(n: int, tail: float) -> int:
    """Largest 0-based rank r with P(W <= r) <= tail; -1 when there is none."""
    if n <= EXACT_PAIRED:
        return _exact_quantile(_signed_rank_counts(n), 2**n, tail)
    mean, variance = n * (n + 1) / 4, n * (n + 1) * (2 * n + 1) / 24
    return math.floor(mean + NormalDist().inv_cdf(tail) * math.sqrt(variance) - 0.5)


def _rank_sum_quantile(m: int, n: int, tail: float) -> int:
    if m * n <= EXACT_UNPAIRED:
        return _exact_quantile(_rank_sum_counts(m, n), math.comb(m + n, m), tail)
    variance = m * n * (m + n + 1) / 12
    return math.floor(m * n / 2 + NormalDist().inv_cdf(tail) * math.sqrt(variance) - 0.5)


def _exact_quantile(counts: list[int], total: int, tail: float) -> int:
    cumulative, rank = 0, -1
    for value, count in enumerate(counts):
        cumulative += count
        if cumulative > tail * total:
            break
        rank = value
    return rank


def _signed_rank_counts(n: int) -> list[int]:
    """Sign patterns of n ranks for each value of the signed-rank statistic."""
    counts = [1] + [0] * (n * (n + 1) // 2)
    for rank in range(1, n + 1):
        for value in range(len(counts) - 1, rank - 1, -1):
            counts[value] += counts[value - rank]
    return counts


def _rank_sum_counts(m: int, n: int) -> list[int]:
    """Arrangements for each value of Mann and Whitney's U: coefficients of a Gaussian binomial."""
    size = m * n + 1
    counts = [1] + [0] * (size - 1)
    for k in range(1, m + 1):
        for value in range(size - 1, n + k - 1, -1):  # times (1 - q**(n + k))
            counts[value] -= counts[value - n - k]
        for value in range(k, size):  # divided by (1 - q**k)
            counts[value] += counts[value - k]
    return counts
