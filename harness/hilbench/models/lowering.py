"""From a graph to what the engine executes: checked operators with integer parameters.

The packer writes these records, and the reference interpreter computes with them, so that an error
here shows in every comparison with an oracle.  Everything that the engine relies on is checked:
order of execution, shapes, types, quantization.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError, UnsupportedOp
from hilbench.models.graph import (
    AddOptions,
    ConvOptions,
    FullyConnectedOptions,
    Graph,
    Operator,
    PoolOptions,
    ReshapeOptions,
    SoftmaxOptions,
    Tensor,
)
from hilbench.quantization import (
    Activation,
    activation_range_float,
    activation_range_int,
    quantize_multiplier,
    quantize_multipliers,
    softmax_scaling,
)
from hilbench.schema import image

Int32 = NDArray[np.int32]
Params = image.Conv | image.Pool | image.Softmax | image.Add

#: Bias scale may differ from input scale x weight scale by this share of the output's scale,
#: as TensorFlow Lite's GetQuantizedConvolutionMultipler allows.
BIAS_SCALE_TOLERANCE = 0.02
ADD_LEFT_SHIFT = 20
#: Limits of the engine: products in one sum, so that it fits 32 bits; classes of an int8 softmax,
#: whose sum of exponentials is kept with 12 integer bits; left shift of a requantization.
MAX_PRODUCTS = 65536
MAX_SOFTMAX_DEPTH = 4095
MAX_LEFT_SHIFT = 30
#: Multiply-accumulates of one operator, and bytes of all constants: far beyond what a
#: microcontroller does or holds.
MAX_MACS = 1 << 32
MAX_CONSTANT_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class Step:
    """One operator, checked and with its parameters.

    Attributes
    ----------
    opcode : image.Opcode
    inputs : tuple of int
        Tensor indices of the graph, -1 = absent; data first, then weights and bias.
    output : int
    params : record of the image, or None
    multiplier, shift : ndarray of int32, shape (output channels,), or None
    """

    index: int
    opcode: image.Opcode
    inputs: tuple[int, ...]
    output: int
    params: Params | None = None
    multiplier: Int32 | None = None
    shift: Int32 | None = None


def lower(graph: Graph) -> tuple[Step, ...]:
    """Check the whole graph and lower its operators.

    Raises
    ------
    UnsupportedOp
        An operator, type, shape or option that the engine lacks.
    ModelError
        The model contradicts itself.
    """
    _check_order(graph)
    _check_constants(graph)
    steps = []
    for index, operator in enumerate(graph.operators):
        view = _View(graph, index, operator)
        try:
            steps.append(_LOWER[operator.opcode](view))
        except ValueError as error:
            raise ModelError(f"{view.label}: {error}") from error
    if len({tensor.dtype for tensor in graph.inputs}) != 1:
        raise UnsupportedOp("inputs of different types")
    for tensor in (*graph.inputs, *graph.outputs):
        _check_data_type("the model's input or output", tensor)
    return tuple(steps)


def _check_order(graph: Graph) -> None:
    """Every tensor is written once, before it is read, and never a constant."""
    count = len(graph.tensors)
    named = (
        *graph.input_indices,
        *graph.output_indices,
        *(i for op in graph.operators for i in (*op.inputs, *op.outputs) if i != -1),
    )
    if any(not 0 <= i < count for i in named):
        raise ModelError(f"a tensor index is outside 0 to {count - 1}")
    if not (graph.input_indices and graph.output_indices and graph.operators):
        raise ModelError("a model needs inputs, outputs and operators")
    if len(set(graph.input_indices)) != len(graph.input_indices):
        raise ModelError("an input is listed twice")
    written = set()
    for i in graph.input_indices:
        if graph.tensors[i].data is not None:
            raise ModelError(f"input '{graph.tensors[i].name}' is a constant")
        written.add(i)
    for position, operator in enumerate(graph.operators):
        for i in operator.inputs:
            if i != -1 and i not in written and graph.tensors[i].data is None:
                raise ModelError(
                    f"operator {position} ({operator.opcode}) reads '{graph.tensors[i].name}' "
                    "before anything wrote it"
                )
        for i in operator.outputs:
            if i == -1 or i in written or graph.tensors[i].data is not None:
                raise ModelError(
                    f"operator {position} ({operator.opcode}) writes to an input, a constant or "
                    "a tensor already written"
                )
            written.add(i)
    for i in graph.output_indices:
        if i not in written or i in graph.input_indices:
            raise ModelError(f"output '{graph.tensors[i].name}' is not written by an operator")


def _check_constants(graph: Graph) -> None:
    """Tensors may share a buffer of the file; the image has no such thing."""
    used = {i for operator in graph.operators for i in operator.inputs if i != -1}
    arrays = (graph.tensors[i].data for i in used)
    total = sum(array.nbytes for array in arrays if array is not None)
    if total > MAX_CONSTANT_BYTES:
        raise ModelError(f"{total} bytes of constants; {MAX_CONSTANT_BYTES} are supported")


def _check_data_type(owner: str, tensor: Tensor) -> None:
    if tensor.dtype not in ("int8", "float32"):
        raise UnsupportedOp(
            f"{owner}: tensor '{tensor.name}' is {tensor.dtype}; int8 and float32 are supported"
        )
    if not 1 <= len(tensor.shape) <= image.MAX_RANK:
        raise UnsupportedOp(f"{owner}: tensor '{tensor.name}' has {len(tensor.shape)} dimensions")
    if tensor.dtype == "int8":
        _check_quantization(owner, tensor)
        if len(tensor.scales) != 1:
            raise UnsupportedOp(f"{owner}: tensor '{tensor.name}' is quantized per channel")
    if tensor.data is not None and tensor.dtype == "float32":
        _check_finite(owner, tensor)


def _check_quantization(owner: str, tensor: Tensor) -> None:
    if not tensor.scales:
        raise ModelError(f"{owner}: int8 tensor '{tensor.name}' has no quantization parameters")
    if not all(math.isfinite(scale) and scale > 0.0 for scale in tensor.scales):
        raise ModelError(f"{owner}: tensor '{tensor.name}' has a scale that is not positive")
    if not all(-128 <= zero_point <= 127 for zero_point in tensor.zero_points):
        raise ModelError(f"{owner}: tensor '{tensor.name}' has a zero point outside int8")


def _check_finite(owner: str, tensor: Tensor) -> None:
    assert tensor.data is not None
    if not np.isfinite(tensor.data.astype(np.float64)).all():
        raise ModelError(f"{owner}: constant '{tensor.name}' has a value that is not finite")


class _View:
    """An operator with its tensors, and the checks that several operators share."""

    def __init__(self, graph: Graph, index: int, operator: Operator) -> None:
        self.index = index
        self.operator = operator
        self.label = f"operator {index} ({operator.opcode})"
        self.tensors = [graph.tensors[i] if i != -1 else None for i in operator.inputs]
        if len(operator.outputs) != 1:
            raise ModelError(f"{self.label} has {len(operator.outputs)} outputs")
        self.output = graph.tensors[operator.outputs[0]]
        _check_data_type(self.label, self.output)

    def fail(self, what: str) -> ModelError:
        """A ModelError that names the operator."""
        return ModelError(f"{self.label}: {what}")

    def data(self, slot: int = 0) -> Tensor:
        """Activation input ``slot``, of the output's type."""
        tensor = self._present(slot)
        _check_data_type(self.label, tensor)
        if tensor.dtype != self.output.dtype:
            raise UnsupportedOp(
                f"{self.label}: input '{tensor.name}' is {tensor.dtype} and output "
                f"'{self.output.name}' is {self.output.dtype}"
            )
        return tensor

    def weights(self, rank: int, channel_dimension: int) -> Tensor:
        """Constant weights of the data's type, quantized symmetrically."""
        tensor = self._present(1)
        if self.output.dtype == "float32" and tensor.dtype in ("int8", "uint8", "int4"):
            raise UnsupportedOp(
                f"{self.label}: weights '{tensor.name}' are {tensor.dtype} but the activations "
                "are float32: dynamic-range (hybrid) models are not supported"
            )
        if tensor.dtype != self.output.dtype:
            raise UnsupportedOp(f"{self.label}: weights '{tensor.name}' are {tensor.dtype}")
        if tensor.data is None:
            raise UnsupportedOp(f"{self.label}: weights '{tensor.name}' are not constant")
        if len(tensor.shape) != rank:
            raise self.fail(f"weights '{tensor.name}' have {len(tensor.shape)} dimensions")
        if tensor.dtype == "float32":
            _check_finite(self.label, tensor)
            return tensor
        _check_quantization(self.label, tensor)
        if any(tensor.zero_points):
            raise self.fail(f"weights '{tensor.name}' have a zero point that is not 0")
        if len(tensor.scales) > 1 and (
            tensor.quantized_dimension != channel_dimension
            or len(tensor.scales) != tensor.shape[channel_dimension]
        ):
            raise self.fail(
                f"weights '{tensor.name}' have {len(tensor.scales)} scales along dimension "
                f"{tensor.quantized_dimension}"
            )
        return tensor

    def bias(self, channels: int, accumulator_scales: NDArray[np.float64] | None) -> int:
        """Index of the bias in the graph, -1 = none."""
        if len(self.tensors) < 3 or self.tensors[2] is None:
            return -1
        tensor = self.tensors[2]
        expected = "float32" if self.output.dtype == "float32" else "int32"
        if tensor.dtype != expected:
            raise UnsupportedOp(
                f"{self.label}: bias '{tensor.name}' is {tensor.dtype}, expected {expected}"
            )
        if tensor.data is None:
            raise UnsupportedOp(f"{self.label}: bias '{tensor.name}' is not constant")
        if tensor.elements != channels or tensor.shape[-1:] != (channels,):
            raise self.fail(
                f"bias '{tensor.name}' has shape {list(tensor.shape)}, expected [{channels}]"
            )
        if expected == "float32":
            _check_finite(self.label, tensor)
        elif accumulator_scales is not None and tensor.scales:
            self._check_bias_scale(tensor, accumulator_scales)
        return self.operator.inputs[2]

    def _check_bias_scale(self, tensor: Tensor, accumulator: NDArray[np.float64]) -> None:
        if len(tensor.scales) not in (1, accumulator.size) or any(tensor.zero_points):
            raise self.fail(f"bias '{tensor.name}' has the wrong quantization")
        difference = np.abs(np.array(tensor.scales) - accumulator)
        if not np.all(difference <= BIAS_SCALE_TOLERANCE * self.output.scale):
            raise self.fail(
                f"bias '{tensor.name}' has a scale other than input scale x weight scale"
            )

    def rescale(self, data: Tensor, weights: Tensor, channels: int) -> tuple[Int32, Int32] | None:
        """Requantization of int8 accumulators, one pair per output channel; None for float."""
        products = weights.elements // channels
        if products > MAX_PRODUCTS:
            raise UnsupportedOp(f"{self.label}: sums of {products} products; {MAX_PRODUCTS} fit")
        if products * self.output.elements > MAX_MACS:
            raise UnsupportedOp(
                f"{self.label}: {products * self.output.elements} multiply-accumulates"
            )
        if data.dtype == "float32":
            return None
        scales = np.broadcast_to(np.array(weights.scales, dtype=np.float64), (channels,))
        multiplier, shift = quantize_multipliers(data.scale * scales / self.output.scale)
        if shift.max() > MAX_LEFT_SHIFT:
            raise self.fail("an output scale far too small for its input and weights")
        return multiplier, shift

    def int_range(self, activation: Activation) -> tuple[int, int]:
        """Clamp of the int8 output; the whole range for float."""
        if self.output.dtype == "float32":
            return -128, 127
        return activation_range_int(activation, self.output.scale, self.output.zero_point)

    def float_range(self, activation: Activation) -> tuple[float, float]:
        """Clamp of the float output; none for int8."""
        quantized = self.output.dtype != "float32"
        return activation_range_float(Activation.NONE if quantized else activation)

    def same_quantization(self, tensor: Tensor) -> None:
        """Operators that move values don't rescale them."""
        if (tensor.scales, tensor.zero_points) != (self.output.scales, self.output.zero_points):
            raise self.fail(
                f"input '{tensor.name}' and output '{self.output.name}' are quantized differently"
            )

    def image_shape(self, tensor: Tensor) -> tuple[int, int, int]:
        """Height, width, channels of an NHWC tensor of batch 1."""
        if len(tensor.shape) != 4:
            raise self.fail(f"'{tensor.name}' has the shape {list(tensor.shape)}, expected NHWC")
        if tensor.shape[0] != 1:
            raise UnsupportedOp(f"{self.label}: '{tensor.name}' has a batch of {tensor.shape[0]}")
        return tensor.shape[1], tensor.shape[2], tensor.shape[3]

    def arity(self, low: int, high: int) -> None:
        """The number of inputs."""
        if not low <= len(self.tensors) <= high:
            raise self.fail(f"{len(self.tensors)} inputs")

    def step(
        self,
        opcode: image.Opcode,
        inputs: tuple[int, ...],
        params: Params | None = None,
        rescale: tuple[Int32, Int32] | None = None,
    ) -> Step:
        """The result."""
        multiplier, shift = rescale if rescale is not None else (None, None)
        output = self.operator.outputs[0]
        return Step(self.index, opcode, inputs, output, params, multiplier, shift)

    def _present(self, slot: int) -> Tensor:
        tensor = self.tensors[slot] if slot < len(self.tensors) else None
        if tensor is None:
            raise self.fail(f"input {slot} is missing")
        return tensor


