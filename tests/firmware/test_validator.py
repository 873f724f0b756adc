"""The engine against images that are wrong: always a status, never a fault."""

from __future__ import annotations

import json
import random
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from hilbench import models
from hilbench.models.graph import ConvOptions, PoolOptions
from hilbench.models.image_reader import read_image
from hilbench.schema import image as m
from tests.conftest import require_tool
from tests.firmware import corpus, op_graphs, scheme_flaws
from tests.firmware import engine as e
from tests.firmware.build import make
from tests.firmware.conftest import run_fuzz
from tests.firmware.corpus import put, set_field
from tests.firmware.dsp_graphs import Sweep

Fuzz = Callable[[list[bytes]], list[tuple[int, int]]]
MUTATIONS = 10_000


def test_the_corpus_is_valid(fuzz: Fuzz) -> None:
    assert fuzz(list(corpus.seeds().values())) == [(e.OK, 0)] * len(corpus.seeds())


CONV, CHAIN = corpus.conv("int8"), corpus.chain()
POOL = corpus.pool(m.Opcode.AVERAGE_POOL_2D, "int8")
FLOAT = corpus.conv("float32")
PACKED = corpus.packed()["dsp conv"]
PACKED_SCRATCH = read_image(PACKED).ops[0].scratch_bytes
MVE = {name: image for name, image in corpus.packed().items() if name.startswith("mve")}


def stream_of(image: bytes, *changes: str | int) -> bytes:
    """The image with fields of its first stream changed."""
    return set_field(image, "tensor", read_image(image).ops[0].inputs[1], *changes)


def with_scratch(image: bytes) -> bytes:
    """Operator 0 has 16 bytes of scratch behind the arena, which grows."""
    arena = read_image(image).header.arena_bytes
    image = set_field(image, "header", 0, "arena_bytes", arena + 16)
    return set_field(image, "op", 0, "scratch_offset", arena, "scratch_bytes", 16)


def over_its_input(isa: str, depth: int, channels: int, filter_hw: int, stride: int) -> bytes:
    """A convolution whose output begins where its input does."""
    sweep = Sweep(np.random.default_rng(0), (1, 4, 4, depth))
    weights, bias = sweep.constants((channels, filter_hw, filter_hw, depth), 0, 9 * depth)
    size = (4 - filter_hw) // stride + 1
    options = ConvOptions(False, stride, stride)
    output = sweep.output((1, size, size, channels))
    sweep.operator("CONV_2D", (0, weights, bias), output, options)
    image = models.pack(sweep.graph(), isa=(isa,)).data
    records = read_image(image)
    place = records.tensors[records.ops[0].inputs[0]].offset
    return set_field(image, "tensor", records.ops[0].output, "offset", place)


def winograd_over_its_input() -> bytes:
    """Two images in a batch: the ring has seen but the first when its outputs are written."""
    sweep = Sweep(np.random.default_rng(0), (1, 8, 8, 16))
    weights, bias = sweep.constants((16, 3, 3, 16), 0, 144)
    output = sweep.output((1, 8, 8, 16))
    sweep.operator("CONV_2D", (0, weights, bias), output, ConvOptions(True))
    image = models.pack(sweep.graph(), isa=("dsp",), optimize="speed").data
    records = read_image(image)
    assert records.ops[0].variant == m.Kernel.DSP_WINOGRAD
    source, sink = records.ops[0].inputs[0], records.ops[0].output
    image = set_field(image, "tensor", source, "dims0", 2, "dims1", 4)
    image = set_field(image, "tensor", sink, "dims0", 2, "dims1", 4)
    place = records.tensors[source].offset
    return set_field(image, "tensor", sink, "offset", place)


def large_pool() -> bytes:
    """An average pool over more positions than 16-bit sums hold."""
    sweep = Sweep(np.random.default_rng(0), (1, 16, 16, 2))
    output = sweep.output((1, 1, 1, 2))
    given = sweep.tensors[0]
    sweep.tensors[output] = replace(sweep.tensors[output], zero_points=given.zero_points)
    sweep.operator("AVERAGE_POOL_2D", (0,), output, PoolOptions(False, 16, 16))
    return set_field(models.pack(sweep.graph()).data, "op", 0, "variant", 3)


