"""Constants laid out for the kernels of Armv7E-M's DSP extension (firmware, kernels/dsp/hb_dsp.h).

A packed kernel takes an operator only if its arithmetic is the reference's to the last bit: the
output's clamp is that of int8, multipliers are normalized, right shifts are at least 2, and sums
stay inside what a packed accumulator holds.  Anything else keeps the canonical layout.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.models.dsp_add import add_tables
from hilbench.models.dsp_schemes import p4_scratch_bytes, p4_stream, p16_scratch_bytes, p16_stream
from hilbench.models.graph import Graph
from hilbench.models.operator_view import Int32, Params, Step
from hilbench.models.rows import is_by_rows
from hilbench.schema import image

Int64 = NDArray[np.int64]

#: Output pixels that share one pass over the weights.
PIXELS = 3
#: The upper of two packed sums is a 24-bit number.
MAX_UPPER_SUM = 1 << 23
MAX_SUM = 1 << 31
#: Positions under a window whose sum of int8 fits 16 bits.
MAX_POOL_POSITIONS = 255
#: Filter sizes in the parameters are bytes.
MAX_FILTER = 255


@dataclass(frozen=True, eq=False)
class Packed:
    """An operator for kernel ``dsp``.

    Attributes
    ----------
    stream : ndarray of int32, shape (blocks, words), or of int8 (blocks, bytes), or None
        Replaces all other constants.
    params : record of the image
    scratch_bytes : int
        Exactly what the kernel needs, before alignment.
    data_inputs : int
        Inputs of the operator that stay; the stream's slot follows them.
    in_place : bool
        The output may begin where the first input does.
    """

    stream: Int32 | NDArray[np.int8] | None
    params: Params
    scratch_bytes: int = 0
    data_inputs: int = 1
    in_place: bool = False


def pack_step(graph: Graph, step: Step) -> Packed | None:
    """The operator packed for kernel ``dsp``, or None where it must stay canonical."""
    dtype = graph.tensors[step.output].dtype
    if dtype == "int16" and step.opcode in (image.Opcode.CONV_2D, image.Opcode.FULLY_CONNECTED):
        return _pack_int16(graph, step)
    if dtype != "int8":
        return None
    if step.opcode == image.Opcode.CONV_2D:
        return _pack_conv(graph, step)
    if step.opcode == image.Opcode.DEPTHWISE_CONV_2D:
        return _pack_depthwise(graph, step)
    if step.opcode == image.Opcode.FULLY_CONNECTED:
        return _pack_fully_connected(graph, step)
    if step.opcode in (image.Opcode.AVERAGE_POOL_2D, image.Opcode.MAX_POOL_2D):
        return _pack_pool(graph, step)
    if step.opcode == image.Opcode.ADD:
        assert isinstance(step.params, image.Add)
        elements = graph.tensors[step.output].elements
        if any(graph.tensors[i].elements != elements for i in step.inputs):
            return None  # an operand is repeated
        tables = add_tables(step.params)
        return None if tables is None else Packed(tables, step.params, data_inputs=2)
    return None


def _pack_conv(graph: Graph, step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Conv)
    weights = weights_of(graph, step)
    channels, height, width, depth = weights.shape
    fits = channels % 2 == 0 and max(height, width) <= MAX_FILTER
    if not fits or (p.dilation_h, p.dilation_w) != (1, 1):
        return None
    matrix = _tap_order(weights)
    stream = p8_stream(step, matrix, bias_of(graph, step, channels))
    if stream is None:
        return None
    _, in_h, in_w, _ = graph.tensors[step.inputs[0]].shape
    _, out_h, out_w, _ = graph.tensors[step.output].shape
    columns, rows = (out_w - 1) * p.stride_w + width, (out_h - 1) * p.stride_h + height
    padded = p.pad_top > 0 or p.pad_left > 0 or rows > in_h or columns > in_w
    ring = height * _words(columns * depth) * 4 if padded else 0
    pointwise = (height, width, p.stride_h, p.stride_w) == (1, 1, 1, 1)

    def lead(y: int) -> int:
        """Bytes of input read before output row ``y`` begins, less those written at its end."""
        below: int = min(y * p.stride_h + height - p.pad_top, in_h)
        return int(below * in_w * depth - (y + 1) * out_w * channels)

    params = image.Conv(**{**p.__dict__, "filter_h": height, "filter_w": width})
    scratch_bytes = 6 * matrix.shape[1] + 4 * _words(PIXELS * channels) + ring
    if is_by_rows(graph, step):
        scratch_bytes += p4_scratch_bytes(channels, matrix.shape[1])
        return Packed(p4_stream(stream, matrix), params, scratch_bytes)
    return Packed(
        stream,
        params,
        scratch_bytes,
        in_place=channels <= depth if pointwise else padded and min(lead(0), lead(out_h - 1)) >= 0,
    )


def _pack_depthwise(graph: Graph, step: Step) -> Packed | None:
    """int4 weights become bytes: next to its scale a channel's few taps hardly count."""
    p = step.params
    assert isinstance(p, image.Conv)
    weights = weights_of(graph, step)
    _, height, width, channels = weights.shape
    data = graph.tensors[step.inputs[0]]
    _, out_h, out_w, _ = graph.tensors[step.output].shape
    # Lines run along the output's longer axis (hb_depthwise_conv_2d_s8xs8_dsp.c).
    along_height = out_h > out_w
    stride, outputs = (p.stride_h, out_h) if along_height else (p.stride_w, out_w)
    scales = scales_of(step)
    plain = (p.dilation_h, p.dilation_w, p.depth_multiplier) == (1, 1, 1)
    if scales is None or not plain or channels % 4 or max(height, width) > MAX_FILTER:
        return None
    folded = bias_of(graph, step, channels) + p.input_offset * weights.sum(axis=(0, 1, 2))
    if np.abs(folded).max() + height * width * 128 * 128 >= MAX_SUM:
        return None
    if (height, width) != (3, 3) or stride > 2 or outputs < 2:
        return _pack_taps(p, weights[0], folded, scales)
    rows = weights[0].transpose(2, 1, 0) if along_height else weights[0].transpose(2, 0, 1)
    pairs = (rows[:, :, :2] & 0xFFFF) | (rows[:, :, 1:] << 16)
    rotated = pairs[:, [0, 1, 2, 0, 1]].reshape(channels, -1)
    lines = (outputs + 1) // 2 + 1 if stride == 1 else outputs + 1
    return Packed(
        int32(np.hstack([folded[:, None], scales, rotated])),
        image.Conv(**{**p.__dict__, "filter_h": height, "filter_w": width}),
        scratch_bytes=4 * 3 * 4 * lines,
        in_place=(p.stride_h, p.stride_w) == (1, 1) and data.shape[1:3] == (out_h, out_w),
    )


