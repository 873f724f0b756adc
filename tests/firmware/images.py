"""Small packed models, written record by record: each test says exactly what the device sees."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hilbench.schema import image as m

DTYPES = {"int8": m.Dtype.INT8, "int32": m.Dtype.INT32, "float32": m.Dtype.FLOAT32}
FLT_MAX = float(np.finfo(np.float32).max)
CRC_START = 16


def align(size: int) -> int:
    return -(-size // m.ALIGNMENT) * m.ALIGNMENT


@dataclass
class ImageBuilder:
    """Collects tensors and operators; :meth:`build` lays them out and seals the header."""

    tensors: list[m.Tensor] = field(default_factory=list)
    ops: list[tuple[m.Op, bytes]] = field(default_factory=list)
    constants: dict[int, bytes] = field(default_factory=dict)
    arena: int = 0

    def tensor(self, shape: tuple[int, ...], dtype: str, at: int | None = None) -> int:
        """An arena tensor at the next free place, or at ``at``."""
        size = int(np.prod(shape)) * np.dtype(dtype).itemsize
        offset = align(self.arena) if at is None else at
        self.arena = max(self.arena, offset + size)
        return self._add(m.Storage.ARENA, shape, dtype, offset, size)

    def constant(self, data: NDArray[np.generic]) -> int:
        raw = data.tobytes()
        index = self._add(m.Storage.CONSTANT, data.shape, data.dtype.name, 0, len(raw))
        self.constants[index] = raw
        return index

    def _add(self, storage: int, shape: tuple[int, ...], dtype: str, at: int, size: int) -> int:
        dims = (1,) * (4 - len(shape)) + shape
        self.tensors.append(m.Tensor(storage, DTYPES[dtype], len(shape), 0, at, size, dims, 0.0, 0))
        return len(self.tensors) - 1

    def op(self, opcode: m.Opcode, inputs: list[int], output: int, params: bytes = b"") -> None:
        slots = tuple(inputs + [m.NO_TENSOR] * (m.OP_INPUTS - len(inputs)))
        self.ops.append((m.Op(opcode, 0, slots, output, 0, 0, len(params), 0, 0), params))

    def build(self, inputs: list[int], outputs: list[int]) -> bytes:
        tensors_at = m.Header.STRUCT.size
        ops_at = tensors_at + len(self.tensors) * m.Tensor.STRUCT.size
        io_at = ops_at + len(self.ops) * m.Op.STRUCT.size
        io = np.array(inputs + outputs, "<u2").tobytes()
        body = bytearray(align(io_at + len(io)))
        tensors, ops = [], []
        for index, tensor in enumerate(self.tensors):
            if index in self.constants:
                tensor = _at(tensor, offset=len(body))
                body += self.constants[index].ljust(align(tensor.bytes), b"\0")
            tensors.append(tensor.pack())
        for op, params in self.ops:
            if params:
                op = _at(op, params_offset=len(body))
                body += params.ljust(align(len(params)), b"\0")
            ops.append(op.pack())
        body[tensors_at : io_at + len(io)] = b"".join(tensors) + b"".join(ops) + io
        header = m.Header(
            m.MAGIC,
            m.VERSION,
            m.Header.STRUCT.size,
            len(body),
            0,
            align(self.arena),
            tensors_at,
            ops_at,
            io_at,
            len(tensors),
            len(ops),
            len(inputs),
            len(outputs),
            bytes(16),
        )
        body[: m.Header.STRUCT.size] = header.pack()
        return seal(bytes(body))


def _at(record: m.Tensor | m.Op, **changes: int) -> m.Tensor | m.Op:
    from dataclasses import replace

    return replace(record, **changes)


def seal(image: bytes) -> bytes:
    """The image with its CRC made right."""
    crc = zlib.crc32(image[CRC_START:]).to_bytes(4, "little")
    return image[:12] + crc + image[CRC_START:]


def conv_params(
    stride: tuple[int, int] = (1, 1),
    dilation: tuple[int, int] = (1, 1),
    pad: tuple[int, int] = (0, 0),
    multiplier: int = 1,
    offsets: tuple[int, int] = (0, 0),
    clamp: tuple[int, int] = (-128, 127),
    clamp_f: tuple[float, float] = (-FLT_MAX, FLT_MAX),
) -> bytes:
    return m.Conv(*stride, *dilation, *pad, multiplier, 0, 0, *offsets, *clamp, *clamp_f).pack()


def pool_params(size: tuple[int, int], stride: tuple[int, int], pad: tuple[int, int]) -> bytes:
    return m.Pool(*size, *stride, *pad, -128, 127, -FLT_MAX, FLT_MAX).pack()