def with_scratch_of(image: bytes, more: int) -> bytes:
    """Operator 0's scratch is ``more`` bytes larger."""
    return set_field(image, "op", 0, "scratch_bytes", read_image(image).ops[0].scratch_bytes + more)


OPS = {name: corpus.seeds()[name] for name in op_graphs.graphs()}


def changed(name: str, opcode: m.Opcode, *changes: str | int) -> tuple[bytes, int, int]:
    """The case: parameters of the network's first such operator changed."""
    image = OPS[name]
    index = [op.opcode for op in read_image(image).ops].index(opcode)
    return set_field(image, corpus.PARAMS[opcode], index, *changes), e.OP, index


def with_input(name: str, opcode: m.Opcode, slot: int, **changes: int) -> tuple[bytes, int, int]:
    """The case: an input of the network's first such operator changed."""
    image = OPS[name]
    records = read_image(image)
    index = [op.opcode for op in records.ops].index(opcode)
    flat = [part for pair in changes.items() for part in pair]
    return set_field(image, "tensor", records.ops[index].inputs[slot], *flat), e.OP, index


MOVE, MUL = m.Opcode.MOVE, m.Opcode.MUL
OP_CASES = {
    "a move from outside": changed("movement int8", MOVE, "in_strides0", 1 << 30, "dims0", 2),
    "a move from before": changed("movement int8", MOVE, "in_strides3", -1),
    "a move to behind the end": changed("movement int8", MOVE, "out_offset", 54),
    "a move of nothing": changed("movement int8", MOVE, "dims0", 0),
    "a move of more than fits": changed("movement int8", MOVE, "dims0", 55, "in_strides0", 0),
    "a product with a wide offset": changed("arithmetic int8", MUL, "input1_offset", 129),
    "a product shifted too far": changed("arithmetic int8", MUL, "shift", 31),
    "a product clamped to NaN": changed("arithmetic float32", MUL, "act_min_f", 0x7FC00000),
    "a difference shifted left": changed("arithmetic int8", m.Opcode.SUB, "input1_shift", 1),
    "a mean over a fifth axis": changed("arithmetic int8", m.Opcode.MEAN, "axes", 16),
    "a mean of another size": changed("arithmetic int8", m.Opcode.MEAN, "axes", 2),
    "an unknown function": changed("arithmetic float32", m.Opcode.UNARY, "function", 9),
    "a slope that is NaN": changed("arithmetic float32", m.Opcode.UNARY, "alpha", 0x7FC00000),
    "a scale of 0": changed("types float32", m.Opcode.QUANTIZE, "scale", 0),
    "a zero point of 128": changed("types float32", m.Opcode.QUANTIZE, "output_offset", 128),
    "a scale that is NaN": changed("types int8", m.Opcode.DEQUANTIZE, "scale", 0x7FC00000),
    "a short table": with_input("types int8", m.Opcode.LOOKUP, 1, dims3=128, bytes=128),
    "a table of a wide type": with_input(
        "types int8", m.Opcode.LOOKUP, 1, dims3=64, dtype=m.Dtype.INT32
    ),
    "a transposed stride of 0": changed("transposed int8", m.Opcode.TRANSPOSE_CONV, "stride_h", 0),
    "a transposed padding that does not belong": changed(
        "transposed float32", m.Opcode.TRANSPOSE_CONV, "pad_left", 1
    ),
    "transposed weights of another type": with_input(
        "transposed int16", m.Opcode.TRANSPOSE_CONV, 1, dtype=m.Dtype.UINT8
    ),
    "another rank": changed("recurrent int8", m.Opcode.SVDF, "rank", 3),
    "a batch of another size": changed("recurrent int8", m.Opcode.LSTM, "batch", 4),
    "a cell clip beyond int16": changed("recurrent int16", m.Opcode.LSTM, "cell_clip", 32768),
    "a gate shifted too far": changed("recurrent int16", m.Opcode.LSTM, "input_shift2", 8),
    "a state that is not kept": (
        with_input("recurrent float32", m.Opcode.LSTM, 2, storage=m.Storage.ARENA)[0],
        e.OP,
        None,
    ),
    "too few rows": with_input("movement int8", m.Opcode.RESIZE_NEAREST, 1, dims3=2, bytes=4),
}


