"""Valid images for every operator, and mutations that reach deep into the validator."""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from hilbench import models
from hilbench.models.graph import Graph
from hilbench.schema import image as m
from hilbench.schema.layout import load
from tests.firmware import mve_graphs, op_graphs
from tests.firmware.dsp_graphs import (
    add_sweep,
    chain_sweep,
    conv_sweep,
    depthwise_sweep,
    flat_sweep,
    pool_sweep,
    winograd_sweep,
)
from tests.firmware.images import FLT_MAX, ImageBuilder, conv_params, pool_params, seal
from tests.firmware.schemes import SCHEMES, scheme_graph
from tests.firmware.thumb1_graphs import odd_conv_sweep, odd_flat_sweep, taps_sweep

RECORDS = {layout.name: layout for layout in load("image").layouts}
PARAMS = {
    m.Opcode.CONV_2D: "conv",
    m.Opcode.DEPTHWISE_CONV_2D: "conv",
    m.Opcode.FULLY_CONNECTED: "conv",
    m.Opcode.AVERAGE_POOL_2D: "pool",
    m.Opcode.MAX_POOL_2D: "pool",
    m.Opcode.SOFTMAX: "softmax",
    m.Opcode.ADD: "add",
    m.Opcode.SUB: "add",
    m.Opcode.TRANSPOSE_CONV: "conv",
    m.Opcode.SVDF: "svdf",
    m.Opcode.LSTM: "lstm",
    m.Opcode.MUL: "mul",
    m.Opcode.MEAN: "mean",
    m.Opcode.MOVE: "move",
    m.Opcode.FILL: "fill",
    m.Opcode.UNARY: "unary",
    m.Opcode.QUANTIZE: "quantize",
    m.Opcode.DEQUANTIZE: "quantize",
}
#: Networks of scheme_graph that hold a convolution, a depthwise one, a fully connected layer.
ROWS, ROWS_CODED = (0, 3, 6), 4
DSP_CONV, DSP_FLAT = 0, 1
INTERESTING = (0, 1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 32, 0x7F, 0x80, 0xFF, 0x100, 0xFFFF)
INTERESTING_32 = (0x10000, 0xFFFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFE0, 0xFFFFFFF0, 0xFFFFFFFF)


def conv(dtype: str, depthwise: bool = False, same: bool = True) -> bytes:
    b = ImageBuilder()
    out = (1, 3, 3, 4) if same else (1, 2, 2, 4)
    source, sink = b.tensor((1, 6, 6, 2), dtype), b.tensor(out, dtype)
    shape = (1, 3, 3, 4) if depthwise else (4, 3, 3, 2)
    weights = b.constant(np.arange(np.prod(shape)).reshape(shape).astype(dtype))
    bias = b.constant(np.arange(4).astype("int32" if dtype == "int8" else "float32"))
    slots = [source, weights, bias]
    if dtype == "int8":
        slots += [b.constant(np.full(4, 1 << 30, np.int32)), b.constant(np.full(4, -6, np.int32))]
    params = conv_params((2, 2), pad=(0, 0), multiplier=2 if depthwise else 1, offsets=(3, -3))
    opcode = m.Opcode.DEPTHWISE_CONV_2D if depthwise else m.Opcode.CONV_2D
    b.op(opcode, slots, sink, params)
    return b.build([source], [sink])


def fully_connected(dtype: str, bias: bool = True) -> bytes:
    b = ImageBuilder()
    source, sink = b.tensor((2, 8), dtype), b.tensor((2, 5), dtype)
    weights = b.constant(np.ones((5, 8), dtype))
    slots = [source, weights]
    slots.append(
        b.constant(np.arange(5).astype("int32" if dtype == "int8" else "float32"))
        if bias
        else m.NO_TENSOR
    )
    if dtype == "int8":
        slots += [b.constant(np.full(5, 1 << 30, np.int32)), b.constant(np.full(5, -4, np.int32))]
    b.op(m.Opcode.FULLY_CONNECTED, slots, sink, conv_params(offsets=(128, -128)))
    return b.build([source], [sink])


def pool(opcode: m.Opcode, dtype: str) -> bytes:
    b = ImageBuilder()
    source, sink = b.tensor((1, 5, 5, 3), dtype), b.tensor((1, 3, 3, 3), dtype)
    b.op(opcode, [source], sink, pool_params((3, 2), (2, 2), (1, 0)))
    return b.build([source], [sink])


def chain() -> bytes:
    """Add in place, reshape in place, softmax; two inputs; a scratch area."""
    b = ImageBuilder()
    first, second = b.tensor((1, 2, 2, 4), "int8"), b.tensor((1, 2, 2, 4), "int8")
    total = b.tensor((1, 2, 2, 4), "int8", at=0)
    flat = b.tensor((2, 8), "int8", at=0)
    sink = b.tensor((2, 8), "int8", at=64)
    scale = (1 << 30, -1)
    add = m.Add(5, -5, 7, 20, *scale, *scale, 1 << 30, -18, -128, 127, 0.0, 0.0)
    b.op(m.Opcode.ADD, [first, second], total, add.pack())
    b.op(m.Opcode.RESHAPE, [total], flat)
    b.op(m.Opcode.SOFTMAX, [flat], sink, m.Softmax(1 << 30, 23, -248, 0.0).pack())
    b.arena = 160
    image = b.build([first, second], [sink])
    return set_field(image, "op", 2, "scratch_offset", 128, "scratch_bytes", 32)


