"""Sliding windows for training: forward products by BLAS, and their gradients.  NHWC, float32."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True)
class Geometry:
    """How a filter slides over an image.

    Attributes
    ----------
    size, filter, stride, output : (rows, columns)
    before, after : (rows, columns)
        Zeros around the image.
    """

    size: tuple[int, int]
    filter: tuple[int, int]
    stride: tuple[int, int]
    output: tuple[int, int]
    before: tuple[int, int]
    after: tuple[int, int]

    def padded(self, x: Array) -> Array:
        """(n, H, W, C) with its zeros."""
        if not any((*self.before, *self.after)):
            return x
        pads = [(b, a) for b, a in zip(self.before, self.after, strict=True)]
        return np.pad(x, ((0, 0), *pads, (0, 0)))

    def cropped(self, padded: Array) -> Array:
        """What :meth:`padded` was given."""
        (top, left), (height, width) = self.before, self.size
        return padded[:, top : top + height, left : left + width]

    def taps(self) -> list[tuple[int, int, slice, slice]]:
        """Each tap of the filter and what it reads of the padded image."""
        return [
            (row, column, self._reads(row, 0), self._reads(column, 1))
            for row in range(self.filter[0])
            for column in range(self.filter[1])
        ]

    def _reads(self, offset: int, axis: int) -> slice:
        return slice(
            offset, offset + (self.output[axis] - 1) * self.stride[axis] + 1, self.stride[axis]
        )


def geometry(
    size: tuple[int, int], filter_size: tuple[int, int], stride: tuple[int, int], same: bool
) -> Geometry:
    """TensorFlow's SAME (``same``) or VALID window.

    Raises
    ------
    ValueError
        A VALID filter larger than the image.
    """
    output, before, after = [], [], []
    for extent, taps, step in zip(size, filter_size, stride, strict=True):
        if not same and taps > extent:
            raise ValueError(f"a filter of {filter_size} on an image of {size}")
        count = -(-extent // step) if same else (extent - taps) // step + 1
        total = max((count - 1) * step + taps - extent, 0) if same else 0
        output.append(count)
        before.append(total // 2)
        after.append(total - total // 2)
    rows, columns = 0, 1
    return Geometry(
        size,
        filter_size,
        stride,
        (output[rows], output[columns]),
        (before[rows], before[columns]),
        (after[rows], after[columns]),
    )


def patches(x: Array, g: Geometry) -> Array:
    """The windows of (n, H, W, C) as rows: (n * rows * columns, filter rows * columns * C)."""
    n, channels = len(x), x.shape[3]
    if g.filter == (1, 1) and g.stride == (1, 1):
        return x.reshape(-1, channels)
    windows = sliding_window_view(g.padded(x), g.filter, axis=(1, 2))
    windows = windows[:, :: g.stride[0], :: g.stride[1]][:, : g.output[0], : g.output[1]]
    # (n, rows, columns, C, filter rows, filter columns) -> the channel last
    ordered = windows.transpose(0, 1, 2, 4, 5, 3)
    return ordered.reshape(n * g.output[0] * g.output[1], -1)


def patches_back(error: Array, n: int, channels: int, g: Geometry) -> Array:
    """Gradient of the image from that of its :func:`patches`."""
    if g.filter == (1, 1) and g.stride == (1, 1):
        return error.reshape(n, *g.size, channels)
    cells = error.reshape(n, *g.output, *g.filter, channels)
    back = np.zeros(
        (n, *(s + b + a for s, b, a in zip(g.size, g.before, g.after, strict=True)), channels),
        error.dtype,
    )
    for row, column, rows, columns in g.taps():
        back[:, rows, columns] += cells[:, :, :, row, column]
    return g.cropped(back)


def depthwise(x: Array, weights: Array, g: Geometry) -> tuple[Array, Array]:
    """Depthwise product with weights (filter rows, filter columns, C), and the padded image."""
    padded = g.padded(x)
    total = np.zeros((len(x), *g.output, x.shape[3]), x.dtype)
    for row, column, rows, columns in g.taps():
        total += padded[:, rows, columns] * weights[row, column]
    return total, padded


def depthwise_back(
    padded: Array, weights: Array, error: Array, g: Geometry, need_input: bool
) -> tuple[Array | None, Array]:
    """Gradients of the image (None unless needed) and of the weights."""
    back = np.zeros_like(padded, dtype=error.dtype) if need_input else None
    gradient = np.zeros(weights.shape, error.dtype)
    for row, column, rows, columns in g.taps():
        gradient[row, column] = (padded[:, rows, columns] * error).sum(axis=(0, 1, 2))
        if back is not None:
            back[:, rows, columns] += error * weights[row, column]
    return (None if back is None else g.cropped(back)), gradient
