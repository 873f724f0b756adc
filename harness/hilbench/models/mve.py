"""Constants laid out for the kernels of the M-profile vector extension (kernels/mve/hb_mve.h).

A packed kernel takes an operator only if its arithmetic is the reference's to the last bit: right
shifts are 1 to 31, and 32-bit sums of int16 data cannot overflow.  Anything else keeps another
layout.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hilbench.models.dsp import MAX_FILTER, Packed, weights_of
from hilbench.models.graph import Graph
from hilbench.models.mve_add import add_constants
from hilbench.models.mve_weights import (
    CHANNELS,
    LANES,
    blocks,
    folded,
    int32,
    padded,
    scales,
    stream_dot,
    stream_s4,
    stream_s8,
    stream_s16,
    words,
)
from hilbench.models.operator_view import Step
from hilbench.models.rows import is_by_rows
from hilbench.schema import image

Int64 = NDArray[np.int64]

#: Channels whose strips are built at one time, and pixels of a depthwise group.
BLOCK, PIXELS = 8, 4
#: Offsets of a scatter are 16 bits wide: from a channel's strip to the next, from an output to the
#: next.
MAX_PITCH, MAX_OUT_STEP = 0xFFFF // (BLOCK - 1), 0xFFFF // PIXELS
#: Positions under a window whose sum of int8 fits 16 bits.
MAX_POOL_POSITIONS = 255


@dataclass(frozen=True)
class _Format:
    """Bytes of an element of data, and of what those under a pixel are padded to."""

    element_bytes: int
    block_bytes: int


_S8, _S4, _S16 = _Format(1, 16), _Format(1, 32), _Format(2, 16)


def pack_step(graph: Graph, step: Step) -> Packed | None:
    """The operator packed for kernel ``mve``, or None where it must not be."""
    dtype = graph.tensors[step.output].dtype
    connected = step.opcode == image.Opcode.FULLY_CONNECTED
    if step.opcode == image.Opcode.CONV_2D or connected:
        if dtype == "int16":
            return _pack_matmul(graph, step, _S16)
        if dtype == "int8" and is_by_rows(graph, step):
            return _pack_matmul(graph, step, _S4)
    depthwise = step.opcode == image.Opcode.DEPTHWISE_CONV_2D  # int4 weights become bytes
    if dtype != "int8" or (is_by_rows(graph, step) and not depthwise):
        return None
    match step.opcode:
        case image.Opcode.CONV_2D:
            return _pack_matmul(graph, step, _S8)
        case image.Opcode.DEPTHWISE_CONV_2D:
            return _pack_depthwise(graph, step)
        case image.Opcode.FULLY_CONNECTED:
            return _pack_fully_connected(graph, step)
        case image.Opcode.AVERAGE_POOL_2D | image.Opcode.MAX_POOL_2D:
            return _pack_pool(step)
        case image.Opcode.ADD:
            return _pack_add(graph, step)
    return None


@dataclass(frozen=True)
class _Window:
    """A convolution; a fully connected layer is one of 1 x 1 over a row of pixels."""

    weights: Int64  # OHWI
    stride: tuple[int, int]
    pad: tuple[int, int]
    data: tuple[int, int]
    output: tuple[int, int]

    @property
    def is_padded(self) -> bool:
        """Whether positions outside the input lie under some output."""
        return any(self.pad) or any(
            (out - 1) * stride + size > extent
            for out, stride, size, extent in zip(
                self.output, self.stride, self.weights.shape[1:3], self.data, strict=True
            )
        )

    def lead(self, y: int) -> int:
        """Elements of input read before output row ``y`` begins, less those written at its end."""
        channels, height, _, depth = self.weights.shape
        below = min(y * self.stride[0] + height - self.pad[0], self.data[0])
        return int(below * self.data[1] * depth - (y + 1) * self.output[1] * channels)


def _window(graph: Graph, step: Step) -> _Window | None:
    p = step.params
    assert isinstance(p, image.Conv)
    weights = weights_of(graph, step)
    data, output = graph.tensors[step.inputs[0]], graph.tensors[step.output]
    if step.opcode == image.Opcode.FULLY_CONNECTED:
        channels, depth = weights.shape
        rows = output.elements // channels
        matrix = weights.reshape(channels, 1, 1, depth)
        return _Window(matrix, (1, 1), (0, 0), (1, rows), (1, rows))
    if max(weights.shape[1:3]) > MAX_FILTER or (p.dilation_h, p.dilation_w) != (1, 1):
        return None
    return _Window(
        weights,
        (p.stride_h, p.stride_w),
        (p.pad_top, p.pad_left),
        (data.shape[1], data.shape[2]),
        (output.shape[1], output.shape[2]),
    )


def _pack_matmul(graph: Graph, step: Step, form: _Format) -> Packed | None:
    """Pairs of pixels times packed weights."""
    window = _window(graph, step)
    if window is None:
        return None
    channels, height, width, depth = window.weights.shape
    matrix = padded(
        window.weights.transpose(0, 2, 1, 3).reshape(channels, -1),
        form.block_bytes // form.element_bytes,
    )
    stream = {_S8: stream_s8, _S4: stream_s4, _S16: stream_s16}[form](graph, step, matrix)
    if stream is None:
        return None
    bytes_of_pixel = depth * form.element_bytes
    whole = width * bytes_of_pixel % form.block_bytes == 0
    direct = height == 1 and not window.is_padded and whole
    strip = 0
    if not direct:
        columns = (window.output[1] - 1) * window.stride[1] + width
        elements = _strip_elements(columns, height, window.output[0], window.stride[0])
        strip = elements * bytes_of_pixel + form.block_bytes
    pointwise = (height, width, *window.stride) == (1, 1, 1, 1)
    ahead = min(window.lead(0), window.lead(window.output[0] - 1)) >= 0
    sums = 8 * CHANNELS * blocks(channels, CHANNELS)
    assert isinstance(step.params, image.Conv)
    return Packed(
        stream,
        replace(step.params, filter_h=height, filter_w=width),
        scratch_bytes=sums + matrix.shape[1] * form.element_bytes + strip,
        in_place=form == _S8 and (pointwise and channels <= depth if direct else ahead),
    )


def _pack_depthwise(graph: Graph, step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Conv)
    weights = weights_of(graph, step)
    _, height, width, channels = weights.shape
    factors = scales(step)
    if (
        factors is None
        or (p.dilation_h, p.dilation_w) != (1, 1)
        or max(height, width) > MAX_FILTER
        or channels % 2
    ):
        return None
    data = graph.tensors[step.inputs[0]]
    _, out_h, out_w, _ = graph.tensors[step.output].shape
    # Lines run along the axis that wastes less of the groups of pixels.
    along_height = out_w * blocks(out_h, PIXELS) < out_h * blocks(out_w, PIXELS)
    x, y = (width, p.stride_w, out_w), (height, p.stride_h, out_h)
    (taps_u, stride_u, out_u), (taps_v, stride_v, out_v) = (y, x) if along_height else (x, y)
    pitch = _strip_elements((out_u - 1) * stride_u + taps_u, taps_v, out_v, stride_v)
    out_step = out_w * channels if along_height else channels
    if pitch > MAX_PITCH or out_step > MAX_OUT_STEP:
        return None
    taps = weights[0].transpose(2, 0, 1) if along_height else weights[0].transpose(2, 1, 0)
    matrix = padded(taps.reshape(channels, -1), LANES)
    bias = folded(graph, step, matrix)
    pairs = channels // 2
    vectors = matrix.shape[1] // LANES
    # (pairs, 2, vectors, 16) to vectors of both channels in turn
    packed = matrix.reshape(pairs, 2, vectors, LANES).transpose(0, 2, 1, 3).reshape(pairs, -1)
    stream = np.hstack(
        [
            int32(np.repeat(bias, PIXELS).reshape(pairs, -1)),
            words(packed),
            int32(factors.T.reshape(pairs, -1)),
        ]
    )
    return Packed(
        stream,
        replace(p, filter_h=height, filter_w=width),
        scratch_bytes=BLOCK * pitch + PIXELS * stride_u * taps_v + matrix.shape[1],
        in_place=(p.stride_h, p.stride_w, p.depth_multiplier) == (1, 1, 1)
        and data.shape[1:3] == (out_h, out_w),
    )


def _pack_fully_connected(graph: Graph, step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Conv)
    weights = weights_of(graph, step)
    matrix = padded(weights, LANES)
    stream = stream_dot(graph, step, matrix)
    if stream is None:
        return None
    scratch = matrix.shape[1] if weights.shape[1] % LANES else 0
    return Packed(stream, replace(p, filter_h=1, filter_w=1), scratch_bytes=scratch)


def _pack_pool(step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Pool)
    fits = p.filter_h * p.filter_w <= MAX_POOL_POSITIONS
    return Packed(None, p) if fits or step.opcode == image.Opcode.MAX_POOL_2D else None


def _pack_add(graph: Graph, step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Add)
    # Not where an operand is repeated.
    sizes = {graph.tensors[i].elements for i in (*step.inputs[:2], step.output)}
    constants = add_constants(p) if len(sizes) == 1 else None
    return None if constants is None else Packed(constants, p, data_inputs=2)


def _strip_elements(columns: int, filter_v: int, out_v: int, stride_v: int) -> int:
    """Elements of a diagonal strip (hb_mve.h)."""
    return columns * filter_v + ((out_v - 1) * stride_v if filter_v > stride_v else 0)
