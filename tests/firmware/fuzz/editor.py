"""A packed image that is changed record by record, and sealed again."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

from hilbench.models.image_reader import PARAMS
from hilbench.models.operator_view import Params
from hilbench.schema import image as m
from tests.firmware.images import align, seal

ELEMENT_BITS = {
    m.Dtype.INT8: 8,
    m.Dtype.INT16: 16,
    m.Dtype.INT32: 32,
    m.Dtype.FLOAT32: 32,
    m.Dtype.UINT8: 8,
    m.Dtype.INT64: 64,
    m.Dtype.INT4: 4,
    m.Dtype.FLOAT16: 16,
    m.Dtype.FLOAT8: 8,
}
IN_ARENA = (m.Storage.ARENA, m.Storage.STATE)


class Editor:
    """Records are read from and written to ``data``; counts and tables follow the header."""

    def __init__(self, image: bytes, chance: random.Random) -> None:
        self.data = bytearray(image)
        self.chance = chance

    def sealed(self) -> bytes:
        """The image with its size and CRC made right."""
        self.header(image_bytes=len(self.data))
        return seal(bytes(self.data))

    # ------------------------------------------------------------ records

    def header(self, **changes: Any) -> m.Header:
        """The header, after changes."""
        record = replace(m.Header.unpack(bytes(self.data[: m.Header.STRUCT.size])), **changes)
        self.data[: m.Header.STRUCT.size] = record.pack()
        return record

    def tensor(self, index: int, **changes: Any) -> m.Tensor:
        """A tensor, after changes."""
        at = self.header().tensors_offset + index * m.Tensor.STRUCT.size
        record = m.Tensor.unpack(bytes(self.data[at : at + m.Tensor.STRUCT.size]))
        if changes:
            record = replace(record, **changes)
            self.data[at : at + m.Tensor.STRUCT.size] = record.pack()
        return record

    def op(self, index: int, **changes: Any) -> m.Op:
        """An operator, after changes."""
        at = self.header().ops_offset + index * m.Op.STRUCT.size
        record = m.Op.unpack(bytes(self.data[at : at + m.Op.STRUCT.size]))
        if changes:
            record = replace(record, **changes)
            self.data[at : at + m.Op.STRUCT.size] = record.pack()
        return record

    def params(self, index: int, **changes: Any) -> Params | None:
        """Parameters of an operator, after changes; None: it has none."""
        op = self.op(index)
        kind = PARAMS.get(op.opcode)
        if kind is None or op.params_bytes != kind.STRUCT.size:
            return None
        at = op.params_offset
        record = kind.unpack(bytes(self.data[at : at + kind.STRUCT.size]))
        if changes:
            record = replace(record, **changes)
            self.data[at : at + kind.STRUCT.size] = record.pack()
        return record

    def io(self) -> tuple[list[int], list[int]]:
        """Inputs and outputs."""
        h = self.header()
        raw = self.data[h.io_offset : h.io_offset + 2 * (h.input_count + h.output_count)]
        indices = [int.from_bytes(raw[i : i + 2], "little") for i in range(0, len(raw), 2)]
        return indices[: h.input_count], indices[h.input_count :]

    def set_io(self, inputs: list[int], outputs: list[int]) -> None:
        """Other inputs and outputs, no more than there were."""
        at = self.header(input_count=len(inputs), output_count=len(outputs)).io_offset
        for index in (*inputs, *outputs):
            self.data[at : at + 2] = index.to_bytes(2, "little")
            at += 2

    # ------------------------------------------------------------ choices

    def any_op(self) -> int:
        """Index of an operator."""
        return self.chance.randrange(self.header().op_count)

    def tensors(self, *storages: int) -> list[int]:
        """Tensors of these storages."""
        count = self.header().tensor_count
        return [i for i in range(count) if self.tensor(i).storage in storages]

    def users(self, tensor: int) -> list[tuple[int, int]]:
        """(operator, slot) of every use as an input."""
        found = []
        for index in range(self.header().op_count):
            slots = self.op(index).inputs
            found += [(index, slot) for slot, i in enumerate(slots) if i == tensor]
        return found

    # ------------------------------------------------------------ repairs

    def reshape(self, index: int, dims: tuple[int, ...]) -> None:
        """Another shape; a tensor of the arena that grows moves behind all others."""
        old = self.tensor(index)
        elements = dims[0] * dims[1] * dims[2] * dims[3]
        size = -(-elements * ELEMENT_BITS[m.Dtype(old.dtype)] // 8)
        filled = next((axis for axis in range(4) if dims[axis] != 1), 3)
        rank = max(old.rank, 4 - filled)
        changes: dict[str, Any] = {"dims": dims, "bytes": size, "rank": rank}
        if size > old.bytes and old.storage in IN_ARENA:
            changes["offset"] = self.grow(size)
        self.tensor(index, **changes)

    def grow(self, size: int) -> int:
        """Makes the arena larger; returns where the new part begins."""
        offset = align(self.header().arena_bytes)
        self.header(arena_bytes=offset + size)
        return offset
