"""From real-valued quantization parameters to the integers that kernels use."""

from __future__ import annotations

import math
from enum import IntEnum

import numpy as np
from numpy.typing import ArrayLike, NDArray

FLT_MAX = float(np.finfo(np.float32).max)


class Activation(IntEnum):
    """Fused activations, numbered as in TensorFlow Lite's schema."""

    NONE = 0
    RELU = 1
    RELU_N1_TO_1 = 2
    RELU6 = 3


_REAL_RANGE: dict[Activation, tuple[float | None, float | None]] = {
    Activation.NONE: (None, None),
    Activation.RELU: (0.0, None),
    Activation.RELU_N1_TO_1: (-1.0, 1.0),
    Activation.RELU6: (0.0, 6.0),
}


def quantize_multiplier(real: float) -> tuple[int, int]:
    """Q31 significand and shift of a real multiplier.

    Parameters
    ----------
    real : float
        A finite multiplier, at least 0.

    Returns
    -------
    multiplier : int
        0, or 2**30 to 2**31 - 1.
    shift : int
        ``real ~ multiplier * 2**(shift - 31)``.  A multiplier below 2**-32 becomes (0, 0).

    Raises
    ------
    ValueError
        Negative or not finite.
    """
    if not (math.isfinite(real) and real >= 0.0):
        raise ValueError(f"multiplier {real} is not a finite number >= 0")
    if real == 0.0:
        return 0, 0
    fraction, shift = math.frexp(real)
    # Round half away from zero; the product is exact, a power of two times a double.
    significand = math.floor(fraction * (1 << 31) + 0.5)
    if significand == 1 << 31:
        significand //= 2
        shift += 1
    if shift < -31:
        return 0, 0
    return significand, shift


def quantize_multipliers(reals: ArrayLike) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """:func:`quantize_multiplier` of each element of a vector: int32 multipliers, int32 shifts."""
    pairs = [quantize_multiplier(float(real)) for real in np.asarray(reals, dtype=np.float64)]
    table = np.array(pairs, dtype=np.int32).reshape(-1, 2)
    return table[:, 0].copy(), table[:, 1].copy()


def softmax_scaling(beta: float, scale: float, integer_bits: int = 5) -> tuple[int, int, int]:
    """How an int8 softmax rescales differences to fixed point with ``integer_bits``.

    Parameters
    ----------
    beta : float
        Factor of the exponent.
    scale : float
        Scale of the input.
    integer_bits : int
        Integer bits of the signed 32-bit fixed-point format.

    Returns
    -------
    multiplier, left_shift : int
        ``difference * multiplier * 2**(left_shift - 31)`` is the raw fixed-point value.
    diff_min : int
        Differences below it count as zero; <= 0.

    Raises
    ------
    ValueError
        ``beta * scale`` is so small (or negative) that the rescale would not be greater than 1.
    """
    real = min(beta * scale * (1 << (31 - integer_bits)), float((1 << 31) - 1))
    if not real > 1.0:
        raise ValueError(f"softmax of beta {beta} and scale {scale} cannot be rescaled")
    multiplier, left_shift = quantize_multiplier(real)
    radius = ((1 << integer_bits) - 1) * (1 << (31 - integer_bits)) / (1 << left_shift)
    return multiplier, left_shift, -math.floor(radius)


def activation_range_int(
    activation: Activation, scale: float, zero_point: int, low: int = -128, high: int = 127
) -> tuple[int, int]:
    """Clamp of a quantized output, inclusive.

    The bounds are quantized in float32 with ties away from zero, as TensorFlow Lite does.

    Raises
    ------
    ValueError
        The scale is so small that a bound does not fit 32 bits.
    """
    real_low, real_high = _REAL_RANGE[activation]
    if real_low is not None:
        low = max(low, _quantize(real_low, scale, zero_point))
    if real_high is not None:
        high = min(high, _quantize(real_high, scale, zero_point))
    return low, high


def activation_range_float(activation: Activation) -> tuple[float, float]:
    """Clamp of a float output; the largest finite float32 stands for none."""
    low, high = _REAL_RANGE[activation]
    return (-FLT_MAX if low is None else low), (FLT_MAX if high is None else high)


def _quantize(real: float, scale: float, zero_point: int) -> int:
    with np.errstate(over="ignore"):
        ratio = float(np.float32(real) / np.float32(scale))
    if not abs(ratio) < (1 << 31) - 256:
        raise ValueError(f"scale {scale} is too small for its activation")
    return zero_point + int(math.copysign(math.floor(abs(ratio) + 0.5), ratio))