def _pack_taps(p: image.Conv, weights: Int64, folded: Int64, scales: Int64) -> Packed:
    """A depthwise convolution tap by tap, four channels to a word."""
    height, width, channels = weights.shape
    if height > width:
        weights = weights.transpose(1, 0, 2)
    groups = weights.reshape(height * width, channels // 4, 4).transpose(1, 0, 2)
    words = np.ascontiguousarray(groups.astype(np.int8)).view(np.int32)[:, :, 0]
    blocks = [folded.reshape(-1, 4), scales.reshape(channels // 4, 8), words.astype(np.int64)]
    params = image.Conv(**{**p.__dict__, "filter_h": height, "filter_w": width})
    return Packed(int32(np.hstack(blocks)), params)


def _pack_fully_connected(graph: Graph, step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Conv)
    weights = weights_of(graph, step)
    channels, depth = weights.shape
    if channels % 2:
        return None
    matrix = np.pad(weights, ((0, 0), (0, -depth % 8)))
    stream = p8_stream(step, matrix, bias_of(graph, step, channels))
    if stream is None:
        return None
    params = image.Conv(**{**p.__dict__, "filter_h": 1, "filter_w": 1})
    scratch_bytes = 2 * matrix.shape[1]
    if is_by_rows(graph, step):
        scratch_bytes += p4_scratch_bytes(channels, matrix.shape[1])
        return Packed(p4_stream(stream, matrix), params, scratch_bytes)
    return Packed(stream, params, scratch_bytes)


def _pack_int16(graph: Graph, step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Conv)
    weights = weights_of(graph, step)
    connected = step.opcode == image.Opcode.FULLY_CONNECTED
    size = (1, 1) if connected else (weights.shape[1], weights.shape[2])
    if graph.tensors[step.inputs[1]].dtype != "int8" or max(size) > MAX_FILTER:
        return None
    if (p.dilation_h, p.dilation_w) != (1, 1):
        return None
    matrix = weights.reshape(len(weights), -1)
    matrix = np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % 4)))
    stream = p16_stream(graph, step, matrix)
    if stream is None:
        return None
    params = image.Conv(**{**p.__dict__, "filter_h": size[0], "filter_w": size[1]})
    return Packed(stream, params, p16_scratch_bytes(p, size, weights.shape[-1], matrix.shape[1]))