def _window(
    view: _View, same: bool, size: int, filter_size: int, stride: int, dilation: int, limit: int
) -> tuple[int, int]:
    """Output size and leading padding along one dimension (TensorFlow's SAME and VALID)."""
    for value in (filter_size, stride, dilation):
        if not 1 <= value <= limit:
            raise view.fail(f"filter {filter_size}, stride {stride}, dilation {dilation}")
    extent = (filter_size - 1) * dilation + 1
    if not same and extent > size:
        raise view.fail(f"a filter that spans {extent} on {size} positions")
    output = -(-size // stride) if same else (size - extent) // stride + 1
    padding = max((output - 1) * stride + extent - size, 0) // 2 if same else 0
    if padding > limit:
        raise view.fail(f"padding of {padding}")
    return output, padding


def _spatial(
    view: _View, options: ConvOptions | PoolOptions, data: Tensor, filter_size: tuple[int, int]
) -> tuple[int, int, int, int]:
    """Output height and width, padding above and on the left."""
    height, width, _ = view.image_shape(data)
    dilations = (
        (options.dilation_h, options.dilation_w) if isinstance(options, ConvOptions) else (1, 1)
    )
    # Padding positions are walked too: keep strides and filters within sane bounds.
    rows, top = _window(
        view, options.same_padding, height, filter_size[0], options.stride_h, dilations[0], 0xFFFF
    )
    columns, left = _window(
        view, options.same_padding, width, filter_size[1], options.stride_w, dilations[1], 0xFFFF
    )
    return rows, columns, top, left


def _check_output(view: _View, shape: tuple[int, ...]) -> None:
    if view.output.shape != shape:
        raise view.fail(
            f"output '{view.output.name}' has shape {list(view.output.shape)}, "
            f"expected {list(shape)}"
        )


def _conv_params(
    view: _View, data: Tensor, options: ConvOptions, top: int, left: int
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
        reserved=0,
        input_offset=-data.zero_point,
        output_offset=view.output.zero_point,
        act_min=low,
        act_max=high,
        act_min_f=low_f,
        act_max_f=high_f,
    )


def _accumulator_scales(data: Tensor, weights: Tensor) -> NDArray[np.float64] | None:
    return data.scale * np.array(weights.scales) if data.dtype == "int8" else None


def _lower_conv(view: _View) -> Step:
    options = view.operator.options
    assert isinstance(options, ConvOptions)
    view.arity(2, 3)
    data, weights = view.data(), view.weights(4, channel_dimension=0)
    channels, height, width, depth = weights.shape
    given = view.image_shape(data)[2]
    if given != depth and given % depth == 0:
        raise UnsupportedOp(f"{view.label}: grouped convolution")
    if given != depth:
        raise view.fail(f"{given} input channels, weights for {depth}")
    rows, columns, top, left = _spatial(view, options, data, (height, width))
    _check_output(view, (1, rows, columns, channels))
    bias = view.bias(channels, _accumulator_scales(data, weights))
    return view.step(
        image.Opcode.CONV_2D,
        (view.operator.inputs[0], view.operator.inputs[1], bias),
        _conv_params(view, data, options, top, left),
        view.rescale(data, weights, channels),
    )


def _lower_depthwise(view: _View) -> Step:
    options = view.operator.options
    assert isinstance(options, ConvOptions)
    view.arity(2, 3)
    data, weights = view.data(), view.weights(4, channel_dimension=3)
    one, height, width, channels = weights.shape
    given = view.image_shape(data)[2]
    if one != 1 or given * options.depth_multiplier != channels:
        raise view.fail(
            f"weights {list(weights.shape)} on {given} channels with depth multiplier "
            f"{options.depth_multiplier}"
        )
    rows, columns, top, left = _spatial(view, options, data, (height, width))
    _check_output(view, (1, rows, columns, channels))
    bias = view.bias(channels, _accumulator_scales(data, weights))
    return view.step(
        image.Opcode.DEPTHWISE_CONV_2D,
        (view.operator.inputs[0], view.operator.inputs[1], bias),
        _conv_params(view, data, options, top, left),
        view.rescale(data, weights, channels),
    )


def _lower_fully_connected(view: _View) -> Step:
    options = view.operator.options
    assert isinstance(options, FullyConnectedOptions)
    view.arity(2, 3)
    data, weights = view.data(), view.weights(2, channel_dimension=0)
    channels, depth = weights.shape
    if data.elements % depth:
        raise view.fail(f"{data.elements} input elements, weights for {depth}")
    if options.keep_num_dims:
        _check_output(view, (*data.shape[:-1], channels))
    if view.output.shape[-1:] != (channels,) or (
        view.output.elements != data.elements // depth * channels
    ):
        raise view.fail(f"output '{view.output.name}' has shape {list(view.output.shape)}")
    bias = view.bias(channels, _accumulator_scales(data, weights))
    plain = ConvOptions(same_padding=False, activation=options.activation)
    return view.step(
        image.Opcode.FULLY_CONNECTED,
        (view.operator.inputs[0], view.operator.inputs[1], bias),
        _conv_params(view, data, plain, 0, 0),
        view.rescale(data, weights, channels),
    )


def _lower_pool(view: _View) -> Step:
    options = view.operator.options
    assert isinstance(options, PoolOptions)
    view.arity(1, 1)
    data = view.data()
    view.same_quantization(data)
    rows, columns, top, left = _spatial(view, options, data, (options.filter_h, options.filter_w))
    _check_output(view, (1, rows, columns, data.shape[3]))
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


def _lower_softmax(view: _View) -> Step:
    options = view.operator.options
    assert isinstance(options, SoftmaxOptions)
    view.arity(1, 1)
    data = view.data()
    _check_output(view, data.shape)
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


def _lower_reshape(view: _View) -> Step:
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


def _check_new_shape(view: _View, shape: tuple[int, ...]) -> None:
    """The asked shape, -1 = the rest, is the output's."""
    actual = view.output.shape
    agrees = len(shape) == len(actual) and all(
        asked in (-1, extent) for asked, extent in zip(shape, actual, strict=True)
    )
    if shape and (not agrees or shape.count(-1) > 1):
        raise view.fail(f"shape {list(shape)} asked, output {list(actual)}")


def _lower_add(view: _View) -> Step:
    options = view.operator.options
    assert isinstance(options, AddOptions)
    view.arity(2, 2)
    first, second = view.data(0), view.data(1)
    if first.shape != second.shape:
        raise UnsupportedOp(
            f"{view.label}: broadcast of {list(first.shape)} and {list(second.shape)}"
        )
    _check_output(view, first.shape)
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


_LOWER: dict[str, Callable[[_View], Step]] = {
    "CONV_2D": _lower_conv,
    "DEPTHWISE_CONV_2D": _lower_depthwise,
    "FULLY_CONNECTED": _lower_fully_connected,
    "AVERAGE_POOL_2D": _lower_pool,
    "MAX_POOL_2D": _lower_pool,
    "SOFTMAX": _lower_softmax,
    "RESHAPE": _lower_reshape,
    "ADD": _lower_add,
}