def test_a_row_that_is_not_there_is_not_read(fuzz: Fuzz) -> None:
    image = OPS["movement int8"]
    records = read_image(image)
    index = [op.opcode for op in records.ops].index(m.Opcode.RESIZE_NEAREST)
    at = records.tensors[records.ops[index].inputs[1]].offset
    statuses = fuzz([corpus.seal(put(image, at, 2, row)) for row in (1, 2, 0x8000)])
    assert statuses == [(e.OK, 0), (e.OP, index), (e.OP, index)]


@pytest.mark.parametrize(
    ("flags", "status"),
    [(0, e.OK), (2, e.OK), (1, e.OP), (3, e.OP), (16, e.OP)],
)
def test_flags_of_the_first_operator(fuzz: Fuzz, flags: int, status: int) -> None:
    assert fuzz([set_field(CHAIN, "op", 0, "flags", flags)])[0][0] == status


STREAM = OPS["streaming int8"]


@pytest.mark.parametrize(
    ("op", "flags", "status"),
    [(0, 0, e.OK), (0, 3, e.OP), (1, 1, e.OP), (2, 1, e.OP)],
)
def test_only_the_first_operators_set_the_state(
    fuzz: Fuzz, op: int, flags: int, status: int
) -> None:
    assert read_image(STREAM).ops[0].flags == m.OpFlag.INIT
    assert fuzz([set_field(STREAM, "op", op, "flags", flags)])[0][0] == status


def test_what_is_set_first_is_state(fuzz: Fuzz) -> None:
    state = read_image(STREAM).ops[0].output
    changed = set_field(STREAM, "tensor", state, "storage", m.Storage.ARENA)
    assert fuzz([changed])[0] == (e.OP, 0)


def test_no_layer_goes_on_behind_the_last_operator(fuzz: Fuzz) -> None:
    assert fuzz([set_field(CHAIN, "op", 2, "flags", 2)])[0] == (e.OP, 2)


