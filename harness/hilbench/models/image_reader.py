"""Reads an image back into records: for tests, and for showing what an image holds."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError
from hilbench.models.image_writer import CRC_START
from hilbench.models.operator_view import Params
from hilbench.quantization import unpack_int4
from hilbench.schema import image

#: Earlier versions read the same under this one: what they reserved is 0.
OLDEST_VERSION = 1
_KINDS = {
    image.Dtype.INT8: "<i1",
    image.Dtype.INT16: "<i2",
    image.Dtype.INT32: "<i4",
    image.Dtype.INT64: "<i8",
    image.Dtype.UINT8: "<u1",
    image.Dtype.FLOAT8: "<u1",
    image.Dtype.FLOAT16: "<f2",
    image.Dtype.FLOAT32: "<f4",
}
#: Record of the parameters of each operator.
PARAMS: dict[int, type[Params] | None] = {
    image.Opcode.CONV_2D: image.Conv,
    image.Opcode.DEPTHWISE_CONV_2D: image.Conv,
    image.Opcode.FULLY_CONNECTED: image.Conv,
    image.Opcode.AVERAGE_POOL_2D: image.Pool,
    image.Opcode.MAX_POOL_2D: image.Pool,
    image.Opcode.SOFTMAX: image.Softmax,
    image.Opcode.ADD: image.Add,
    image.Opcode.RESHAPE: None,
    image.Opcode.SUB: image.Add,
    image.Opcode.TRANSPOSE_CONV: image.Conv,
    image.Opcode.MUL: image.Mul,
    image.Opcode.MEAN: image.Mean,
    image.Opcode.MOVE: image.Move,
    image.Opcode.FILL: image.Fill,
    image.Opcode.LOOKUP: None,
    image.Opcode.LSTM: image.Lstm,
    image.Opcode.SVDF: image.Svdf,
    image.Opcode.UNARY: image.Unary,
    image.Opcode.QUANTIZE: image.Quantize,
    image.Opcode.DEQUANTIZE: image.Quantize,
    image.Opcode.RESIZE_NEAREST: None,
    image.Opcode.EXPAND: None,
}


@dataclass(frozen=True, eq=False)
class ImageRecords:
    """An image, taken apart.

    ``constants`` maps tensor numbers to arrays of shape ``dims``; ``params`` has one entry per op.
    """

    header: image.Header
    tensors: tuple[image.Tensor, ...]
    ops: tuple[image.Op, ...]
    params: tuple[Params | None, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    constants: dict[int, NDArray[np.generic]]


def read_image(content: bytes) -> ImageRecords:
    """Take an image apart.

    Raises
    ------
    ModelError
        Magic, version, size or CRC is wrong.
    """
    size = image.Header.STRUCT.size
    if len(content) < size:
        raise ModelError("an image shorter than its header")
    header = image.Header.unpack(content[:size])
    if header.magic != image.MAGIC or not OLDEST_VERSION <= header.version <= image.VERSION:
        raise ModelError("not an image of this version")
    if header.image_bytes != len(content) or zlib.crc32(content[CRC_START:]) != header.crc:
        raise ModelError("an image whose size or CRC is wrong")
    tensors = tuple(
        image.Tensor.unpack(part)
        for part in _records(content, header.tensors_offset, header.tensor_count, image.Tensor)
    )
    ops = tuple(
        image.Op.unpack(part)
        for part in _records(content, header.ops_offset, header.op_count, image.Op)
    )
    io = np.frombuffer(
        content, "<u2", header.input_count + header.output_count, header.io_offset
    ).tolist()
    return ImageRecords(
        header=header,
        tensors=tensors,
        ops=ops,
        params=tuple(_params(content, op) for op in ops),
        inputs=tuple(io[: header.input_count]),
        outputs=tuple(io[header.input_count :]),
        constants={
            number: _constant(content, t)
            for number, t in enumerate(tensors)
            if t.storage == image.Storage.CONSTANT
        },
    )


def _constant(content: bytes, tensor: image.Tensor) -> NDArray[np.generic]:
    count = int(np.prod(tensor.dims))
    if tensor.dtype == image.Dtype.INT4:
        packed = np.frombuffer(content, np.uint8, tensor.bytes, tensor.offset)
        return unpack_int4(packed, count).reshape(tensor.dims)
    kind = _KINDS[image.Dtype(tensor.dtype)]
    return np.frombuffer(content, kind, count, tensor.offset).reshape(tensor.dims)


def _records(
    content: bytes, offset: int, count: int, kind: type[image.Tensor | image.Op]
) -> list[bytes]:
    size = kind.STRUCT.size
    return [content[offset + i * size : offset + (i + 1) * size] for i in range(count)]


def _params(content: bytes, op: image.Op) -> Params | None:
    kind = PARAMS[op.opcode]
    if kind is None:
        return None
    return kind.unpack(content[op.params_offset : op.params_offset + op.params_bytes])
