"""int8 and int16 operators on batches: exact, equal to TensorFlow Lite Micro's to the last bit.

Arrays have a leading axis of n vectors.  Sums of products are formed by BLAS in floating point,
which is exact here: every partial sum is an integer below 2**24 (float32) or 2**53 (float64).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.models.lowering import Step
from hilbench.models.windows import Window, patches, taps
from hilbench.quantization import (
    interpolation,
    multiply_by_quantized_multiplier,
    multiply_by_reduced_multiplier,
    softmax_int8,
    wrap_int32,
)
from hilbench.schema import image

Integers = NDArray[Any]  # int8 or int16
Bias = NDArray[np.int32] | NDArray[np.int64] | None

#: |data| <= 255, |weight| <= 128: so many products stay below 2**24.
_FLOAT32_EXACT_PRODUCTS = (1 << 24) // (255 * 128)


def conv_2d(
    step: Step, x: Integers, weights: Integers, bias: Bias, out_hw: tuple[int, int]
) -> Integers:
    """Convolution of (n, H, W, C) with OHWI weights."""
    assert isinstance(step.params, image.Conv)
    channels, height, width, depth = weights.shape
    shifted = x.astype(_kind(x, height * width * depth)) + step.params.input_offset
    window = Window.of_conv(step.params, (height, width), out_hw)
    matrix = weights.reshape(channels, -1).T.astype(shifted.dtype)
    blocks = []
    for block in window.row_blocks(x.shape[0] * out_hw[1] * len(matrix)):
        result = _requantize(step, patches(shifted, block) @ matrix, bias, x)
        blocks.append(result.reshape(x.shape[0], *block.output, channels))
    return np.concatenate(blocks, axis=1)


def depthwise_conv_2d(
    step: Step, x: Integers, weights: Integers, bias: Bias, out_hw: tuple[int, int]
) -> Integers:
    """Depthwise convolution of (n, H, W, C) with weights (1, h, w, C * multiplier)."""
    assert isinstance(step.params, image.Conv)
    shifted = x.astype(np.int64) + step.params.input_offset
    shifted = np.repeat(shifted, step.params.depth_multiplier, axis=-1)
    window = Window.of_conv(step.params, weights.shape[1:3], out_hw)
    accumulator = np.zeros((x.shape[0], *out_hw, weights.shape[3]), np.int64)
    for row, column, tap in taps(shifted, window):
        accumulator += tap * weights[0, row, column].astype(np.int64)
    return _requantize(step, accumulator, bias, x)


def transpose_conv(
    step: Step, x: Integers, weights: Integers, bias: Bias, out_hw: tuple[int, int]
) -> Integers:
    """Transposed convolution of (n, H, W, C) with OHWI weights."""
    assert isinstance(step.params, image.Conv)
    window = Window.of_conv(step.params, weights.shape[1:3], x.shape[1:3])
    shifted = x.astype(np.float64) + step.params.input_offset
    total = np.zeros((x.shape[0], *out_hw, weights.shape[0]), np.float64)
    for ky, from_y, to_y in window.touching(0, out_hw[0]):
        for kx, from_x, to_x in window.touching(1, out_hw[1]):
            total[:, to_y, to_x] += shifted[:, from_y, from_x] @ weights[:, ky, kx].T
    return _requantize(step, total, bias, x)


def fully_connected(step: Step, x: Integers, weights: Integers, bias: Bias) -> Integers:
    """Rows of x, (rows, I), times weights (O, I)."""
    assert isinstance(step.params, image.Conv)
    shifted = x.astype(_kind(x, weights.shape[1])) + step.params.input_offset
    return _requantize(step, shifted @ weights.T.astype(shifted.dtype), bias, x)


def average_pool_2d(step: Step, x: Integers, out_hw: tuple[int, int]) -> Integers:
    """Mean over the positions inside the input, rounded half away from zero."""
    assert isinstance(step.params, image.Pool)
    window = Window.of_pool(step.params, out_hw)
    total = np.zeros((x.shape[0], *out_hw, x.shape[3]), np.int64)
    for _, _, tap in taps(x.astype(np.int64), window):
        total += tap
    count = window.counts(x.shape[1:3])[None, :, :, None]
    mean = np.sign(total) * ((np.abs(total) + count // 2) // count)
    return _clamp(mean, step.params.act_min, step.params.act_max, x)


def max_pool_2d(step: Step, x: Integers, out_hw: tuple[int, int]) -> Integers:
    """Maximum over the positions inside the input."""
    assert isinstance(step.params, image.Pool)
    window = Window.of_pool(step.params, out_hw)
    lowest = int(np.iinfo(x.dtype).min)
    best = np.full((x.shape[0], *out_hw, x.shape[3]), lowest, np.int64)
    for _, _, tap in taps(x.astype(np.int64), window, fill=lowest):
        np.maximum(best, tap, out=best)
    return _clamp(best, step.params.act_min, step.params.act_max, x)


def softmax(step: Step, x: Integers) -> Integers:
    """Softmax over the last axis."""
    assert isinstance(step.params, image.Softmax)
    p = step.params
    if x.dtype == np.int16:
        wide = interpolation.softmax_int16(x, p.input_multiplier, p.input_left_shift, step.tables)
        return wide.astype(np.int16)
    return softmax_int8(x, p.input_multiplier, p.input_left_shift, p.diff_min).astype(np.int8)


def _kind(x: Integers, products: int) -> type[np.float32] | type[np.float64]:
    narrow = x.dtype == np.int8 and products <= _FLOAT32_EXACT_PRODUCTS
    return np.float32 if narrow else np.float64


def _requantize(step: Step, accumulator: NDArray[np.generic], bias: Bias, x: Integers) -> Integers:
    """Sums to outputs of the type of ``x``; of int16 in 64 bits, unless the bias has 32."""
    assert isinstance(step.params, image.Conv)
    assert step.multiplier is not None
    assert step.shift is not None
    p = step.params
    total = accumulator.astype(np.int64)
    wide = x.dtype == np.int16 and (bias is None or bias.dtype == np.int64)
    if bias is not None:
        total = total + bias
    if wide:
        scaled = multiply_by_reduced_multiplier(total, step.multiplier, step.shift)
    else:
        total = wrap_int32(total)
        scaled = multiply_by_quantized_multiplier(total, step.multiplier, step.shift)
    return _clamp(wrap_int32(scaled + p.output_offset), p.act_min, p.act_max, x)


def _clamp(values: NDArray[np.int64], low: int, high: int, x: Integers) -> Integers:
    """Clamped, in the type of ``x``."""
    return np.minimum(np.maximum(values, low), high).astype(x.dtype)