THUMB1 = corpus.packed()["thumb1 conv"]
THUMB1_BLOCKS = read_image(THUMB1).tensors[read_image(THUMB1).ops[0].inputs[1]].dims[2]
BLOCKS = read_image(PACKED).tensors[read_image(PACKED).ops[0].inputs[1]].dims[2]
WINOGRAD = corpus.packed()["winograd"]
CASES = {
    "no image": (b"\xff" * 64, e.MAGIC, e.RECORD_HEADER),
    "shorter than a header": (CONV[:40], e.MAGIC, e.RECORD_HEADER),
    "cut short": (CONV[:-16], e.BOUNDS, e.RECORD_HEADER),
    "of another version": (put(CONV, 4, 2, 9), e.VERSION, 9),
    "a byte changed": (put(CONV, 60, 1, 0x77), e.CRC, None),
    "arena too small by 1 byte": (
        set_field(CONV, "header", 0, "arena_bytes", (32 << 10) + 1),
        e.ARENA,
        1,
    ),
    "tensors outside": (
        set_field(CONV, "header", 0, "tensors_offset", 0xFFFFFFF0),
        e.BOUNDS,
        e.RECORD_HEADER,
    ),
    "tables that overflow": (
        set_field(CONV, "header", 0, "tensor_count", 0xFFFF),
        e.BOUNDS,
        e.RECORD_HEADER,
    ),
    "an input that is no tensor": (
        set_field(CONV, "io", 0, "tensor", 99),
        e.BOUNDS,
        e.RECORD_HEADER,
    ),
    "an input that is constant": (set_field(CONV, "io", 0, "tensor", 2), e.BOUNDS, e.RECORD_HEADER),
    "a shape whose bytes overflow": (
        set_field(CONV, "tensor", 0, "dims0", 1 << 31, "dims1", 1 << 31),
        e.BOUNDS,
        0,
    ),
    "a tensor beyond the arena": (set_field(CONV, "tensor", 0, "offset", 1 << 20), e.BOUNDS, 0),
    "a constant over the tables": (set_field(CONV, "tensor", 2, "offset", 0), e.BOUNDS, 2),
    "misaligned": (set_field(CONV, "tensor", 0, "offset", 8), e.BOUNDS, 0),
    "an output over its input": (set_field(CONV, "op", 0, "output", 0), e.BOUNDS, e.RECORD_OP),
    "an output that is constant": (set_field(CONV, "op", 0, "output", 2), e.BOUNDS, e.RECORD_OP),
    "scratch over the output": (
        set_field(CHAIN, "op", 2, "scratch_offset", 64),
        e.BOUNDS,
        e.RECORD_OP + 2,
    ),
    "parameters outside": (
        set_field(CONV, "op", 0, "params_offset", 0xFFFFFFFC),
        e.BOUNDS,
        e.RECORD_OP,
    ),
    "an unknown operator": (set_field(CONV, "op", 0, "opcode", 99), e.OP, 0),
    "stride 0": (set_field(CONV, "conv", 0, "stride_h", 0), e.OP, 0),
    "another output size": (set_field(CONV, "tensor", 1, "dims1", 1, "dims2", 9), e.OP, 0),
    "padding that does not belong": (set_field(CONV, "conv", 0, "pad_top", 1), e.OP, 0),
    "dilation beyond the input": (set_field(CONV, "conv", 0, "dilation_h", 0xFFFF), e.OP, 0),
    "a clamp outside int8": (set_field(CONV, "conv", 0, "act_max", 128), e.OP, 0),
    "clamps crossed": (set_field(CONV, "conv", 0, "act_min", 100, "act_max", 99), e.OP, 0),
    "a clamp that is NaN": (set_field(FLOAT, "conv", 0, "act_min_f", 0x7FC00000), e.OP, 0),
    "an input offset of 129": (set_field(CONV, "conv", 0, "input_offset", 129), e.OP, 0),
    "pool of size 0": (set_field(POOL, "pool", 0, "filter_w", 0), e.OP, 0),
    "a softmax that would overflow": (
        set_field(CHAIN, "softmax", 2, "input_left_shift", 24),
        e.OP,
        2,
    ),
    "packed, but another filter": (set_field(PACKED, "conv", 0, "filter_h", 9), e.OP, 0),
    "packed, but dilated": (set_field(PACKED, "conv", 0, "dilation_w", 2), e.OP, 0),
    "packed, but clamped": (set_field(PACKED, "conv", 0, "act_min", 0), e.OP, 0),
    "packed, but a shorter stream": (set_field(PACKED, "op", 0, "inputs1", 3), e.OP, 0),
    "packed, with less scratch": (
        set_field(PACKED, "op", 0, "scratch_bytes", PACKED_SCRATCH - 16),
        e.OP,
        0,
    ),
    # its rows are not copied first
    "packed, in place where it must not": (over_its_input("dsp", 4, 4, 3, 1), e.OP, 0),
    # its rows go through a strip, but more is written than was read
    "mve, in place where it must not": (over_its_input("mve", 3, 12, 1, 2), e.OP, 0),
    "mve, in place though strided": (over_its_input("mve", 16, 16, 1, 2), e.OP, 0),
    "mve, but another filter": (set_field(MVE["mve conv"], "conv", 0, "filter_w", 9), e.OP, 0),
    "mve, but dilated": (set_field(MVE["mve conv"], "conv", 0, "dilation_h", 2), e.OP, 0),
    "mve, with less scratch": (with_scratch_of(MVE["mve conv"], -16), e.OP, 0),
    "mve, a shorter stream": (
        stream_of(MVE["mve flat"], "dims3", 1, "dims2", 1, "bytes", 4),
        e.OP,
        0,
    ),
    "mve, another depth multiplier": (
        set_field(MVE["mve depthwise"], "conv", 0, "depth_multiplier", 5),
        e.OP,
        0,
    ),
    "mve, a pool of too many positions": (large_pool(), e.OP, 0),
    "mve, a pool with scratch": (with_scratch(MVE["mve pool"]), e.OP, 0),
    "mve, an addition with scratch": (with_scratch(MVE["mve add"]), e.OP, 0),
    "mve, an operator that it lacks": (set_field(CHAIN, "op", 1, "variant", 3), e.OP, 1),
    "canonical weights for mve": (set_field(CONV, "op", 0, "variant", 3), e.OP, 0),
    "a stream of another shape": (
        stream_of(PACKED, "rank", 3, "dims1", BLOCKS, "dims2", 1),
        e.OP,
        0,
    ),
    "a stream of another rank": (
        stream_of(PACKED, "rank", 4, "dims0", BLOCKS, "dims2", 1),
        e.OP,
        0,
    ),
    "a packed pool with scratch": (with_scratch(corpus.packed()["dsp pool"]), e.OP, 0),
    "a packed addition with scratch": (with_scratch(corpus.packed()["dsp add"]), e.OP, 0),
    "thumb1, but another filter": (set_field(THUMB1, "conv", 0, "filter_h", 9), e.OP, 0),
    "thumb1, but dilated": (set_field(THUMB1, "conv", 0, "dilation_w", 2), e.OP, 0),
    "thumb1, but a shorter stream": (set_field(THUMB1, "op", 0, "inputs1", 3), e.OP, 0),
    "thumb1, with less scratch": (
        set_field(THUMB1, "op", 0, "scratch_bytes", read_image(THUMB1).ops[0].scratch_bytes - 16),
        e.OP,
        0,
    ),
    "thumb1, in place where it must not": (over_its_input("thumb1", 4, 4, 3, 1), e.OP, 0),
    "thumb1, a stream of another rank": (
        stream_of(THUMB1, "rank", 4, "dims0", THUMB1_BLOCKS, "dims2", 1),
        e.OP,
        0,
    ),
    "thumb1, a pool with scratch": (with_scratch(corpus.packed()["thumb1 pool"]), e.OP, 0),
    "thumb1, an addition with scratch": (with_scratch(corpus.packed()["thumb1 add"]), e.OP, 0),
    "thumb1, fully connected with scratch": (with_scratch(corpus.packed()["thumb1 flat"]), e.OP, 0),
    "winograd, but another filter": (set_field(WINOGRAD, "conv", 0, "filter_w", 5), e.OP, 0),
    "winograd, but strided": (set_field(WINOGRAD, "conv", 0, "stride_h", 2), e.OP, 0),
    "winograd, but clamped": (set_field(WINOGRAD, "conv", 0, "act_max", 100), e.OP, 0),
    "winograd, with less scratch": (with_scratch_of(WINOGRAD, -16), e.OP, 0),
    "winograd, a shorter stream": (set_field(WINOGRAD, "op", 0, "inputs1", 3), e.OP, 0),
    "winograd, depthwise": (set_field(WINOGRAD, "op", 0, "opcode", 2), e.OP, 0),
    "winograd, in place where it must not": (winograd_over_its_input(), e.OP, 0),
    "a dsp stream for winograd": (set_field(PACKED, "op", 0, "variant", 6), e.OP, 0),
    "a winograd stream for dsp": (set_field(WINOGRAD, "op", 0, "variant", 2), e.OP, 0),
    "a dsp stream for thumb1": (set_field(PACKED, "op", 0, "variant", 4), e.OP, 0),
    "packed weights for a canonical kernel": (set_field(PACKED, "op", 0, "variant", 0), e.OP, 0),
    "canonical weights for a packed kernel": (set_field(CONV, "op", 0, "variant", 2), e.OP, 0),
    "an unknown kernel": (set_field(CONV, "op", 0, "variant", 9), e.OP, 0),
    "an add shifted too far": (set_field(CHAIN, "add", 0, "left_shift", 21), e.OP, 0),
}


