"""Small networks over the operators that need no weights: one kind each, several operators long."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from hilbench.models.graph import (
    AddOptions,
    CallOnceOptions,
    ConcatenationOptions,
    ConvOptions,
    Graph,
    LeakyReluOptions,
    LstmOptions,
    MeanOptions,
    NoOptions,
    Operator,
    Options,
    PoolOptions,
    ReshapeOptions,
    ResizeOptions,
    SoftmaxOptions,
    SplitOptions,
    StridedSliceOptions,
    SvdfOptions,
    Tensor,
    VariableOptions,
)
from hilbench.quantization import Activation

SHAPE = (1, 4, 3, 2)
DTYPES = ("int8", "int16", "float32")


@dataclass
class Chain:
    """Operators that each read the tensor before."""

    dtype: str
    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    current: int = 0

    def __post_init__(self) -> None:
        self.tensor(SHAPE)

    def tensor(self, shape: tuple[int, ...], dtype: str | None = None, **more: Any) -> int:
        kind = dtype or self.dtype
        quantized = kind in ("int8", "uint8", "int16")
        more = {"scales": (0.05,), "zero_points": (0 if kind == "int16" else 3,), **more}
        plain = {k: v for k, v in more.items() if k not in ("scales", "zero_points")}
        more = more if quantized else plain
        self.tensors.append(Tensor(f"t{len(self.tensors)}", shape, kind, **more))
        return len(self.tensors) - 1

    def constant(self, values: Any, dtype: str = "int32") -> int:
        data = np.array(values, dtype)
        return self.tensor(data.shape, dtype, data=data)

    def filled(self, shape: tuple[int, ...], dtype: str) -> int:
        """Constant weights without a zero point."""
        count = int(np.prod(shape))
        data = (np.arange(count) * 7 % 23 - 11).reshape(shape).astype(dtype)
        return self.tensor(shape, dtype, data=data, zero_points=(0,), scales=(0.01,))

    def add(
        self,
        opcode: str,
        shape: tuple[int, ...],
        options: Options | None = None,
        before: tuple[int, ...] = (),
        after: tuple[int, ...] = (),
        dtype: str | None = None,
        **more: Any,
    ) -> int:
        """One operator: ``before``, the current tensor and ``after`` are its inputs."""
        output = self.tensor(shape, dtype, **more)
        inputs = (*before, self.current, *after)
        self.operators.append(Operator(opcode, inputs, (output,), options or NoOptions()))
        self.current = output
        return output

    def graph(self, *outputs: int) -> Graph:
        last = outputs or (self.current,)
        return Graph(tuple(self.tensors), tuple(self.operators), (0,), last)


def arithmetic(dtype: str) -> Graph:
    """Sums, differences and products: equal shapes, rows, scalars; functions; a mean."""
    c = Chain(dtype)
    data = np.arange(2).reshape(1, 1, 1, 2)
    for opcode, shape in (("MUL", (1, 1, 1, 2)), ("SUB", (1, 4, 1, 2)), ("ADD", (1,))):
        other = c.constant(np.resize(data, shape), dtype)
        c.add(opcode, SHAPE, AddOptions(Activation.RELU), after=(other,))
    c.add("SUB", SHAPE, AddOptions(), after=(0,))
    c.add("MUL", SHAPE, AddOptions(), after=(0,))
    c.add("LEAKY_RELU", SHAPE, LeakyReluOptions(0.25))
    if dtype == "float32":
        for opcode in ("LOGISTIC", "TANH", "HARD_SWISH", "RELU6"):
            c.add(opcode, SHAPE)
    if dtype == "int16":
        unit = {"scales": (1 / 32768,)}
        c.add("RELU", SHAPE)
        c.add("TANH", SHAPE, **unit)
        c.add("LOGISTIC", SHAPE, **unit)
        c.add("MAX_POOL_2D", SHAPE, PoolOptions(True, 2, 2), **unit)
        c.add("AVERAGE_POOL_2D", SHAPE, PoolOptions(True, 3, 1), **unit)
        c.add("SOFTMAX", SHAPE, SoftmaxOptions(1.0), **unit)
    axes = c.constant([1, 2])
    c.add("MEAN", (1, 1, 1, 2), MeanOptions(True), after=(axes,))
    return c.graph()


def types(dtype: str) -> Graph:
    """From a quantization to another, to float32, and back."""
    c = Chain(dtype)
    if dtype == "int8":
        c.add("QUANTIZE", SHAPE, dtype="int16")
        c.add("DEQUANTIZE", SHAPE, dtype="float32")
    if dtype == "int16":
        c.add("QUANTIZE", SHAPE, scales=(0.1,))
    c.add("QUANTIZE", SHAPE, dtype="int8")
    c.add("QUANTIZE", SHAPE, dtype="uint8")
    c.add("DEQUANTIZE", SHAPE, dtype="float32")
    return c.graph()


def movement(dtype: str) -> Graph:
    """Padding, transposition, cutting, joining, resizing."""
    c = Chain(dtype)
    c.add("PAD", (1, 6, 3, 3), after=(c.constant([[0, 0], [1, 1], [0, 0], [0, 1]]),))
    c.add("TRANSPOSE", (1, 3, 6, 3), after=(c.constant([0, 3, 1, 2]),))
    indices = tuple(c.constant(v) for v in ([0, 2, 0, 0], [1, 0, 6, 3], [1, -1, 2, 1]))
    c.add("STRIDED_SLICE", (1, 2, 3, 3), StridedSliceOptions(), after=indices)
    first = c.current
    parts = tuple(c.tensor((1, 2, 1, 3)) for _ in range(3))
    axis = c.constant([2])
    c.operators.append(Operator("SPLIT", (axis, first), parts, SplitOptions(3)))
    c.current = parts[0]
    c.add("CONCATENATION", (1, 2, 5, 3), ConcatenationOptions(2), (parts[2],), (first,))
    size = c.constant([3, 7])
    c.add("RESIZE_NEAREST_NEIGHBOR", (1, 3, 7, 3), ResizeOptions(), after=(size,))
    return c.graph()


def streaming(dtype: str) -> Graph:
    """A variable that is joined with the input, of which the newest part is kept."""
    c = Chain(dtype)
    more = {"scales": (0.05,), "zero_points": (0 if dtype == "int16" else 3,)}
    more = {} if dtype == "float32" else more
    initial = np.arange(12).reshape(1, 2, 3, 2).astype(dtype)
    state = len(c.tensors)
    c.tensors.append(
        Tensor("state", initial.shape, dtype, **more, is_variable=True, initial=initial)
    )
    c.operators += [
        Operator("CALL_ONCE", (), (), CallOnceOptions(1)),
        Operator("VAR_HANDLE", (), (state,), VariableOptions("", "state")),
    ]
    read = c.tensor(initial.shape)
    c.operators.append(Operator("READ_VARIABLE", (state,), (read,), NoOptions()))
    c.add("CONCATENATION", (1, 6, 3, 2), ConcatenationOptions(1), before=(read,))
    joined = c.current
    indices = tuple(c.constant(v) for v in ([0, 4, 0, 0], [1, 6, 3, 2], [1, 1, 1, 1]))
    c.add("STRIDED_SLICE", initial.shape, StridedSliceOptions(), after=indices)
    c.operators.append(Operator("ASSIGN_VARIABLE", (state, c.current), (), NoOptions()))
    c.current = joined
    c.add("MEAN", (1, 1, 3, 2), MeanOptions(True), after=(c.constant([1]),))
    return c.graph()


def transposed(dtype: str) -> Graph:
    """Transposed convolutions, with padding and without."""
    c = Chain(dtype)
    kind = dtype if dtype == "float32" else "int8"
    bias_kind = {"int8": "int32", "int16": "int64", "float32": "float32"}[dtype]
    for shape, filters, same in (((1, 8, 6, 3), (3, 2), True), ((1, 17, 13, 2), (3, 3), False)):
        depth = c.tensors[c.current].shape[3]
        values = np.arange(shape[3] * filters[0] * filters[1] * depth) % 17 - 8
        weights = c.tensor((shape[3], *filters, depth), kind, data=None, zero_points=(0,))
        filled = values.reshape(c.tensors[weights].shape).astype(kind)
        c.tensors[weights] = replace(c.tensors[weights], data=filled)
        bias = c.constant(np.arange(shape[3]), bias_kind)
        before = (c.constant(shape), weights)
        c.add("TRANSPOSE_CONV", shape, ConvOptions(same, 2, 2), before, (bias,))
    return c.graph()


def recurrent(dtype: str) -> Graph:
    """A filter with a memory, then a sequence of two steps in time."""
    c = Chain(dtype)
    is_float = dtype == "float32"
    plain = "float32" if is_float else "int8"
    symmetric = {"zero_points": (0,)}
    shape: tuple[int, ...] = (2, 2, 6)
    if dtype != "int16":
        c.add("RESHAPE", (4, 6), ReshapeOptions((4, 6)))
        held = "float32" if is_float else "int16"
        features = c.filled((6, 6), plain)
        time = c.filled((6, 3), held)
        state = c.tensor((4, 18), held, is_variable=True, **symmetric)
        bias = c.constant(np.arange(3), "float32" if is_float else "int32")
        c.add("SVDF", (4, 3), SvdfOptions(2), after=(features, time, bias, state))
        shape = (2, 2, 3)
    c.add("RESHAPE", shape, ReshapeOptions(shape))
    units, wide = 2, {"int8": "int32", "int16": "int64", "float32": "float32"}[dtype]
    weights = [c.filled((units, shape[2]), plain) for _ in range(4)]
    weights += [c.filled((units, units), plain) for _ in range(4)]
    biases = [c.constant(np.arange(units), wide) for _ in range(4)]
    hidden = c.tensor((2, units), is_variable=True)
    kind = plain if is_float else "int16"
    cell = c.tensor((2, units), kind, is_variable=True, scales=(2.0**-11,), **symmetric)
    after = (*weights, -1, -1, -1, *biases, -1, -1, hidden, cell, -1, -1, -1, -1)
    c.add("UNIDIRECTIONAL_SEQUENCE_LSTM", (2, 2, units), LstmOptions(1.0), after=after)
    return c.graph()


def graphs() -> dict[str, Graph]:
    """Every network, by name."""
    makers = (arithmetic, types, movement, streaming, transposed, recurrent)
    return {f"{make.__name__} {d}": make(d) for make in makers for d in DTYPES}
