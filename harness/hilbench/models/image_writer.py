"""Lays an image out: header, records, constants and parameters (schema/image.toml)."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from hilbench.models import rows
from hilbench.models.coding import Coded
from hilbench.models.dsp import Packed
from hilbench.models.graph import Graph, Tensor, constant_bytes, is_weighted
from hilbench.models.lowering import Step
from hilbench.models.operator_view import Float32
from hilbench.models.plan import align
from hilbench.schema import image

#: The header's CRC covers everything from here on.
CRC_START = 16


@dataclass(frozen=True, eq=False)
class _Entry:
    """A tensor of the image: constants have ``content``, others a place in the arena."""

    tensor: Tensor
    storage: image.Storage
    content: bytes = b""
    graph_index: int = -1
    offset: int = 0


class ImageWriter:
    """Collects tensors, constants and parameters, then lays them out."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.entries: list[_Entry] = []
        self._number: dict[int, int] = {}
        self._tables: dict[int, int] = {}

    def index(self, graph_index: int) -> int:
        """Image index of a tensor of the graph; -1 becomes no_tensor."""
        if graph_index == -1:
            return image.NO_TENSOR
        if graph_index not in self._number:
            tensor = self.graph.tensors[graph_index]
            if tensor.data is not None:
                self._number[graph_index] = self.constant(tensor)
            else:
                entry = _Entry(tensor, _place(tensor), graph_index=graph_index)
                self._number[graph_index] = self._add(entry)
        return self._number[graph_index]

    def table(self, name: str, values: NDArray[np.generic] | None) -> int:
        """Image index of a new constant; None becomes no_tensor."""
        if values is None:
            return image.NO_TENSOR
        return self.constant(Tensor(name, values.shape, values.dtype.name, data=values))

    def constant(self, tensor: Tensor) -> int:
        """Image index of a new constant."""
        return self._add(_Entry(tensor, image.Storage.CONSTANT, constant_bytes(tensor)))

    def _add(self, entry: _Entry) -> int:
        self.entries.append(entry)
        return len(self.entries) - 1

    def expand(self, coded: Coded, offset: int, once: bool) -> tuple[image.Op, int]:
        """Operator that decodes a tensor to ``offset`` in the arena, and that tensor's index.

        ``once``: when the state is reset; else before each use.
        """
        blob = self._add(_Entry(coded.plain, image.Storage.HUFFMAN, coded.content))
        key = id(coded.table)
        if key not in self._tables:
            packed = coded.table.packed
            self._tables[key] = self.constant(Tensor("codes", packed.shape, "uint8", data=packed))
        storage = image.Storage.STATE if once else image.Storage.ARENA
        plain = self._add(_Entry(coded.plain, storage, offset=offset))
        absent = image.NO_TENSOR
        record = image.Op(
            opcode=image.Opcode.EXPAND,
            variant=image.Kernel.CANONICAL,
            inputs=(blob, self._tables[key], absent, absent, absent, absent),
            output=plain,
            flags=image.OpFlag.INIT if once else image.OpFlag.CONTINUES,
            params_offset=0,
            params_bytes=0,
            scratch_offset=0,
            scratch_bytes=0,
        )
        return record, plain

    def operator(
        self,
        step: Step,
        kernel: image.Kernel,
        packed: Packed | None,
        scratch_offset: int,
        scratch_bytes: int,
        flags: int,
        weights: int | None,
    ) -> tuple[image.Op, bytes]:
        """Record (its params_offset still 0) and parameter bytes of a step.

        ``weights``: image index of its weights where they were decoded; None: a constant.
        """
        if packed is None:
            plain = weights_tensor(self.graph, step, None)
            slots = [
                self._weights(plain, weights) if slot == 1 and plain is not None else self.index(i)
                for slot, i in enumerate(step.inputs)
            ]
            if step.multiplier is not None:
                slots.append(self.table("multiplier", step.multiplier))
                slots.append(self.table("shift", step.shift))
            if step.scales is not None:
                slots.append(self.constant(_scales(step.scales)))
            slots += [self.table("table", table) for table in step.tables]
            record_of_params = step.params
        else:
            slots = [self.index(i) for i in step.inputs[: packed.data_inputs]]
            stream = weights_tensor(self.graph, step, packed)
            if stream is not None:
                slots.append(self._weights(stream, weights))
            record_of_params = packed.params
        slots += [image.NO_TENSOR] * (image.OP_INPUTS - len(slots))
        params = b"" if record_of_params is None else record_of_params.pack()
        record = image.Op(
            opcode=step.opcode,
            variant=kernel,
            inputs=(slots[0], slots[1], slots[2], slots[3], slots[4], slots[5]),
            output=self.index(step.output),
            flags=flags,
            params_offset=0,
            params_bytes=len(params),
            scratch_offset=scratch_offset,
            scratch_bytes=scratch_bytes,
        )
        return record, params

    def _weights(self, plain: Tensor, decoded: int | None) -> int:
        return self.constant(plain) if decoded is None else decoded

    def assemble(
        self,
        ops: list[tuple[image.Op, bytes]],
        io: list[int],
        offsets: dict[int, int],
        arena_bytes: int,
    ) -> tuple[bytes, int]:
        """The image and its CRC."""
        tensors_at = align(image.Header.STRUCT.size)
        ops_at = align(tensors_at + len(self.entries) * image.Tensor.STRUCT.size)
        io_at = align(ops_at + len(ops) * image.Op.STRUCT.size)
        body = bytearray(align(io_at + 2 * len(io)))
        body[io_at : io_at + 2 * len(io)] = np.array(io, "<u2").tobytes()
        for number, (op, params) in enumerate(ops):
            record = image.Op(**{**op.__dict__, "params_offset": _append(body, params)})
            _store(body, ops_at + number * image.Op.STRUCT.size, record.pack())
        for number, entry in enumerate(self.entries):
            offset = _append(body, entry.content) or offsets.get(entry.graph_index, entry.offset)
            record_bytes = _tensor_record(entry, offset)
            _store(body, tensors_at + number * image.Tensor.STRUCT.size, record_bytes)
        digest = self.graph.digest[:32] or "0" * 32
        header = image.Header(
            magic=image.MAGIC,
            version=image.VERSION,
            header_bytes=image.Header.STRUCT.size,
            image_bytes=len(body),
            crc=0,
            arena_bytes=arena_bytes,
            tensors_offset=tensors_at,
            ops_offset=ops_at,
            io_offset=io_at,
            tensor_count=len(self.entries),
            op_count=len(ops),
            input_count=len(self.graph.input_indices),
            output_count=len(self.graph.output_indices),
            model_digest=bytes.fromhex(digest),
        )
        _store(body, 0, header.pack())
        crc = zlib.crc32(bytes(body[CRC_START:]))
        body[12:16] = crc.to_bytes(4, "little")
        return bytes(body), crc


