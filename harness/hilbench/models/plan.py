"""Where every tensor lies in the arena: planned on the host, ahead of time.

Tensors that share a place (a reshape and its input; an element-wise operator's output and an
operand that dies there; a convolution whose kernel works in place) form a *block*.  Blocks that
live at the same time must not overlap; they are placed one by one at the lowest free offset, in
several orders, and the smallest arena wins (greedy by size, as in Pisarchyk and Lee, "Efficient
memory management for deep neural net inference", 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from hilbench.models.graph import Graph
from hilbench.models.lowering import Step
from hilbench.schema.image import ALIGNMENT, Opcode

#: Operators that may write each element over the one that they read for it.
IN_PLACE = frozenset(
    {
        Opcode.ADD,
        Opcode.SUB,
        Opcode.MUL,
        Opcode.LOOKUP,
        Opcode.UNARY,
        Opcode.QUANTIZE,
        Opcode.DEQUANTIZE,
    }
)


@dataclass(frozen=True)
class Place:
    """Where something lies, and from which operator to which, both included.

    ``tensors`` are indices in the graph; empty for scratch and buffers.
    """

    what: str
    offset: int
    bytes: int
    first: int
    last: int
    tensors: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Offsets in the arena, all multiples of 16.

    Attributes
    ----------
    arena_bytes : int
        Size of the arena, scratch included.
    offsets : dict
        Tensor index -> offset, for every tensor that is not a constant.
    scratch_offsets : tuple of int
        One per operator; 0 where it needs none.
    buffer_offsets : tuple of int
        One per buffer that was asked for.
    places : tuple of Place
        Everything that lies in the arena.
    lower_bound_bytes : int
        No plan can be smaller: the most that lives at one time.
    """

    arena_bytes: int
    offsets: dict[int, int]
    scratch_offsets: tuple[int, ...]
    lower_bound_bytes: int
    buffer_offsets: tuple[int, ...] = ()
    places: tuple[Place, ...] = ()


@dataclass(frozen=True)
class Buffer:
    """Memory beside tensors and scratch, from operator ``first`` to ``last``, both included."""

    size: int
    first: int
    last: int


@dataclass(eq=False)
class _Block:
    """Memory that lives from operator ``first`` to ``last``, both included."""

    size: int
    first: int
    last: int
    members: list[int] = field(default_factory=list)
    scratch_of: int = -1
    offset: int = 0
    what: str = "tensor"

    def meets(self, other: _Block) -> bool:
        """Whether both live at some operator."""
        return self.first <= other.last and other.first <= self.last


def plan(
    graph: Graph,
    steps: tuple[Step, ...],
    scratch_bytes: Sequence[int],
    in_place: Sequence[bool] = (),
    buffers: Sequence[Buffer] = (),
) -> Plan:
    """Plan the arena.

    Parameters
    ----------
    graph : Graph
    steps : tuple of Step
        The lowered operators.
    scratch_bytes : sequence of int
        Scratch of each operator, bytes.
    in_place : sequence of bool
        Per operator: its kernel may write its output over its first input, which is no smaller.
    buffers : sequence of Buffer
    """
    blocks = _blocks(graph, steps, in_place or [False] * len(steps))
    for index, size in enumerate(scratch_bytes):
        if size:
            blocks.append(_Block(align(size), index, index, scratch_of=index, what="scratch"))
    extra = [_Block(align(b.size), b.first, b.last, what="decoded weights") for b in buffers]
    blocks += extra
    bound = max(sum(b.size for b in blocks if b.first <= i <= b.last) for i in range(len(steps)))
    arena, offsets = _best_placement(blocks, bound)
    scratch = [0] * len(steps)
    places: dict[int, int] = {}
    for block, offset in zip(blocks, offsets, strict=True):
        if block.scratch_of >= 0:
            scratch[block.scratch_of] = offset
        places.update(dict.fromkeys(block.members, offset))
    placed = dict(zip(map(id, blocks), offsets, strict=True))
    return Plan(
        arena,
        places,
        tuple(scratch),
        bound,
        tuple(placed[id(b)] for b in extra),
        tuple(
            Place(b.what, placed[id(b)], b.size, b.first, b.last, tuple(b.members)) for b in blocks
        ),
    )


