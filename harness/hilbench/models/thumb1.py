"""Constants laid out for multipliers of 32 bits (firmware, kernels/thumb1/hb_thumb1.h).

Armv6-M multiplies 32 x 32 -> 32 bits, and every multiplication destroys an operand.  So that one
does the work of two, the tile holds two pixels in a word, x + 2**16 y, and a product with a weight
w is w x + 2**16 w y.  The products of two taps fit 16 bits (254 * 128 < 2**15): their sum
S = A + 2**16 B, taken apart as B = (S + 2**15) >> 16, goes to two 32-bit accumulators, Sum B and
Sum S, and Sum A = Sum S - 2**16 Sum B (mod 2**32).

Requantization: the reference computes, with multiplier m, right shift e and zero point z,

    out = z + (acc m + 2**30 + 2**(30 + e) - [acc < 0] 2**31) >> (31 + e)

(both its roundings; the second one's ties go away from zero), then clamps.  The kernel subtracts
the least sum that matters from every sum, so that what does not saturate is 0 to ``largest`` <
2**21, and multiplies that by m * 2**(13 - e) in pieces of 10, 10 and the remaining bits.  The
output is the top byte.  Larger ranges, and e > 13, take pieces of 8, 8, 8 and the remaining bits
of m * 2**(17 - e).  Up to e = 17 that is exact by construction; it is checked at every step of the
output anyway.

Anything else keeps the canonical layout.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.models import thumb1_schemes
from hilbench.models.dsp import MAX_FILTER, MAX_POOL_POSITIONS, Packed, int32, weights_of
from hilbench.models.dsp_add import add_tables
from hilbench.models.graph import Graph
from hilbench.models.operator_view import Int32, Step
from hilbench.models.thumb1_layout import as_words, conv_scratch_bytes, in_pairs, is_in_place
from hilbench.quantization import multiply_by_quantized_multiplier
from hilbench.schema import image

Int64 = NDArray[np.int64]

#: The sum of two taps' products fits 16 bits.
MAX_PAIR = 255
MAX_SUM = 1 << 31
#: Sums above the least one, so that their product with a piece of the multiplier fits 32 bits:
#: pieces of 10 and of 8 bits.
MAX_RANGE = 1 << 21
MAX_WIDE_RANGE = 1 << 24
#: Right shifts up to which the formulas above stay inside int64.
MAX_SHIFT = 22
#: Right shift up to which two pieces of 10 bits hold what is below the output's 24 bits.
WHOLE_SHIFT = 13


def pack_step(graph: Graph, step: Step) -> Packed | None:
    """The operator packed for these kernels, or None where it must stay canonical."""
    tensors = graph.tensors
    data = {tensors[i].dtype for i in (step.output, *step.inputs[:1])}
    if data == {"int16"} and step.opcode in (image.Opcode.CONV_2D, image.Opcode.FULLY_CONNECTED):
        return thumb1_schemes.pack_int16(graph, step)
    if data != {"int8"}:
        return None
    if step.opcode == image.Opcode.CONV_2D:
        return _pack_conv(graph, step)
    if step.opcode == image.Opcode.DEPTHWISE_CONV_2D:
        return _pack_depthwise(graph, step)
    if step.opcode == image.Opcode.FULLY_CONNECTED:
        return _pack_fully_connected(graph, step)
    if step.opcode == image.Opcode.MAX_POOL_2D:
        assert isinstance(step.params, image.Pool)
        return Packed(None, step.params)
    if step.opcode == image.Opcode.AVERAGE_POOL_2D:
        assert isinstance(step.params, image.Pool)
        channels = tensors[step.output].shape[-1]
        positions = step.params.filter_h * step.params.filter_w
        fits = channels % 4 == 0 and positions <= MAX_POOL_POSITIONS
        return Packed(None, step.params) if fits else None
    if step.opcode == image.Opcode.ADD:
        assert isinstance(step.params, image.Add)
        elements = tensors[step.output].elements
        if any(tensors[i].elements != elements for i in step.inputs):
            return None  # an operand is repeated
        tables = add_tables(step.params)
        return None if tables is None else Packed(tables, step.params, data_inputs=2)
    return None


def _pack_conv(graph: Graph, step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Conv)
    weights = weights_of(graph, step)
    channels, height, width, _ = weights.shape
    if max(height, width) > MAX_FILTER or (p.dilation_h, p.dilation_w) != (1, 1):
        return None
    matrix = weights.reshape(channels, -1)
    records = _records(graph, step, matrix)
    taps = np.pad(np.abs(matrix), ((0, 0), (0, matrix.shape[1] % 2)))
    if records is None or taps.reshape(channels, -1, 2).sum(axis=2).max() > MAX_PAIR:
        return None
    is_int4 = graph.tensors[step.inputs[1]].dtype == "int4"
    return Packed(
        thumb1_schemes.int4_records(records, matrix) if is_int4 else records,
        image.Conv(**{**p.__dict__, "filter_h": height, "filter_w": width}),
        scratch_bytes=conv_scratch_bytes(graph, step, weights.shape),
        in_place=is_in_place(graph, step, weights.shape),
    )


def _pack_depthwise(graph: Graph, step: Step) -> Packed | None:
    """int4 weights become bytes: next to its scale a channel's few taps hardly count."""
    p = step.params
    assert isinstance(p, image.Conv)
    weights = weights_of(graph, step)
    _, height, width, channels = weights.shape
    plain = (p.dilation_h, p.dilation_w, p.depth_multiplier) == (1, 1, 1)
    if max(height, width) > MAX_FILTER or not plain:
        return None
    params = image.Conv(**{**p.__dict__, "filter_h": height, "filter_w": width})
    if (height, width) != (3, 3) and channels % 2 == 0:
        order = (2, 1, 0) if height > width else (2, 0, 1)
        records = _records(graph, step, weights[0].transpose(order).reshape(channels, -1))
        if records is None:
            return None
        taps = weights[0].transpose(order).reshape(channels // 2, 2, -1).transpose(0, 2, 1)
        return Packed(in_pairs(records, as_words(taps.reshape(channels // 2, -1))), params)
    _, out_h, out_w, _ = graph.tensors[step.output].shape
    # Lines run along the output's longer axis (hb_depthwise_conv_2d_s8xs8_thumb1.c).
    along_height = out_h > out_w
    order = (2, 1, 0) if along_height else (2, 0, 1)
    records = _records(graph, step, weights[0].transpose(order).reshape(channels, -1))
    if records is None:
        return None
    stride, length, outputs = (
        (p.stride_h, height, out_h) if along_height else (p.stride_w, width, out_w)
    )
    columns = (outputs - 1) * stride + length
    rows = height * width // length
    data = graph.tensors[step.inputs[0]]
    return Packed(
        records,
        params,
        scratch_bytes=4 * (rows * columns + (2 * rows - 1) * length + outputs),
        in_place=(p.stride_h, p.stride_w) == (1, 1) and data.shape[1:3] == (out_h, out_w),
    )


def _pack_fully_connected(graph: Graph, step: Step) -> Packed | None:
    p = step.params
    assert isinstance(p, image.Conv)
    weights = weights_of(graph, step)
    records = _records(graph, step, weights)
    if records is None:
        return None
    params = image.Conv(**{**p.__dict__, "filter_h": 1, "filter_w": 1})
    if graph.tensors[step.inputs[1]].dtype == "int4":
        return Packed(thumb1_schemes.int4_pairs(records, weights), params)
    return Packed(records, params)


def _records(graph: Graph, step: Step, matrix: Int64) -> Int32 | None:
    """A record per output channel: start, weights, scale.

    Parameters
    ----------
    graph : Graph
    step : Step
    matrix : ndarray of int64, shape (channels, taps)
        Weights in the kernel's order.

    Returns
    -------
    ndarray of int32, shape (channels, 10 + taps / 4), or None
        None: the kernel would not be exact.
    """
    assert isinstance(step.params, image.Conv)
    data = None if step.inputs[2] == -1 else graph.tensors[step.inputs[2]].data
    bias = np.int64(0) if data is None else data.astype(np.int64).ravel()
    folded = bias + step.params.input_offset * matrix.sum(axis=1)
    extremes = (
        folded + np.minimum(127 * matrix, -128 * matrix).sum(axis=1),
        folded + np.maximum(127 * matrix, -128 * matrix).sum(axis=1),
    )
    scaled = scales(step, *extremes)
    if scaled is None:
        return None
    least, scale = scaled
    words = as_words(matrix).astype(np.int64)
    return int32(np.hstack([(folded - least)[:, None], words, scale]))


def scales(step: Step, lowest: Int64, highest: Int64) -> tuple[Int64, Int64] | None:
    """Least sums, and scale words (``struct hb_thumb1_scale``) of every channel.

    Parameters
    ----------
    step : Step
    lowest, highest : ndarray of int64, shape (channels,)
        Sums that can occur, bias and zero point included.

    Returns
    -------
    least : ndarray of int64, shape (channels,)
    words : ndarray of int64, shape (channels, 9)
    None : the kernel would not be exact.
    """
    p = step.params
    assert isinstance(p, image.Conv)
    multiplier, shift = step.multiplier, step.shift
    assert multiplier is not None
    assert shift is not None
    if lowest.min() <= -MAX_SUM // 2 or highest.max() >= MAX_SUM // 2:
        return None

    def reference(sums: Int64) -> Int64:
        scaled = multiply_by_quantized_multiplier(sums, multiplier, shift)
        clamped: Int64 = np.clip(scaled + p.output_offset, p.act_min, p.act_max)
        return clamped

    constant = reference(lowest) == reference(highest)
    m = np.where(constant, 1 << 30, multiplier.astype(np.int64))
    e = np.where(constant, 1, -shift.astype(np.int64))
    if m.min() < 1 << 30 or e.min() < 1 or e.max() > MAX_SHIFT:
        return None
    one, half = np.int64(1) << (31 + e), (np.int64(1) << 30) + (np.int64(1) << (30 + e))

    def first(out: Int64) -> Int64:
        """The smallest sums that give these outputs or more, not clamped."""
        steps = out - p.output_offset
        tie = np.where(steps <= 0, np.int64(1 << 31), np.int64(0))
        return -((half - tie - steps * one) // m)

    outputs = np.arange(p.act_min, p.act_max + 1, dtype=np.int64)
    low, high = outputs[:1], outputs[-1:]
    least = np.maximum(first(low + 1) - 1, lowest)
    largest = np.maximum(np.minimum(first(high), highest) - least, 0)
    largest = np.where(constant, 0, largest)
    if largest.max() >= MAX_WIDE_RANGE:
        return None
    wide = ((largest >= MAX_RANGE) | (e > WHOLE_SHIFT)).astype(np.int64)
    piece, fraction = 10 - 2 * wide, 20 + 4 * wide
    up = fraction - 7 - e
    factor = _shifted(m, up)
    addend = _shifted(least * m + half + p.output_offset * one, up)
    factor = np.where(constant, 0, factor)
    addend = np.where(constant, reference(lowest) << (24 + fraction), addend)
    pieces = [
        factor >> shift & ((1 << piece) - 1) for shift in (fraction - 2 * piece, fraction - piece)
    ]
    last = wide * (factor & 0xFF)
    words = np.stack(
        [
            np.where(constant, 0xFFFFFFFF, largest),
            *pieces,
            factor >> fraction,
            addend & ((1 << fraction) - 1),
            addend >> fraction,
            np.where(constant, 0, np.clip(-least, 0, largest + 1)),
            np.int64(1) << np.maximum(24 - e, 0),
            (low & 0xFF) | (high & 0xFF) << 8 | last << 16 | wide << 24,
        ],
        axis=1,
    )
    steps = first(outputs[:, None])
    sums = np.clip(np.concatenate([steps - 1, steps]), lowest, highest)
    is_exact = np.array_equal(requantize(sums - least, words), reference(sums))
    return (least, words) if is_exact else None


def _shifted(values: Int64, up: Int64) -> Int64:
    """Times a power of two, rounded."""
    down = np.maximum(-up, 0)
    half: Int64 = (np.int64(1) << down) >> 1
    return ((values << np.maximum(up, 0)) + half) >> down


def requantize(acc: Int64, scale: Int64) -> Int64:
    """What the kernel makes of sums less the least one; ``scale`` as from :func:`scales`."""
    largest, low, middle, high, round_low, round_high, negative, tie, limits = scale.T
    unsigned = acc & 0xFFFFFFFF
    wide = limits >> 24 != 0
    piece = np.where(wide, 8, 10)
    value = (unsigned * (limits >> 16 & 0xFF) + round_low) >> np.where(wide, 8, 0)
    value = (value + unsigned * low) >> piece
    value = (value + unsigned * middle) >> piece
    value = value + unsigned * high + round_high - np.where(unsigned < negative, tie, 0)
    limit = np.where(acc < 0, limits, limits >> 8)
    byte: Int64 = np.where(unsigned > largest, limit, value >> 24) & 0xFF
    return byte - ((byte & 0x80) << 1)
