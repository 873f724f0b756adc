"""Packs a graph into an image (schema/image.toml): what the device executes."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from hilbench.errors import ImageTooLarge
from hilbench.models import cost, dsp, rows
from hilbench.models.coding import Coded, code_tensors
from hilbench.models.graph import Graph
from hilbench.models.image_writer import ImageWriter, weights_tensor
from hilbench.models.lowering import Step, layers, lower
from hilbench.models.plan import Buffer, align, plan
from hilbench.schema import image


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


def pack(
    graph: Graph,
    *,
    isa: Collection[str] = (),
    reference_kernels: bool = False,
    coding: str = "",
) -> Image:
    """Pack a graph.

    Parameters
    ----------
    graph : Graph
    isa : collection of str
        The board's instruction sets (``boards.yaml``): what its kernels may use.  Constants are
        laid out for them where that is exact; without any, the image runs on every board.
    reference_kernels : bool
        Ask the engine for its reference kernels instead of its best ones.
    coding : str
        Huffman-code the weights where that makes the image smaller: ``layer`` has the device
        decode them before each use, ``once`` when the image is loaded; empty = don't.

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
    pairs = list(zip(steps, packed, strict=True))
    coded: list[Coded | None] = [None] * len(steps)
    if coding:
        coded = code_tensors([weights_tensor(graph, step, p) for step, p in pairs])
    once = coding == "once"
    buffers = [
        Buffer(c.plain.bytes, 0 if once else i, len(steps) - 1 if once else i)
        for i, c in enumerate(coded)
        if c is not None
    ]
    layout = plan(graph, steps, scratch, [p is not None and p.in_place for p in packed], buffers)
    writer = ImageWriter(graph)
    room = iter(layout.buffer_offsets)
    before: list[tuple[image.Op, bytes]] = []
    ops: list[tuple[image.Op, bytes]] = []
    for i, (flags, (step, p)) in enumerate(zip(_flags(steps), pairs, strict=True)):
        weights, code = None, coded[i]
        if code is not None:
            record, weights = writer.expand(code, next(room), once)
            (before if once else ops).append((record, b""))
        place = layout.scratch_offsets[i]
        ops.append(writer.operator(step, kernels[i], p, place, align(scratch[i]), flags, weights))
    ops = before + ops
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


def _scratch_bytes(graph: Graph, step: Step) -> int:
    return rows.scratch_bytes(graph, step) if rows.is_by_rows(graph, step) else 0
