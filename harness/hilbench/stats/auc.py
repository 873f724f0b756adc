"""Area under the ROC curve, and its interval."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Auc:
    """Area under the ROC curve: 0.5 = chance, 1 = perfect.

    Attributes
    ----------
    value, low, high : float
        The area and its interval, 0 to 1.
    positives, negatives : int
        Scores of each kind.
    """

    value: float
    low: float
    high: float
    positives: int
    negatives: int


def auc(scores: NDArray[np.float64], positive: NDArray[np.bool_], confidence: float = 0.95) -> Auc:
    """Area under the ROC curve of scores, of which positives should have the higher ones.

    Parameters
    ----------
    scores : ndarray, shape (n,)
        Finite.
    positive : ndarray of bool, shape (n,)
        At least one of each kind.
    confidence : float
        In (0, 1).

    Notes
    -----
    The area is the Mann-Whitney statistic: the share of pairs (positive, negative) in which the
    positive one has the higher score; equal scores count one half.  Its variance is DeLong's
    (E. R. DeLong et al., Biometrics 44 (1988) 837-845), the interval symmetric in the logit (M. S.
    Pepe, The Statistical Evaluation of Medical Tests, 2003, section 5.2), so that it stays within
    0 and 1.  Where the variance is estimated as 0, all pairs being won (or lost), the bound is
    that of a share of ``min(positives, negatives)`` successes in as many trials (Wilson), which is
    a convention, and wide.
    """
    first, second = placements(scores, positive)
    m, n = len(first), len(second)
    value = float(first.mean())
    if value in (0.0, 1.0):
        z2 = NormalDist().inv_cdf(0.5 + confidence / 2) ** 2
        bound = min(m, n) / (min(m, n) + z2)
        return Auc(value, bound, 1.0, m, n) if value else Auc(value, 0.0, 1.0 - bound, m, n)
    deviation = math.sqrt(delong_variance(first, second))
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * deviation / (value * (1.0 - value))
    centre = math.log(value / (1.0 - value))
    return Auc(value, _logistic(centre - half), _logistic(centre + half), m, n)


def placements(
    scores: NDArray[np.float64], positive: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """DeLong's structural components.

    Returns
    -------
    first : ndarray, shape (positives,)
        For each positive the share of negatives that it exceeds.
    second : ndarray, shape (negatives,)
        For each negative the share of positives that exceed it.  Both have the area as mean.

    Raises
    ------
    ValueError
        Only one kind, or a score that is not finite.
    """
    kind = np.asarray(positive, dtype=bool)
    values = np.asarray(scores, dtype=np.float64)
    if kind.all() or not kind.any() or not np.isfinite(values).all():
        raise ValueError("finite scores of positives and of negatives are needed")
    high, low = values[kind], values[~kind]
    return _share_below(high, low), 1.0 - _share_below(low, high)


def delong_variance(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """Variance of the area from its structural components; a kind of one example adds nothing."""
    parts = [values.var(ddof=1) / len(values) for values in (first, second) if len(values) > 1]
    return float(sum(parts))


def _share_below(values: NDArray[np.float64], others: NDArray[np.float64]) -> NDArray[np.float64]:
    """For each value the share of ``others`` below it; equal ones count one half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, "left")
    up_to = np.searchsorted(ordered, values, "right")
    return np.asarray((below + up_to) / (2.0 * len(others)))


def _logistic(x: float) -> float:
    return 1.0 / (1.0 + math.exp(-x)) if x >= 0 else math.exp(x) / (1.0 + math.exp(x))


@dataclass(frozen=True)
class AucShift:
    """Area of the second scores minus that of the first, its interval, and the p-value."""

    shift: float
    low: float
    high: float
    p: float


def paired_auc(
    first: NDArray[np.float64],
    second: NDArray[np.float64],
    positive: NDArray[np.bool_],
    confidence: float = 0.95,
) -> AucShift:
    """Two models' scores of the same vectors.

    Parameters
    ----------
    first, second : ndarray, shape (n,)
        Finite, of the same vectors in the same order.
    positive : ndarray of bool, shape (n,)
        At least one of each kind.

    Notes
    -----
    E. R. DeLong et al., Biometrics 44 (1988) 837-845.  Where the variance is
    estimated as 0, p is 1: either nothing differs, or nothing can be said.
    """
    before, after = placements(first, positive), placements(second, positive)
    negatives = after[1] - before[1]
    difference = after[0] - before[0]
    shift = float(difference.mean())
    variance = delong_variance(difference, negatives)
    if variance <= 0.0:
        bound = 0.0 if shift == 0.0 else 1.0
        return AucShift(shift, -bound, bound, 1.0)
    deviation = math.sqrt(variance)
    half = NormalDist().inv_cdf(0.5 + confidence / 2) * deviation
    p = 2.0 * NormalDist().cdf(-abs(shift) / deviation)
    return AucShift(shift, max(-1.0, shift - half), min(1.0, shift + half), p)
