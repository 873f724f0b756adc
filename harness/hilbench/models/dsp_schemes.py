"""Constants for the DSP extension's kernels of the further schemes: int4 weights, int16 data.

int4 weights are a byte for every two output channels' weights of one k, and are unpacked on the
device to what int8 weights look like, as many channels at a time as fit 8 KiB of scratch.  int16
data is multiplied by int8 weights in 32-bit sums, which is exact where no sum can exceed 32 bits:
the packer looks at the weights themselves.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.models.graph import Graph
from hilbench.models.operator_view import Int32, Step
from hilbench.schema import image

Int64 = NDArray[np.int64]

#: Room for unpacked int4 weights, bytes (HB_P4_GROUP_BYTES).
GROUP_BYTES = 8192
#: Words of a block beside its weights: biases and scales.
FIXED_WORDS = 6
#: Patches that share one pass over the weights of int16 data.
PATCHES = 2
MAX_SUM = 1 << 31


def p4_stream(p8: Int32, matrix: Int64) -> NDArray[np.int8]:
    """A stream of int4 weights from the one of int8 weights, bytes (channels / 2, 24 + depth).

    Parameters
    ----------
    p8 : ndarray of int32, shape (channels / 2, 6 + depth / 2)
        From :func:`hilbench.models.dsp.p8_stream`.
    matrix : ndarray of int64, shape (channels, depth)
        The weights, -8 to 7, in the kernel's order.
    """
    pairs = (matrix[0::2] & 15) | (matrix[1::2] & 15) << 4
    starts = np.ascontiguousarray(p8[:, :2]).view(np.int8)
    scales = np.ascontiguousarray(p8[:, -4:]).view(np.int8)
    return np.hstack([starts, pairs.astype(np.uint8).view(np.int8), scales])


def p4_scratch_bytes(channels: int, depth: int) -> int:
    """Room that the device unpacks a group of channels into."""
    block = 4 * FIXED_WORDS + 2 * depth
    return min(channels, 2 * max(1, GROUP_BYTES // block)) // 2 * block


def p16_stream(graph: Graph, step: Step, matrix: Int64) -> Int32 | None:
    """Packed weights for int16 data, (channels / 2, 6 + depth / 2); None: sums may exceed 32 bits.

    Parameters
    ----------
    graph : Graph
    step : Step
        Its bias is absent or int64, as 64-bit arithmetic has it.
    matrix : ndarray of int64, shape (channels, depth)
        Weights by row, column, input channel, zeros up to a multiple of four.
    """
    assert step.multiplier is not None
    assert step.shift is not None
    channels, depth = matrix.shape
    bias = np.zeros(channels, np.int64)
    if step.inputs[2] != -1:
        data = graph.tensors[step.inputs[2]].data
        assert data is not None
        if data.dtype != np.int64:
            return None
        bias = data.astype(np.int64).ravel()
    largest = 32768 * np.abs(matrix).sum(axis=1) + np.abs(bias)
    if channels % 2 or largest.max() >= MAX_SUM:
        return None
    multiplier = step.multiplier.astype(np.int64)
    reduced = np.where(multiplier < 0x7FFF0000, (multiplier + (1 << 15)) >> 16, 0x7FFF)
    scales = np.stack([reduced, 15 - step.shift.astype(np.int64)], axis=1)
    ordered = matrix.reshape(channels, depth // 4, 4)[:, :, [0, 2, 1, 3]].astype(np.int8)
    words: Int32 = np.ascontiguousarray(ordered).view(np.int32)
    alternating = words.reshape(channels // 2, 2, -1).transpose(0, 2, 1)
    biases, factors = bias.reshape(-1, 2), scales.reshape(-1, 4)
    return np.hstack(
        [
            biases.astype(np.int32),
            alternating.reshape(channels // 2, -1),
            factors.astype(np.int32),
        ]
    )


def p16_scratch_bytes(p: image.Conv, size: tuple[int, int], data_channels: int, depth: int) -> int:
    """Patches that are gathered; none where they lie in the input as they are."""
    plain = size == (1, 1) and (p.stride_h, p.stride_w) == (1, 1)
    return 0 if plain and data_channels % 4 == 0 else 2 * PATCHES * depth
