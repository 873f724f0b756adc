"""float32 operators on batches, to the byte the engine's reference kernels (no contraction).

Every operation is one IEEE single-precision operation, in the kernels' order: the loops run over
the terms of a sum, numpy over the outputs.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.models.float_math import exp
from hilbench.models.lowering import Step
from hilbench.models.windows import Window, patches, taps
from hilbench.schema import image

Float = NDArray[np.float32]
f32 = np.float32


def conv_2d(
    step: Step, x: Float, weights: Float, bias: Float | None, out_hw: tuple[int, int]
) -> Float:
    """Convolution of (n, H, W, C) with OHWI weights; summed by row, column, channel."""
    assert isinstance(step.params, image.Conv)
    channels = weights.shape[0]
    window = Window.of_conv(step.params, weights.shape[1:3], out_hw)
    matrix = weights.reshape(channels, -1)
    blocks = []
    for block in window.row_blocks(x.shape[0] * out_hw[1] * matrix.shape[1]):
        total = _ordered_product(patches(x, block), matrix)
        result = _finish(step.params, total, bias)
        blocks.append(result.reshape(x.shape[0], *block.output, channels))
    return np.concatenate(blocks, axis=1)


def depthwise_conv_2d(
    step: Step, x: Float, weights: Float, bias: Float | None, out_hw: tuple[int, int]
) -> Float:
    """Depthwise convolution with weights (1, h, w, C * multiplier); summed by row, column."""
    assert isinstance(step.params, image.Conv)
    spread = np.repeat(x, step.params.depth_multiplier, axis=-1)
    window = Window.of_conv(step.params, weights.shape[1:3], out_hw)
    total = np.zeros((x.shape[0], *out_hw, weights.shape[3]), f32)
    for row, column, tap in taps(spread, window):
        total += tap * weights[0, row, column]
    return _finish(step.params, total, bias)


def transpose_conv(
    step: Step, x: Float, weights: Float, bias: Float | None, out_hw: tuple[int, int]
) -> Float:
    """Transposed convolution with OHWI weights; an output's inputs by row, column, channel."""
    assert isinstance(step.params, image.Conv)
    window = Window.of_conv(step.params, weights.shape[1:3], (x.shape[1], x.shape[2]))
    total = np.zeros((x.shape[0], *out_hw, weights.shape[0]), f32)
    # A later tap belongs to an earlier input.
    for ky, from_y, to_y in reversed(window.touching(0, out_hw[0])):
        for kx, from_x, to_x in reversed(window.touching(1, out_hw[1])):
            for i in range(x.shape[3]):
                part = x[:, from_y, from_x, i, None] * weights[:, ky, kx, i]
                total[:, to_y, to_x] += part
    return _finish(step.params, total, bias)


def fully_connected(step: Step, x: Float, weights: Float, bias: Float | None) -> Float:
    """Rows of x, (rows, I), times weights (O, I); summed by input."""
    assert isinstance(step.params, image.Conv)
    return _finish(step.params, _ordered_product(x, weights), bias)


def average_pool_2d(step: Step, x: Float, out_hw: tuple[int, int]) -> Float:
    """Mean over the positions inside the input: the sum by row and column, then one division."""
    assert isinstance(step.params, image.Pool)
    window = Window.of_pool(step.params, out_hw)
    total = np.zeros((x.shape[0], *out_hw, x.shape[3]), f32)
    for _, _, tap in taps(x, window):
        total += tap
    count = window.counts(x.shape[1:3]).astype(f32)[None, :, :, None]
    return clamp(total / count, step.params.act_min_f, step.params.act_max_f)


def max_pool_2d(step: Step, x: Float, out_hw: tuple[int, int]) -> Float:
    """Maximum over the positions inside the input; of equals the first."""
    assert isinstance(step.params, image.Pool)
    window = Window.of_pool(step.params, out_hw)
    best = np.full((x.shape[0], *out_hw, x.shape[3]), -np.inf, f32)
    for _, _, tap in taps(x, window, fill=-np.inf):
        best = np.where(tap > best, tap, best)
    return clamp(best, step.params.act_min_f, step.params.act_max_f)


def softmax(step: Step, x: Float) -> Float:
    """Softmax over the last axis; the sum runs in order."""
    assert isinstance(step.params, image.Softmax)
    beta = f32(step.params.beta)
    largest = x[..., 0]
    for c in range(1, x.shape[-1]):
        largest = np.where(x[..., c] > largest, x[..., c], largest)
    terms = exp((x - largest[..., None]) * beta)
    total = np.zeros(x.shape[:-1], f32)
    for c in range(x.shape[-1]):
        total += terms[..., c]
    return terms / total[..., None]


def _ordered_product(rows: Float, weights: Float) -> Float:
    """rows (P, K) times weights (O, K), summed over K in order."""
    total = np.zeros((rows.shape[0], weights.shape[0]), f32)
    columns = np.ascontiguousarray(rows.T)
    for k in range(rows.shape[1]):
        total += columns[k][:, None] * weights[:, k]
    return total


def _finish(params: image.Conv, total: Float, bias: Float | None) -> Float:
    biased = total if bias is None else total + bias
    return clamp(biased, params.act_min_f, params.act_max_f)


def clamp(x: Float, low: float, high: float) -> Float:
    """As C compares: -0.0 is not below 0.0."""
    raised = np.where(x < f32(low), f32(low), x)
    return np.where(raised > f32(high), f32(high), raised)
