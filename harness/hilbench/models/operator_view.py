"""An operator with its tensors while it is lowered, and the checks that operators share."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError, UnsupportedOp
from hilbench.models.checks import check_data_type
from hilbench.models.graph import Graph, Operator, Tensor
from hilbench.quantization import (
    Activation,
    activation_range_float,
    activation_range_int,
)
from hilbench.schema import image

Int32 = NDArray[np.int32]
Float32 = NDArray[np.float32]
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
    | image.Svdf
    | image.Lstm
)

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
        Requantization of integer accumulators.
    scales : ndarray of float32, shape (output channels, blocks), or None
        Integer or float8 weights of float data: what a weight is multiplied with; one block, or as
        many equal ones as a row is cut into.
    flags : int
        Bits of ``image.OpFlag``.
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
    scales: Float32 | None = None
    flags: int = 0
    tables: tuple[NDArray[np.generic], ...] = ()
    is_init: bool = False


class OperatorView:
    """An operator with its tensors, and the checks that several operators share."""

    def __init__(self, graph: Graph, index: int, operator: Operator) -> None:
        self.graph = graph
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

    def int_range(self, activation: Activation) -> tuple[int, int]:
        """Clamp of the integer output; int8's whole range for float."""
        if self.output.dtype == "float32":
            return -128, 127
        limits = np.iinfo(self.output.dtype)
        return activation_range_int(
            activation,
            self.output.scale,
            self.output.zero_point,
            int(limits.min),
            int(limits.max),
        )

    def float_range(self, activation: Activation) -> tuple[float, float]:
        """Clamp of the float output; none for integers."""
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
        tables: tuple[NDArray[np.generic], ...] = (),
        output: int | None = None,
    ) -> Step:
        """The result; ``output`` is that of the operator when not given."""
        to = self.operator.outputs[0] if output is None else output
        return Step(self.index, opcode, inputs, to, params, tables=tables)

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
