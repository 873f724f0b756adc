"""Fixed-point primitives on int64 arrays that hold int32 values.

The results are those of the 32-bit originals: every function says which C operation it equals.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

Int64 = NDArray[np.int64]

INT32_MIN = -(1 << 31)
INT32_MAX = (1 << 31) - 1


def wrap_int32(x: ArrayLike) -> Int64:
    """``x`` reduced modulo 2**32 into the int32 range, as 32-bit registers do."""
    wide = np.asarray(x, dtype=np.int64)
    return ((wide + (1 << 31)) & 0xFFFFFFFF) - (1 << 31)


def saturating_rounding_doubling_high_mul(a: ArrayLike, b: ArrayLike) -> Int64:
    """High word of ``2 * a * b``, rounded to nearest, ties up; ARM's SQRDMULH.

    Parameters
    ----------
    a, b : array_like of int
        Values in the int32 range; broadcast together.

    Returns
    -------
    ndarray of int64
        ``floor((a * b + 2**30) / 2**31)``, saturated: only ``INT32_MIN * INT32_MIN`` saturates.

    Notes
    -----
    gemmlowp writes it with a sign-dependent nudge and a truncating division, which is the same
    number: with ``ab = -k``, ``-floor((k + 2**30 - 1) / 2**31) = floor((2**30 - k) / 2**31)``.
    """
    product = np.asarray(a, dtype=np.int64) * np.asarray(b, dtype=np.int64)
    high: Int64 = (product + (1 << 30)) >> 31
    return np.minimum(high, INT32_MAX)


def rounding_right_shift(x: ArrayLike, exponent: ArrayLike) -> Int64:
    """``x / 2**exponent``, rounded to nearest, ties away from zero.

    Parameters
    ----------
    x : array_like of int
        Values in the int32 range.
    exponent : array_like of int
        0 to 31; broadcast with ``x``.
    """
    value = np.asarray(x, dtype=np.int64)
    shift = np.asarray(exponent, dtype=np.int64)
    half = (np.int64(1) << shift) >> 1
    # A tie of a negative value goes down: one less to add.  With exponent 0 nothing is added.
    return (value + half - ((value < 0) & (half > 0))) >> shift


def multiply_by_quantized_multiplier(
    x: ArrayLike, multiplier: ArrayLike, shift: ArrayLike
) -> Int64:
    """``x * multiplier * 2**(shift - 31)``, rounded twice.

    Parameters
    ----------
    x : array_like of int
        Accumulators in the int32 range.
    multiplier : array_like of int
        Q31 significands, 0 to 2**31 - 1; broadcast with ``x`` (one per output channel).
    shift : array_like of int
        Positive = left (before the multiplication, modulo 2**32), negative = right; -31 to 31.
    """
    exponent = np.asarray(shift, dtype=np.int64)
    value = np.asarray(x, dtype=np.int64)
    if np.any(exponent > 0):
        value = wrap_int32(value << np.maximum(exponent, 0))
    high = saturating_rounding_doubling_high_mul(value, multiplier)
    return rounding_right_shift(high, np.maximum(-exponent, 0))


def multiply_by_reduced_multiplier(x: ArrayLike, multiplier: ArrayLike, shift: ArrayLike) -> Int64:
    """``x * multiplier * 2**(shift - 31)`` of 64-bit accumulators, the multiplier cut to 16 bits.

    What int16 kernels with int64 accumulators do: one rounding, to nearest, ties up.

    Parameters
    ----------
    x : array_like of int
        Accumulators, ``-2**47`` to ``2**47 - 1``.
    multiplier : array_like of int
        Q31 significands, 0 to 2**31 - 1; broadcast with ``x``.
    shift : array_like of int
        Positive = left; -31 to 7.
    """
    wide = np.asarray(multiplier, dtype=np.int64)
    reduced = np.where(wide < 0x7FFF0000, (wide + (1 << 15)) >> 16, 0x7FFF)
    total = 15 - np.asarray(shift, dtype=np.int64)
    product = np.asarray(x, dtype=np.int64) * reduced + (np.int64(1) << (total - 1))
    return wrap_int32(product >> total)


def saturating_left_shift(x: ArrayLike, exponent: int) -> Int64:
    """``x * 2**exponent`` saturated to int32; ``exponent`` 0 to 31."""
    shifted: Int64 = np.asarray(x, dtype=np.int64) << exponent
    return np.minimum(np.maximum(shifted, INT32_MIN), INT32_MAX)
