"""Tables by which kernel ``dsp`` adds two int8 tensors (firmware, kernels/dsp/hb_add_s8_dsp.c).

Direct tables: out = saturate((A[a] + B[b]) >> 22), each table an input's share of the output in
fixed point.  Whether that is the reference's result is decided by trying all 65,536 pairs.  Where
it is not for a few, entries are moved inside the intervals that all their pairs allow; if none is
left, the tables hold the reference's own rescaled inputs and the kernel requantizes their sum.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.quantization import multiply_by_quantized_multiplier
from hilbench.schema import image

Int64 = NDArray[np.int64]

FRACTION_BITS = 22
ONE = 1 << FRACTION_BITS
#: Rounds in which one table's entries are moved after the other's.
ROUNDS = 8
_FAR = np.int64(1) << 40


def add_tables(p: image.Add) -> NDArray[np.int32] | None:
    """Constants of an addition, shape (1, 512): direct, or (1, 514); None: canonical.

    Tables are indexed by the input's byte as an unsigned number.
    """
    if (p.act_min, p.act_max) != (-128, 127):
        return None
    values = np.arange(256).astype(np.uint8).view(np.int8).astype(np.int64)
    rescaled = [
        multiply_by_quantized_multiplier((values + offset) << p.left_shift, multiplier, shift)
        for offset, multiplier, shift in (
            (p.input1_offset, p.input1_multiplier, p.input1_shift),
            (p.input2_offset, p.input2_multiplier, p.input2_shift),
        )
    ]
    first, second = (np.asarray(side, np.int64) for side in rescaled)
    tables = _direct(p, first, second)
    if tables is None:
        if p.output_multiplier < 1 << 30 or not -31 <= p.output_shift <= -2:
            return None
        scales = np.array([2 * p.output_multiplier, 1 << (32 + p.output_shift)], np.int64)
        tables = np.concatenate([first, second, scales])
    return tables.astype(np.uint64).astype(np.uint32).view(np.int32)[None]


def _direct(p: image.Add, first: Int64, second: Int64) -> Int64 | None:
    sums = first[:, None] + second[None, :]
    exact = multiply_by_quantized_multiplier(sums, p.output_multiplier, p.output_shift)
    out = np.clip(np.asarray(exact, np.int64) + p.output_offset, -128, 127)
    # Sums that give `out`: from low to high, both included.
    low = np.where(out == -128, -_FAR, out * ONE)
    high = np.where(out == 127, _FAR, out * ONE + ONE - 1)
    scale = p.output_multiplier * 2.0 ** (p.output_shift - 31) * ONE
    a = np.rint(first * scale).astype(np.int64) + p.output_offset * ONE + ONE // 2
    b = np.rint(second * scale).astype(np.int64)
    for _ in range(ROUNDS):
        total = a[:, None] + b[None, :]
        if ((total >= low) & (total <= high)).all():
            fits = np.abs(total).max() < 1 << 31
            return np.concatenate([a, b]) if fits else None
        a = _moved(a, (low - b[None, :]).max(axis=1), (high - b[None, :]).min(axis=1))
        b = _moved(b, (low - a[:, None]).max(axis=0), (high - a[:, None]).min(axis=0))
    return None


def _moved(table: Int64, low: Int64, high: Int64) -> Int64:
    """Entries moved into their intervals; into the middle where an interval is empty."""
    inside = np.clip(table, low, np.maximum(low, high))
    return np.where(low <= high, inside, (low + high) // 2)
