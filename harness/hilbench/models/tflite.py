"""Reads a .tflite file into a :class:`~hilbench.models.graph.Graph`.

Slots and codes follow TensorFlow Lite's schema (schema.fbs, version 3).  Only what the engine
supports gets through; everything else is refused with the operator, its index and the tensor.
"""

from __future__ import annotations

import hashlib
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError, UnsupportedOp
from hilbench.models import flatbuffer, variables
from hilbench.models.flatbuffer import Table
from hilbench.models.graph import Graph, Operator, Tensor
from hilbench.models.tflite_options import OPERATORS, OTHER_OPERATORS, read_options
from hilbench.quantization import unpack_int4

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
    buffers, codes = model.tables(4), model.tables(1)
    called = set()

    def part(index: int) -> variables.Parts:
        if not 0 <= index < len(subgraphs) or index in called:
            raise ModelError(f"subgraph {index} of {len(subgraphs)} is called")
        called.add(index)
        return _parts(subgraphs[index], buffers, codes)

    tensors, operators = variables.resolve(part(0), part)
    if any(other.tables(3) for number, other in enumerate(subgraphs) if number not in called):
        raise UnsupportedOp(f"{len(subgraphs)} subgraphs: control flow is not supported")
    return Graph(
        tensors=tensors,
        operators=operators,
        input_indices=subgraphs[0].integers(1),
        output_indices=subgraphs[0].integers(2),
        digest=hashlib.sha256(content).hexdigest(),
        name=name,
        file_bytes=len(content),
    )


def _parts(subgraph: Table, buffers: list[Table], codes: list[Table]) -> variables.Parts:
    """Tensors and operators of a subgraph."""
    tables = subgraph.tables(3)
    if len(tables) > MAX_OPERATORS:
        raise UnsupportedOp(f"{len(tables)} operators; {MAX_OPERATORS} are supported")
    tensors = _tensors(subgraph.tables(0), buffers)
    return tuple(tensors), tuple(_operator(i, table, codes) for i, table in enumerate(tables))


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
        is_variable=bool(table.integer(5, "B")),
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
    form = OPERATORS.get(code)
    if form is None:
        custom = code_table.text(1)
        label = OTHER_OPERATORS.get(code, f"number {code}") + (f" '{custom}'" if custom else "")
        names = sorted(known.name for known in OPERATORS.values())
        raise UnsupportedOp(
            f"operator {index} is {label}, which the engine lacks",
            hint=f"Supported: {', '.join(names)}.",
        )
    label = f"operator {index} ({form.name})"
    kind = table.integer(3, "B")
    if kind not in (0, form.union):
        raise ModelError(f"{label} carries options of type {kind}")
    return Operator(
        opcode=form.name,
        inputs=table.integers(1),
        outputs=table.integers(2),
        options=read_options(form, table.table(4) if kind else None, label),
    )
