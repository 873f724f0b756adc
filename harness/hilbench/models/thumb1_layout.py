"""Layouts and sizes that the kernels of Armv6-M and RV32IM share (kernels/thumb1/hb_thumb1.h)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.models.graph import Graph
from hilbench.models.operator_view import Int32, Step
from hilbench.schema import image

Int64 = NDArray[np.int64]

#: Words of a tile per tap: two of its six pixels each.
TAP_WORDS = 3
#: Words of a record's scale (``struct hb_thumb1_scale``).
SCALE_WORDS = 9


def conv_scratch_bytes(graph: Graph, step: Step, shape: tuple[int, ...]) -> int:
    """Tile, and ring of padded rows, of a convolution whose weights have this shape (OHWI)."""
    p, (_, height, width, depth) = step.params, shape
    assert isinstance(p, image.Conv)
    data = graph.tensors[step.inputs[0]]
    _, _, out_w, _ = graph.tensors[step.output].shape
    element_bytes = data.bytes // data.elements
    columns = (out_w - 1) * p.stride_w + width
    row_bytes = 4 * _words(columns * depth * element_bytes)
    ring = height * row_bytes if _is_padded(graph, step, shape) else 0
    return 4 * TAP_WORDS * 4 * _words(height * width * depth) + ring


def is_in_place(graph: Graph, step: Step, shape: tuple[int, ...]) -> bool:
    """Whether a convolution's output may begin where its input does."""
    p, (channels, height, width, depth) = step.params, shape
    assert isinstance(p, image.Conv)
    if (height, width, p.stride_h, p.stride_w) == (1, 1, 1, 1):
        return channels <= depth
    _, in_h, in_w, _ = graph.tensors[step.inputs[0]].shape
    _, out_h, out_w, _ = graph.tensors[step.output].shape

    def lead(y: int) -> int:
        """Input read before output row ``y`` begins, less what is written at its end."""
        below: int = min(y * p.stride_h + height - p.pad_top, in_h)
        return int(below * in_w * depth - (y + 1) * out_w * channels)

    return _is_padded(graph, step, shape) and min(lead(0), lead(out_h - 1)) >= 0


def _is_padded(graph: Graph, step: Step, shape: tuple[int, ...]) -> bool:
    p, (_, height, width, _) = step.params, shape
    assert isinstance(p, image.Conv)
    _, in_h, in_w, _ = graph.tensors[step.inputs[0]].shape
    _, out_h, out_w, _ = graph.tensors[step.output].shape
    columns, rows = (out_w - 1) * p.stride_w + width, (out_h - 1) * p.stride_h + height
    return p.pad_top > 0 or p.pad_left > 0 or rows > in_h or columns > in_w


def in_pairs(records: Int32, weights: Int64 | Int32) -> Int32:
    """Records of two channels each: starts, their weights together, scales.

    Parameters
    ----------
    records : ndarray of int32, shape (2 n, words)
        A record per channel, its weights in the middle.
    weights : ndarray, shape (n, words)
    """
    starts = records[:, 0].reshape(-1, 2)
    scales = records[:, -SCALE_WORDS:].reshape(len(starts), -1)
    return np.hstack([starts, weights.astype(np.int32), scales])


def as_words(matrix: Int64) -> Int32:
    """Rows of int8, zeros up to a whole word."""
    padded = np.pad(matrix, ((0, 0), (0, -matrix.shape[1] % 4))).astype(np.int8)
    words: Int32 = np.ascontiguousarray(padded).view("<i4")
    return words


def _words(size: int) -> int:
    return -(-size // 4)
