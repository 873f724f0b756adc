"""Constants for Winograd's F(2x2, 3x3) on Armv7E-M (firmware, kernels/dsp/hb_winograd_dsp.h).

Convolutions 3 x 3 of stride 1 of int8, for ``--optimize speed``: the transformed weights are 16
int16 where the file has 9 int8, 3.56 times the flash.  They are constants of the image and not
built when the device starts: as state of the arena they would take that much RAM beside their
source in flash, and RAM is what the boards lack.

Exact in integers: the middle rows of the weights' transform are doubled, and the outputs' transform
halves what is always even.  It takes an operator only where no sum can leave 32 bits, requantized
as the kernel ``dsp`` does it, and where it is likely to be faster.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.models.dsp import MAX_SUM, Packed, bias_of, int32, scales_of, weights_of
from hilbench.models.graph import Graph
from hilbench.models.operator_view import Int32, Step
from hilbench.models.rows import is_by_rows
from hilbench.schema import image

Int64 = NDArray[np.int64]

#: G with its middle rows doubled; Lavin and Gray, "Fast algorithms for convolutional neural
#: networks", 2016, section 4.1.
WEIGHTS = np.array([[1, 0, 0], [1, 1, 1], [1, -1, 1], [0, 0, 1]])
#: Of B' d B for int8 data: sums of four values.
MAX_DATA = 4 * 128
#: Positions are ordered from (1, 1) on.
FIRST_POSITION = 5
POSITIONS = 16
#: Output rows, columns of a group of four tiles.
GROUP_H, GROUP_W = 2, 8
#: Scratch beside what depends on the operator: sums and columns (HB_WINOGRAD_SUMS, COLUMN_WORDS).
FIXED_SCRATCH_BYTES = 4 * (16 * 8 + 2 * 4 * 10)


def pack_step(graph: Graph, step: Step) -> Packed | None:
    """The operator packed for kernel ``dsp_winograd``, or None where another one takes it."""
    p = step.params
    if step.opcode != image.Opcode.CONV_2D or graph.tensors[step.output].dtype != "int8":
        return None
    assert isinstance(p, image.Conv)
    weights = weights_of(graph, step)
    channels, height, width, depth = weights.shape
    ones = (p.stride_h, p.stride_w, p.dilation_h, p.dilation_w)
    if is_by_rows(graph, step) or (height, width) != (3, 3) or ones != (1, 1, 1, 1):
        return None
    if channels % 2 or depth % 4 or not _is_faster(graph.tensors[step.output].shape, depth):
        return None
    stream = winograd_stream(step, weights, bias_of(graph, step, channels))
    if stream is None:
        return None
    _, in_h, in_w, _ = graph.tensors[step.inputs[0]].shape
    _, out_h, out_w, _ = graph.tensors[step.output].shape
    row_bytes = (-(-out_w // GROUP_W) * GROUP_W + 2) * depth

    def is_ahead(y: int) -> bool:
        """Whether the rows written after two more are no more than those read, in bytes."""
        read = min(y + GROUP_H + 2 - p.pad_top, in_h)
        written = min(y + GROUP_H, out_h)
        return bool(read * in_w * depth >= written * out_w * channels)

    return Packed(
        stream,
        image.Conv(**{**p.__dict__, "filter_h": height, "filter_w": width}),
        scratch_bytes=POSITIONS * GROUP_W * depth
        + FIXED_SCRATCH_BYTES
        + 4 * row_bytes
        + GROUP_H * GROUP_W * channels,
        in_place=all(is_ahead(y) for y in range(0, out_h, GROUP_H)),
    )


def winograd_stream(step: Step, weights: Int64, bias: Int64) -> Int32 | None:
    """Stream of transformed weights: two output channels per block.

    Parameters
    ----------
    step : Step
    weights : ndarray of int64, shape (channels, 3, 3, depth)
        Channels even, depth a multiple of 4.
    bias : ndarray of int64, shape (channels,)

    Returns
    -------
    ndarray of int32, shape (channels / 2, 6 + 16 depth), or None
        None: the kernel would not be exact.
    """
    assert isinstance(step.params, image.Conv)
    channels, _, _, depth = weights.shape
    folded = bias + step.params.input_offset * weights.sum(axis=(1, 2, 3))
    scales = scales_of(step)
    transformed = np.einsum("ia,oabk,jb->oijk", WEIGHTS, weights, WEIGHTS)
    # Whatever the outputs' transform adds up, it is no more than all products together.
    sums = MAX_DATA * np.abs(transformed).sum(axis=(1, 2, 3)) + np.abs(4 * folded)
    if scales is None or sums.max() >= MAX_SUM:
        return None
    positions = np.roll(transformed.reshape(channels, POSITIONS, depth), -FIRST_POSITION, axis=1)
    groups = positions.reshape(channels // 2, 2, POSITIONS, depth // 4, 4)
    pairs = (groups[..., :2] & 0xFFFF) | (groups[..., 2:] << 16)
    words = pairs.transpose(0, 2, 3, 4, 1).reshape(channels // 2, -1)
    starts = 4 * folded.reshape(-1, 2)
    return int32(np.hstack([starts, words, scales.reshape(-1, 4)]))


def _is_faster(shape: tuple[int, ...], depth: int) -> bool:
    """Whether it takes fewer weighted instructions than kernel ``dsp`` (measured, rounded)."""
    _, height, width, channels = shape
    direct = height * width * (channels * (9 * depth + 12) + 9 * depth)
    groups = -(-height // GROUP_H) * -(-width // GROUP_W)
    return direct > groups * (channels * (60 * depth + 430) + 180 * depth)
