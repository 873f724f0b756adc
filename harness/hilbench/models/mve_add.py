"""How kernel ``mve`` adds two int8 tensors (firmware, kernels/mve/hb_add_s8_mve.c).

Linear: a f + b g + c, narrowed by 16 bits, then by 6, both rounded half up and saturated, if
coefficients are found with which all 65,536 pairs give the reference's result.  Otherwise tables of
the inputs as the reference rescales them.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from hilbench.quantization import multiply_by_quantized_multiplier
from hilbench.schema import image

Int64 = NDArray[np.int64]

FRACTION_BITS = 22
#: What the narrowings add before they cut bits off.
ROUNDING = (1 << 15) + (1 << 21)
#: Sums below this keep the linear form inside 32 bits.
_LIMIT = 1 << 31
_FAR = np.int64(1) << 40
#: Steps towards coefficients that satisfy every pair.
_ROUNDS = 24


def add_constants(p: image.Add) -> NDArray[np.int32] | None:
    """Constants of an addition: (1, 4), f, g, c, 0; or (1, 514): tables, multiplier, shift.

    Tables are indexed by the input's byte as an unsigned number.  None: the kernel would not be
    exact.
    """
    values = np.arange(-128, 128, dtype=np.int64)
    rescaled = [
        np.asarray(
            multiply_by_quantized_multiplier((values + offset) << p.left_shift, multiplier, shift),
            np.int64,
        )
        for offset, multiplier, shift in (
            (p.input1_offset, p.input1_multiplier, p.input1_shift),
            (p.input2_offset, p.input2_multiplier, p.input2_shift),
        )
    ]
    constants = _linear(p, values, *rescaled)
    if constants is None:
        if not -31 <= p.output_shift <= -1:
            return None
        by_byte = np.arange(256).astype(np.uint8).view(np.int8).astype(np.int64) + 128
        ends = np.array([p.output_multiplier, p.output_shift], np.int64)
        constants = np.concatenate([rescaled[0][by_byte], rescaled[1][by_byte], ends])
    return constants.astype(np.uint64).astype(np.uint32).view(np.int32)[None]


def _linear(p: image.Add, values: Int64, first: Int64, second: Int64) -> Int64 | None:
    exact = multiply_by_quantized_multiplier(
        first[:, None] + second[None, :], p.output_multiplier, p.output_shift
    )
    out = np.clip(np.asarray(exact, np.int64) + p.output_offset, -128, 127)
    one = 1 << FRACTION_BITS
    # Sums that give `out`, both included; saturated ones have one end.
    low = np.where(out == -128, -_FAR, out * one - ROUNDING)
    high = np.where(out == 127, _FAR, out * one - ROUNDING + one - 1)
    scale = p.output_multiplier * 2.0 ** (p.output_shift - 31) * one * 2.0**p.left_shift
    f, g = (
        int(np.rint(scale * multiplier * 2.0 ** (shift - 31)))
        for multiplier, shift in (
            (p.input1_multiplier, p.input1_shift),
            (p.input2_multiplier, p.input2_shift),
        )
    )
    for _ in range(_ROUNDS):
        sums = f * values[:, None] + g * values[None, :]
        least, most = (low - sums).max(axis=1), (high - sums).min(axis=1)
        if least.max() <= most.min():
            c = int(least.max() + most.min()) // 2
            fits = max(abs(int(sums.min()) + c), abs(int(sums.max()) + c)) < _LIMIT
            return np.array([f, g, c, 0], np.int64) if fits and abs(c) < _LIMIT else None
        f, g = _turned(values, low - sums, high - sums, f, g)
    return None


def _turned(values: Int64, least: Int64, most: Int64, f: int, g: int) -> tuple[int, int]:
    """Coefficients turned towards the two pairs that contradict each other most."""
    i, j = np.unravel_index(least.argmax(), least.shape)
    k, m = np.unravel_index(most.argmin(), most.shape)
    excess = int(least[i, j] - most[k, m])
    da, db = int(values[i] - values[k]), int(values[j] - values[m])
    size = da * da + db * db
    if size == 0:
        return f, g
    return f + round(excess * da / size), g + round(excess * db / size)
