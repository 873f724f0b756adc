"""Lowering of pools and softmax."""

from __future__ import annotations

import math

from hilbench.errors import UnsupportedOp
from hilbench.models.graph import PoolOptions, SoftmaxOptions, Tensor
from hilbench.models.lower_weighted import spatial
from hilbench.models.operator_view import OperatorView, Step
from hilbench.models.weights import MAX_LEFT_SHIFT
from hilbench.quantization import interpolation, quantize_multiplier, softmax_scaling
from hilbench.schema import image

#: The engine keeps the sum of an int8 softmax with 12 integer bits.
MAX_SOFTMAX_DEPTH = 4095
#: and of an int16 softmax with 16 integer bits.
MAX_SOFTMAX_DEPTH_INT16 = 32767
#: Inputs of a window, so that a sum of int16 fits 32 bits.
MAX_POOL_POSITIONS_INT16 = 32768


def lower_pool(view: OperatorView) -> Step:
    """AVERAGE_POOL_2D and MAX_POOL_2D."""
    options = view.operator.options
    assert isinstance(options, PoolOptions)
    view.arity(1, 1)
    data = view.data()
    view.same_quantization(data)
    rows, columns, top, left = spatial(view, options, data, (options.filter_h, options.filter_w))
    view.check_output((1, rows, columns, data.shape[3]))
    _, height, width, _ = data.shape
    positions = min(options.filter_h, height) * min(options.filter_w, width)
    if data.dtype == "int16" and positions > MAX_POOL_POSITIONS_INT16:
        raise UnsupportedOp(f"{view.label}: a window of {positions} positions")
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
    if data.dtype == "int16":
        return _softmax_int16(view, data, options.beta)
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


def _softmax_int16(view: OperatorView, data: Tensor, beta: float) -> Step:
    if data.shape[-1] > MAX_SOFTMAX_DEPTH_INT16:
        raise UnsupportedOp(
            f"{view.label}: {data.shape[-1]} classes; {MAX_SOFTMAX_DEPTH_INT16} fit"
        )
    if not abs(view.output.scale * 32768.0 - 1.0) <= 1e-3:
        raise view.fail("an output quantized otherwise than 1/32768")
    # TensorFlow Lite: differences from -65535 to 0 stand for -10 to 0.
    real = data.scale * beta / (interpolation.SOFTMAX_RANGE / 65535.0)
    multiplier, shift = quantize_multiplier(real)
    if shift > MAX_LEFT_SHIFT:
        raise view.fail(f"beta {beta} and scale {data.scale}")
    params = image.Softmax(multiplier, shift, 0, beta)
    tables = interpolation.softmax_tables()
    return view.step(image.Opcode.SOFTMAX, view.operator.inputs, params, tables=tables)