def float_chain() -> bytes:
    b = ImageBuilder()
    first, second = b.tensor((1, 8), "float32"), b.tensor((1, 8), "float32")
    total, sink = b.tensor((1, 8), "float32"), b.tensor((1, 8), "float32")
    b.op(m.Opcode.ADD, [first, second], total, m.Add(*([0] * 12), -FLT_MAX, FLT_MAX).pack())
    b.op(m.Opcode.SOFTMAX, [total], sink, m.Softmax(0, 0, 0, 1.0).pack())
    return b.build([first, second], [sink])


def seeds() -> dict[str, bytes]:
    pools = (m.Opcode.AVERAGE_POOL_2D, m.Opcode.MAX_POOL_2D)
    return {
        "conv int8": conv("int8"),
        "conv int8 valid": conv("int8", same=False),
        "conv float32": conv("float32"),
        "depthwise int8": conv("int8", depthwise=True),
        "depthwise float32": conv("float32", depthwise=True),
        "fully connected int8": fully_connected("int8"),
        "fully connected float32": fully_connected("float32", bias=False),
        **{f"{o.name} {d}": pool(o, d) for o in pools for d in ("int8", "float32")},
        "chain": chain(),
        "float chain": float_chain(),
        **packed(),
        **rows(),
        **{name: models.pack(graph).data for name, graph in op_graphs.graphs().items()},
    }


def rows() -> dict[str, bytes]:
    """Images whose weights have another type than the data: every scheme, convolutions of both
    kinds and fully connected layers; weights in blocks; coded weights."""
    images = {
        f"rows {scheme} {seed}": models.pack(scheme_graph(seed, scheme)).data
        for scheme in SCHEMES
        for seed in ROWS
    }
    for scheme in ("dynamic4", "weight4"):
        images[f"rows {scheme} blocks"] = models.pack(scheme_graph(1, scheme, blocks=True)).data
    for coding in ("layer", "once"):
        graph = scheme_graph(ROWS_CODED, "w8a8", plain=True)
        images[f"coded {coding}"] = models.pack(pruned(graph), coding=coding).data
    return images


def pruned(graph: Graph) -> Graph:
    """The network with most of its weights 0, so that coding pays."""
    rng = np.random.default_rng(0)
    tensors = list(graph.tensors)
    for index, tensor in enumerate(tensors):
        if tensor.data is None or tensor.data.ndim < 2:
            continue
        if tensor.dtype in ("int8", "int4", "float8", "float16", "float32"):
            keep = rng.random(tensor.shape) < 0.2
            data = np.where(keep, tensor.data, 0).astype(tensor.data.dtype)
            tensors[index] = replace(tensor, data=data)
    return replace(graph, tensors=tuple(tensors))


def packed() -> dict[str, bytes]:
    """Images for kernels that only some builds have, named by the instruction set."""
    sweeps = {
        "dsp conv": conv_sweep(3, operators=2),
        "dsp depthwise": depthwise_sweep(0, operators=2),
        "dsp flat": flat_sweep(0, operators=2),
        "dsp pool": pool_sweep(0, operators=2),
        "dsp add": add_sweep(0, operators=1),
        "dsp chain": chain_sweep(1),
        "mve conv": mve_graphs.conv_sweep(2, operators=2),
        "mve depthwise": mve_graphs.depthwise_sweep(6, operators=2),
        "mve flat": mve_graphs.flat_sweep(0, operators=2),
        "mve pool": mve_graphs.pool_sweep(0, operators=2),
        "mve add": mve_graphs.add_sweep(0, operators=1),
        "mve chain": chain_sweep(1),
        "dsp pools": mve_graphs.pool_sweep(1, 3, quad=True),
        "dsp conv int4": mve_graphs.conv_sweep(3, 2, mve_graphs.Int4Sweep),
        "dsp flat int4": mve_graphs.flat_sweep(47, 2, mve_graphs.Int4Sweep),
        "dsp conv int16": mve_graphs.conv_sweep(5, 2, mve_graphs.Int16Sweep),
        "dsp flat int16": mve_graphs.flat_sweep(26, 2, mve_graphs.Int16Sweep),
        "mve conv int4": mve_graphs.conv_sweep(0, 2, mve_graphs.Int4Sweep),
        "mve flat int4": mve_graphs.flat_sweep(0, 2, mve_graphs.Int4Sweep),
        "mve conv int16": mve_graphs.conv_sweep(0, 2, mve_graphs.Int16Sweep),
        "mve flat int16": mve_graphs.flat_sweep(0, 2, mve_graphs.Int16Sweep),
    }
    for kind in (mve_graphs.Int4Sweep, mve_graphs.Int16Sweep):
        label = kind.__name__.removesuffix("Sweep").lower()
        sweeps[f"mve {label} conv"] = mve_graphs.conv_sweep(2, operators=2, kind=kind)
        sweeps[f"mve {label} flat"] = mve_graphs.flat_sweep(0, operators=2, kind=kind)
    for scheme in ("w4a8", "w8a16"):
        for seed in (DSP_CONV, DSP_FLAT):
            sweeps[f"dsp {scheme} {seed}"] = scheme_graph(seed, scheme, plain=True)
    images = {name: models.pack(graph, isa=name.split()[:1]).data for name, graph in sweeps.items()}
    images["winograd"] = models.pack(winograd_sweep(1), isa=("dsp",), optimize="speed").data
    odd = {
        "dsp odd": odd_conv_sweep(3, operators=3),
        "dsp odd flat": odd_flat_sweep(0, operators=2),
        "dsp taps": taps_sweep(1, operators=2),
        "dsp flat int4 odd": mve_graphs.flat_sweep(1, 2, mve_graphs.Int4Sweep),
    }
    thumb1 = {name: graph for name, graph in sweeps.items() if name.startswith("dsp")}
    for name, graph in {**thumb1, **odd}.items():
        images[name.replace("dsp", "thumb1")] = models.pack(graph, isa=("thumb1",)).data
    return images


