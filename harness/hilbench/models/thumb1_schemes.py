"""Constants for Armv6-M's and RV32IM's kernels of the further schemes: int4 weights, int16 data.

int4 weights of a convolution stay two to a byte and are taken apart in the loop.  Those of a fully
connected layer lie so that one multiplication serves two output channels: a word holds four taps of
both as w + 8, so that no sign reaches from one half into the other.

int16 data: a product has 24 bits, so that a multiplication serves one pixel only, but the upper one
of two pixels in a word x + 2**16 y can be multiplied apart: Sum x w = Sum (x + 2**16 y) w - 2**16
Sum y w (mod 2**32).  x and y are made unsigned by 2**15, which the start takes back.  Sums must fit
32 bits: the packer looks at the weights themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.models.dsp import MAX_FILTER, Packed, bias_of, int32, weights_of
from hilbench.models.graph import Graph
from hilbench.models.operator_view import Int32, Step
from hilbench.models.thumb1_layout import (
    SCALE_WORDS,
    as_words,
    conv_scratch_bytes,
    in_pairs,
    is_in_place,
)
from hilbench.schema import image

Int64 = NDArray[np.int64]

MAX_SUM = 1 << 31
#: int16 data as the tile has it.
OFFSET = 1 << 15
#: hb_requantize_64 multiplies by 16 bits and shifts right by 15 - shift; the kernel drops the lower
#: 16 bits of the product first.
PRODUCT_BITS = 15
DROPPED_BITS = 16


def int4_records(records: Int32, matrix: Int64) -> NDArray[np.int8]:
    """Records of a convolution with int4 weights, bytes (channels, 40 + depth / 2).

    Parameters
    ----------
    records : ndarray of int32, shape (channels, words)
        As for int8 weights.
    matrix : ndarray of int64, shape (channels, taps)
        The weights, -8 to 7.
    """
    padded = np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % 4)))
    padded = np.pad(padded, ((0, 0), (padded.shape[1] % 8, 0)))
    pairs = (padded[:, 0::2] & 15) | (padded[:, 1::2] & 15) << 4
    return np.hstack(
        [
            np.ascontiguousarray(records[:, :1]).view(np.int8),
            pairs.astype(np.uint8).view(np.int8),
            np.ascontiguousarray(records[:, -SCALE_WORDS:]).view(np.int8),
        ]
    )


def int4_pairs(records: Int32, matrix: Int64) -> NDArray[np.int8]:
    """Records of a fully connected layer with int4 weights, bytes (channels / 2, 80 + depth).

    Parameters
    ----------
    records, matrix
        As above; an odd last channel is paired with zeros.
    """
    if len(matrix) % 2:
        records = np.pad(records, ((0, 1), (0, 0)))
        matrix = np.pad(matrix, ((0, 1), (0, 0)))
    padded = np.pad(matrix + 8, ((0, 0), (0, -matrix.shape[1] % 4)))
    bits = padded.reshape(len(matrix) // 2, 2, -1, 4) << np.array([0, 4, 8, 12])
    halves = bits.sum(axis=3)
    words = int32(halves[:, 0] | halves[:, 1] << 16)
    return np.ascontiguousarray(in_pairs(records, words)).view(np.int8)


def pack_int16(graph: Graph, step: Step) -> Packed | None:
    """A convolution or fully connected layer of int16 data; None: it must stay canonical."""
    p = step.params
    assert isinstance(p, image.Conv)
    weights = weights_of(graph, step)
    connected = step.opcode == image.Opcode.FULLY_CONNECTED
    height, width = (1, 1) if connected else weights.shape[1:3]
    if graph.tensors[step.inputs[1]].dtype != "int8" or max(height, width) > MAX_FILTER:
        return None
    if (p.dilation_h, p.dilation_w) != (1, 1):
        return None
    records = _records(graph, step, weights.reshape(len(weights), -1), 0 if connected else OFFSET)
    if records is None:
        return None
    params = image.Conv(**{**p.__dict__, "filter_h": height, "filter_w": width})
    if connected:
        return Packed(records, params)
    return Packed(
        records,
        params,
        scratch_bytes=conv_scratch_bytes(graph, step, weights.shape),
        in_place=is_in_place(graph, step, weights.shape),
    )


def _records(graph: Graph, step: Step, matrix: Int64, offset: int) -> Int32 | None:
    """A record per output channel: start, weights, scale; None: the kernel would not be exact."""
    assert step.multiplier is not None
    assert step.shift is not None
    if step.inputs[2] != -1 and graph.tensors[step.inputs[2]].dtype != "int64":
        return None  # rounded twice
    bias = bias_of(graph, step, len(matrix))
    shift = PRODUCT_BITS - step.shift.astype(np.int64)
    largest = OFFSET * np.abs(matrix).sum(axis=1) + np.abs(bias)
    if largest.max() >= MAX_SUM or shift.min() <= DROPPED_BITS:
        return None
    multiplier = step.multiplier.astype(np.int64)
    reduced = np.where(multiplier < 0x7FFF0000, (multiplier + (1 << 15)) >> 16, 0x7FFF)
    down = shift - DROPPED_BITS
    words = as_words(matrix).astype(np.int64)
    start = bias - offset * matrix.sum(axis=1)
    scale = [reduced, np.int64(1) << (down - 1), down]
    return int32(np.column_stack([start, words, *scale]))
