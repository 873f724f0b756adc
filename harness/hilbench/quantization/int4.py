"""4-bit integers, two to a byte: the first in the low half, an odd last one leaves a half 0."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def pack_int4(values: NDArray[np.int8]) -> NDArray[np.uint8]:
    """Bytes of values from -8 to 7, in C order."""
    flat = values.ravel().astype(np.uint8) & 15
    padded = np.pad(flat, (0, flat.size % 2))
    packed: NDArray[np.uint8] = padded[0::2] | (padded[1::2] << 4)
    return packed


def unpack_int4(packed: NDArray[np.uint8], count: int) -> NDArray[np.int8]:
    """The first ``count`` values, shape (count,)."""
    halves = np.stack([packed & 15, packed >> 4], axis=-1).reshape(-1)[:count].astype(np.int8)
    return np.where(halves > 7, halves - 16, halves).astype(np.int8)
