"""The int8 softmax: exponential and reciprocal in 32-bit fixed point.

The method is gemmlowp's: ``exp`` of a negative number by a Taylor polynomial on [-1/4, 0) and one
multiplication for each higher bit of the argument; the reciprocal by three Newton-Raphson steps.
Raw values are int64 arrays; ``Qn`` below means n integer bits, 31 - n fractional bits.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from hilbench.quantization.fixed_point import (
    INT32_MAX,
    Int64,
    rounding_right_shift,
    saturating_left_shift,
)
from hilbench.quantization.fixed_point import saturating_rounding_doubling_high_mul as mul

DIFF_INTEGER_BITS = 5
SUM_INTEGER_BITS = 12

# exp(-2**k) in Q0 for k = -2 .. 4, exp(-1/8) and 1/3 in Q0.
_EXP_OF_BIT = (1672461947, 1302514674, 790015084, 290630308, 39332535, 720401, 242)
_EXP_MINUS_EIGHTH = 1895147668
_THIRD = 715827883

# 48/17 and -32/17 in Q2: the best linear start of Newton's reciprocal on [1/2, 1].
_RECIPROCAL_START = 1515870810
_RECIPROCAL_SLOPE = -1010580540


def exp_on_negative_values(raw: ArrayLike, integer_bits: int = DIFF_INTEGER_BITS) -> Int64:
    """``exp(x)`` in Q0 of ``x <= 0`` with 4 or 5 integer bits."""
    x = np.asarray(raw, dtype=np.int64)
    fraction_bits = 31 - integer_bits
    quarter = 1 << (fraction_bits - 2)
    low = (x & (quarter - 1)) - quarter
    result = _exp_below_quarter(saturating_left_shift(low, integer_bits))
    remainder = low - x
    for bit, factor in enumerate(_EXP_OF_BIT[: integer_bits + 2], start=fraction_bits - 2):
        result = np.where(remainder & (1 << bit), mul(result, factor), result)
    return np.where(x == 0, INT32_MAX, result)


def _exp_below_quarter(raw: Int64) -> Int64:
    """``exp`` in Q0 of [-1/4, 0) in Q0: Taylor's series about -1/8 up to the fourth power."""
    x = raw + (1 << 28)
    x2 = mul(x, x)
    x3 = mul(x2, x)
    x4 = mul(x2, x2)
    tail = mul(rounding_right_shift(x4, 2) + x3, _THIRD) + x2
    return _EXP_MINUS_EIGHTH + mul(_EXP_MINUS_EIGHTH, x + rounding_right_shift(tail, 1))


def reciprocal_of_one_plus(raw: ArrayLike) -> Int64:
    """``1 / (1 + x)`` in Q0 of ``0 <= x < 1`` in Q0."""
    return saturating_left_shift(newton_reciprocal(raw), 1)


def newton_reciprocal(raw: ArrayLike) -> Int64:
    """``2 / (1 + x)`` in Q2 of ``0 <= x < 1`` in Q0."""
    half_denominator = (np.asarray(raw, dtype=np.int64) + INT32_MAX + 1) >> 1
    x = _RECIPROCAL_START + mul(half_denominator, _RECIPROCAL_SLOPE)
    for _ in range(3):
        error = (1 << 29) - mul(half_denominator, x)
        x = x + saturating_left_shift(mul(x, error), 2)
    return x


def softmax_int8(q: ArrayLike, multiplier: int, left_shift: int, diff_min: int) -> Int64:
    """Softmax over the last axis; output scale 1/256, zero point -128.

    Parameters
    ----------
    q : array_like of int
        int8 values, shape (..., classes).
    multiplier, left_shift, diff_min : int
        From :func:`hilbench.quantization.softmax_scaling`.

    Returns
    -------
    ndarray of int64
        int8 values, same shape.
    """
    values = np.asarray(q, dtype=np.int64)
    difference = values - values.max(axis=-1, keepdims=True)
    counts = difference >= diff_min
    scaled = mul(np.where(counts, difference, 0) << left_shift, multiplier)
    exponential = exp_on_negative_values(scaled)
    terms = rounding_right_shift(exponential, SUM_INTEGER_BITS)
    total = np.where(counts, terms, 0).sum(axis=-1, keepdims=True)
    leading_zeros = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    scale = reciprocal_of_one_plus((total << leading_zeros) - (1 << 31))
    exponent = (SUM_INTEGER_BITS - leading_zeros) + 31 - 8
    result = rounding_right_shift(mul(scale, exponential), exponent) - 128
    return np.where(counts, np.clip(result, -128, 127), -128)
