"""Lowering of the element-wise operators: sums, products, functions, changes of quantization."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from hilbench.errors import UnsupportedOp
from hilbench.models.checks import check_quantization
from hilbench.models.graph import AddOptions, LeakyReluOptions, Tensor
from hilbench.models.operator_view import OperatorView, Step
from hilbench.models.weights import MAX_LEFT_SHIFT
from hilbench.quantization import (
    FLT_MAX,
    Activation,
    activation_range_float,
    interpolation,
    lookup,
    quantize_multiplier,
)
from hilbench.schema import image

#: Binary digits behind the operands of a sum, so that rescaling loses little.
ADD_LEFT_SHIFT = {"int8": 20, "int16": 15, "float32": 0}
#: Functions that are a clamp.
CLAMPS = {
    "RELU": Activation.RELU,
    "RELU6": Activation.RELU6,
    "RELU_N1_TO_1": Activation.RELU_N1_TO_1,
}
_FUNCTIONS = {
    **dict.fromkeys(CLAMPS, image.Function.CLAMP),
    "LOGISTIC": image.Function.LOGISTIC,
    "TANH": image.Function.TANH,
    "HARD_SWISH": image.Function.HARD_SWISH,
    "LEAKY_RELU": image.Function.LEAKY_RELU,
}
#: Types of data that QUANTIZE takes, and makes of each.
_REQUANTIZED = {
    "int8": ("int8", "uint8", "int16"),
    "uint8": ("int8",),
    "int16": ("int8", "int16"),
    "float32": ("int8", "int16"),
}
_TYPE_RANGES = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-32768, 32767)}


def lower_sum(view: OperatorView) -> Step:
    """ADD and SUB."""
    options = view.operator.options
    assert isinstance(options, AddOptions)
    first, second = _operands(view)
    low, high = view.int_range(options.activation)
    low_f, high_f = view.float_range(options.activation)
    adds = view.operator.opcode == "ADD"
    is_float = first.dtype == "float32"
    pairs = [(0, 0)] * 3 if is_float else _sum_multipliers(view, first, second)
    return view.step(
        image.Opcode.ADD if adds else image.Opcode.SUB,
        view.operator.inputs,
        image.Add(
            input1_offset=-first.zero_point,
            input2_offset=-second.zero_point,
            output_offset=view.output.zero_point,
            left_shift=ADD_LEFT_SHIFT[first.dtype],
            input1_multiplier=pairs[0][0],
            input1_shift=pairs[0][1],
            input2_multiplier=pairs[1][0],
            input2_shift=pairs[1][1],
            output_multiplier=pairs[2][0],
            output_shift=pairs[2][1],
            act_min=low,
            act_max=high,
            act_min_f=low_f,
            act_max_f=high_f,
        ),
    )


def _sum_multipliers(view: OperatorView, first: Tensor, second: Tensor) -> list[tuple[int, int]]:
    """Of both inputs and the output, as TensorFlow Lite Micro has them: divided in double."""
    twice = 2.0 * max(first.scale, second.scale)
    output = twice / ((1 << ADD_LEFT_SHIFT[first.dtype]) * view.output.scale)
    if not output < 1.0:
        raise view.fail("an output scale too small for its inputs")
    return [
        quantize_multiplier(real) for real in (first.scale / twice, second.scale / twice, output)
    ]


def lower_mul(view: OperatorView) -> Step:
    """MUL."""
    options = view.operator.options
    assert isinstance(options, AddOptions)
    first, second = _operands(view)
    low, high = view.int_range(options.activation)
    low_f, high_f = view.float_range(options.activation)
    multiplier, shift = 0, 0
    if first.dtype != "float32":
        multiplier, shift = _multiplier(view, first.scale * second.scale / view.output.scale)
    return view.step(
        image.Opcode.MUL,
        view.operator.inputs,
        image.Mul(
            input1_offset=-first.zero_point,
            input2_offset=-second.zero_point,
            output_offset=view.output.zero_point,
            multiplier=multiplier,
            shift=shift,
            act_min=low,
            act_max=high,
            act_min_f=low_f,
            act_max_f=high_f,
        ),
    )


def _operands(view: OperatorView) -> tuple[Tensor, Tensor]:
    """Both operands; their shapes broadcast to the output's."""
    view.arity(2, 2)
    first, second = view.data(0), view.data(1)
    if first.data is not None and second.data is not None:
        raise UnsupportedOp(f"{view.label}: two constant inputs")
    try:
        shape = np.broadcast_shapes(first.shape, second.shape)
    except ValueError:
        raise view.fail(f"shapes {list(first.shape)} and {list(second.shape)}") from None
    view.check_output(shape)
    return first, second


