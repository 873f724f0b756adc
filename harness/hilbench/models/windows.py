"""Sliding windows over batches of NHWC arrays: what convolutions and pools walk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.schema import image

Array = NDArray[Any]

#: Elements of the patches that are formed at a time.
BLOCK_ELEMENTS = 1 << 23


@dataclass(frozen=True)
class Window:
    """Filter, stride, dilation, leading padding and output size; pairs are (height, width)."""

    filter: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: tuple[int, int]
    output: tuple[int, int]

    @classmethod
    def of_conv(cls, p: image.Conv, size: tuple[int, ...], output: tuple[int, int]) -> Window:
        """Window of a convolution whose weights have ``size`` (height, width)."""
        return cls(
            (size[0], size[1]),
            (p.stride_h, p.stride_w),
            (p.dilation_h, p.dilation_w),
            (p.pad_top, p.pad_left),
            output,
        )

    @classmethod
    def of_pool(cls, p: image.Pool, output: tuple[int, int]) -> Window:
        """Window of a pool."""
        return cls(
            (p.filter_h, p.filter_w),
            (p.stride_h, p.stride_w),
            (1, 1),
            (p.pad_top, p.pad_left),
            output,
        )

    def inside(self, axis: int, tap: int, size: int) -> tuple[slice, slice]:
        """Output positions whose ``tap`` lies inside an input of ``size``, and those inputs."""
        offset = tap * self.dilation[axis] - self.padding[axis]
        stride = self.stride[axis]
        first = max(0, -(offset // stride)) if offset < 0 else 0
        last = min(self.output[axis] - 1, (size - 1 - offset) // stride)
        if last < first:
            return slice(0, 0), slice(0, 0)
        start = first * stride + offset
        return slice(first, last + 1), slice(start, last * stride + offset + 1, stride)

    def touching(self, axis: int, size: int) -> list[tuple[int, slice, slice]]:
        """Filter positions that meet the input somewhere, each with :meth:`inside`."""
        found = []
        for tap in range(self.filter[axis]):
            to, source = self.inside(axis, tap, size)
            if to.stop > to.start:
                found.append((tap, to, source))
        return found

    def row_blocks(self, elements_per_row: int) -> Iterator[Window]:
        """The same window for some output rows at a time, so that patches stay small."""
        step = max(1, BLOCK_ELEMENTS // elements_per_row)
        for start in range(0, self.output[0], step):
            rows = min(step, self.output[0] - start)
            top = self.padding[0] - start * self.stride[0]
            yield replace(self, padding=(top, self.padding[1]), output=(rows, self.output[1]))

    def counts(self, size: tuple[int, ...]) -> NDArray[np.int64]:
        """Positions inside the input for each output, shape (output height, output width)."""
        per_axis = []
        for axis in (0, 1):
            count = np.zeros(self.output[axis], np.int64)
            for _, to, _ in self.touching(axis, size[axis]):
                count[to] += 1
            per_axis.append(count)
        return np.outer(per_axis[0], per_axis[1])


def taps(x: Array, window: Window, fill: float = 0) -> Iterator[tuple[int, int, Array]]:
    """Row, column and values (n, output height, output width, C) of each filter position.

    Positions in the padding hold ``fill``; a filter position that is all padding is left out.
    """
    whole = (slice(0, window.output[0]), slice(0, window.output[1]))
    columns = window.touching(1, x.shape[2])
    for row, to_row, from_row in window.touching(0, x.shape[1]):
        for column, to_column, from_column in columns:
            part = x[:, from_row, from_column, :]
            if (to_row, to_column) != whole:
                full = np.full((x.shape[0], *window.output, x.shape[3]), fill, x.dtype)
                full[:, to_row, to_column, :] = part
                part = full
            yield row, column, part


def patches(x: Array, window: Window) -> Array:
    """Each output's inputs in the order row, column, channel: (n * outputs, products)."""
    n, _, _, depth = x.shape
    height, width = window.filter
    plain = Window((1, 1), (1, 1), window.dilation, (0, 0), (x.shape[1], x.shape[2]))
    if window == plain:
        return x.reshape(-1, depth)
    result = np.zeros((n, *window.output, height, width, depth), x.dtype)
    columns = window.touching(1, x.shape[2])
    for row, to_row, from_row in window.touching(0, x.shape[1]):
        for column, to_column, from_column in columns:
            result[:, to_row, to_column, row, column, :] = x[:, from_row, from_column, :]
    return result.reshape(-1, height * width * depth)
