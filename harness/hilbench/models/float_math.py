"""Functions of float32 arrays, operation by operation those of the engine (hb_float_math.h).

Every operation is one IEEE single-precision operation, so that both give the same bytes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Float = NDArray[np.float32]
f32 = np.float32

#: exp: argument below which the result is 0; log2(e); ln 2 in two parts; Cephes' expf polynomial.
EXP_UNDERFLOW = f32(-87.0)
LOG2_E = f32(1.44269504)
LN2_HIGH = f32(0.693359375)
LN2_LOW = f32(-2.12194440e-4)
EXP_POLYNOMIAL = tuple(
    f32(c)
    for c in (
        1.9875691500e-4,
        1.3981999507e-3,
        8.3334519073e-3,
        4.1665795894e-2,
        1.6666665459e-1,
        5.0000001201e-1,
    )
)


def exp(x: Float) -> Float:
    """``exp`` of values <= 0, within 2 ulp; below -87 it is 0.

    Argument reduction and polynomial are those of the Cephes library's ``expf``.
    """
    clipped = np.maximum(x, EXP_UNDERFLOW)
    n = np.trunc(clipped * LOG2_E - f32(0.5))
    r = clipped - n * LN2_HIGH
    r = r - n * LN2_LOW
    polynomial = np.full_like(r, EXP_POLYNOMIAL[0])
    for coefficient in EXP_POLYNOMIAL[1:]:
        polynomial = polynomial * r + coefficient
    value = (polynomial * (r * r) + r) + f32(1.0)
    scaled: Float = np.ldexp(value, n.astype(np.int32))
    result: Float = np.where(x >= EXP_UNDERFLOW, scaled, f32(0.0))
    return result


def logistic(x: Float) -> Float:
    """``1 / (1 + exp(-x))``, within 3 ulp down to -87, below which it is 0."""
    tail = exp(-np.abs(x))
    result: Float = np.where(x >= 0, f32(1.0), tail) / (f32(1.0) + tail)
    return result


#: tanh: below it the polynomial, above it the exponential; Cephes' tanhf.
TANH_SMALL = f32(0.625)
TANH_POLYNOMIAL = tuple(
    f32(c)
    for c in (
        -5.70498872745e-3,
        2.06390887954e-2,
        -5.37397155531e-2,
        1.33314422036e-1,
        -3.33332819422e-1,
    )
)


def tanh(x: Float) -> Float:
    """``tanh``, within 3 ulp; the polynomial is that of the Cephes library's ``tanhf``."""
    magnitude = np.abs(x)
    square = x * x
    polynomial = np.full_like(x, TANH_POLYNOMIAL[0])
    for coefficient in TANH_POLYNOMIAL[1:]:
        polynomial = polynomial * square + coefficient
    small = polynomial * square * x + x
    tail = exp(f32(-2.0) * magnitude)
    large = (f32(1.0) - tail) / (f32(1.0) + tail)
    return np.where(magnitude < TANH_SMALL, small, np.where(x < 0, -large, large))
