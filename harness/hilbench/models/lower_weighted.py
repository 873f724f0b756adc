"""Lowering of the operators with weights, and of sliding windows."""

from __future__ import annotations

from dataclasses import replace

from hilbench.errors import UnsupportedOp
from hilbench.models.graph import ConvOptions, FullyConnectedOptions, PoolOptions, Tensor
from hilbench.models.operator_view import OperatorView, Step
from hilbench.models.weights import Weights, weighted, weights_tensor
from hilbench.quantization import Activation
from hilbench.schema import image

#: Largest value of the records' 16-bit fields.
MAX_FIELD = 0xFFFF


def window(
    view: OperatorView, same: bool, size: int, filter_size: int, stride: int, dilation: int
) -> tuple[int, int]:
    """Output size and leading padding along one dimension (TensorFlow's SAME and VALID)."""
    for value in (filter_size, stride, dilation):
        if not 1 <= value <= MAX_FIELD:
            raise view.fail(f"filter {filter_size}, stride {stride}, dilation {dilation}")
    extent = (filter_size - 1) * dilation + 1
    if not same and extent > size:
        raise view.fail(f"a filter that spans {extent} on {size} positions")
    output = -(-size // stride) if same else (size - extent) // stride + 1
    padding = max((output - 1) * stride + extent - size, 0) // 2 if same else 0
    if padding > MAX_FIELD:
        raise view.fail(f"padding of {padding}")
    return output, padding


def spatial(
    view: OperatorView,
    options: ConvOptions | PoolOptions,
    data: Tensor,
    filter_size: tuple[int, int],
) -> tuple[int, int, int, int]:
    """Output height and width, padding above and on the left."""
    height, width, _ = view.image_shape(data)
    dilations = (
        (options.dilation_h, options.dilation_w) if isinstance(options, ConvOptions) else (1, 1)
    )
    same = options.same_padding
    rows, top = window(view, same, height, filter_size[0], options.stride_h, dilations[0])
    columns, left = window(view, same, width, filter_size[1], options.stride_w, dilations[1])
    return rows, columns, top, left


def _conv_params(
    view: OperatorView, data: Tensor, options: ConvOptions, top: int, left: int
) -> image.Conv:
    low, high = view.int_range(options.activation)
    low_f, high_f = view.float_range(options.activation)
    return image.Conv(
        stride_h=options.stride_h,
        stride_w=options.stride_w,
        dilation_h=options.dilation_h,
        dilation_w=options.dilation_w,
        pad_top=top,
        pad_left=left,
        depth_multiplier=options.depth_multiplier,
        filter_h=0,
        filter_w=0,
        input_offset=-data.zero_point,
        output_offset=view.output.zero_point,
        act_min=low,
        act_max=high,
        act_min_f=low_f,
        act_max_f=high_f,
    )


def _step(view: OperatorView, opcode: image.Opcode, params: image.Conv, w: Weights) -> Step:
    return Step(
        index=view.index,
        opcode=opcode,
        inputs=(view.operator.inputs[0], view.operator.inputs[1], w.bias),
        output=view.operator.outputs[0],
        params=params,
        multiplier=w.multiplier,
        shift=w.shift,
        scales=w.scales,
        flags=w.flags,
    )


def lower_conv(view: OperatorView) -> Step:
    """CONV_2D."""
    options = view.operator.options
    assert isinstance(options, ConvOptions)
    view.arity(2, 3)
    data, weights = view.data(), weights_tensor(view, 4, channel_dimension=0)
    channels, height, width, depth = weights.shape
    given = view.image_shape(data)[2]
    if given != depth and given % depth == 0:
        raise UnsupportedOp(f"{view.label}: grouped convolution")
    if given != depth:
        raise view.fail(f"{given} input channels, weights for {depth}")
    rows, columns, top, left = spatial(view, options, data, (height, width))
    view.check_output((1, rows, columns, channels))
    params = _conv_params(view, data, options, top, left)
    # LiteRT gives the data a zero point where the weights have a scale per channel.
    described = weighted(view, weights, channels, asymmetric=len(weights.scales) > 1)
    return _step(view, image.Opcode.CONV_2D, params, described)


def lower_depthwise(view: OperatorView) -> Step:
    """DEPTHWISE_CONV_2D."""
    options = view.operator.options
    assert isinstance(options, ConvOptions)
    view.arity(2, 3)
    data, weights = view.data(), weights_tensor(view, 4, channel_dimension=3)
    one, height, width, channels = weights.shape
    given = view.image_shape(data)[2]
    fits = 1 <= options.depth_multiplier <= MAX_FIELD
    if one != 1 or not fits or given * options.depth_multiplier != channels:
        raise view.fail(
            f"weights {list(weights.shape)} on {given} channels with depth multiplier "
            f"{options.depth_multiplier}"
        )
    rows, columns, top, left = spatial(view, options, data, (height, width))
    view.check_output((1, rows, columns, channels))
    params = _conv_params(view, data, options, top, left)
    described = weighted(view, weights, channels, asymmetric=True)
    return _step(view, image.Opcode.DEPTHWISE_CONV_2D, params, described)


def lower_fully_connected(view: OperatorView) -> Step:
    """FULLY_CONNECTED."""
    options = view.operator.options
    assert isinstance(options, FullyConnectedOptions)
    view.arity(2, 3)
    data, weights = view.data(), weights_tensor(view, 2, channel_dimension=0)
    channels, depth = weights.shape
    if data.elements % depth:
        raise view.fail(f"{data.elements} input elements, weights for {depth}")
    if options.keep_num_dims:
        view.check_output((*data.shape[:-1], channels))
    if view.output.shape[-1:] != (channels,) or (
        view.output.elements != data.elements // depth * channels
    ):
        raise view.fail(f"output '{view.output.name}' has shape {list(view.output.shape)}")
    plain = ConvOptions(same_padding=False, activation=options.activation)
    params = _conv_params(view, data, plain, 0, 0)
    described = weighted(view, weights, channels, options.asymmetric_quantize_inputs)
    return _step(view, image.Opcode.FULLY_CONNECTED, params, described)


def lower_transpose_conv(view: OperatorView) -> Step:
    """TRANSPOSE_CONV (output shape, weights, data, bias)."""
    options = view.operator.options
    assert isinstance(options, ConvOptions)
    view.arity(3, 4)
    if options.activation is not Activation.NONE:
        raise UnsupportedOp(f"{view.label}: a fused activation")
    shape = view.integers(0)
    _, weights_index, data_index, *bias_index = view.operator.inputs
    usual = replace(view.operator, inputs=(data_index, weights_index, *bias_index))
    view = OperatorView(view.graph, view.index, usual)
    view.check_output(shape)
    data, weights = view.data(), weights_tensor(view, 4, channel_dimension=0)
    if weights.dtype not in ("float32", "int8") or (
        (weights.dtype == "float32") != (data.dtype == "float32")
    ):
        raise UnsupportedOp(
            f"{view.label}: weights '{weights.name}' are {weights.dtype} beside {data.dtype} data"
        )
    channels, height, width, depth = weights.shape
    given = view.image_shape(data)
    rows, columns, top, left = spatial(view, options, view.output, (height, width))
    if given != (rows, columns, depth) or view.output.shape[-1] != channels:
        raise view.fail(
            f"input '{data.name}' has shape {list(data.shape)}, expected "
            f"{[1, rows, columns, depth]}"
        )
    params = _conv_params(view, data, options, top, left)
    described = weighted(view, weights, channels, asymmetric=False)
    return _step(view, image.Opcode.TRANSPOSE_CONV, params, described)
