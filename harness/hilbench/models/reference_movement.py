"""Operators that move elements, on batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.models.lowering import Step
from hilbench.schema import image

Array = NDArray[Any]


def move(step: Step, x: Array, before: Array) -> Array:
    """``before``, shape (n, *output), with the box of ``x`` copied into it."""
    assert isinstance(step.params, image.Move)
    p = step.params
    n = len(x)
    result = before.copy()
    source = _positions(p.dims, p.in_strides, p.in_offset)
    target = _positions(p.dims, p.out_strides, p.out_offset)
    result.reshape(n, -1)[:, target] = x.reshape(n, -1)[:, source]
    return result


def _positions(dims: tuple[int, ...], strides: tuple[int, ...], offset: int) -> NDArray[np.int64]:
    """Flat indices of a box's elements, in order."""
    at = np.full((1,) * len(dims), offset, np.int64)
    for axis, (extent, stride) in enumerate(zip(dims, strides, strict=True)):
        shape = [1] * len(dims)
        shape[axis] = extent
        at = at + (np.arange(extent) * stride).reshape(shape)
    return at.ravel()


def fill(step: Step, shape: tuple[int, ...], dtype: str) -> Array:
    """An array of one value."""
    assert isinstance(step.params, image.Fill)
    kind = np.dtype(dtype).newbyteorder("<")
    raw = step.params.value.to_bytes(4, "little")[: kind.itemsize]
    return np.full(shape, np.frombuffer(raw, kind)[0]).astype(dtype)


def resize_nearest(step: Step, x: Array) -> Array:
    """Rows and columns of (n, 1, H, W, C), as the tables say."""
    rows, columns = step.tables
    return x[:, :, rows.astype(np.int64)][:, :, :, columns.astype(np.int64)]
