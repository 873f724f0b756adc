"""Functions of one quantized byte, as tables of 256: exactly TensorFlow Lite Micro's arithmetic.

Every function gives the table of operator ``lookup`` (schema/image.toml): entry ``q + 128`` for an
int8 ``q``.  Arguments: scale and zero point of the input, then of the output.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from hilbench.quantization.fixed_point import (
    Int64,
    multiply_by_quantized_multiplier,
    rounding_right_shift,
    saturating_left_shift,
)
from hilbench.quantization.parameters import (
    Activation,
    activation_range_int,
    quantize_multiplier,
)
from hilbench.quantization.softmax import (
    exp_on_negative_values,
    newton_reciprocal,
    reciprocal_of_one_plus,
)

Table = NDArray[np.generic]

_INT8 = np.arange(-128, 128, dtype=np.int64)
_ONE = (1 << 31) - 1
MAX_LEFT_SHIFT = 30
#: Integer bits of the argument of the logistic function and of tanh.
_INPUT_INTEGER_BITS = 4


def _clip(values: Int64, low: int = -128, high: int = 127) -> Table:
    return np.clip(values, low, high).astype(np.int8)


def clamp(
    activation: Activation, scale: float, zero_point: int, out_scale: float, out_zero_point: int
) -> Table:
    """RELU and its kin: rescaled, then clamped."""
    low, high = activation_range_int(activation, out_scale, out_zero_point)
    multiplier, shift = signed_multiplier(scale / out_scale)
    scaled = multiply_by_quantized_multiplier(_INT8 - zero_point, multiplier, shift)
    return np.maximum(np.minimum(scaled + out_zero_point, high), low).astype(np.int8)


def leaky_relu(
    alpha: float, scale: float, zero_point: int, out_scale: float, out_zero_point: int
) -> Table:
    """LEAKY_RELU; the multipliers are products and quotients of float32."""
    slope = np.float32(scale) * np.float32(alpha) / np.float32(out_scale)
    centred = _INT8 - zero_point
    positive = multiply_by_quantized_multiplier(
        centred, *signed_multiplier(float(np.float32(scale) / np.float32(out_scale)))
    )
    multiplier, shift = signed_multiplier(float(slope))
    negative = multiply_by_quantized_multiplier(centred, multiplier, shift)
    return _clip(np.where(centred >= 0, positive, negative) + out_zero_point)


def signed_multiplier(real: float) -> tuple[int, int]:
    """:func:`quantize_multiplier` of a number of either sign.

    Raises
    ------
    ValueError
        It would shift an input by more than 30 bits to the left.
    """
    multiplier, shift = quantize_multiplier(abs(real))
    if shift > MAX_LEFT_SHIFT:
        raise ValueError(f"a multiplier of {real}")
    return (multiplier if real >= 0 else -multiplier), shift


def requantize(
    multiplier: int, shift: int, source: tuple[str, int], target: tuple[str, int]
) -> Table:
    """QUANTIZE from byte to byte; ``source`` and ``target`` are (dtype, zero point).

    The table of uint8 data starts with the entry of 0.
    """
    values = _INT8 if source[0] == "int8" else _INT8 + 128
    scaled = multiply_by_quantized_multiplier(values - source[1], multiplier, shift)
    limits = np.iinfo(np.dtype(target[0]))
    return np.clip(scaled + target[1], limits.min, limits.max).astype(target[0])


def logistic(scale: float, zero_point: int) -> Table:
    """LOGISTIC to scale 1/256, zero point -128: gemmlowp's fixed-point function."""
    argument, centred, radius = _argument(scale, zero_point)
    positive = reciprocal_of_one_plus(exp_on_negative_values(-np.abs(argument), 4))
    q0 = np.where(argument > 0, positive, _ONE - positive)
    q0 = np.where(argument == 0, 1 << 30, q0)
    inside = rounding_right_shift(q0, 31 - 8) - 128
    return _saturated(inside, centred, radius)


def tanh(scale: float, zero_point: int) -> Table:
    """TANH to scale 1/128, zero point 0: gemmlowp's fixed-point function."""
    argument, centred, radius = _argument(scale, zero_point)
    # -2|x|, with one integer bit more in the same raw value
    exponential = exp_on_negative_values(-np.abs(argument), 5)
    magnitude = _one_minus_over_one_plus(exponential)
    q0 = np.where(argument < 0, -magnitude, magnitude)
    q0 = np.where(argument == 0, 0, q0)
    return _saturated(rounding_right_shift(q0, 31 - 7), centred, radius)


