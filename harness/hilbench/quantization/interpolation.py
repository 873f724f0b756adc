"""int16 functions by interpolation in tables, exactly as TensorFlow Lite Micro has them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from hilbench.quantization.fixed_point import Int64, multiply_by_quantized_multiplier, wrap_int32

f32 = np.float32
Int16 = NDArray[np.int16]

#: Entries of the table of logistic(i / 24), in 16 fractional bits.
LOGISTIC_ENTRIES = 256
#: Steps of the tables of softmax; one entry more.
SOFTMAX_STEPS = 512
#: What a difference of -65535 stands for in the table of exponentials.
SOFTMAX_RANGE = 10.0


def logistic_table() -> Int16:
    """Table of ``unary`` (schema/image.toml): uint16 values in an int16 array.

    An entry is the function less half the error that a straight line to the next one has in the
    middle; the last is the value at which results saturate from there on.
    """

    def value(position: NDArray[np.float64]) -> NDArray[np.float64]:
        return 65536.0 / (1.0 + np.exp(-position / 24.0))

    i = np.arange(LOGISTIC_ENTRIES, dtype=np.float64)
    error = (value(i) + value(i + 1)) / 2.0 - value(i + 0.5)
    entries = np.floor(value(i) - error / 2.0 + 0.5)
    entries[-1] = 65535.0
    return entries.astype(np.uint16).view(np.int16)


def logistic(x: ArrayLike, table: Int16, multiplier: int, shift: int) -> Int64:
    """LOGISTIC of int16; the argument is ``x * multiplier >> shift`` in units of 1 / 12288."""
    scaled, magnitude, entries = _argument(x, table, multiplier, shift)
    result = np.where(magnitude >> 9 >= 255, 0x7FFF << 10, _between(entries, magnitude, 9))
    result = np.where(scaled >= 0, result + (1 << 9), (1 << 25) - result + (1 << 9) - 1)
    return result >> 10


def tanh(x: ArrayLike, table: Int16, multiplier: int, shift: int) -> Int64:
    """TANH of int16: ``2 logistic(2x) - 1``."""
    scaled, magnitude, entries = _argument(x, table, multiplier, shift)
    result = np.where(magnitude >> 8 >= 255, 0xFFFF << 8, _between(entries, magnitude, 8))
    positive = result - (1 << 23) + (1 << 7)
    result = np.where(scaled >= 0, positive, (1 << 23) - result + (1 << 7) - 1)
    return result >> 8


def _argument(
    x: ArrayLike, table: Int16, multiplier: int, shift: int
) -> tuple[Int64, Int64, Int64]:
    half = (1 << shift) >> 1
    scaled: Int64 = (np.asarray(x, np.int64) * multiplier + half) >> shift
    return scaled, np.abs(scaled), table.view(np.uint16).astype(np.int64)


def _between(entries: Int64, magnitude: Int64, bits: int) -> Int64:
    entry = np.minimum(magnitude >> bits, 254)
    low, high = entries[entry], entries[entry + 1]
    result: Int64 = (low << bits) + (magnitude & ((1 << bits) - 1)) * (high - low)
    return result


def softmax_tables() -> tuple[Int16, Int16]:
    """Tables of ``e^x`` on [-10, 0] and ``1 / (1 + x)`` on [0, 1], in Q0.15, 513 entries."""
    exponential = _softmax_table(f32(SOFTMAX_RANGE) / f32(65535), 32767, np.exp)
    reciprocal = _softmax_table(f32(1.0) / f32(65535), -32768, lambda x: 1.0 / (1.0 + x))
    return exponential, reciprocal


def _softmax_table(
    scale: np.float32, zero_point: int, function: Callable[[NDArray[np.float64]], object]
) -> Int16:
    """Entries less half the error of interpolation, in float32."""

    def value(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray(function(x.astype(np.float64))).astype(f32)

    def rounded(x: NDArray[np.float32]) -> NDArray[np.float32]:
        return (np.sign(x) * np.floor(np.abs(x) + f32(0.5))).astype(f32)

    low = f32(scale * f32(-32768 - zero_point))
    high = f32(scale * f32(32767 - zero_point))
    step = f32((high - low) / f32(SOFTMAX_STEPS))
    out_scale = f32(2.0) / f32(65535)
    per_unit = f32(65536) / f32(out_scale * f32(32767) - out_scale * f32(-32768))
    i = np.arange(SOFTMAX_STEPS).astype(f32)
    here, middle = value(low + i * step), value(low + i * step + step / f32(2))
    following = value(low + (i + f32(1)) * step)
    sample = rounded(here * per_unit)
    straight = rounded((following * per_unit + sample) / f32(2))
    bias = rounded((straight - rounded(middle * per_unit)) / f32(2))
    last = rounded(value(np.array([high], f32)) * per_unit)
    entries: Int16 = np.clip(np.concatenate([sample - bias, last]), -32768, 32767).astype(np.int16)
    return entries


def softmax_int16(
    x: ArrayLike, multiplier: int, left_shift: int, tables: tuple[NDArray[np.generic], ...]
) -> Int64:
    """Softmax of int16 over the last axis; output scale 1/32768."""
    values = np.asarray(x, np.int64)
    difference = values - values.max(axis=-1, keepdims=True)
    scaled = wrap_int32(
        multiply_by_quantized_multiplier(difference, multiplier, left_shift) + 32767
    )
    terms = _interpolated(tables[0], np.clip(scaled, -32768, 32767))
    total = terms.sum(axis=-1, keepdims=True)
    zeros = 32 - np.frexp(total.astype(np.float64))[1].astype(np.int64)
    shifted = ((total << (zeros - 1)) + (1 << 13)) >> 14
    centred = np.clip(shifted - (1 << 15) - (1 << 16), -32768, 32767)
    reciprocal = _interpolated(tables[1], centred)
    right = 31 - zeros
    result: Int64 = (terms * reciprocal + (np.int64(1) << (right - 1))) >> right
    return np.clip(result, 0, 32767)


def _interpolated(table: NDArray[np.generic], value: Int64) -> Int64:
    entries = table.astype(np.int64)
    entry = 256 + (value >> 7)
    slope = entries[entry + 1] - entries[entry]
    result: Int64 = entries[entry] + ((slope * (value & 0x7F) + 64) >> 7)
    return result
