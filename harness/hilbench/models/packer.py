"""Packs a graph into an image (schema/image.toml): what the device executes."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, replace

from hilbench.errors import ImageTooLarge
from hilbench.models import cost, dsp, dsp_winograd, mve, rows, thumb1
from hilbench.models.coding import Coded, code_tensors
from hilbench.models.dsp import Packed
from hilbench.models.graph import Graph, is_weighted
from hilbench.models.image_reader import read_image
from hilbench.models.image_writer import ImageWriter, weights_tensor
from hilbench.models.kernel_names import kernel_names
from hilbench.models.lowering import Step, layers, lower
from hilbench.models.op_cost import Work, work_of
from hilbench.models.plan import Buffer, Place, align, plan
from hilbench.schema import image

PackStep = Callable[[Graph, Step], Packed | None]
#: Kernels and the instruction sets that they need, best first: each takes what it can.
PACKERS: tuple[tuple[str, image.Kernel, PackStep], ...] = (
    ("mve", image.Kernel.MVE, mve.pack_step),
    ("dsp", image.Kernel.DSP_WINOGRAD, dsp_winograd.pack_step),
    ("dsp", image.Kernel.DSP, dsp.pack_step),
    ("thumb1", image.Kernel.THUMB1, thumb1.pack_step),
    ("rv32im", image.Kernel.RV32, thumb1.pack_step),
)
#: What ``optimize`` may be: ``speed`` adds kernels that spend flash or RAM.
GOALS = ("size", "speed")
SPEED_KERNELS = frozenset({image.Kernel.DSP_WINOGRAD})


@dataclass(frozen=True)
class OpReport:
    """One layer, for reports: its operator, kernel (``canonical``, ...), cost and output.

    ``work`` is what an estimate of its instructions is made of.
    """

    name: str
    kernel: str
    macs: int
    weight_bytes: int
    output: str
    output_shape: tuple[int, ...]
    output_offset: int
    output_bytes: int
    storage: str
    work: Work


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
    places : tuple of Place
        Everything in the arena; its operators are steps of the packer.
    layer_of_step : tuple of int
        For each step the operator in ``ops`` that it belongs to.
    arena_lower_bound_bytes : int
        What lives at one time at most: no plan of these buffers can be smaller.
    kernels : tuple of str
        Names of the engine's kernels that it runs (``firmware/engine/hb_ops.h``).
    """

    data: bytes
    crc: int
    arena_bytes: int
    vector_bytes: int
    output_bytes: int
    ops: tuple[OpReport, ...]
    model_digest: str
    places: tuple[Place, ...] = ()
    layer_of_step: tuple[int, ...] = ()
    arena_lower_bound_bytes: int = 0
    kernels: tuple[str, ...] = ()

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
    optimize: str = "size",
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
    optimize : str
        Of :data:`GOALS`.

    Raises
    ------
    ModelError
        See :func:`hilbench.models.load`.
    """
    steps = tuple(_simplest(graph, step) for step in lower(graph))
    canonical = image.Kernel.REFERENCE if reference_kernels else image.Kernel.CANONICAL
    packers = [] if reference_kernels else _packers(isa, optimize)
    choices = [_choose(graph, step, packers) for step in steps]
    kernels = [canonical if kernel is None else kernel for kernel, _ in choices]
    packed = [p for _, p in choices]
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
        ops=_reports(graph, steps, kernels, layout.offsets, coded),
        model_digest=graph.digest,
        places=layout.places,
        layer_of_step=_layers_of(steps),
        arena_lower_bound_bytes=layout.lower_bound_bytes,
        kernels=kernel_names(read_image(content)),
    )


def _simplest(graph: Graph, step: Step) -> Step:
    """A convolution with one output position, all of its input under the filter, is a dot product.

    Integer sums are the same ones; dynamic ranges quantize the two differently.
    """
    p = step.params
    if not isinstance(p, image.Conv) or step.opcode != image.Opcode.CONV_2D or step.flags:
        return step
    data, weights = (graph.tensors[i] for i in step.inputs[:2])
    one = graph.tensors[step.output].shape[1:3] == (1, 1)
    if (p.dilation_h, p.dilation_w) != (1, 1):
        return step
    if data.dtype not in ("int8", "int16") or not one or data.shape[1:] != weights.shape[1:]:
        return step
    still = {"stride_h": 1, "stride_w": 1, "pad_top": 0, "pad_left": 0}
    params = image.Conv(**{**p.__dict__, **still})
    return replace(step, opcode=image.Opcode.FULLY_CONNECTED, params=params)


def _packers(isa: Collection[str], optimize: str) -> list[tuple[image.Kernel, PackStep]]:
    if optimize not in GOALS:
        raise ValueError(f"optimize is {optimize!r}, must be one of {', '.join(GOALS)}")
    return [
        (kernel, pack_step)
        for needed, kernel, pack_step in PACKERS
        if needed in isa and (optimize == "speed" or kernel not in SPEED_KERNELS)
    ]


def _choose(
    graph: Graph, step: Step, packers: Iterable[tuple[image.Kernel, PackStep]]
) -> tuple[image.Kernel | None, Packed | None]:
    """The first kernel that takes a step; none: it stays canonical."""
    if not step.inputs:
        return None, None
    for kernel, pack_step in packers:
        packed = pack_step(graph, step)
        if packed is not None:
            return kernel, packed
    return None, None


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
    graph: Graph,
    steps: tuple[Step, ...],
    kernels: list[image.Kernel],
    offsets: dict[int, int],
    coded: list[Coded | None],
) -> tuple[OpReport, ...]:
    """One report per layer, the costs of its steps summed."""
    kernel_of = {id(step): kernel for step, kernel in zip(steps, kernels, strict=True)}
    code_of = {id(step): code for step, code in zip(steps, coded, strict=True)}
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
                storage=_storage(graph, end, code_of[id(end)]),
                work=work_of(graph, parts, kernel_of[id(end)]),
            )
        )
    return tuple(reports)


def _storage(graph: Graph, step: Step, code: Coded | None) -> str:
    if code is not None:
        return "huffman"
    return "plain" if is_weighted(graph.operators[step.index]) else ""


def _layers_of(steps: tuple[Step, ...]) -> tuple[int, ...]:
    numbers = {end.index: number for number, end in enumerate(layers(steps))}
    return tuple(numbers.get(step.index, 0) for step in steps)


def _scratch_bytes(graph: Graph, step: Step) -> int:
    if isinstance(step.params, image.Lstm):
        is_float = graph.tensors[step.output].dtype == "float32"
        return step.tables[1].size * (4 if is_float else 2)
    return rows.scratch_bytes(graph, step) if rows.is_by_rows(graph, step) else 0
