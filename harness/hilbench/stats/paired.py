"""Two classifiers on the same vectors: McNemar's test, the interval of their difference, power.

``b`` is the number of vectors that only the first gets right, ``c`` those that only the second
gets right: all that a paired comparison of accuracies depends on, beside the number of vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray


def mcnemar_exact(b: int, c: int) -> float:
    """Two-sided exact p-value of equal accuracies.

    Parameters
    ----------
    b, c : int
        Discordant vectors, each at least 0.

    Returns
    -------
    float
        In (0, 1]; 1 when no vector is discordant.

    Notes
    -----
    Q. McNemar, Psychometrika 12 (1947) 153-157, with the binomial distribution in place of
    chi-squared: under equality each discordant vector falls to either side with probability 1/2.
    """
    if b < 0 or c < 0:
        raise ValueError(f"{b} and {c} discordant vectors")
    n = b + c
    tail = sum(math.comb(n, k) for k in range(min(b, c) + 1))
    return min(1.0, float(2 * tail / 2**n)) if n else 1.0


def paired_difference_interval(
    b: int, c: int, n: int, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Accuracy of the second minus that of the first, with its score interval.

    Parameters
    ----------
    b, c : int
        Vectors that only the first, and only the second, gets right; ``b + c <= n``.
    n : int
        Vectors, at least 1.
    confidence : float
        In (0, 1).

    Returns
    -------
    (shift, low, high) : float
        In [-1, 1].

    Notes
    -----
    T. Tango, Statistics in Medicine 17 (1998) 891-908: the differences that the score test does not
    reject.  It keeps its level where few vectors are discordant, and has a width when none is.
    """
    if b < 0 or c < 0 or n < 1 or b + c > n:
        raise ValueError(f"{b} and {c} discordant of {n} vectors")
    shift = (c - b) / n
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    low = -1.0 if b == n else _crossing(lambda d: _tango(b, c, n, d) - z, -1.0, shift)
    high = 1.0 if c == n else _crossing(lambda d: -_tango(b, c, n, d) - z, 1.0, shift)
    return shift, low, high


def _tango(b: int, c: int, n: int, difference: float) -> float:
    """Score statistic of the hypothesis that the second is better by ``difference``."""
    u = 2.0 * n
    v = -b - c + (2 * n - c + b) * difference
    w = -b * difference * (1.0 - difference)
    # constrained maximum-likelihood estimate of the probability of a `b` vector
    q = (math.sqrt(max(v * v - 4.0 * u * w, 0.0)) - v) / (2.0 * u)
    variance = n * (2.0 * q + difference * (1.0 - difference))
    distance = c - b - n * difference
    if variance <= 0.0:
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def _crossing(function: Callable[[float], float], outside: float, inside: float) -> float:
    """Where a function falls below 0 between ``outside`` (where it is above) and ``inside``."""
    if function(outside) <= 0:
        return outside
    for _ in range(60):
        middle = (outside + inside) / 2
        if function(middle) > 0:
            outside = middle
        else:
            inside = middle
    return (outside + inside) / 2


@dataclass(frozen=True)
class PairedAccuracy:
    """Accuracy of the second minus that of the first, on the same vectors.

    Attributes
    ----------
    lost, gained : int
        Vectors that only the first, and only the second, gets right.
    shift, low, high : float
        :func:`paired_difference_interval`.
    p : float
        :func:`mcnemar_exact`.
    """

    lost: int
    gained: int
    shift: float
    low: float
    high: float
    p: float


def paired_accuracy(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> PairedAccuracy:
    """Compare two classifiers by where each is right; both of shape (vectors,)."""
    lost, gained = int((first & ~second).sum()), int((second & ~first).sum())
    interval = paired_difference_interval(lost, gained, len(first))
    return PairedAccuracy(lost, gained, *interval, mcnemar_exact(lost, gained))


def vectors_to_decide(
    b: int, c: int, n: int, power: float = 0.8, level: float = 0.05
) -> int | None:
    """Vectors at which McNemar's test would see a difference such as was observed.

    Returns
    -------
    int or None
        None when no difference was observed: no number of vectors is known to be enough.

    Notes
    -----
    R. J. Connor, Biometrics 43 (1987) 207-211: the observed rates are taken for the true ones, so
    this is a guide for planning and not a promise.
    """
    if b == c:
        return None
    discordant, difference = (b + c) / n, abs(b - c) / n
    return math.ceil(_connor(discordant, difference, power, level))


def smallest_visible_difference(
    b: int, c: int, n: int, power: float = 0.8, level: float = 0.05
) -> float | None:
    """Difference of accuracies that McNemar's test sees with this power among ``n`` vectors.

    Returns
    -------
    float or None
        0 to 1, at the observed rate of discordant vectors (at least one is assumed); None when
        even if all of them fell to one side it would not be seen.
    """
    discordant = max(b + c, 1) / n
    if _connor(discordant, discordant, power, level) > n:
        return None
    low, high = 0.0, discordant
    for _ in range(60):
        middle = (low + high) / 2
        if middle > 0 and _connor(discordant, middle, power, level) <= n:
            high = middle
        else:
            low = middle
    return high


def _connor(discordant: float, difference: float, power: float, level: float) -> float:
    z_level = NormalDist().inv_cdf(1 - level / 2)
    z_power = NormalDist().inv_cdf(power)
    spread = math.sqrt(max(discordant - difference * difference, 0.0))
    return ((z_level * math.sqrt(discordant) + z_power * spread) / difference) ** 2


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for their number, in their order.

    Notes
    -----
    S. Holm, Scandinavian Journal of Statistics 6 (1979) 65-70.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, largest = [1.0] * len(p_values), 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[i]))
        adjusted[i] = largest
    return adjusted
