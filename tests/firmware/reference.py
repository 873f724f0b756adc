"""Operators of the engine, written down as plainly as possible: one output at a time, Python's
unbounded integers, numpy float32 scalars in the order that the kernels promise."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

Int8 = NDArray[np.int8]
Float = NDArray[np.float32]


def half_away(value: Fraction) -> int:
    """Nearest integer, ties away from zero."""
    floor = int(abs(value) + Fraction(1, 2))
    return floor if value >= 0 else -floor


def requantize(acc: int, multiplier: int, shift: int) -> int:
    """Double rounding: Q31 product to nearest (ties up), then 2^-right to nearest (ties away)."""
    left, right = max(shift, 0), max(-shift, 0)
    high = (((acc << left) * multiplier) + (1 << 30)) >> 31
    return half_away(Fraction(high, 1 << right))


def same_or_valid(size: int, extent: int, stride: int, same: bool) -> tuple[int, int]:
    """Output size and padding in front (TensorFlow's definition)."""
    if not same:
        return (size - extent) // stride + 1, 0
    out = -(-size // stride)
    return out, max((out - 1) * stride + extent - size, 0) // 2


def taps(
    at: tuple[int, int],
    size: tuple[int, int],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    dilation: tuple[int, int],
    pad: tuple[int, int],
) -> Iterator[tuple[int, int, int, int]]:
    """(filter row, filter column, input row, input column) inside the input, in order."""
    for ky in range(kernel[0]):
        for kx in range(kernel[1]):
            y = at[0] * stride[0] - pad[0] + ky * dilation[0]
            x = at[1] * stride[1] - pad[1] + kx * dilation[1]
            if 0 <= y < size[0] and 0 <= x < size[1]:
                yield ky, kx, y, x