CASES |= OP_CASES | scheme_flaws.CASES


@pytest.mark.parametrize("name", CASES)
def test_each_flaw_is_named(fuzz: Fuzz, name: str) -> None:
    image, status, detail = CASES[name]
    got = fuzz([image])[0]
    assert got[0] == status
    assert detail is None or got[1] == detail


def multiplier_at(image: bytes, slot: int) -> int:
    """Offset of an operator's multipliers (slot 3) or shifts (slot 4)."""
    head = m.Header.unpack(image[: m.Header.STRUCT.size])
    op = m.Op.unpack(image[head.ops_offset : head.ops_offset + m.Op.STRUCT.size])
    at = head.tensors_offset + op.inputs[slot] * m.Tensor.STRUCT.size
    return m.Tensor.unpack(image[at : at + m.Tensor.STRUCT.size]).offset


@pytest.mark.parametrize(
    ("slot", "value", "status"),
    [(3, -1, e.OP), (3, 0, e.OK), (4, -31, e.OK), (4, -32, e.OP), (4, 30, e.OK), (4, 31, e.OP)],
)
def test_ranges_of_multipliers_and_shifts(fuzz: Fuzz, slot: int, value: int, status: int) -> None:
    image = corpus.seal(put(CONV, multiplier_at(CONV, slot) + 4, 4, value))
    assert fuzz([image])[0][0] == status