def _pack_pool(graph: Graph, step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Pool)
    channels = graph.tensors[step.output].shape[-1]
    is_max = step.opcode == image.Opcode.MAX_POOL_2D
    fits = is_max or p.filter_h * p.filter_w <= MAX_POOL_POSITIONS
    return Packed(None, p) if channels % 4 == 0 and fits else None


def p8_stream(step: Step, matrix: Int64, bias: Int64) -> Int32 | None:
    """Stream of packed int8 weights: two output channels per block.

    Parameters
    ----------
    step : Step
    matrix : ndarray of int64, shape (channels, depth)
        Weights in the kernel's order; channels even, depth a multiple of 4.
    bias : ndarray of int64, shape (channels,)

    Returns
    -------
    ndarray of int32, shape (channels / 2, 6 + depth / 2), or None
        None: the kernel would not be exact.
    """
    assert isinstance(step.params, image.Conv)
    folded = bias + step.params.input_offset * matrix.sum(axis=1)
    scales = scales_of(step)
    if scales is None:
        return None
    extremes = np.maximum(
        np.abs(folded + np.maximum(127 * matrix, -128 * matrix).sum(axis=1)),
        np.abs(folded + np.minimum(127 * matrix, -128 * matrix).sum(axis=1)),
    )
    lower, upper = matrix[0::2], matrix[1::2]
    halves = lower + 256 * upper
    if (
        extremes[0::2].max() >= MAX_SUM
        or extremes[1::2].max() >= MAX_UPPER_SUM
        or halves.min() < -(1 << 15)
    ):
        return None
    blocks = len(halves)
    groups = halves.reshape(blocks, -1, 4)
    words = (groups[:, :, :2] & 0xFFFF) | (groups[:, :, 2:] << 16)
    starts = np.stack([folded[0::2] + 256 * folded[1::2], folded[0::2]], axis=1)
    return int32(np.hstack([starts, words.reshape(blocks, -1), scales.reshape(blocks, 4)]))


def scales_of(step: Step) -> Int64 | None:
    """Multiplier and rounding factor per channel, (channels, 2); None: not exact."""
    p = step.params
    assert isinstance(p, image.Conv)
    assert step.multiplier is not None
    assert step.shift is not None
    multiplier, shift = step.multiplier.astype(np.int64), -step.shift.astype(np.int64)
    if (p.act_min, p.act_max) != (-128, 127):
        return None
    if multiplier.min() < 1 << 30 or shift.min() < 2 or shift.max() > 31:
        return None
    return np.stack([2 * multiplier, np.int64(1) << (32 - shift)], axis=1)


def _tap_order(weights: Int64) -> Int64:
    """OHWI weights in a convolution's order of taps (hb_dsp.h), zeros up to a multiple of four."""
    channels, height = weights.shape[:2]
    rows = weights.reshape(channels, height, -1)
    whole = rows.shape[2] // 4 * 4
    taps = np.hstack(
        [rows[:, :, :whole].reshape(channels, -1), rows[:, :, whole:].reshape(channels, -1)]
    )
    return np.pad(taps, ((0, 0), (0, -taps.shape[1] % 4)))


def weights_of(graph: Graph, step: Step) -> Int64:
    """Weights as the file has them."""
    data = graph.tensors[step.inputs[1]].data
    assert data is not None
    whole = data.astype(np.int64)
    connected = step.opcode == image.Opcode.FULLY_CONNECTED
    return whole.reshape(len(whole), -1) if connected else whole


def bias_of(graph: Graph, step: Step, channels: int) -> Int64:
    """Bias, zeros where there is none; shape (channels,)."""
    data = None if step.inputs[2] == -1 else graph.tensors[step.inputs[2]].data
    return np.zeros(channels, np.int64) if data is None else data.astype(np.int64).ravel()


def _words(size: int) -> int:
    return -(-size // 4)


def int32(values: Int64) -> Int32:
    """Modulo 2**32."""
    return values.astype(np.uint64).astype(np.uint32).view(np.int32)