def fields(image: bytes) -> Iterator[tuple[str, int, str, int, int]]:
    """(record, index, field, offset in the image, size) of everything that can be changed."""
    head = m.Header.unpack(image[: m.Header.STRUCT.size])
    places = [("header", 0, 0)]
    places += [
        ("tensor", i, head.tensors_offset + i * m.Tensor.STRUCT.size)
        for i in range(head.tensor_count)
    ]
    for i in range(head.op_count):
        at = head.ops_offset + i * m.Op.STRUCT.size
        places.append(("op", i, at))
        op = m.Op.unpack(image[at : at + m.Op.STRUCT.size])
        if op.params_bytes:
            places.append((PARAMS[m.Opcode(op.opcode)], i, op.params_offset))
    for name, index, at in places:
        for field in RECORDS[name].fields:
            step = field.size // (field.count or 1)
            for element in range(field.count or 1):
                label = f"{field.name}{element if field.count else ''}"
                yield name, index, label, at, step
                at += step
    for i in range(head.input_count + head.output_count):
        yield "io", i, "tensor", head.io_offset + 2 * i, 2


def put(image: bytes, at: int, size: int, value: int) -> bytes:
    value &= (1 << (8 * size)) - 1
    return image[:at] + value.to_bytes(size, "little") + image[at + size :]


def set_field(image: bytes, record: str, index: int, *changes: str | int) -> bytes:
    """The image with fields of a record changed (name, value, name, value ...), sealed again."""
    places = {(r, i, f): (at, size) for r, i, f, at, size in fields(image)}
    for name, value in zip(changes[::2], changes[1::2], strict=True):
        at, size = places[record, index, str(name)]
        image = put(image, at, size, int(value))
    return seal(image)


def values_for(old: int, size: int) -> set[int]:
    """Values that sit on edges."""
    wide = INTERESTING_32 if size == 4 else ()
    nan = struct.unpack("<I", struct.pack("<f", float("nan")))[0]
    return {*INTERESTING, *wide, old + 1, old - 1, 2 * old, old // 2, old + 16, nan} - {old}


def single_changes(image: bytes) -> Iterator[bytes]:
    """Every field set to every interesting value, one at a time; sealed, and once unsealed."""
    for _, _, _, at, size in fields(image):
        old = int.from_bytes(image[at : at + size], "little")
        for value in sorted(values_for(old, size)):
            yield seal(put(image, at, size, value))
        yield put(image, at, size, old + 1)


def mutate(image: bytes, chance: random.Random) -> bytes:
    """A few changes at once: fields, raw bytes, constants, the length; nearly always sealed."""
    places = list(fields(image))
    parameters = [place for place in places if place[0] in PARAMS.values()] or places
    for _ in range(chance.choice([1, 1, 2, 2, 3, 5])):
        kind = chance.random()
        _, _, _, at, size = chance.choice(chance.choice([places, parameters]))
        old = int.from_bytes(image[at : at + size], "little")
        if kind < 0.6:
            image = put(image, at, size, chance.choice(sorted(values_for(old, size))))
        elif kind < 0.8:
            _, _, _, other, other_size = chance.choice(places)
            taken = int.from_bytes(image[other : other + other_size], "little")
            image = put(image, at, size, taken)
        elif kind < 0.95:
            image = put(image, chance.randrange(len(image)), 1, chance.randrange(256))
        else:
            return image[: chance.randrange(len(image))]
    return seal(image) if chance.random() < 0.95 else image