def _argument(scale: float, zero_point: int) -> tuple[Int64, Int64, int]:
    """The input in Q4, the centred input, and the magnitude from which the output saturates."""
    real = scale * (1 << (31 - _INPUT_INTEGER_BITS))
    fraction, left_shift = math.frexp(real)
    multiplier = math.floor(fraction * (1 << 31) + 0.5)
    if multiplier == 1 << 31 or left_shift < -31:
        raise ValueError(f"an input scale of {scale}")
    largest = ((1 << _INPUT_INTEGER_BITS) - 1) * (1 << (31 - _INPUT_INTEGER_BITS))
    radius = math.floor(largest / 2.0**left_shift)
    centred = _INT8 - zero_point
    inside = np.where(np.abs(centred) < radius, centred, 0)
    # From a shift of 31 on the radius is 0, and every input saturates.
    argument = multiply_by_quantized_multiplier(inside, multiplier, min(left_shift, 30))
    return argument, centred, radius


def _saturated(inside: Int64, centred: Int64, radius: int) -> Table:
    high = np.where(centred >= radius, 127, inside)
    return _clip(np.where(centred <= -radius, -128, high))


def _one_minus_over_one_plus(raw: Int64) -> Int64:
    """``(1 - x) / (1 + x)`` in Q0 of ``0 <= x <= 1`` in Q0: ``2 / (1 + x) - 1``."""
    return saturating_left_shift(newton_reciprocal(raw) - (1 << 29), 2)


def hard_swish(scale: float, zero_point: int, out_scale: float, out_zero_point: int) -> Table:
    """HARD_SWISH in 16-bit fixed point.

    Raises
    ------
    ValueError
        The output's scale is so small that it would need a left shift.
    """
    hires = np.float32(1.0 / 128.0) * np.float32(scale)
    out_multiplier, out_exponent = _multiplier_16(float(hires / np.float32(out_scale)))
    relu_multiplier, relu_exponent = _multiplier_16(
        float(hires / (np.float32(3.0) / np.float32(32768.0)))
    )
    if not -31 <= out_exponent <= 0:
        raise ValueError(f"a hard-swish whose output scale {out_scale} is far below its input's")
    x = _wrap_16((_INT8 - zero_point) * 128)
    preshift = _high_mul_16(x, out_multiplier)
    reluish = x
    if relu_exponent > 0:
        reluish = np.clip(reluish << min(relu_exponent - 1, 31), -32768, 32767)
    reluish = _high_mul_16(reluish, relu_multiplier)
    if relu_exponent > 0:
        reluish = np.clip(reluish << 1, -32768, 32767)
    elif relu_exponent < 0:
        reluish = rounding_right_shift(reluish, min(-relu_exponent, 31))
    reluish = (reluish + (1 << 15)) >> 1
    product = reluish * preshift
    high = np.sign(product) * (np.abs(product) >> 15)  # towards zero
    return _clip(_wrap_16(rounding_right_shift(high, -out_exponent) + out_zero_point))


def _multiplier_16(real: float) -> tuple[int, int]:
    """A Q15 significand and its exponent."""
    multiplier, exponent = quantize_multiplier(real)
    if multiplier >= (1 << 31) - (1 << 15):
        return (1 << 15) - 1, exponent
    return (multiplier + (1 << 15)) >> 16, exponent


def _wrap_16(x: Int64) -> Int64:
    return ((x + (1 << 15)) & 0xFFFF) - (1 << 15)


def _high_mul_16(a: Int64, b: int) -> Int64:
    """High half of 2ab in 16 bits, rounded to nearest; gemmlowp's nudge truncates towards zero."""
    product = a * b
    nudged = product + np.where(product >= 0, 1 << 14, 1 - (1 << 14))
    high: Int64 = np.sign(nudged) * (np.abs(nudged) >> 15)
    return high


__all__ = [
    "Table",
    "clamp",
    "hard_swish",
    "leaky_relu",
    "logistic",
    "requantize",
    "signed_multiplier",
    "tanh",
]
