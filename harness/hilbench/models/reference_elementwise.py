"""Element-wise operators and MEAN on batches, to the byte the engine's reference kernels.

Every function takes the step, the output's type and the inputs, shape (n, *tensor).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.models import float_math
from hilbench.models.lowering import Step
from hilbench.models.reference_float import clamp
from hilbench.quantization import interpolation, multiply_by_quantized_multiplier, wrap_int32
from hilbench.schema import image
from hilbench.schema.image import Function, Opcode

Array = NDArray[Any]
f32 = np.float32


def _aligned(x: Array, y: Array) -> tuple[Array, Array]:
    """Both operands with as many dimensions, new ones in front but behind the batch."""
    rank = max(x.ndim, y.ndim)
    return tuple(  # type: ignore[return-value]
        a.reshape(len(a), *(1,) * (rank - a.ndim), *a.shape[1:]) for a in (x, y)
    )


def total(step: Step, dtype: str, x: Array, y: Array) -> Array:
    """ADD and SUB."""
    p = step.params
    assert isinstance(p, image.Add)
    x, y = _aligned(x, y)
    sign = -1 if step.opcode == Opcode.SUB else 1
    if dtype == "float32":
        return clamp(x - y if sign < 0 else x + y, p.act_min_f, p.act_max_f)
    first = multiply_by_quantized_multiplier(
        (x.astype(np.int64) + p.input1_offset) << p.left_shift, p.input1_multiplier, p.input1_shift
    )
    second = multiply_by_quantized_multiplier(
        (y.astype(np.int64) + p.input2_offset) << p.left_shift, p.input2_multiplier, p.input2_shift
    )
    result = multiply_by_quantized_multiplier(
        first + sign * second, p.output_multiplier, p.output_shift
    )
    return np.clip(result + p.output_offset, p.act_min, p.act_max).astype(dtype)


def product(step: Step, dtype: str, x: Array, y: Array) -> Array:
    """MUL."""
    p = step.params
    assert isinstance(p, image.Mul)
    x, y = _aligned(x, y)
    if dtype == "float32":
        return clamp(x * y, p.act_min_f, p.act_max_f)
    raw = (x.astype(np.int64) + p.input1_offset) * (y.astype(np.int64) + p.input2_offset)
    scaled = multiply_by_quantized_multiplier(raw, p.multiplier, p.shift)
    result = wrap_int32(scaled + p.output_offset)
    return np.minimum(np.maximum(result, p.act_min), p.act_max).astype(dtype)


def look_up(step: Step, dtype: str, x: Array) -> Array:
    """A function of one byte."""
    (table,) = step.tables
    assert table.dtype == dtype
    return table[x.astype(np.int64) + (128 if x.dtype == np.int8 else 0)]


def unary(step: Step, dtype: str, x: Array) -> Array:
    """A function of float32 or int16."""
    p = step.params
    assert isinstance(p, image.Unary)
    if dtype == "int16":
        return np.clip(_int16(step, p, x), p.act_min, p.act_max).astype(np.int16)
    if p.function == Function.LOGISTIC:
        return float_math.logistic(x)
    if p.function == Function.TANH:
        return float_math.tanh(x)
    if p.function == Function.HARD_SWISH:
        return x * clamp(x + f32(3.0), 0.0, 6.0) / f32(6.0)
    if p.function == Function.LEAKY_RELU:
        return np.where(x > 0, x, x * f32(p.alpha))
    return clamp(x, p.act_min_f, p.act_max_f)


def _int16(step: Step, p: image.Unary, x: Array) -> Array:
    if p.function in (Function.LOGISTIC, Function.TANH):
        table = step.tables[0].view(np.int16)
        curve = interpolation.logistic if p.function == Function.LOGISTIC else interpolation.tanh
        return curve(x, table, p.multiplier, p.shift)
    values = multiply_by_quantized_multiplier(x.astype(np.int64), p.multiplier, p.shift)
    if p.function == Function.LEAKY_RELU:
        negative = multiply_by_quantized_multiplier(
            x.astype(np.int64), p.alpha_multiplier, p.alpha_shift
        )
        return np.where(x < 0, negative, values)
    return values


def quantize(step: Step, dtype: str, x: Array) -> Array:
    """QUANTIZE; of float32 rounded half away from zero, and NaN becomes the lowest value."""
    p = step.params
    assert isinstance(p, image.Quantize)
    limits = np.iinfo(np.dtype(dtype))
    if x.dtype != np.float32:
        centred = x.astype(np.int64) + p.input_offset
        moved = multiply_by_quantized_multiplier(centred, p.multiplier, p.shift) + p.output_offset
        return np.clip(wrap_int32(moved), limits.min, limits.max).astype(dtype)
    scaled = x / f32(p.scale)
    # Far beyond any type's range, so that adding the zero point changes nothing.
    scaled = np.where(scaled > f32(-65536.0), scaled, f32(-65536.0))
    scaled = np.where(scaled < f32(65536.0), scaled, f32(65536.0))
    whole = np.trunc(scaled)
    rest = scaled - whole
    rounded = whole + (rest >= f32(0.5)).astype(f32) - (rest <= f32(-0.5)).astype(f32)
    values = rounded.astype(np.int64) + p.output_offset
    return np.clip(values, limits.min, limits.max).astype(dtype)


def dequantize(step: Step, dtype: str, x: Array) -> Array:
    """DEQUANTIZE to float32."""
    p = step.params
    assert isinstance(p, image.Quantize)
    return (x.astype(np.int64) + p.input_offset).astype(f32) * f32(p.scale)


def mean(step: Step, dtype: str, x: Array) -> Array:
    """MEAN; float32 sums run in the order of the elements."""
    p = step.params
    assert isinstance(p, image.Mean)
    full = x.reshape(len(x), *(1,) * (5 - x.ndim), *x.shape[1:])
    axes = [axis for axis in range(4) if p.axes >> axis & 1]
    kept = [axis for axis in range(4) if axis not in axes]
    rows = full.transpose(0, *(1 + a for a in kept), *(1 + a for a in axes))
    count = int(np.prod([full.shape[1 + axis] for axis in axes], dtype=np.int64))
    rows = rows.reshape(len(x), -1, count)
    if dtype == "float32":
        sums = np.zeros(rows.shape[:2], f32)
        for i in range(count):
            sums += rows[:, :, i]
        return sums / f32(count)
    raw = rows.astype(np.int64).sum(axis=2) + count * p.input_offset
    scaled = multiply_by_quantized_multiplier(raw, p.multiplier, p.shift)
    limits = np.iinfo(np.dtype(dtype))
    return np.clip(wrap_int32(scaled + p.output_offset), limits.min, limits.max).astype(dtype)


OPERATORS: dict[int, Callable[..., Array]] = {
    Opcode.ADD: total,
    Opcode.SUB: total,
    Opcode.MUL: product,
    Opcode.LOOKUP: look_up,
    Opcode.UNARY: unary,
    Opcode.QUANTIZE: quantize,
    Opcode.DEQUANTIZE: dequantize,
    Opcode.MEAN: mean,
}
