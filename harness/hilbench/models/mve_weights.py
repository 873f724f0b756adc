"""Packed weights of kernel ``mve`` (firmware, kernels/mve/hb_mve.h): one layout per scheme."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.models.graph import Graph
from hilbench.models.operator_view import Int32, Step
from hilbench.schema import image

Int64 = NDArray[np.int64]
Order = NDArray[np.intp]

#: Bytes of a vector.
LANES = 16
#: Of two pixels at a time: channels of a group.
CHANNELS = 4
#: Of one pixel at a time.
DOT_CHANNELS = 8
#: Channel of lane 4 g + i of 16: what two narrowings, even lanes then odd ones, bring in order.
ORDER_16 = np.array([0, 4, 8, 12, 2, 6, 10, 14, 1, 5, 9, 13, 3, 7, 11, 15])
#: The same for 8 channels and one narrowing.
ORDER_8 = np.array([0, 2, 4, 6, 1, 3, 5, 7])
_MAX_SUM = 1 << 31


def stream_s8(graph: Graph, step: Step, matrix: Int64) -> Int32 | None:
    """Weights (channels, depth) of a convolution, depth a multiple of 16; None: not exact."""
    order = channel_order(len(matrix), ORDER_16)
    return _stream_int8(graph, step, matrix, order, CHANNELS, repeats=2)


def stream_dot(graph: Graph, step: Step, matrix: Int64) -> Int32 | None:
    """Weights (channels, depth) of a fully connected layer, depth a multiple of 16."""
    count = blocks(len(matrix), DOT_CHANNELS)
    order = (DOT_CHANNELS * np.arange(count)[:, None] + ORDER_8).ravel()
    return _stream_int8(graph, step, matrix, order, DOT_CHANNELS, repeats=1)


def stream_s4(graph: Graph, step: Step, matrix: Int64) -> NDArray[np.int8] | None:
    """int4 weights (channels, depth), depth a multiple of 32: bytes (groups, 64 + 2 depth)."""
    factors = scales(step)
    if factors is None:
        return None
    order = channel_order(len(matrix), ORDER_16)
    groups = len(order) // CHANNELS
    rows = _rows(matrix, order).reshape(groups, CHANNELS, -1, 2, LANES)
    pairs = (rows[:, :, :, 0] & 15) | (rows[:, :, :, 1] & 15) << 4
    vectors = pairs.transpose(0, 2, 1, 3).reshape(groups, -1).astype(np.uint8).view(np.int8)
    starts = np.tile(_row(folded(graph, step, matrix), order).reshape(groups, CHANNELS), (1, 2))
    records = np.hstack([int32(starts).view(np.int8), vectors])
    ends = int32(_ends(factors, order)).view(np.int8)
    stream: NDArray[np.int8] = np.concatenate([records.ravel(), ends.ravel()])
    return stream.reshape(groups, -1)


def stream_s16(graph: Graph, step: Step, matrix: Int64) -> Int32 | None:
    """Weights (channels, depth) for int16 data, depth a multiple of 8; None: not exact.

    Sums have 32 bits: it must be certain that they fit.  A bias of 32 bits asks for another
    rounding.
    """
    factors = scales(step)
    bias = np.zeros(len(matrix), np.int64)
    if step.inputs[2] != -1:
        data = graph.tensors[step.inputs[2]].data
        assert data is not None
        if data.dtype != np.int64:
            return None
        bias = data.astype(np.int64).ravel()
    largest = 32768 * np.abs(matrix).sum(axis=1) + np.abs(bias)
    if factors is None or largest.max() >= _MAX_SUM:
        return None
    # The reference cuts the multiplier to 16 bits.
    reduced = np.where(factors[0] < 0x7FFF0000, (factors[0] + (1 << 15)) >> 16, 0x7FFF)
    order = channel_order(len(matrix), ORDER_8)
    groups = len(order) // CHANNELS
    vectors = _rows(matrix, order).reshape(groups, CHANNELS, -1, 8).transpose(0, 2, 1, 3)
    starts = np.tile(_row(bias, order).reshape(groups, CHANNELS), (1, 2))
    records = np.hstack([int32(starts), words(vectors.reshape(groups, -1))])
    ends = int32(_ends(np.stack([reduced << 16, factors[1]]), order))
    return np.concatenate([records.ravel(), ends.ravel()]).reshape(groups, -1)


def _stream_int8(
    graph: Graph, step: Step, matrix: Int64, order: Order, group: int, repeats: int
) -> Int32 | None:
    """Of every group of channels the biases, each ``repeats`` times, and the weights, 16 of each
    channel in turn; behind all groups the scales."""
    factors = scales(step)
    if factors is None:
        return None
    groups = len(order) // group
    vectors = _rows(matrix, order).reshape(groups, group, -1, LANES).transpose(0, 2, 1, 3)
    bias = _row(folded(graph, step, matrix), order).reshape(groups, group)
    records = np.hstack([int32(np.tile(bias, (1, repeats))), words(vectors.reshape(groups, -1))])
    ends = int32(_ends(factors, order))
    return np.concatenate([records.ravel(), ends.ravel()]).reshape(groups, -1)


def channel_order(channels: int, order: Order) -> Order:
    """Whole blocks of channels in ``order``, the rest as it is, up to a multiple of 4."""
    block = len(order)
    whole = channels // block
    first = (block * np.arange(whole)[:, None] + order).ravel()
    rest = np.arange(block * whole, CHANNELS * blocks(channels, CHANNELS))
    return np.concatenate([first, rest])


def scales(step: Step) -> Int64 | None:
    """Multipliers and negative right shifts, (2, channels); None: a right shift is not 1 to 31."""
    assert step.multiplier is not None
    assert step.shift is not None
    if step.shift.max() > -1 or step.shift.min() < -31:
        return None
    return np.stack([step.multiplier, step.shift]).astype(np.int64)


def folded(graph: Graph, step: Step, matrix: Int64) -> Int64:
    """Bias with the input's zero point, per channel."""
    assert isinstance(step.params, image.Conv)
    data = None if step.inputs[2] == -1 else graph.tensors[step.inputs[2]].data
    bias = 0 if data is None else data.astype(np.int64).ravel()
    result: Int64 = bias + step.params.input_offset * matrix.sum(axis=1)
    return result


def padded(matrix: Int64, multiple: int) -> Int64:
    """Zeros behind each row."""
    return np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % multiple)))


def blocks(size: int, block: int) -> int:
    """How many blocks hold ``size``."""
    return -(-size // block)


def words(weights: Int64) -> Int32:
    """Rows of int8 as little-endian words."""
    rows = np.ascontiguousarray(weights.astype("<i1"))
    return rows.view("<i4").astype(np.int32)


def int32(values: Int64) -> Int32:
    """Modulo 2**32."""
    return values.astype(np.uint64).astype(np.uint32).view(np.int32)


def _rows(matrix: Int64, order: Order) -> Int64:
    """The rows in order, zeros where there is no channel."""
    return np.pad(matrix, ((0, len(order) - len(matrix)), (0, 0)))[order]


def _row(values: Int64, order: Order) -> Int64:
    return np.pad(values, (0, len(order) - len(values)))[order]


def _ends(factors: Int64, order: Order) -> Int64:
    """Scales behind the groups: per 4 channels the multipliers, then the shifts."""
    ordered = np.stack([_row(each, order) for each in factors])
    return ordered.reshape(2, -1, CHANNELS).transpose(1, 0, 2)
