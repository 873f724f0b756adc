"""Constants laid out for the kernels of the M-profile vector extension (kernels/mve/hb_mve.h).

A packed kernel takes an operator only if its arithmetic is the reference's to the last bit: right
shifts are 1 to 31.  Anything else keeps another layout.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.models.dsp import MAX_FILTER, Packed
from hilbench.models.graph import Graph
from hilbench.models.mve_add import add_constants
from hilbench.models.operator_view import Int32, Step
from hilbench.models.rows import is_by_rows
from hilbench.schema import image

Int64 = NDArray[np.int64]

#: Bytes of a vector.
LANES = 16
#: Of two pixels at a time: channels of a group of packed weights.
CHANNELS = 4
#: Of one pixel at a time.
DOT_CHANNELS = 8
#: Channels whose strips are built at one time, and pixels of a depthwise group.
BLOCK, PIXELS = 8, 4
#: Offsets of a scatter are 16 bits wide.
MAX_PITCH = 0xFFFF // (BLOCK - 1)
#: Positions under a window whose sum of int8 fits 16 bits.
MAX_POOL_POSITIONS = 255
#: Channel of lane 4 g + i of 16: what two narrowings, even lanes then odd ones, bring in order.
ORDER_16 = np.array([0, 4, 8, 12, 2, 6, 10, 14, 1, 5, 9, 13, 3, 7, 11, 15])
#: The same for 8 channels and one narrowing.
ORDER_8 = np.array([0, 2, 4, 6, 1, 3, 5, 7])


def pack_step(graph: Graph, step: Step) -> Packed | None:
    """The operator packed for kernel ``mve``, or None where it must not be."""
    if graph.tensors[step.output].dtype != "int8" or is_by_rows(graph, step):
        return None
    match step.opcode:
        case image.Opcode.CONV_2D:
            return _pack_conv(graph, step)
        case image.Opcode.DEPTHWISE_CONV_2D:
            return _pack_depthwise(graph, step)
        case image.Opcode.FULLY_CONNECTED:
            return _pack_fully_connected(graph, step)
        case image.Opcode.AVERAGE_POOL_2D | image.Opcode.MAX_POOL_2D:
            return _pack_pool(step)
        case image.Opcode.ADD:
            return _pack_add(graph, step)
    return None


def _pack_conv(graph: Graph, step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Conv)
    weights = _weights(graph, step)
    channels, height, width, depth = weights.shape
    if max(height, width) > MAX_FILTER or (p.dilation_h, p.dilation_w) != (1, 1):
        return None
    matrix = _padded(weights.transpose(0, 2, 1, 3).reshape(channels, -1), LANES)
    order = _channel_order(channels)
    stream = _stream(graph, step, matrix, order, CHANNELS, repeats=2)
    if stream is None:
        return None
    _, in_h, in_w, _ = graph.tensors[step.inputs[0]].shape
    _, out_h, out_w, _ = graph.tensors[step.output].shape
    columns, rows = (out_w - 1) * p.stride_w + width, (out_h - 1) * p.stride_h + height
    padded = p.pad_top > 0 or p.pad_left > 0 or rows > in_h or columns > in_w
    direct = height == 1 and not padded and (width * depth) % LANES == 0
    strip = 0
    if not direct:
        strip = _strip_elements(columns, height, out_h, p.stride_h) * depth + LANES
    pointwise = (height, width, p.stride_h, p.stride_w) == (1, 1, 1, 1)

    def lead(y: int) -> int:
        """Bytes of input read before output row ``y`` begins, less those written at its end."""
        below: int = min(y * p.stride_h + height - p.pad_top, in_h)
        return int(below * in_w * depth - (y + 1) * out_w * channels)

    return Packed(
        stream,
        image.Conv(**{**p.__dict__, "filter_h": height, "filter_w": width}),
        scratch_bytes=8 * CHANNELS * _blocks(channels, CHANNELS) + matrix.shape[1] + strip,
        in_place=channels <= depth
        if pointwise and direct
        else not direct and min(lead(0), lead(out_h - 1)) >= 0,
    )


def _pack_depthwise(graph: Graph, step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Conv)
    weights = _weights(graph, step)
    _, height, width, channels = weights.shape
    scales = _scales(step)
    if (
        scales is None
        or (p.dilation_h, p.dilation_w) != (1, 1)
        or max(height, width) > MAX_FILTER
        or channels % 2
    ):
        return None
    data = graph.tensors[step.inputs[0]]
    _, out_h, out_w, _ = graph.tensors[step.output].shape
    # Lines run along the axis that wastes less of the groups of pixels.
    along_height = out_w * _blocks(out_h, PIXELS) < out_h * _blocks(out_w, PIXELS)
    x, y = (width, p.stride_w, out_w), (height, p.stride_h, out_h)
    (taps_u, stride_u, out_u), (taps_v, stride_v, out_v) = (y, x) if along_height else (x, y)
    pitch = _strip_elements((out_u - 1) * stride_u + taps_u, taps_v, out_v, stride_v)
    if pitch > MAX_PITCH:
        return None
    taps = weights[0].transpose(2, 0, 1) if along_height else weights[0].transpose(2, 1, 0)
    matrix = _padded(taps.reshape(channels, -1), LANES)
    folded = _folded(graph, step, matrix)
    pairs = channels // 2
    vectors = matrix.shape[1] // LANES
    # (pairs, 2, vectors, 16) to vectors of both channels in turn
    packed = matrix.reshape(pairs, 2, vectors, LANES).transpose(0, 2, 1, 3).reshape(pairs, -1)
    stream = np.hstack(
        [
            _int32(np.repeat(folded, PIXELS).reshape(pairs, -1)),
            _words(packed),
            _int32(scales.T.reshape(pairs, -1)),
        ]
    )
    return Packed(
        stream,
        image.Conv(**{**p.__dict__, "filter_h": height, "filter_w": width}),
        scratch_bytes=BLOCK * pitch + PIXELS * stride_u * taps_v + matrix.shape[1],
        in_place=(p.stride_h, p.stride_w, p.depth_multiplier) == (1, 1, 1)
        and data.shape[1:3] == (out_h, out_w),
    )


def _pack_fully_connected(graph: Graph, step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Conv)
    weights = _weights(graph, step)
    channels, depth = weights.shape
    matrix = _padded(weights, LANES)
    blocks = _blocks(channels, DOT_CHANNELS)
    order = (DOT_CHANNELS * np.arange(blocks)[:, None] + ORDER_8).ravel()
    stream = _stream(graph, step, matrix, order, DOT_CHANNELS, repeats=1)
    if stream is None:
        return None
    params = image.Conv(**{**p.__dict__, "filter_h": 1, "filter_w": 1})
    return Packed(stream, params, scratch_bytes=matrix.shape[1] if depth % LANES else 0)


def _pack_pool(step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Pool)
    fits = p.filter_h * p.filter_w <= MAX_POOL_POSITIONS
    return Packed(None, p) if fits or step.opcode == image.Opcode.MAX_POOL_2D else None


def _pack_add(graph: Graph, step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Add)
    shapes = {graph.tensors[i].shape for i in (*step.inputs[:2], step.output)}
    constants = add_constants(p) if len(shapes) == 1 else None
    return None if constants is None else Packed(constants, p, data_inputs=2)


def _stream(
    graph: Graph, step: Step, matrix: Int64, order: NDArray[np.intp], group: int, repeats: int
) -> Int32 | None:
    """Packed weights of a product, int32[groups, words]; None: the kernel would not be exact.

    Of every group of channels the biases, each ``repeats`` times, and the weights, 16 bytes of
    each channel in turn; behind all groups the multipliers and negative right shifts of each.
    """
    scales = _scales(step)
    if scales is None:
        return None
    groups, depth = len(order) // group, matrix.shape[1]
    rows = np.pad(matrix, ((0, len(order) - len(matrix)), (0, 0)))[order]
    bias = np.pad(_folded(graph, step, matrix), (0, len(order) - len(matrix)))[order]
    scales = np.pad(scales, ((0, 0), (0, len(order) - len(matrix))))[:, order]
    vectors = rows.reshape(groups, group, depth // LANES, LANES).transpose(0, 2, 1, 3)
    starts = np.tile(bias.reshape(groups, group), (1, repeats))
    records = np.hstack([_int32(starts), _words(vectors.reshape(groups, -1))])
    # per 4 channels: multipliers, then shifts
    ends = scales.reshape(2, -1, CHANNELS).transpose(1, 0, 2)
    return np.concatenate([records.ravel(), _int32(ends).ravel()]).reshape(groups, -1)


def _channel_order(channels: int) -> NDArray[np.intp]:
    """Blocks of 16 in the order of two narrowings, the rest as it is; a multiple of 4."""
    whole = channels // LANES
    first = (LANES * np.arange(whole)[:, None] + ORDER_16).ravel()
    return np.concatenate([first, np.arange(LANES * whole, 4 * _blocks(channels, 4))])


def _strip_elements(columns: int, filter_v: int, out_v: int, stride_v: int) -> int:
    """Elements of a diagonal strip (hb_mve.h)."""
    return columns * filter_v + ((out_v - 1) * stride_v if filter_v > stride_v else 0)


def _scales(step: Step) -> Int64 | None:
    """Multipliers and negative right shifts, (2, channels); None: not exact."""
    assert step.multiplier is not None
    assert step.shift is not None
    if step.shift.max() > -1 or step.shift.min() < -31:
        return None
    return np.stack([step.multiplier, step.shift]).astype(np.int64)


def _folded(graph: Graph, step: Step, matrix: Int64) -> Int64:
    """Bias with the input's zero point, per channel."""
    assert isinstance(step.params, image.Conv)
    data = None if step.inputs[2] == -1 else graph.tensors[step.inputs[2]].data
    bias = 0 if data is None else data.astype(np.int64).ravel()
    folded: Int64 = bias + step.params.input_offset * matrix.sum(axis=1)
    return folded


def _weights(graph: Graph, step: Step) -> Int64:
    data = graph.tensors[step.inputs[1]].data
    assert data is not None
    return data.astype(np.int64)


def _padded(matrix: Int64, multiple: int) -> Int64:
    """Zeros behind each row."""
    return np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % multiple)))


def _blocks(size: int, block: int) -> int:
    return -(-size // block)


def _words(weights: Int64) -> Int32:
    """Rows of int8 as little-endian words."""
    rows = np.ascontiguousarray(weights.astype("<i1"))
    return rows.view("<i4").astype(np.int32)


def _int32(values: Int64) -> Int32:
    """Modulo 2**32."""
    return values.astype(np.uint64).astype(np.uint32).view(np.int32)
