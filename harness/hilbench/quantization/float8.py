"""8-bit floating point, E4M3: one sign, four exponent and three mantissa bits, bias 7.

Micikevicius et al., "FP8 formats for deep learning" (2022), table 1: subnormals, no infinities, the
largest magnitude 448 (0x7E), NaN only where all the other bits are set (0x7F, 0xFF).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Largest finite magnitude.
MAX_FLOAT8 = 448.0
#: Code of a NaN, sign aside.
NAN_CODE = 0x7F


def float8_values() -> NDArray[np.float32]:
    """The value of each code, shape (256,)."""
    codes = np.arange(256)
    exponent, mantissa = (codes >> 3) & 15, codes & 7
    magnitude = np.where(
        exponent == 0,
        np.ldexp(mantissa / 8.0, -6),
        np.ldexp(1.0 + mantissa / 8.0, exponent - 7),
    )
    magnitude[(codes & NAN_CODE) == NAN_CODE] = np.nan
    return np.where(codes & 0x80, -magnitude, magnitude).astype(np.float32)


def to_float8(x: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Nearest code, ties to the even mantissa; magnitudes beyond 448 become 448.

    Parameters
    ----------
    x : ndarray of float32
        Finite values.
    """
    positive = float8_values()[:NAN_CODE].astype(np.float64)
    magnitude = np.minimum(np.abs(x.astype(np.float64)), MAX_FLOAT8)
    upper = np.minimum(np.searchsorted(positive, magnitude), NAN_CODE - 1)
    lower = np.maximum(upper - 1, 0)
    down, up = magnitude - positive[lower], positive[upper] - magnitude
    to_lower = (down < up) | ((down == up) & (lower % 2 == 0))
    codes = np.where(to_lower, lower, upper).astype(np.uint8)
    return np.where(np.signbit(x), codes | np.uint8(0x80), codes).astype(np.uint8)


def from_float8(codes: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Values of codes."""
    return float8_values()[codes]
