"""What a model file says: frozen dataclasses, no behaviour beyond simple questions."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.models.options import (
    AddOptions,
    CallOnceOptions,
    ConcatenationOptions,
    ConvOptions,
    FullyConnectedOptions,
    LeakyReluOptions,
    LstmOptions,
    MeanOptions,
    NoOptions,
    Options,
    PoolOptions,
    ReshapeOptions,
    ResizeOptions,
    SoftmaxOptions,
    SplitOptions,
    SqueezeOptions,
    StridedSliceOptions,
    SvdfOptions,
    VariableOptions,
)

__all__ = [
    "ELEMENT_BYTES",
    "AddOptions",
    "CallOnceOptions",
    "ConcatenationOptions",
    "ConvOptions",
    "FullyConnectedOptions",
    "Graph",
    "LeakyReluOptions",
    "LstmOptions",
    "MeanOptions",
    "NoOptions",
    "Operator",
    "Options",
    "PoolOptions",
    "ReshapeOptions",
    "ResizeOptions",
    "SoftmaxOptions",
    "SplitOptions",
    "SqueezeOptions",
    "StridedSliceOptions",
    "SvdfOptions",
    "Tensor",
    "VariableOptions",
    "is_weighted",
]

#: Bytes of an element, for the types that the engine knows.
ELEMENT_BYTES = {"int8": 1, "int16": 2, "int32": 4, "float32": 4, "uint8": 1}


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor.

    Attributes
    ----------
    name : str
    shape : tuple of int
        Dimensions, NHWC; a dynamic batch is read as 1.
    dtype : str
        ``int8``, ``float32``, ...: numpy's name where numpy has the type.
    scales : tuple of float
        Quantization scales: none, one, or one per slice of ``quantized_dimension``.
    zero_points : tuple of int
        As many as scales.
    quantized_dimension : int
    data : ndarray or None
        Constant data in ``shape``; None = computed or fed.
    is_variable : bool
        Kept from one inference to the next (the operator may carry the name of the variable).
    initial : ndarray or None
        A variable's first value; None = its zero point.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    quantized_dimension: int = 0
    data: NDArray[np.generic] | None = None
    is_variable: bool = False
    initial: NDArray[np.generic] | None = None

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size of the data, bytes."""
        return self.elements * ELEMENT_BYTES[self.dtype]

    @property
    def scale(self) -> float:
        """The scale of the whole tensor; 0 = not quantized, or per channel."""
        return self.scales[0] if len(self.scales) == 1 else 0.0

    @property
    def zero_point(self) -> int:
        """The zero point of the whole tensor; 0 = not quantized, or per channel."""
        return self.zero_points[0] if len(self.zero_points) == 1 else 0


@dataclass(frozen=True)
class Operator:
    """An operator: ``opcode`` is TensorFlow Lite's name, -1 in ``inputs`` = absent."""

    opcode: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Options


@dataclass(frozen=True, eq=False)
class Graph:
    """A model: one subgraph, operators in execution order.

    ``digest`` is the SHA-256 of the file, hex; empty for a graph that was not read from one.
    """

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    input_indices: tuple[int, ...]
    output_indices: tuple[int, ...]
    digest: str = ""
    name: str = ""
    file_bytes: int = 0

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """Input tensors, in order."""
        return tuple(self.tensors[i] for i in self.input_indices)

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        """Output tensors, in order."""
        return tuple(self.tensors[i] for i in self.output_indices)

    @property
    def vector_bytes(self) -> int:
        """All inputs together, bytes."""
        return sum(tensor.bytes for tensor in self.inputs)

    @property
    def output_bytes(self) -> int:
        """All outputs together, bytes."""
        return sum(tensor.bytes for tensor in self.outputs)

    @property
    def scheme(self) -> str:
        """``f32``, ``w8a8`` (weights per channel), or ``w8a8-tensor`` (all per tensor)."""
        if self.inputs[0].dtype == "float32":
            return "f32"
        weights = [self.tensors[op.inputs[1]] for op in self.operators if is_weighted(op)]
        return "w8a8" if any(len(w.scales) > 1 for w in weights) else "w8a8-tensor"


def is_weighted(operator: Operator) -> bool:
    """Whether the operator has weights."""
    return operator.opcode in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")
