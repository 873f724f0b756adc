"""Reads a .tflite file into a :class:`~hilbench.models.graph.Graph`.

Slots and codes follow TensorFlow Lite's schema (schema.fbs, version 3).  Only what the engine
supports gets through; everything else is refused with the operator, its index and the tensor.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError, UnsupportedOp
from hilbench.models import flatbuffer
from hilbench.models.flatbuffer import Table
from hilbench.models.graph import (
    AddOptions,
    ConvOptions,
    FullyConnectedOptions,
    Graph,
    Operator,
    Options,
    PoolOptions,
    ReshapeOptions,
    SoftmaxOptions,
    Tensor,
)
from hilbench.quantization import Activation, unpack_int4

FILE_IDENTIFIER = b"TFL3"
SCHEMA_VERSION = 3
MAX_FILE_BYTES = 64 << 20
#: No tensor of a microcontroller's model is larger.
MAX_TENSOR_ELEMENTS = 1 << 24
MAX_OPERATORS = 1024
#: QuantizationDetails: the scales of blocks are in a tensor of their own.
BLOCKWISE = 2
#: Quantization scales of all tensors together.
MAX_SCALES = 1 << 20

TENSOR_TYPES = (
    "float32", "float16", "int32", "uint8", "int64", "string", "bool", "int16", "complex64",
    "int8", "float64", "complex128", "uint64", "resource", "variant", "uint32", "uint16", "int4",
    "bfloat16",
)  # fmt: skip

#: BuiltinOperator -> (name, BuiltinOptions type of the union).
OPERATORS = {
    0: ("ADD", 11),
    1: ("AVERAGE_POOL_2D", 5),
    3: ("CONV_2D", 1),
    4: ("DEPTHWISE_CONV_2D", 2),
    9: ("FULLY_CONNECTED", 8),
    17: ("MAX_POOL_2D", 5),
    22: ("RESHAPE", 17),
    25: ("SOFTMAX", 9),
}

#: Names of common operators that are refused, so that the message can say what they are.
OTHER_OPERATORS = {
    2: "CONCATENATION", 5: "DEPTH_TO_SPACE", 6: "DEQUANTIZE", 7: "EMBEDDING_LOOKUP", 8: "FLOOR",
    11: "L2_NORMALIZATION", 13: "LOCAL_RESPONSE_NORMALIZATION", 14: "LOGISTIC", 16: "LSTM",
    18: "MUL", 19: "RELU", 20: "RELU_N1_TO_1", 21: "RELU6", 23: "RESIZE_BILINEAR", 24: "RNN",
    27: "SVDF", 28: "TANH", 32: "CUSTOM", 34: "PAD", 36: "GATHER", 37: "BATCH_TO_SPACE_ND",
    38: "SPACE_TO_BATCH_ND", 39: "TRANSPOSE", 40: "MEAN", 41: "SUB", 42: "DIV", 43: "SQUEEZE",
    44: "UNIDIRECTIONAL_SEQUENCE_LSTM", 45: "STRIDED_SLICE", 49: "SPLIT", 53: "CAST",
    54: "PRELU", 55: "MAXIMUM", 56: "ARG_MAX", 57: "MINIMUM", 60: "PADV2", 65: "SLICE",
    67: "TRANSPOSE_CONV", 70: "EXPAND_DIMS", 74: "SUM", 77: "SHAPE", 82: "REDUCE_MAX",
    83: "PACK", 88: "UNPACK", 97: "RESIZE_NEAREST_NEIGHBOR", 98: "LEAKY_RELU",
    99: "SQUARED_DIFFERENCE",
    102: "SPLIT_V", 114: "QUANTIZE", 117: "HARD_SWISH", 126: "BATCH_MATMUL", 129: "CALL_ONCE",
    142: "VAR_HANDLE", 143: "READ_VARIABLE", 144: "ASSIGN_VARIABLE", 150: "GELU",
}  # fmt: skip


def read(path: Path) -> Graph:
    """Read the file at ``path``; see :func:`parse`."""
    try:
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise ModelError(f"{path}: {size} bytes is no microcontroller's model")
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error
    try:
        return parse(content, name=path.stem)
    except ModelError as error:
        raise type(error)(f"{path}: {error.message}", hint=error.hint) from error


def parse(content: bytes, name: str = "") -> Graph:
    """Parse the bytes of a .tflite file.

    Raises
    ------
    UnsupportedOp
        An operator, type or option that the engine lacks.
    ModelError
        The bytes are not a well-formed model.
    """
    model = flatbuffer.root(content, FILE_IDENTIFIER)
    version = model.integer(0, "I")
    if version != SCHEMA_VERSION:
        raise ModelError(f"schema version {version}, expected {SCHEMA_VERSION}")
    subgraphs = model.tables(2)
    if not subgraphs:
        raise ModelError("a model without a subgraph")
    if any(other.tables(3) for other in subgraphs[1:]):
        raise UnsupportedOp(f"{len(subgraphs)} subgraphs: control flow is not supported")
    subgraph = subgraphs[0]
    buffers = model.tables(4)
    tensor_tables = subgraph.tables(0)
    operator_tables = subgraph.tables(3)
    if len(operator_tables) > MAX_OPERATORS:
        raise UnsupportedOp(f"{len(operator_tables)} operators; {MAX_OPERATORS} are supported")
    tensors = _tensors(tensor_tables, buffers)
    codes = model.tables(1)
    operators = tuple(_operator(i, table, codes) for i, table in enumerate(operator_tables))
    return Graph(
        tensors=tuple(tensors),
        operators=operators,
        input_indices=subgraph.integers(1),
        output_indices=subgraph.integers(2),
        digest=hashlib.sha256(content).hexdigest(),
        name=name,
        file_bytes=len(content),
    )


def _tensors(tables: list[Table], buffers: list[Table]) -> list[Tensor]:
    tensors: list[Tensor] = []
    scales = 0
    for index, table in enumerate(tables):
        tensors.append(_tensor(index, table, buffers))
        scales += len(tensors[-1].scales)
        if scales > MAX_SCALES:
            raise ModelError(f"more than {MAX_SCALES} quantization scales")
    return [
        _with_blocks(tensor, table, tensors) for tensor, table in zip(tensors, tables, strict=True)
    ]


def _tensor(index: int, table: Table, buffers: list[Table]) -> Tensor:
    name = table.text(3) or f"tensor {index}"
    code = table.integer(1, "b")
    dtype = TENSOR_TYPES[code] if 0 <= code < len(TENSOR_TYPES) else f"type {code}"
    shape = _shape(name, table.integers(0), table.integers(7))
    if table.integer(5, "B"):
        raise UnsupportedOp(f"tensor '{name}' is a variable: stateful models are not supported")
    if table.table(6) is not None:
        raise UnsupportedOp(f"tensor '{name}' is sparse")
    scales, zero_points, dimension = _quantization(name, table.table(4))
    return Tensor(
        name=name,
        shape=shape,
        dtype=dtype,
        scales=scales,
        zero_points=zero_points,
        quantized_dimension=dimension,
        data=_data(name, shape, dtype, table.integer(2, "I"), buffers),
    )


def _shape(name: str, shape: tuple[int, ...], signature: tuple[int, ...]) -> tuple[int, ...]:
    """Dimensions; -1 in the first place, the batch, is read as 1."""
    if shape[:1] == (-1,):
        shape = (1, *shape[1:])
    if any(extent < 0 for extent in shape[1:]) or any(extent == -1 for extent in signature[1:]):
        raise UnsupportedOp(f"tensor '{name}' has a dynamic shape {list(signature or shape)}")
    if any(extent < 1 for extent in shape):
        raise ModelError(f"tensor '{name}' has the shape {list(shape)}")
    if math.prod(shape) > MAX_TENSOR_ELEMENTS:
        raise ModelError(f"tensor '{name}' of shape {list(shape)} is too large")
    return shape


def _quantization(name: str, table: Table | None) -> tuple[tuple[float, ...], tuple[int, ...], int]:
    if table is None or table.integer(4, "B") == BLOCKWISE:
        return (), (), 0
    if table.integer(4, "B"):
        raise UnsupportedOp(f"tensor '{name}' has custom quantization")
    scales = table.vector(2, "<f4")
    if scales is None or scales.size == 0:
        return (), (), 0
    zero_points = table.vector(3, "<i8")
    count = 0 if zero_points is None else zero_points.size
    if zero_points is None or count != scales.size or count > MAX_SCALES:
        raise ModelError(f"tensor '{name}': {scales.size} scales but {count} zero points")
    return tuple(scales.tolist()), tuple(zero_points.tolist()), table.integer(6, "i")


def _with_blocks(tensor: Tensor, table: Table, tensors: list[Tensor]) -> Tensor:
    """Blockwise quantization: the scales are a constant tensor, row by row."""
    quantization = table.table(4)
    if quantization is None or quantization.integer(4, "B") != BLOCKWISE:
        return tensor
    details = quantization.table(5)
    if details is None:
        raise ModelError(f"tensor '{tensor.name}' is quantized in blocks without their description")
    index, zeros, size = (
        details.integer(0, "i"),
        details.integer(1, "i", -1),
        details.integer(2, "i"),
    )
    scales = tensors[index].data if 0 <= index < len(tensors) else None
    if scales is None or size < 1 or scales.dtype.kind != "f":
        raise ModelError(f"tensor '{tensor.name}' has blocks of {size} without scales")
    if zeros != -1:
        raise UnsupportedOp(f"tensor '{tensor.name}' has a zero point per block")
    return replace(
        tensor,
        scales=tuple(scales.astype(np.float32).ravel().tolist()),
        zero_points=(0,) * scales.size,
        block_size=size,
    )


def _data(
    name: str, shape: tuple[int, ...], dtype: str, index: int, buffers: list[Table]
) -> NDArray[np.generic] | None:
    if not 0 <= index < len(buffers):
        raise ModelError(f"tensor '{name}' refers to buffer {index} of {len(buffers)}")
    buffer = buffers[index]
    raw = buffer.vector(0, "<u1")
    offset, size = buffer.integer(1, "Q"), buffer.integer(2, "Q")
    if (
        offset > 1
    ):  # newer writers may put data behind the FlatBuffer, counted from the file's start
        if offset + size > len(buffer.buffer):
            raise ModelError(f"tensor '{name}' has data beyond the end of the file")
        raw = np.frombuffer(buffer.buffer, np.uint8, size, offset)
    if raw is None or raw.size == 0:
        return None
    elements = math.prod(shape)
    if dtype == "int4":
        _check_size(name, dtype, shape, raw.size, -(-elements // 2))
        return unpack_int4(raw.astype(np.uint8), elements).reshape(shape)
    try:
        kind = np.dtype(dtype).newbyteorder("<")
    except TypeError:
        return raw  # a type that no supported operator takes
    _check_size(name, dtype, shape, raw.size, elements * kind.itemsize)
    return raw.view(kind).reshape(shape)  # read-only, as the file's bytes are


def _check_size(name: str, dtype: str, shape: tuple[int, ...], size: int, expected: int) -> None:
    if size != expected:
        raise ModelError(
            f"tensor '{name}' of {dtype}{list(shape)} has {size} bytes of data, expected {expected}"
        )


def _operator(index: int, table: Table, codes: list[Table]) -> Operator:
    code_index = table.integer(0, "I")
    if code_index >= len(codes):
        raise ModelError(f"operator {index} has code {code_index} of {len(codes)}")
    code_table = codes[code_index]
    # Old writers set only the first field, new ones may leave it 0.
    code = max(code_table.integer(0, "b"), code_table.integer(3, "i"))
    if code not in OPERATORS:
        custom = code_table.text(1)
        label = OTHER_OPERATORS.get(code, f"number {code}") + (f" '{custom}'" if custom else "")
        hint = f"Supported: {', '.join(sorted(name for name, _ in OPERATORS.values()))}."
        if label in ("QUANTIZE", "DEQUANTIZE"):
            hint += " Convert the model with int8 inputs and outputs, or wholly in float32."
        raise UnsupportedOp(f"operator {index} is {label}, which the engine lacks", hint=hint)
    name, union = OPERATORS[code]
    kind = table.integer(3, "B")
    options = table.table(4)
    if kind not in (0, union):
        raise ModelError(f"operator {index} ({name}) carries options of type {kind}")
    if kind == 0 or options is None:
        if name not in ("RESHAPE",):
            raise ModelError(f"operator {index} ({name}) has no options")
        options = None
    return Operator(
        opcode=name,
        inputs=table.integers(1),
        outputs=table.integers(2),
        options=ReshapeOptions() if options is None else _OPTIONS[name](options, index, name),
    )


def _same(code: int, index: int, name: str) -> bool:
    if code not in (0, 1):
        raise UnsupportedOp(f"operator {index} ({name}) has padding {code}")
    return code == 0


def _activation(code: int, index: int, name: str) -> Activation:
    try:
        return Activation(code)
    except ValueError:
        label = {4: "TANH", 5: "SIGN_BIT"}.get(code, str(code))
        raise UnsupportedOp(f"operator {index} ({name}) has the fused activation {label}") from None


def _conv(table: Table, index: int, name: str) -> Options:
    return ConvOptions(
        same_padding=_same(table.integer(0, "b"), index, name),
        stride_w=table.integer(1, "i"),
        stride_h=table.integer(2, "i"),
        activation=_activation(table.integer(3, "b"), index, name),
        dilation_w=table.integer(4, "i", 1),
        dilation_h=table.integer(5, "i", 1),
    )


def _depthwise(table: Table, index: int, name: str) -> Options:
    return ConvOptions(
        same_padding=_same(table.integer(0, "b"), index, name),
        stride_w=table.integer(1, "i"),
        stride_h=table.integer(2, "i"),
        depth_multiplier=table.integer(3, "i"),
        activation=_activation(table.integer(4, "b"), index, name),
        dilation_w=table.integer(5, "i", 1),
        dilation_h=table.integer(6, "i", 1),
    )


def _pool(table: Table, index: int, name: str) -> Options:
    return PoolOptions(
        same_padding=_same(table.integer(0, "b"), index, name),
        stride_w=table.integer(1, "i"),
        stride_h=table.integer(2, "i"),
        filter_w=table.integer(3, "i"),
        filter_h=table.integer(4, "i"),
        activation=_activation(table.integer(5, "b"), index, name),
    )


def _fully_connected(table: Table, index: int, name: str) -> Options:
    if table.integer(1, "b"):
        raise UnsupportedOp(f"operator {index} ({name}) has shuffled weights")
    return FullyConnectedOptions(
        activation=_activation(table.integer(0, "b"), index, name),
        keep_num_dims=bool(table.integer(2, "B")),
        asymmetric_quantize_inputs=bool(table.integer(3, "B")),
    )


def _softmax(table: Table, index: int, name: str) -> Options:
    return SoftmaxOptions(beta=table.number(0, "f"))


def _add(table: Table, index: int, name: str) -> Options:
    return AddOptions(activation=_activation(table.integer(0, "b"), index, name))


def _reshape(table: Table, index: int, name: str) -> Options:
    return ReshapeOptions(new_shape=table.integers(0))


_OPTIONS: dict[str, Callable[[Table, int, str], Options]] = {
    "CONV_2D": _conv,
    "DEPTHWISE_CONV_2D": _depthwise,
    "FULLY_CONNECTED": _fully_connected,
    "AVERAGE_POOL_2D": _pool,
    "MAX_POOL_2D": _pool,
    "SOFTMAX": _softmax,
    "ADD": _add,
    "RESHAPE": _reshape,
}
