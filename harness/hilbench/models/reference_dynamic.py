"""Dynamic-range operators on batches: float32 data, quantized on the fly, times int8 weights.

A row is what shares a scale: a whole image of a convolution, the inputs of one output row of a
fully connected layer.  As LiteRT's portable kernels compute it, in this order of float32
operations: symmetric rows ``sum * (row scale * weight scale)``; convolutions with a zero point
``(sum * weight scale) * row scale``, depthwise ones ``sum * (weight scale * row scale)``; then the
bias, then the clamp.  Weights in blocks add each block's term in float32, in order.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.models.lowering import Step
from hilbench.models.reference_float import clamp
from hilbench.models.windows import Window, patches, taps
from hilbench.schema import image

Float = NDArray[np.float32]
Int8 = NDArray[np.int8]
f32 = np.float32


def quantize_rows(
    rows: Float, symmetric: bool
) -> tuple[NDArray[np.int32], Float, NDArray[np.int32]]:
    """Each row of (n, elements) as int8 values, its scale and its zero point.

    Symmetric: ``scale = max|x| / 127``.  Else the range is widened to hold 0, and the zero point is
    the nearest integer to the one that either end of the range asks for, whichever has the smaller
    rounding error (TensorFlow Lite's nudged zero point); these steps are in float64.
    """
    if symmetric:
        largest = np.abs(rows).max(axis=1)
        quiet = largest == 0
        divisor = np.where(quiet, f32(1), largest)
        scale = np.where(quiet, f32(1), divisor / f32(127)).astype(f32)
        factor = np.where(quiet, f32(0), f32(127) / divisor).astype(f32)
        values = np.clip(_round(rows * factor[:, None]), -127, 127)
        return values, scale, np.zeros(len(rows), np.int32)
    low = np.minimum(rows.min(axis=1), 0).astype(np.float64)
    high = np.maximum(rows.max(axis=1), 0).astype(np.float64)
    quiet = low == high
    step = np.where(quiet, 1.0, (high - low) / 255.0)
    from_low, from_high = -128.0 - low / step, 127.0 - high / step
    low_error, high_error = 128.0 + np.abs(low / step), 127.0 + np.abs(high / step)
    wanted = np.where(low_error < high_error, from_low, from_high)
    zero = np.where(quiet, 0, np.clip(_round(wanted), -128, 127)).astype(np.int32)
    scale = step.astype(f32)
    factor = np.where(quiet, f32(0), f32(1) / scale).astype(f32)
    shifted = zero.astype(f32)[:, None] + rows * factor[:, None]
    return np.clip(_round(shifted), -128, 127), scale, zero


def conv_2d(
    step: Step, x: Float, weights: Int8, bias: Float | None, out_hw: tuple[int, int]
) -> Float:
    """Convolution of (n, H, W, C) with OHWI weights."""
    assert isinstance(step.params, image.Conv)
    shifted, scale = _shifted(step, x)
    channels, height, width, _ = weights.shape
    window = Window.of_conv(step.params, (height, width), out_hw)
    matrix = weights.reshape(channels, -1).T.astype(np.float64)
    blocks = []
    for block in window.row_blocks(x.shape[0] * out_hw[1] * len(matrix)):
        total = (patches(shifted.astype(np.float64), block) @ matrix).astype(np.int32)
        blocks.append(total.reshape(x.shape[0], *block.output, channels))
    total = np.concatenate(blocks, axis=1).astype(f32)
    weight_scale = _weight_scale(step)
    row_scale = scale[:, None, None, None]
    if step.flags & image.OpFlag.DYNAMIC_ASYMMETRIC:
        return _finish(step, (total * weight_scale) * row_scale, bias)
    return _finish(step, total * (row_scale * weight_scale), bias)


def depthwise_conv_2d(
    step: Step, x: Float, weights: Int8, bias: Float | None, out_hw: tuple[int, int]
) -> Float:
    """Depthwise convolution with weights (1, h, w, C * multiplier)."""
    assert isinstance(step.params, image.Conv)
    shifted, scale = _shifted(step, x)
    spread = np.repeat(shifted, step.params.depth_multiplier, axis=-1)
    window = Window.of_conv(step.params, weights.shape[1:3], out_hw)
    total = np.zeros((x.shape[0], *out_hw, weights.shape[3]), np.int32)
    for row, column, tap in taps(spread, window):
        total += tap * weights[0, row, column].astype(np.int32)
    factor = _weight_scale(step) * scale[:, None, None, None]
    return _finish(step, total.astype(f32) * factor, bias)


def fully_connected(step: Step, x: Float, weights: Int8, bias: Float | None) -> Float:
    """Rows of x, (rows, I), times weights (O, I)."""
    assert step.scales is not None
    shifted, scale = _shifted(step, x)
    blocks = step.scales.shape[1]
    size = weights.shape[1] // blocks
    result = np.full((len(x), len(weights)), f32(-0.0))  # unlike 0.0, it changes no term
    for block in range(blocks):
        part = slice(block * size, (block + 1) * size)
        total = shifted[:, part].astype(np.float64) @ weights[:, part].T.astype(np.float64)
        result += total.astype(f32) * (scale[:, None] * step.scales[:, block])
    return _finish(step, result, bias)


def _shifted(step: Step, x: Float) -> tuple[NDArray[np.int32], Float]:
    """Quantized data minus its zero point, and the scale of each row."""
    symmetric = bool(step.flags & image.OpFlag.DYNAMIC_SYMMETRIC)
    values, scale, zero = quantize_rows(x.reshape(len(x), -1), symmetric)
    return (values - zero[:, None]).reshape(x.shape), scale


def _weight_scale(step: Step) -> Float:
    assert step.scales is not None
    return step.scales[:, 0]


def _finish(step: Step, total: Float, bias: Float | None) -> Float:
    assert isinstance(step.params, image.Conv)
    biased = total if bias is None else total + bias
    return clamp(biased, step.params.act_min_f, step.params.act_max_f)


def _round(x: NDArray[np.floating]) -> NDArray[np.int32]:
    """To the nearest integer, ties away from zero."""
    whole = np.trunc(x)
    away = np.abs(x - whole) >= 0.5
    rounded: NDArray[np.int32] = (whole + np.copysign(away, x)).astype(np.int32)
    return rounded
