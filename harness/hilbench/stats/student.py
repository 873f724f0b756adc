"""Quantiles of Student's t distribution, for any positive number of degrees of freedom."""

from __future__ import annotations

import math
from statistics import NormalDist

_TINY = 1e-300
#: Beyond this the normal quantile is right to 1e-7.
_LARGE_DOF = 1e7


def student_quantile(p: float, dof: float) -> float:
    """Quantile of Student's t.

    Parameters
    ----------
    p : float
        In (0, 1).
    dof : float
        Degrees of freedom, above 0; infinity gives the normal quantile.

    Notes
    -----
    Bisection of the regularized incomplete beta function (M. Abramowitz and I. A. Stegun, 26.5.27
    and 26.5.8).
    """
    if not 0 < p < 1 or not dof > 0:
        raise ValueError(f"p = {p}, {dof} degrees of freedom")
    if dof > _LARGE_DOF:
        return NormalDist().inv_cdf(p)
    if p < 0.5:
        return -student_quantile(1 - p, dof)
    low, high = 0.0, 1.0
    while _upper_tail(high, dof) > 1 - p:
        high *= 2
    for _ in range(200):
        middle = (low + high) / 2
        if middle in (low, high):
            break
        low, high = (middle, high) if _upper_tail(middle, dof) > 1 - p else (low, middle)
    return (low + high) / 2


def _upper_tail(t: float, dof: float) -> float:
    """P(T > t), t >= 0."""
    total = dof + t * t
    return _incomplete_beta(dof / total, t * t / total, dof / 2, 0.5) / 2


def _incomplete_beta(x: float, rest: float, a: float, b: float) -> float:
    """Regularized incomplete beta function; ``rest`` is 1 - x, exact where x is close to 1."""
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1 - _incomplete_beta(rest, x, b, a)
    front = math.exp(
        math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    )
    return front * _fraction(x, a, b) / a


def _fraction(x: float, a: float, b: float) -> float:
    """Continued fraction of the incomplete beta function, by Lentz's method."""
    c, d = 1.0, 1 / _away(1 - (a + b) * x / (a + 1))
    value = d
    for m in range(1, 10_000):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _away(1 + term * d)
            c = _away(1 + term / c)
            value *= c * d
        if abs(c * d - 1) < 1e-15:
            break
    return value


def _away(value: float) -> float:
    return value if abs(value) > _TINY else _TINY
