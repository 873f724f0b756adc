"""Lowering of the operators without weights."""

from __future__ import annotations

import math

from hilbench.errors import UnsupportedOp
from hilbench.models.graph import AddOptions, PoolOptions, ReshapeOptions, SoftmaxOptions
from hilbench.models.lower_weighted import spatial
from hilbench.models.operator_view import OperatorView, Step
from hilbench.quantization import quantize_multiplier, softmax_scaling
from hilbench.schema import image

#: The engine keeps the sum of an int8 softmax with 12 integer bits.
MAX_SOFTMAX_DEPTH = 4095
ADD_LEFT_SHIFT = 20


def lower_pool(view: OperatorView) -> Step:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""
    options = view.operator.options
    assert isinstance(options, PoolOptions)
    view.arity(1, 1)
    data = view.data()
    view.same_quantization(data)
    rows, columns, top, left = spatial(view, options, data, (options.filter_h, options.filter_w))
    view.check_output((1, rows, columns, data.shape[3]))
    low, high = view.int_range(options.activation)
    low_f, high_f = view.float_range(options.activation)
    average = view.operator.opcode == "AVERAGE_POOL_2D"
    return view.step(
        image.Opcode.AVERAGE_POOL_2D if average else image.Opcode.MAX_POOL_2D,
        view.operator.inputs,
        image.Pool(
            filter_h=options.filter_h,
            filter_w=options.filter_w,
            stride_h=options.stride_h,
            stride_w=options.stride_w,
            pad_top=top,
            pad_left=left,
            act_min=low,
            act_max=high,
            act_min_f=low_f,
            act_max_f=high_f,
        ),
    )


def lower_softmax(view: OperatorView) -> Step:
    """SOFTMAX."""
    options = view.operator.options
    assert isinstance(options, SoftmaxOptions)
    view.arity(1, 1)
    data = view.data()
    view.check_output(data.shape)
    if not (math.isfinite(options.beta) and options.beta > 0.0):
        raise view.fail(f"beta {options.beta}")
    multiplier, left_shift, diff_min = 0, 0, 0
    if data.dtype == "int8":
        if data.shape[-1] > MAX_SOFTMAX_DEPTH:
            raise UnsupportedOp(f"{view.label}: {data.shape[-1]} classes; {MAX_SOFTMAX_DEPTH} fit")
        if (view.output.scale, view.output.zero_point) != (1.0 / 256.0, -128):
            raise view.fail("an output quantized otherwise than 1/256, -128")
        multiplier, left_shift, diff_min = softmax_scaling(options.beta, data.scale)
    return view.step(
        image.Opcode.SOFTMAX,
        view.operator.inputs,
        image.Softmax(multiplier, left_shift, diff_min, options.beta),
    )


def lower_reshape(view: OperatorView) -> Step:
    """RESHAPE."""
    options = view.operator.options
    assert isinstance(options, ReshapeOptions)
    view.arity(1, 2)
    data = view.data()
    view.same_quantization(data)
    if data.data is not None:
        raise UnsupportedOp(f"{view.label}: a constant input")
    if data.elements != view.output.elements:
        raise view.fail(f"{data.elements} elements into {view.output.elements}")
    shape = options.new_shape
    tensor = view.tensors[1] if len(view.tensors) == 2 else None
    if tensor is not None:
        if tensor.data is None or tensor.dtype != "int32":
            raise UnsupportedOp(f"{view.label}: a shape that is computed")
        shape = tuple(int(extent) for extent in tensor.data.ravel())
    _check_new_shape(view, shape)
    return view.step(image.Opcode.RESHAPE, view.operator.inputs[:1])


def _check_new_shape(view: OperatorView, shape: tuple[int, ...]) -> None:
    """The asked shape, -1 = the rest, is the output's."""
    actual = view.output.shape
    agrees = len(shape) == len(actual) and all(
        asked in (-1, extent) for asked, extent in zip(shape, actual, strict=True)
    )
    if shape and (not agrees or shape.count(-1) > 1):
        raise view.fail(f"shape {list(shape)} asked, output {list(actual)}")


def lower_add(view: OperatorView) -> Step:
    """ADD."""
    options = view.operator.options
    assert isinstance(options, AddOptions)
    view.arity(2, 2)
    first, second = view.data(0), view.data(1)
    if first.shape != second.shape:
        raise UnsupportedOp(
            f"{view.label}: broadcast of {list(first.shape)} and {list(second.shape)}"
        )
    view.check_output(first.shape)
    low, high = view.int_range(options.activation)
    low_f, high_f = view.float_range(options.activation)
    pairs = [(0, 0)] * 3
    if first.dtype == "int8":
        twice = 2.0 * max(first.scale, second.scale)
        output = twice / ((1 << ADD_LEFT_SHIFT) * view.output.scale)
        if not output < 1.0:
            raise view.fail("an output scale too small for its inputs")
        pairs = [
            quantize_multiplier(real)
            for real in (first.scale / twice, second.scale / twice, output)
        ]
    return view.step(
        image.Opcode.ADD,
        view.operator.inputs,
        image.Add(
            input1_offset=-first.zero_point,
            input2_offset=-second.zero_point,
            output_offset=view.output.zero_point,
            left_shift=ADD_LEFT_SHIFT if first.dtype == "int8" else 0,
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
