"""Packs a graph into an image (schema/image.toml): what the device executes."""

from __future__ import annotations

import zlib
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ImageTooLarge
from hilbench.models import cost, dsp, rows
from hilbench.models.graph import Graph, Tensor, constant_bytes
from hilbench.models.lowering import Step, layers, lower
from hilbench.models.operator_view import Float32
from hilbench.models.plan import align, plan
from hilbench.schema import image

#: The header's CRC covers everything from here on.
CRC_START = 16


@dataclass(frozen=True)
class OpReport:
    """One layer, for reports: its operator, kernel (``canonical``, ...), cost and output."""

    name: str
    kernel: str
    macs: int
    weight_bytes: int
    output: str
    output_shape: tuple[int, ...]
    output_offset: int
    output_bytes: int


@dataclass(frozen=True)
class Image:
    """A packed model.

    Attributes
    ----------
    data : bytes
        The image, its length a multiple of 16.
    crc : int
        CRC-32 as in its header.
    arena_bytes, vector_bytes, output_bytes : int
        Arena needed; all inputs, all outputs together.
    ops : tuple of OpReport
        One per layer: operators of the model that the device executes.
    model_digest : str
        SHA-256 of the .tflite file, hex.
    """

    data: bytes
    crc: int
    arena_bytes: int
    vector_bytes: int
    output_bytes: int
    ops: tuple[OpReport, ...]
    model_digest: str

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one inference."""
        return sum(op.macs for op in self.ops)


def pack(graph: Graph, *, isa: Collection[str] = (), reference_kernels: bool = False) -> Image:
    """Pack a graph.

    Parameters
    ----------
    graph : Graph
    isa : collection of str
        The board's instruction sets (``boards.yaml``): what its kernels may use.  Constants are
        laid out for them where that is exact; without any, the image runs on every board.
    reference_kernels : bool
        Ask the engine for its reference kernels instead of its best ones.

    Raises
    ------
    ModelError
        See :func:`hilbench.models.load`.
    """
    steps = lower(graph)
    use_dsp = "dsp" in isa and not reference_kernels
    packed = [dsp.pack_step(graph, step) if use_dsp else None for step in steps]
    canonical = image.Kernel.REFERENCE if reference_kernels else image.Kernel.CANONICAL
    kernels = [canonical if p is None else image.Kernel.DSP for p in packed]
    scratch = [
        p.scratch_bytes if p is not None else _scratch_bytes(graph, step)
        for step, p in zip(steps, packed, strict=True)
    ]
    layout = plan(
        graph,
        steps,
        scratch,
        [p is not None and p.in_place for p in packed],
    )
    writer = _Writer(graph)
    ops = [
        writer.operator(step, kernel, p, offset, align(size), flags)
        for step, kernel, p, offset, size, flags in zip(
            steps, kernels, packed, layout.scratch_offsets, scratch, _flags(steps), strict=True
        )
    ]
    io = [writer.index(i) for i in (*graph.input_indices, *graph.output_indices)]
    content, crc = writer.assemble(ops, io, layout.offsets, layout.arena_bytes)
    return Image(
        data=content,
        crc=crc,
        arena_bytes=layout.arena_bytes,
        vector_bytes=graph.vector_bytes,
        output_bytes=graph.output_bytes,
        ops=_reports(graph, steps, kernels, layout.offsets),
        model_digest=graph.digest,
    )


def check_fit(
    packed: Image,
    *,
    slot_bytes: int | None = None,
    arena_capacity: int | None = None,
    vector_buffer_bytes: int | None = None,
) -> None:
    """Check an image against a device's memories; None = not known.

    Parameters
    ----------
    packed : Image
    slot_bytes : int or None
        Room for the image, flash (or RAM where it is uploaded), bytes.
    arena_capacity : int or None
        Arena that the firmware reserves, bytes.
    vector_buffer_bytes : int or None
        Memory that holds vectors outside the arena, bytes.

    Raises
    ------
    ImageTooLarge
        Says which memory lacks how many bytes.
    """
    lacks = []
    for what, need, have in (
        ("flash for the image", len(packed.data), slot_bytes),
        ("RAM for the arena", packed.arena_bytes, arena_capacity),
        ("RAM for one vector", packed.vector_bytes, vector_buffer_bytes),
    ):
        if have is not None and need > have:
            lacks.append(f"{need - have} bytes of {what} (needs {need}, has {have})")
    if lacks:
        raise ImageTooLarge(
            f"the model does not fit: it lacks {'; '.join(lacks)}",
            hint="Nothing was flashed. Use a smaller model or a board with more memory.",
        )


def _flags(steps: tuple[Step, ...]) -> list[int]:
    """Flags of each step: all but the last of a layer continue."""
    ends = {id(step) for step in layers(steps)}
    flags = []
    for step in steps:
        place = 0 if id(step) in ends else image.OpFlag.CONTINUES
        flags.append(step.flags | (image.OpFlag.INIT if step.is_init else place))
    return flags


def _reports(
    graph: Graph, steps: tuple[Step, ...], kernels: list[image.Kernel], offsets: dict[int, int]
) -> tuple[OpReport, ...]:
    """One report per layer, the costs of its steps summed."""
    kernel_of = {id(step): kernel for step, kernel in zip(steps, kernels, strict=True)}
    reports = []
    for end in layers(steps):
        parts = [step for step in steps if step.index == end.index and not step.is_init]
        output = graph.tensors[end.output]
        reports.append(
            OpReport(
                name=graph.operators[end.index].opcode,
                kernel=kernel_of[id(end)].name.lower(),
                macs=sum(cost.macs(graph, step) for step in parts),
                weight_bytes=sum(cost.weight_bytes(graph, step) for step in parts),
                output=output.name,
                output_shape=output.shape,
                output_offset=offsets[end.output],
                output_bytes=output.bytes,
            )
        )
    return tuple(reports)


class _Writer:
    """Collects tensors, constants and parameters, then lays them out."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.tensors: list[tuple[Tensor, int]] = []  # tensor, its index in the graph or -1
        self._number: dict[int, int] = {}

    def index(self, graph_index: int) -> int:
        """Image index of a tensor of the graph; -1 becomes no_tensor."""
        if graph_index == -1:
            return image.NO_TENSOR
        if graph_index not in self._number:
            self._number[graph_index] = len(self.tensors)
            self.tensors.append((self.graph.tensors[graph_index], graph_index))
        return self._number[graph_index]

    def table(self, name: str, values: NDArray[np.generic] | None) -> int:
        """Image index of a new constant; None becomes no_tensor."""
        if values is None:
            return image.NO_TENSOR
        return self.constant(Tensor(name, values.shape, values.dtype.name, data=values))

    def constant(self, tensor: Tensor) -> int:
        """Image index of a new constant."""
        self.tensors.append((tensor, -1))
        return len(self.tensors) - 1

    def operator(
        self,
        step: Step,
        kernel: image.Kernel,
        packed: dsp.Packed | None,
        scratch_offset: int,
        scratch_bytes: int,
        flags: int,
    ) -> tuple[image.Op, bytes]:
        """Record (its params_offset still 0) and parameter bytes of a step."""
        if packed is None:
            slots = [self.index(i) for i in step.inputs]
            if rows.is_by_rows(self.graph, step):
                weights = rows.rows_tensor(step, self.graph.tensors[step.inputs[1]])
                slots[1] = self.constant(weights)
            if step.multiplier is not None:
                slots.append(self.table("multiplier", step.multiplier))
                slots.append(self.table("shift", step.shift))
            if step.scales is not None:
                slots.append(self.constant(_scales(step.scales)))
            slots += [self.table("table", table) for table in step.tables]
            record_of_params = step.params
        else:
            slots = [self.index(i) for i in step.inputs[: packed.data_inputs]]
            if packed.stream is not None:
                slots.append(self.table("stream", packed.stream))
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

    def assemble(
        self,
        ops: list[tuple[image.Op, bytes]],
        io: list[int],
        offsets: dict[int, int],
        arena_bytes: int,
    ) -> tuple[bytes, int]:
        """The image and its CRC."""
        tensors_at = align(image.Header.STRUCT.size)
        ops_at = align(tensors_at + len(self.tensors) * image.Tensor.STRUCT.size)
        io_at = align(ops_at + len(ops) * image.Op.STRUCT.size)
        body = bytearray(align(io_at + 2 * len(io)))
        body[io_at : io_at + 2 * len(io)] = np.array(io, "<u2").tobytes()
        for number, (op, params) in enumerate(ops):
            record = image.Op(**{**op.__dict__, "params_offset": _append(body, params)})
            _store(body, ops_at + number * image.Op.STRUCT.size, record.pack())
        for number, (tensor, graph_index) in enumerate(self.tensors):
            if tensor.data is None:
                record_bytes = _tensor_record(tensor, offsets[graph_index])
            else:
                record_bytes = _tensor_record(tensor, _append(body, constant_bytes(tensor)))
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
            tensor_count=len(self.tensors),
            op_count=len(ops),
            input_count=len(self.graph.input_indices),
            output_count=len(self.graph.output_indices),
            model_digest=bytes.fromhex(digest),
        )
        _store(body, 0, header.pack())
        crc = zlib.crc32(bytes(body[CRC_START:]))
        body[12:16] = crc.to_bytes(4, "little")
        return bytes(body), crc


def _scratch_bytes(graph: Graph, step: Step) -> int:
    return rows.scratch_bytes(graph, step) if rows.is_by_rows(graph, step) else 0


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


def _storage(tensor: Tensor) -> image.Storage:
    if tensor.data is not None:
        return image.Storage.CONSTANT
    return image.Storage.STATE if tensor.is_variable else image.Storage.ARENA


def _tensor_record(tensor: Tensor, offset: int) -> bytes:
    dims = (1,) * (image.MAX_RANK - len(tensor.shape)) + tensor.shape
    return image.Tensor(
        storage=_storage(tensor),
        dtype=image.Dtype[tensor.dtype.upper()],
        rank=len(tensor.shape),
        reserved=0,
        offset=offset,
        bytes=tensor.bytes,
        dims=(dims[0], dims[1], dims[2], dims[3]),
        scale=tensor.scale,
        zero_point=tensor.zero_point,
    ).pack()
