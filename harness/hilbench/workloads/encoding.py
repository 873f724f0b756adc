"""From real values to the model's input type: an explicit step, recorded as text."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import VectorError
from hilbench.models import Tensor


def encode_real(values: NDArray[np.float32], tensor: Tensor) -> tuple[NDArray[np.uint8], str]:
    """Encode real values for an input tensor.

    Parameters
    ----------
    values : ndarray of float32, shape (n, ...)
        Real values, as many per row as the tensor has elements.
    tensor : Tensor
        An input of the model: float32, or int8, uint8 or int16 with scale and zero point.

    Returns
    -------
    raw : ndarray of uint8, shape (n, bytes)
        Little-endian bytes as the device takes them.
    text : str
        What was done.

    Raises
    ------
    VectorError
        Wrong number of elements, or values that are not finite.
    """
    rows = values.reshape(len(values), math.prod(values.shape[1:]))
    if rows.shape[1] != tensor.elements:
        raise VectorError(
            f"vectors of {rows.shape[1]} elements, the model's input '{tensor.name}' has "
            f"{tensor.elements} ({list(tensor.shape)})"
        )
    if not np.isfinite(rows).all():
        bad = int(np.argmin(np.isfinite(rows).all(axis=1)))
        raise VectorError(f"vector {bad} has a value that is not finite")
    if tensor.dtype == "float32":
        return as_bytes(rows.astype("<f4")), "float32, unchanged"
    steps = np.rint(rows.astype(np.float64) / tensor.scale) + tensor.zero_point
    limits = np.iinfo(tensor.dtype)
    quantized = np.clip(steps, limits.min, limits.max).astype(tensor.dtype)
    text = (
        f"{tensor.dtype}: round(value / {tensor.scale!r}) + {tensor.zero_point}, ties to even, "
        f"clipped to {limits.min}..{limits.max}"
    )
    return as_bytes(quantized), text


def as_bytes(rows: NDArray[np.generic]) -> NDArray[np.uint8]:
    """Rows as their little-endian bytes: (n, bytes)."""
    contiguous = np.ascontiguousarray(rows.astype(rows.dtype.newbyteorder("<"), copy=False))
    return contiguous.view(np.uint8).reshape(len(rows), rows.shape[1] * rows.itemsize)