def _multiplier(view: OperatorView, real: float) -> tuple[int, int]:
    multiplier, shift = quantize_multiplier(real)
    if shift > MAX_LEFT_SHIFT:
        raise view.fail("an output scale far too small for its inputs")
    return multiplier, shift


def lower_function(view: OperatorView) -> Step:
    """LOGISTIC, TANH, RELU, RELU6, RELU_N1_TO_1, HARD_SWISH, LEAKY_RELU: a table for int8."""
    view.arity(1, 1)
    data = view.data()
    view.check_output(data.shape)
    _not_constant(view, data)
    if data.dtype == "float32":
        params = _float_function(view)
        return view.step(image.Opcode.UNARY, view.operator.inputs, params)
    if data.dtype == "int16":
        return _int16_function(view, data)
    table = _table(view, data)
    return view.step(image.Opcode.LOOKUP, view.operator.inputs, tables=(table,))


def _float_function(view: OperatorView) -> image.Unary:
    name, options = view.operator.opcode, view.operator.options
    low, high = activation_range_float(CLAMPS.get(name, Activation.NONE))
    alpha = _alpha(view, options) if isinstance(options, LeakyReluOptions) else 0.0
    return replace(_NO_UNARY, function=_FUNCTIONS[name], alpha=alpha, act_min_f=low, act_max_f=high)


def _int16_function(view: OperatorView, data: Tensor) -> Step:
    name, options = view.operator.opcode, view.operator.options
    params = replace(_NO_UNARY, function=_FUNCTIONS[name], act_min=-32768, act_max=32767)
    scale, out_scale = np.float32(data.scale), np.float32(view.output.scale)
    if name in ("LOGISTIC", "TANH"):
        multiplier, shift = _table_argument(view, data)
        params = replace(params, multiplier=multiplier, shift=shift)
        table = interpolation.logistic_table()
        return view.step(image.Opcode.UNARY, view.operator.inputs, params, tables=(table,))
    if isinstance(options, LeakyReluOptions):
        slope = scale * np.float32(_alpha(view, options)) / out_scale
        multiplier, shift = _multiplier(view, float(scale / out_scale))
        alpha, alpha_shift = lookup.signed_multiplier(float(slope))
        if alpha_shift > MAX_LEFT_SHIFT:
            raise view.fail("an output scale far too small for its slope")
        params = replace(params, alpha_multiplier=alpha, alpha_shift=alpha_shift)
    elif name in ("RELU", "RELU6"):
        if name == "RELU6":
            view.same_quantization(data)
        low, high = view.int_range(CLAMPS[name])
        multiplier, shift = _multiplier(view, data.scale / view.output.scale)
        params = replace(params, act_min=low, act_max=high)
    else:
        raise UnsupportedOp(f"{view.label}: int16")
    params = replace(params, multiplier=multiplier, shift=shift)
    return view.step(image.Opcode.UNARY, view.operator.inputs, params)


def _table_argument(view: OperatorView, data: Tensor) -> tuple[int, int]:
    """What turns an int16 into the argument of the table: 12288 stands for 1."""
    if not _is_power_of_two(view.output.scale, -15):
        raise view.fail("an output quantized otherwise than 1/32768")
    exact = (-12,) if view.operator.opcode == "LOGISTIC" else (-12, -11)
    for exponent in exact:
        if _is_power_of_two(data.scale, exponent):
            return 3 << (exponent + 12), 0
    multiplier, shift = data.scale * 4096.0 * 3.0, 0
    while multiplier <= 32767.0 / 2.0 and shift <= 30:
        shift += 1
        multiplier *= 2.0
    if not multiplier < 32768.0:
        raise UnsupportedOp(f"{view.label}: input '{data.name}' has the scale {data.scale}")
    return int(multiplier), shift


def _is_power_of_two(scale: float, exponent: int) -> bool:
    """As TensorFlow Lite's CheckedLog2: to a thousandth of the logarithm."""
    return abs(math.log2(scale) - exponent) < 1e-3


