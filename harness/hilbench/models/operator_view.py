"""An operator with its tensors while it is lowered, and the checks that operators share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError, UnsupportedOp
from hilbench.models.checks import check_data_type, check_finite, check_quantization
from hilbench.models.graph import Graph, Operator, Tensor
from hilbench.quantization import (
    Activation,
    activation_range_float,
    activation_range_int,
    quantize_multipliers,
)
from hilbench.schema import image

Int32 = NDArray[np.int32]
Params = (
    image.Conv
    | image.Pool
    | image.Softmax
    | image.Add
    | image.Mul
    | image.Mean
    | image.Move
    | image.Fill
    | image.Unary
    | image.Quantize
)

#: Bias scale may differ from input scale x weight scale by this share of the output's scale,
#: as TensorFlow Lite's GetQuantizedConvolutionMultipler allows.
BIAS_SCALE_TOLERANCE = 0.02
#: Limits of the engine: products in one sum, so that it fits 32 bits; left shift of a
#: requantization.
MAX_PRODUCTS = 65536
MAX_LEFT_SHIFT = 30
#: Multiply-accumulates of one operator: far beyond what a microcontroller does.
MAX_MACS = 1 << 32
#: Values that say a shape, axes or sizes.
MAX_INTEGERS = 256


@dataclass(frozen=True, eq=False)
class Step:
    """What the engine executes: an operator of the model, or a part of one.

    Attributes
    ----------
    index : int
        Operator of the graph; the last step with this index ends its layer.
    opcode : image.Opcode
    inputs : tuple of int
        Tensor indices of the graph, -1 = absent; data first, then weights and bias.
    output : int
    params : record of the image, or None
    multiplier, shift : ndarray of int32, shape (output channels,), or None
    tables : tuple of ndarray
        Constants in the slots behind all others.
    is_init : bool
        Executed when the state is reset, not in an inference.
    """

    index: int
    opcode: image.Opcode
    inputs: tuple[int, ...]
    output: int
    params: Params | None = None
    multiplier: Int32 | None = None
    shift: Int32 | None = None
    tables: tuple[NDArray[np.generic], ...] = ()
    is_init: bool = False


class OperatorView:
    """An operator with its tensors, and the checks that several operators share."""

    def __init__(self, graph: Graph, index: int, operator: Operator) -> None:
        self.index = index
        self.operator = operator
        self.label = f"operator {index} ({operator.opcode})"
        self.tensors = [graph.tensors[i] if i != -1 else None for i in operator.inputs]
        self.outputs = [graph.tensors[i] for i in operator.outputs]
        if operator.opcode in ("CALL_ONCE", "ASSIGN_VARIABLE"):
            self._no_outputs()
            return
        if len(operator.outputs) != 1 and operator.opcode not in ("SPLIT", "SPLIT_V"):
            raise ModelError(f"{self.label} has {len(operator.outputs)} outputs")
        if not self.outputs:
            raise ModelError(f"{self.label} has no output")
        self.output = self.outputs[0]
        if operator.opcode not in ("QUANTIZE", "VAR_HANDLE"):
            for output in self.outputs:
                check_data_type(self.label, output)

    def _no_outputs(self) -> None:
        if self.outputs:
            raise ModelError(f"{self.label} has {len(self.outputs)} outputs")

    def fail(self, what: str) -> ModelError:
        """A ModelError that names the operator."""
        return ModelError(f"{self.label}: {what}")

    def data(self, slot: int = 0) -> Tensor:
        """Activation input ``slot``, of the output's type."""
        tensor = self.present(slot)
        check_data_type(self.label, tensor)
        if tensor.dtype != self.output.dtype:
            raise UnsupportedOp(
                f"{self.label}: input '{tensor.name}' is {tensor.dtype} and output "
                f"'{self.output.name}' is {self.output.dtype}"
            )
        return tensor

    def weights(self, rank: int, channel_dimension: int) -> Tensor:
        """Constant weights of the data's type, quantized symmetrically."""
        tensor = self.present(1)
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
            check_finite(self.label, tensor)
            return tensor
        check_quantization(self.label, tensor)
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
            check_finite(self.label, tensor)
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

    def check_output(self, shape: tuple[int, ...]) -> None:
        """The output has the shape that follows from the inputs."""
        if self.output.shape != shape:
            raise self.fail(
                f"output '{self.output.name}' has shape {list(self.output.shape)}, "
                f"expected {list(shape)}"
            )

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
        tables: tuple[NDArray[np.generic], ...] = (),
        output: int | None = None,
    ) -> Step:
        """The result; ``output`` is that of the operator when not given."""
        multiplier, shift = rescale if rescale is not None else (None, None)
        to = self.operator.outputs[0] if output is None else output
        return Step(self.index, opcode, inputs, to, params, multiplier, shift, tables)

    def supports(self, *dtypes: str) -> None:
        """The operator's kernels know these types of its output."""
        if self.output.dtype not in dtypes:
            raise UnsupportedOp(
                f"{self.label}: tensor '{self.output.name}' is {self.output.dtype}; "
                f"{', '.join(dtypes)} are supported"
            )

    def integers(self, slot: int) -> tuple[int, ...]:
        """Values of a constant int32 or int64 input: a shape, axes, paddings."""
        tensor = self.present(slot)
        if tensor.data is None or tensor.dtype not in ("int32", "int64"):
            raise UnsupportedOp(
                f"{self.label}: input '{tensor.name}' must be a constant of int32 or int64"
            )
        if tensor.elements > MAX_INTEGERS:
            raise self.fail(f"input '{tensor.name}' has {tensor.elements} values")
        return tuple(int(value) for value in tensor.data.ravel())

    def axis(self, value: int, rank: int) -> int:
        """A dimension, counted from the end when negative."""
        if not -rank <= value < rank:
            raise self.fail(f"axis {value} of {rank} dimensions")
        return value % rank

    def present(self, slot: int) -> Tensor:
        """The tensor in an input slot that must not be empty, whatever its type."""
        tensor = self.tensors[slot] if slot < len(self.tensors) else None
        if tensor is None:
            raise self.fail(f"input {slot} is missing")
        return tensor