def align(size: int) -> int:
    """Rounded up to the alignment of tensors."""
    return -(-size // ALIGNMENT) * ALIGNMENT


def _blocks(graph: Graph, steps: tuple[Step, ...], in_place: Sequence[bool]) -> list[_Block]:
    """Blocks of all computed and fed tensors, with shared places merged."""
    last_use = dict.fromkeys(graph.input_indices, 0)
    for i, step in enumerate(steps):
        last_use[step.output] = i
        for index in step.inputs:
            if index != -1 and graph.tensors[index].data is None:
                last_use[index] = i
    # Outputs outlive the last operator: it must not take their place.  Nor that of the state.
    last_use.update(dict.fromkeys(graph.output_indices, len(steps)))
    state = {i for i in last_use if graph.tensors[i].is_variable}
    last_use.update(dict.fromkeys(state, len(steps)))
    seen = _last_views(graph, steps, last_use)
    # The inputs are all loaded before the first operator.
    block_of = {
        index: _Block(align(graph.tensors[index].bytes), 0, last_use[index], [index])
        for index in graph.input_indices
    }
    for index in sorted(state):
        block_of[index] = _Block(align(graph.tensors[index].bytes), 0, len(steps), [index])
    for i, step in enumerate(steps):
        if step.output in block_of:
            continue  # a further part of the same output
        size = align(graph.tensors[step.output].bytes)
        candidates = step.inputs[:1] if in_place[i] else ()
        if step.opcode in IN_PLACE:
            nbytes = graph.tensors[step.output].bytes
            candidates = tuple(
                index for index in step.inputs if graph.tensors[index].bytes == nbytes
            )
        shared = None
        if step.opcode != Opcode.RESHAPE or not _is_overwritten(step, i, steps, state, seen):
            shared = _shared_place(step, i, candidates, block_of, last_use)
        if shared is None:
            shared = _Block(size, i, i)
        shared.members.append(step.output)
        shared.last = max(shared.last, last_use[step.output])
        block_of[step.output] = shared
    return list(dict.fromkeys(block_of.values()))


def _last_views(graph: Graph, steps: tuple[Step, ...], last_use: dict[int, int]) -> dict[int, int]:
    """Last step that reads a tensor or a reshaped view of it."""
    seen = dict(last_use)
    for step in reversed(steps):
        if step.opcode == Opcode.RESHAPE and step.inputs and step.output != step.inputs[0]:
            source = step.inputs[0]
            if source in seen and not graph.tensors[source].is_variable:
                seen[source] = max(seen[source], seen[step.output])
    return seen


def _is_overwritten(
    step: Step, i: int, steps: tuple[Step, ...], state: set[int], seen: dict[int, int]
) -> bool:
    """Whether a read of the state is still looked at when the state changes: then it is a copy."""
    if not step.inputs or step.inputs[0] not in state:
        return False
    source, last = step.inputs[0], seen[step.output]
    return any(later.output == source for later in steps[i + 1 : last])


def _shared_place(
    step: Step,
    i: int,
    candidates: tuple[int, ...],
    block_of: dict[int, _Block],
    last_use: dict[int, int],
) -> _Block | None:
    """The block of an input that the output may take over, or None."""
    if step.opcode == Opcode.RESHAPE:
        return block_of.get(step.inputs[0])
    for index in candidates:
        block = block_of.get(index)
        if block is not None and all(last_use[member] <= i for member in block.members):
            return block
    return None


def _best_placement(blocks: list[_Block], bound: int) -> tuple[int, list[int]]:
    """Smallest arena over several orders, and each block's offset."""
    orders: list[Callable[[_Block], tuple[int, ...]]] = [
        lambda b: (-b.size, b.first),
        lambda b: (-b.size, -(b.last - b.first)),
        lambda b: (-(b.last - b.first), -b.size),
        lambda b: (-b.size * (b.last - b.first + 1),),
        lambda b: (b.first, -b.size),
        lambda b: (-b.last, -b.size),
    ]
    best: tuple[int, list[int]] | None = None
    for order in orders:
        arena = _place(sorted(blocks, key=order))
        if best is None or arena < best[0]:
            best = arena, [block.offset for block in blocks]
        if best[0] == bound:
            break
    assert best is not None
    return best


def _place(ordered: list[_Block]) -> int:
    """Give each block the lowest offset that is free during its life; returns the arena's size."""
    placed: list[_Block] = []
    for block in ordered:
        offset = 0
        for other in sorted((p for p in placed if p.meets(block)), key=lambda p: p.offset):
            if other.offset - offset >= block.size:
                break
            offset = max(offset, other.offset + other.size)
        block.offset = offset
        placed.append(block)
    return max(block.offset + block.size for block in placed)