_NO_UNARY = image.Unary(
    function=image.Function.CLAMP,
    multiplier=0,
    shift=0,
    alpha_multiplier=0,
    alpha_shift=0,
    act_min=0,
    act_max=0,
    alpha=0.0,
    act_min_f=-FLT_MAX,
    act_max_f=FLT_MAX,
)


def _alpha(view: OperatorView, options: LeakyReluOptions) -> float:
    if not math.isfinite(options.alpha):
        raise view.fail(f"a slope of {options.alpha}")
    return options.alpha


def _table(view: OperatorView, data: Tensor) -> lookup.Table:
    name, options = view.operator.opcode, view.operator.options
    source = (data.scale, data.zero_point)
    target = (view.output.scale, view.output.zero_point)
    if name in ("LOGISTIC", "TANH"):
        expected = (1 / 256, -128) if name == "LOGISTIC" else (1 / 128, 0)
        if target != expected:
            raise view.fail(f"an output quantized otherwise than {expected[0]}, {expected[1]}")
        function = lookup.logistic if name == "LOGISTIC" else lookup.tanh
        return function(*source)
    if isinstance(options, LeakyReluOptions):
        return lookup.leaky_relu(_alpha(view, options), *source, *target)
    if name == "HARD_SWISH":
        return lookup.hard_swish(*source, *target)
    if name == "RELU6":
        # TensorFlow Lite Micro clamps without rescaling.
        view.same_quantization(data)
    return lookup.clamp(CLAMPS[name], *source, *target)


def lower_quantize(view: OperatorView) -> Step:
    """QUANTIZE: from float, or from one quantization to another; a table for bytes."""
    view.arity(1, 1)
    data, output = view.present(0), view.output
    if output.dtype not in _REQUANTIZED.get(data.dtype, ()):
        raise UnsupportedOp(
            f"{view.label}: from '{data.name}' of {data.dtype} to '{output.name}' of {output.dtype}"
        )
    _check_quantized(view, output)
    view.check_output(data.shape)
    _not_constant(view, data)
    if data.dtype == "float32":
        params = image.Quantize(0, output.zero_point, 0, 0, output.scale)
        return view.step(image.Opcode.QUANTIZE, view.operator.inputs, params)
    _check_quantized(view, data)
    multiplier, shift = _multiplier(view, data.scale / output.scale)
    if "int16" in (data.dtype, output.dtype):
        params = image.Quantize(-data.zero_point, output.zero_point, multiplier, shift, 0.0)
        return view.step(image.Opcode.QUANTIZE, view.operator.inputs, params)
    table = lookup.requantize(
        multiplier, shift, (data.dtype, data.zero_point), (output.dtype, output.zero_point)
    )
    return view.step(image.Opcode.LOOKUP, view.operator.inputs, tables=(table,))


def lower_dequantize(view: OperatorView) -> Step:
    """DEQUANTIZE of data."""
    view.arity(1, 1)
    data = view.present(0)
    if data.dtype not in ("int8", "uint8", "int16"):
        raise UnsupportedOp(f"{view.label}: from '{data.name}' of {data.dtype}")
    _check_quantized(view, data)
    view.check_output(data.shape)
    _not_constant(view, data)
    params = image.Quantize(-data.zero_point, 0, 0, 0, data.scale)
    return view.step(image.Opcode.DEQUANTIZE, view.operator.inputs, params)


def _check_quantized(view: OperatorView, tensor: Tensor) -> None:
    """One scale, and a zero point inside the type."""
    check_quantization(view.label, replace(tensor, zero_points=()))
    if len(tensor.scales) != 1:
        raise UnsupportedOp(f"{view.label}: tensor '{tensor.name}' is quantized per channel")
    low, high = _TYPE_RANGES[tensor.dtype]
    if not low <= tensor.zero_point <= high:
        raise view.fail(f"tensor '{tensor.name}' has a zero point outside {tensor.dtype}")
    if not 1 <= len(tensor.shape) <= image.MAX_RANK:
        raise UnsupportedOp(
            f"{view.label}: tensor '{tensor.name}' has {len(tensor.shape)} dimensions"
        )


def _not_constant(view: OperatorView, data: Tensor) -> None:
    if data.data is not None:
        raise UnsupportedOp(f"{view.label}: a constant input")
