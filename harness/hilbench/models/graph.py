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
from hilbench.quantization import pack_int4

__all__ = [
    "ELEMENT_BITS",
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
    "constant_bytes",
    "is_weighted",
]

#: Bits of an element, for the types that the engine knows.  int4 data is held here as int8 values,
#: float8 (E4M3, quantization/float8.py) as uint8 codes.
ELEMENT_BITS = {
    "int4": 4,
    "int8": 8,
    "uint8": 8,
    "float8": 8,
    "int16": 16,
    "float16": 16,
    "int32": 32,
    "float32": 32,
    "int64": 64,
}


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
    block_size : int
        Elements of a row that share a scale (FULLY_CONNECTED weights quantized in blocks, scales
        row by row); 0 = not in blocks.
    storage_only : bool
        Weights that are made float32 before they are multiplied (a folded DEQUANTIZE), whatever
        type they are stored in.
    """

    name: str
    shape: tuple[int, ...]
    dtype: str
    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    quantized_dimension: int = 0
    data: NDArray[np.generic] | None = None
    block_size: int = 0
    storage_only: bool = False
    is_variable: bool = False
    initial: NDArray[np.generic] | None = None

    @property
    def elements(self) -> int:
        """Number of elements."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """Size of the data, bytes."""
        return -(-self.elements * ELEMENT_BITS[self.dtype] // 8)

    @property
    def scale(self) -> float:
        """The scale of the whole tensor; 0 = not quantized, or per channel."""
        return self.scales[0] if len(self.scales) == 1 else 0.0

    @property
    def zero_point(self) -> int:
        """The zero point of the whole tensor; 0 = not quantized, or per channel."""
        return self.zero_points[0] if len(self.zero_points) == 1 else 0


def constant_bytes(tensor: Tensor) -> bytes:
    """Constant data as files and images hold it: little-endian, int4 packed."""
    assert tensor.data is not None
    if tensor.dtype == "int4":
        return pack_int4(tensor.data.astype(np.int8)).tobytes()
    return np.ascontiguousarray(tensor.data, tensor.data.dtype.newbyteorder("<")).tobytes()


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
        """How the operators with weights compute; ``mixed`` when several ways meet.

        ``f32``, ``f16``, ``fp8``, ``weight8``, ``weight4`` (float data; weights of that type),
        ``dynamic8``, ``dynamic4``, ``w8a8`` (weights per channel), ``w8a8-tensor`` (all per
        tensor), ``w4a8`` (depthwise filters may keep 8 bits), ``w8a16``, ``w4a16``.  Operators
        left in float32 beside others, as converters do with small ones, don't count.
        """
        weighted = [op for op in self.operators if is_weighted(op)]
        found = {self._scheme_of(op) for op in weighted} - {"f32"}
        if found == {"w8a8", "w8a8-tensor"}:
            return "w8a8"
        if "w4a8" in found and found <= {"w4a8", "w8a8", "w8a8-tensor"}:
            bytes_kept = {op.opcode for op in weighted if self._scheme_of(op) != "w4a8"}
            if bytes_kept == {"DEPTHWISE_CONV_2D"}:  # TensorFlow Lite has no int4 ones
                return "w4a8"
        if not found:
            return "f32" if weighted or self.inputs[0].dtype == "float32" else "w8a8-tensor"
        return found.pop() if len(found) == 1 else "mixed"

    def _scheme_of(self, operator: Operator) -> str:
        return _scheme(self.tensors[operator.inputs[0]], self.tensors[operator.inputs[1]])


def is_weighted(operator: Operator) -> bool:
    """Whether the operator has weights."""
    return operator.opcode in ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED")


def _scheme(data: Tensor, weights: Tensor) -> str:
    bits = ELEMENT_BITS.get(weights.dtype, 0)
    if data.dtype == "float32":
        floats = {"float32": "f32", "float16": "f16", "float8": "fp8"}
        if weights.dtype in floats:
            return floats[weights.dtype]
        return f"{'weight' if weights.storage_only else 'dynamic'}{bits}"
    per_tensor = "-tensor" if data.dtype == weights.dtype and len(weights.scales) == 1 else ""
    return f"w{bits}a{ELEMENT_BITS[data.dtype]}{per_tensor}"