def test_ten_thousand_mutated_images(fuzz: Fuzz) -> None:
    """Under ASan and UBSan none faults; enough are accepted that the kernels are reached too."""
    chance = random.Random(20260)
    seeds = list(corpus.seeds().values())
    images = [corpus.mutate(chance.choice(seeds), chance) for _ in range(MUTATIONS)]
    statuses = [status for status, _ in fuzz(images)]
    counts = {status: statuses.count(status) for status in set(statuses)}
    assert set(counts) == {e.OK, e.MAGIC, e.VERSION, e.CRC, e.BOUNDS, e.OP, e.ARENA}
    assert counts[e.OK] > MUTATIONS // 20, counts
    assert counts[e.OP] > MUTATIONS // 10, counts


def branch_coverage(folder: Path, source: str) -> tuple[int, int]:
    """(branches taken at least once, branches) of one source file."""
    gcov = require_tool("gcov", "gcc")
    notes = f"fuzz-{Path(source).stem}.gcno"
    command = [gcov, "--json-format", "--stdout", "--branch-probabilities", notes]
    output = subprocess.run(command, cwd=folder, capture_output=True, check=True).stdout
    taken = total = 0
    for file in json.loads(output)["files"]:
        if Path(file["file"]).name != source:
            continue
        for line in file["lines"]:
            total += len(line["branches"])
            taken += sum(branch["count"] > 0 for branch in line["branches"])
    return taken, total


@pytest.mark.slow
def test_branches_of_the_validator_are_covered(tmp_path: Path) -> None:
    program = make("fuzz", tmp_path, "-O0 --coverage")
    seeds = list(corpus.seeds().values())
    images = [image for image, _, _ in CASES.values()]
    images += [changed for seed in seeds for changed in corpus.single_changes(seed)]
    chance = random.Random(1)
    images += [corpus.mutate(chance.choice(seeds), chance) for _ in range(MUTATIONS)]
    for slot, value in ((3, -1), (4, -32), (4, 31)):
        images.append(corpus.seal(put(CONV, multiplier_at(CONV, slot), 4, value)))
    run_fuzz(program, images)
    # what is left of the others: limits that only larger arenas exceed, and types that no tensor of
    # theirs can have
    shares = {"hb_validate.c": 0.95, "hb_validate_op.c": 0.95, "hb_rows.c": 0.95}
    names = ("packed", "dsp", "mve", "thumb1", "elementwise", "movement")
    shares |= {f"hb_validate_{name}.c": 0.9 for name in names}
    shares |= {"hb_transpose_conv.c": 0.9, "hb_recurrent.c": 0.9}
    for source, share in shares.items():
        taken, total = branch_coverage(program.parent, source)
        assert total > 20
        assert taken / total >= share, f"{source}: {taken} of {total} branches"
