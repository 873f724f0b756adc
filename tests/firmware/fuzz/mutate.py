"""Changes of a packed image that a validator may well accept: one function for each kind.

Each takes an :class:`Editor` and changes records, constants or tables to values inside (now and
then at the edge of) what the format allows; the caller seals the image.  False: there was nothing
to change.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable
from typing import Any

from hilbench.errors import SchemaError
from hilbench.schema import image as m
from tests.firmware import corpus
from tests.firmware.fuzz.editor import ELEMENT_BITS, IN_ARENA, Editor

Mutation = Callable[[Editor], bool]
FLOATS = (0.0, -0.0, 1.0, -1.0, 1e-40, 3.4e38, -3.4e38, float("inf"), float("nan"), 0.5)
WINDOWED = (m.Opcode.CONV_2D, m.Opcode.DEPTHWISE_CONV_2D)
POOLS = (m.Opcode.AVERAGE_POOL_2D, m.Opcode.MAX_POOL_2D)
WEIGHTED = (*WINDOWED, m.Opcode.FULLY_CONNECTED)
MULTIPLIER_SLOT, SHIFT_SLOT = 3, 4


# ---------------------------------------------------------------- constants


def constants(e: Editor) -> bool:
    """A few elements of a constant tensor."""
    indices = e.tensors(m.Storage.CONSTANT)
    if not indices:
        return False
    index = e.chance.choice(indices)
    tensor = e.tensor(index)
    size = max(1, ELEMENT_BITS[m.Dtype(tensor.dtype)] // 8)
    uses = {(e.op(op).opcode, slot) for op, slot in e.users(index)}
    for _ in range(e.chance.choice([1, 1, 3, 20])):
        at = tensor.offset + size * e.chance.randrange(tensor.bytes // size)
        e.data[at : at + size] = _element(e, tensor.dtype, size, uses)
    return True


def _element(e: Editor, dtype: int, size: int, uses: set[tuple[int, int]]) -> bytes:
    chance = e.chance
    if dtype == m.Dtype.FLOAT32:
        value = chance.choice(FLOATS) if chance.random() < 0.2 else chance.gauss(0, 1)
        return struct.pack("<f", value)
    weighted = any(opcode in WEIGHTED for opcode, _ in uses)
    slots = {slot for opcode, slot in uses if opcode in WEIGHTED}
    value = chance.choice([0, 1, -1, chance.getrandbits(8 * size)])
    if weighted and dtype == m.Dtype.INT32 and MULTIPLIER_SLOT in slots:
        value = chance.choice([0, 1, (1 << 31) - 1, chance.getrandbits(31), 1 << 30])
    elif weighted and dtype == m.Dtype.INT32 and SHIFT_SLOT in slots:
        value = chance.randint(-31, 7) if chance.random() < 0.9 else chance.randint(-32, 31)
    elif weighted and dtype == m.Dtype.INT64:
        value = chance.randint(-(1 << 46) + 1, (1 << 46) - 1)
    elif any(opcode == m.Opcode.RESIZE_NEAREST for opcode, _ in uses):
        value = chance.randrange(4)
    elif chance.random() < 0.3:
        top = 1 << (8 * size - 1)
        value = chance.choice([top, top - 1])
    return (value & ((1 << (8 * size)) - 1)).to_bytes(size, "little")


def coded(e: Editor) -> bool:
    """Bits of a Huffman-coded tensor, now and then its size."""
    indices = e.tensors(m.Storage.HUFFMAN)
    if not indices:
        return False
    at = e.tensor(e.chance.choice(indices)).offset
    size = int.from_bytes(e.data[at : at + 4], "little")
    if e.chance.random() < 0.2:
        size = e.chance.choice([0, 1, size // 2, size - 1, size + 1, e.chance.getrandbits(32)])
        e.data[at : at + 4] = max(size, 0).to_bytes(4, "little")
        return True
    for _ in range(e.chance.choice([1, 2, 8])):
        e.data[at + 4 + e.chance.randrange(max(size, 1))] ^= 1 << e.chance.randrange(8)
    return True


# ---------------------------------------------------------------- parameters


def _limits(e: Editor, op: int) -> tuple[int, int]:
    wide = e.tensor(e.op(op).output).dtype == m.Dtype.INT16
    return (-32768, 32767) if wide else (-128, 127)


def clamps(e: Editor) -> bool:
    """Another range of the output."""
    op = e.any_op()
    params = e.params(op)
    if not hasattr(params, "act_min_f"):
        return False
    low, high = _limits(e, op)
    integers = sorted(e.chance.choice([low, high, e.chance.randint(low, high)]) for _ in range(2))
    reals = sorted(e.chance.choice([-3e38, 3e38, e.chance.gauss(0, 2)]) for _ in range(2))
    if hasattr(params, "act_min"):
        e.params(op, act_min=integers[0], act_max=integers[1])
    e.params(op, act_min_f=reals[0], act_max_f=reals[1])
    return True


def offsets(e: Editor) -> bool:
    """Other zero points."""
    op = e.any_op()
    names = ("input_offset", "input1_offset", "input2_offset", "output_offset")
    params = e.params(op)
    present = [name for name in names if hasattr(params, name)]
    if not present:
        return False
    name = e.chance.choice(present)
    low, high = (-128, 127) if name.startswith("output") else (-127, 128)
    value = e.chance.choice([low, high, e.chance.randint(low, high), e.chance.randint(low, high)])
    e.params(op, **{name: value + (e.chance.random() < 0.03)})
    return True


def multipliers(e: Editor) -> bool:
    """A multiplier or a shift in the parameters."""
    op = e.any_op()
    params = e.params(op)
    names = [name for name in vars(params or object) if name.endswith(("multiplier", "shift"))]
    names = [n for n in names if n != "depth_multiplier" and isinstance(getattr(params, n), int)]
    if params is None or not names:
        return False
    name = e.chance.choice(names)
    if name.endswith("multiplier"):
        value = e.chance.choice([0, (1 << 31) - 1, e.chance.getrandbits(31), 1 << 30, 1 << 14])
    else:
        top = 0 if isinstance(params, m.Add) else 30
        value = e.chance.randint(-31, top) if e.chance.random() < 0.5 else getattr(params, name) - 1
    e.params(op, **{name: value})
    return True


def floats(e: Editor) -> bool:
    """A float of the parameters."""
    op = e.any_op()
    names = [n for n in ("scale", "alpha", "beta") if hasattr(e.params(op), n)]
    if not names:
        return False
    value = e.chance.choice([*FLOATS, *(abs(e.chance.gauss(0, 1)) for _ in FLOATS)])
    e.params(op, **{e.chance.choice(names): value})
    return True


def functions(e: Editor) -> bool:
    """Another function, or an operator of the same kind."""
    op = e.any_op()
    opcode = e.op(op).opcode
    if isinstance(e.params(op), m.Unary):
        e.params(op, function=e.chance.randint(0, 6))
        return True
    for pair in (POOLS, (m.Opcode.ADD, m.Opcode.SUB)):
        if opcode in pair:
            e.op(op, opcode=e.chance.choice(pair))
            return True
    flags = e.op(op).flags
    dynamic = m.OpFlag.DYNAMIC_SYMMETRIC | m.OpFlag.DYNAMIC_ASYMMETRIC
    if flags & dynamic:
        e.op(op, flags=flags ^ dynamic)
        return True
    return False


def boxes(e: Editor) -> bool:
    """What a MOVE copies: any box inside input and output, in any direction."""
    moves = [i for i in range(e.header().op_count) if isinstance(e.params(i), m.Move)]
    if not moves:
        return False
    op = e.chance.choice(moves)
    params = e.params(op)
    assert isinstance(params, m.Move)
    dims = [e.chance.randint(1, extent) for extent in params.dims]
    changes: dict[str, Any] = {"dims": tuple(dims)}
    sides = (("in", e.op(op).inputs[0]), ("out", e.op(op).output))
    for side, tensor in sides:
        strides = list(getattr(params, f"{side}_strides"))
        for axis in range(4):
            kind = e.chance.random()
            strides[axis] *= -1 if kind < 0.3 else 1
            strides[axis] += e.chance.randint(-2, 2) if kind > 0.8 else 0
        spans = [(d - 1) * s for d, s in zip(dims, strides, strict=True)]
        low, high = sum(min(s, 0) for s in spans), sum(max(s, 0) for s in spans)
        shape = e.tensor(tensor).dims
        room = shape[0] * shape[1] * shape[2] * shape[3] - 1 - (high - low)
        changes[f"{side}_strides"] = tuple(strides)
        changes[f"{side}_offset"] = -low + e.chance.randint(0, max(room, 0))
    e.params(op, **changes)
    return True


# ---------------------------------------------------------------- places and shapes


def places(e: Editor) -> bool:
    """A tensor elsewhere in the arena: somewhere, where another lies, or behind all."""
    index = e.chance.choice(e.tensors(*IN_ARENA))
    tensor, arena = e.tensor(index), e.header().arena_bytes
    kind = e.chance.random()
    if kind < 0.4:
        offset = e.grow(tensor.bytes)
    elif kind < 0.7:
        offset = e.tensor(e.chance.choice(e.tensors(*IN_ARENA))).offset
    else:
        offset = 16 * e.chance.randint(0, max(arena - tensor.bytes, 0) // 16)
    e.tensor(index, offset=offset)
    return True


def scratches(e: Editor) -> bool:
    """Scratch elsewhere; now and then another size."""
    op = e.any_op()
    size = e.op(op).scratch_bytes
    if e.chance.random() < 0.1:
        size += e.chance.choice([-16, 16])
    if size <= 0:
        return False
    arena = e.header().arena_bytes
    anywhere = 16 * e.chance.randint(0, max(arena - size, 0) // 16)
    offset = e.grow(size) if e.chance.random() < 0.5 else anywhere
    e.op(op, scratch_offset=offset, scratch_bytes=size)
    return True


def arenas(e: Editor) -> bool:
    """A larger or smaller arena."""
    arena = e.header().arena_bytes
    e.header(arena_bytes=max(0, arena + e.chance.choice([-16, -1, 1, 16, 100, 1000])))
    return True


def shapes(e: Editor) -> bool:
    """The same elements in another shape: of one tensor, or of all that have its shape."""
    index = e.chance.choice(e.tensors(*IN_ARENA))
    old = e.tensor(index).dims
    dims = list(old)
    a, b = e.chance.sample(range(4), 2)
    divisors = [d for d in range(1, dims[a] + 1) if dims[a] % d == 0]
    factor = e.chance.choice(divisors)
    dims[a], dims[b] = dims[a] // factor, dims[b] * factor
    alike = [i for i in e.tensors(*IN_ARENA) if e.tensor(i).dims == old]
    for i in alike if e.chance.random() < 0.7 else [index]:
        e.reshape(i, tuple(dims))
    return True


def geometry(e: Editor) -> bool:
    """Another input size, filter, stride, dilation or padding, and the output that follows."""
    windowed = [i for i in range(e.header().op_count) if e.op(i).opcode in (*WINDOWED, *POOLS)]
    if not windowed:
        return False
    index = e.chance.choice(windowed)
    op, params = e.op(index), e.params(index)
    if not isinstance(params, m.Conv | m.Pool):
        return False
    given, output = e.tensor(op.inputs[0]), e.tensor(op.output)
    if op.inputs[0] == op.output:
        return False
    size = list(given.dims)
    if e.chance.random() < 0.4:
        size[1 + e.chance.randrange(2)] = e.chance.randint(1, 12)
    if e.chance.random() < 0.2:
        size[0] = e.chance.randint(1, 3)
    same = e.chance.random() < 0.5
    dims, changes = [size[0], 0, 0, output.dims[3]], {}
    for axis, letter in ((1, "h"), (2, "w")):
        filter_size, dilation = _filter(e, op, params, axis, letter)
        stride = e.chance.choice([getattr(params, f"stride_{letter}"), 1, 2, 3])
        extent = (filter_size - 1) * dilation + 1
        same = same or extent > size[axis]
        dims[axis] = -(-size[axis] // stride) if same else (size[axis] - extent) // stride + 1
        needed = (dims[axis] - 1) * stride + extent
        pad = max(needed - size[axis], 0) // 2 if same else 0
        changes |= {f"stride_{letter}": stride, "pad_top" if axis == 1 else "pad_left": pad}
        if isinstance(params, m.Conv):
            changes[f"dilation_{letter}"] = dilation
        else:
            changes[f"filter_{letter}"] = filter_size
    e.params(index, **changes)
    e.reshape(op.inputs[0], tuple(size))
    e.reshape(op.output, tuple(dims))
    return True


def _filter(
    e: Editor, op: m.Op, params: m.Conv | m.Pool, axis: int, letter: str
) -> tuple[int, int]:
    """Filter size and dilation along an axis."""
    if isinstance(params, m.Pool):
        return e.chance.choice([getattr(params, f"filter_{letter}"), 1, 2, 3, 5]), 1
    packed = getattr(params, f"filter_{letter}")
    dilation = 1 if packed else e.chance.choice([1, 1, 2, 3])
    return packed or e.tensor(op.inputs[1]).dims[axis], dilation


# ---------------------------------------------------------------- lists


def orders(e: Editor) -> bool:
    """Operators exchanged, left out or repeated."""
    count = e.header().op_count
    if count < 2:
        return False
    kind = e.chance.random()
    a, b = e.chance.sample(range(count), 2)
    first, second = vars(e.op(a)), vars(e.op(b))
    if kind < 0.3:
        e.op(a, **second)
        e.op(b, **first)
    elif kind < 0.5:
        e.op(a, **second)
    else:
        for index in range(a, count - 1):
            e.op(index, **vars(e.op(index + 1)))
        e.header(op_count=count - 1)
    return True


def alone(e: Editor) -> bool:
    """One operator only, its first input and its output those of the model."""
    index = e.any_op()
    op = e.op(index)
    if op.inputs[0] >= e.header().tensor_count or op.flags & m.OpFlag.INIT:
        return False
    inputs = [i for i in op.inputs[:2] if i in e.tensors(m.Storage.ARENA)]
    outputs = [op.output] * (op.output in e.tensors(m.Storage.ARENA))
    was = e.io()
    if not inputs or not outputs or len(inputs) + 1 > len(was[0]) + len(was[1]):
        return False
    e.op(0, **{**vars(op), "flags": op.flags & ~m.OpFlag.CONTINUES})
    e.header(op_count=1)
    e.set_io(inputs, outputs)
    return True


def ends(e: Editor) -> bool:
    """Other inputs or outputs of the model."""
    inputs, outputs = e.io()
    side = e.chance.choice([inputs, outputs])
    if len(side) > 1 and e.chance.random() < 0.3:
        side.pop()
    side[e.chance.randrange(len(side))] = e.chance.choice(e.tensors(*IN_ARENA))
    e.set_io(inputs, outputs)
    return True


def slots(e: Editor) -> bool:
    """Another tensor in a slot, or none."""
    op = e.any_op()
    inputs = list(e.op(op).inputs)
    filled = [slot for slot, i in enumerate(inputs) if i != m.NO_TENSOR]
    if not filled:
        return False
    slot = e.chance.choice(filled)
    kind = e.chance.random()
    if kind < 0.3:
        inputs[min(2, len(filled) - 1)] = m.NO_TENSOR
    elif kind < 0.5 and len(filled) > 1:
        inputs[0], inputs[1] = inputs[1], inputs[0]
    else:
        inputs[slot] = e.chance.randrange(e.header().tensor_count)
    e.op(op, inputs=tuple(inputs))
    return True


def outputs(e: Editor) -> bool:
    """Another output of an operator, of the same size."""
    op = e.any_op()
    size = e.tensor(e.op(op).output).bytes
    same = [i for i in e.tensors(*IN_ARENA) if e.tensor(i).bytes == size]
    e.op(op, output=e.chance.choice(same or e.tensors(*IN_ARENA)))
    return True


def kernels(e: Editor) -> bool:
    """Another kernel: canonical and reference ones take the same images."""
    op = e.any_op()
    variant = e.op(op).variant
    if variant <= m.Kernel.REFERENCE and e.chance.random() < 0.8:
        e.op(op, variant=1 - variant)
    else:
        e.op(op, variant=e.chance.randrange(len(m.Kernel)))
    return True


def flags(e: Editor) -> bool:
    """Flags of an operator."""
    op = e.any_op()
    e.op(op, flags=e.op(op).flags ^ e.chance.choice([1, 2, 2, 2, 4, 8, 16]))
    return True


def labels(e: Editor) -> bool:
    """What the engine must not depend on: scales, zero points, digest, an earlier version."""
    e.tensor(
        e.chance.randrange(e.header().tensor_count),
        scale=e.chance.choice(FLOATS),
        zero_point=e.chance.randint(-(1 << 31), (1 << 31) - 1),
    )
    e.header(version=e.chance.randint(1, m.VERSION), model_digest=e.chance.randbytes(16))
    return True


#: Kind -> how often.
KINDS: dict[Mutation, int] = {
    constants: 10,
    coded: 8,
    clamps: 6,
    offsets: 6,
    multipliers: 6,
    floats: 3,
    functions: 4,
    boxes: 4,
    places: 6,
    scratches: 3,
    arenas: 2,
    shapes: 5,
    geometry: 8,
    orders: 4,
    alone: 6,
    ends: 3,
    slots: 4,
    outputs: 2,
    kernels: 3,
    flags: 2,
    labels: 1,
}
#: Raised by a change of what an earlier one left in no order.
UNCHANGEABLE = (struct.error, ArithmeticError, LookupError, ValueError, SchemaError)
#: Share of mutants made by changing any field of any record to any value.
BLIND_SHARE = 0.15


def mutant(image: bytes, chance: random.Random) -> tuple[bytes, list[str]]:
    """A changed image, and the kinds of changes."""
    if chance.random() < BLIND_SHARE:
        return corpus.mutate(image, chance), ["blind"]
    editor = Editor(image, chance)
    wanted = chance.choice([1, 1, 2, 2, 3, 4])
    kinds, weights = list(KINDS), list(KINDS.values())
    done: list[str] = []
    for _ in range(50):
        change = chance.choices(kinds, weights)[0]
        try:
            if change(editor):
                done.append(change.__name__)
        except UNCHANGEABLE:
            continue
        if len(done) == wanted:
            break
    return editor.sealed(), done