def weights_tensor(graph: Graph, step: Step, packed: Packed | None) -> Tensor | None:
    """The constant that a step's kernel takes as weights; None: it has no weights."""
    if packed is not None:
        stream = packed.stream
        if stream is None:
            return None
        return Tensor("stream", stream.shape, stream.dtype.name, data=stream)
    if step.is_init or not is_weighted(graph.operators[step.index]):
        return None
    weights = graph.tensors[step.inputs[1]]
    if step.opcode == image.Opcode.FULLY_CONNECTED and weights.data is not None:
        weights = replace(
            weights,
            shape=(weights.shape[0], weights.elements // weights.shape[0]),
            data=weights.data.reshape(weights.shape[0], -1),
        )
    return rows.rows_tensor(step, weights) if rows.is_by_rows(graph, step) else weights


def _scales(values: Float32) -> Tensor:
    return Tensor("scales", values.shape, "float32", data=values)


def _append(body: bytearray, block: bytes) -> int:
    """Add an aligned block at the end; returns its offset, 0 for an empty one."""
    if not block:
        return 0
    at = len(body)
    body += block + bytes(align(len(block)) - len(block))
    return at


def _store(body: bytearray, at: int, block: bytes) -> None:
    body[at : at + len(block)] = block


def _place(tensor: Tensor) -> image.Storage:
    return image.Storage.STATE if tensor.is_variable else image.Storage.ARENA


def _tensor_record(entry: _Entry, offset: int) -> bytes:
    tensor = entry.tensor
    dims = (1,) * (image.MAX_RANK - len(tensor.shape)) + tensor.shape
    return image.Tensor(
        storage=entry.storage,
        dtype=image.Dtype[tensor.dtype.upper()],
        rank=len(tensor.shape),
        reserved=0,
        offset=offset,
        bytes=tensor.bytes,
        dims=(dims[0], dims[1], dims[2], dims[3]),
        scale=tensor.scale,
        zero_point=tensor.zero_point,
    ).pack()
