"""Images of the schemes beside int8, each with one flaw: weights by rows, int16 and int4 streams,
coded weights.  Name -> image, status, detail."""

from __future__ import annotations

from hilbench.models.image_reader import read_image
from hilbench.schema import image as m
from tests.firmware import corpus
from tests.firmware import engine as e
from tests.firmware.corpus import put, seal, set_field

ROWS, PACKED = corpus.rows(), corpus.packed()
Case = tuple[bytes, int, int]


def constant(image: bytes, slot: int, size: int, value: int, op: int = 0) -> bytes:
    """The first element of a constant input changed."""
    records = read_image(image)
    return seal(put(image, records.tensors[records.ops[op].inputs[slot]].offset, size, value))


def tensor(image: bytes, slot: int, *changes: str | int, op: int = 0) -> bytes:
    """An input of an operator changed."""
    return set_field(image, "tensor", read_image(image).ops[op].inputs[slot], *changes)


def operator(image: bytes, *changes: str | int) -> bytes:
    """The first operator's record changed."""
    return set_field(image, "op", 0, *changes)


def conv(image: bytes, *changes: str | int) -> bytes:
    """The first operator's parameters changed."""
    return set_field(image, "conv", 0, *changes)


W4A8, W8A16, W4A16 = (ROWS[f"rows {name} 0"] for name in ("w4a8", "w8a16", "w4a16"))
DYNAMIC, STORED, HALF = (ROWS[f"rows {name} 0"] for name in ("dynamic8", "weight8", "f16"))
BLOCKS = ROWS["rows weight4 blocks"]
CODED = ROWS["coded layer"]
DSP4, DSP16 = PACKED["dsp w4a8 0"], PACKED["dsp w8a16 0"]
MVE4, MVE16 = PACKED["mve int4 conv"], PACKED["mve int16 conv"]
BOTH = m.OpFlag.DYNAMIC_SYMMETRIC | m.OpFlag.DYNAMIC_ASYMMETRIC
LEFT_7 = 8


def with_bias() -> bytes:
    """An int16 network whose first operator has a bias of 64 bits."""
    for name, image in ROWS.items():
        records = read_image(image)
        biases = [records.tensors[i] for i in records.ops[0].inputs[2:3] if i != m.NO_TENSOR]
        wide = any(bias.dtype == m.Dtype.INT64 for bias in biases)
        if name.startswith("rows w8a16") and wide:
            return image
    raise LookupError


WIDE = with_bias()
SMALLER = {name: read_image(image).ops[0].scratch_bytes - 16 for name, image in ROWS.items()}
CASES: dict[str, Case] = {
    "int4, a negative multiplier": (constant(W4A8, 3, 4, -1), e.OP, 0),
    "int4, shifted by 31": (constant(W4A8, 4, 4, 31), e.OP, 0),
    "int4, an offset of 129": (conv(W4A8, "input_offset", 129), e.OP, 0),
    "int4, clamps crossed": (conv(W4A8, "act_min", 100, "act_max", 99), e.OP, 0),
    "int4, quantized on the fly": (operator(W4A8, "flags", 4), e.OP, 0),
    "int4, of a packed size": (conv(W4A8, "filter_h", 1), e.OP, 0),
    "int4, with less scratch": (
        operator(W4A8, "scratch_bytes", SMALLER["rows w4a8 0"]),
        e.OP,
        0,
    ),
    "int16 with a zero point": (conv(W8A16, "input_offset", 1), e.OP, 0),
    "int16, shifted left by 8": (constant(WIDE, 4, 4, LEFT_7), e.OP, 0),
    "int16, too large a bias": (constant(WIDE, 2, 8, 1 << 46), e.OP, 0),
    "int16, too small a bias": (constant(WIDE, 2, 8, -(1 << 46)), e.OP, 0),
    "int16, a clamp outside": (conv(W4A16, "act_max", 1 << 15), e.OP, 0),
    "dynamic ranges of both kinds": (operator(DYNAMIC, "flags", BOTH), e.OP, 0),
    "float16, quantized on the fly": (operator(HALF, "flags", 4), e.OP, 0),
    "stored weights, a clamp that is NaN": (conv(STORED, "act_min_f", 0x7FC00000), e.OP, 0),
    "stored weights without scales": (operator(STORED, "inputs3", m.NO_TENSOR), e.OP, 0),
    "float16 with scales": (operator(HALF, "inputs3", 2), e.OP, 0),
    "blocks that don't divide a row": (
        tensor(BLOCKS, 3, "dims2", 1, "dims3", 5, "bytes", 20),
        e.OP,
        0,
    ),
    "coded, of another type": (tensor(CODED, 0, "dtype", m.Dtype.FLOAT8), e.OP, 0),
    "coded, behind the end": (constant(CODED, 0, 4, 1 << 20), e.BOUNDS, 0),
    "coded, for an operator": (
        set_field(CODED, "op", 1, "inputs1", read_image(CODED).ops[0].inputs[0]),
        e.BOUNDS,
        e.RECORD_OP + 1,
    ),
    "coded, a short table": (tensor(CODED, 1, "dims3", 64, "bytes", 64), e.OP, 0),
    "dsp, int4, with less scratch": (
        operator(DSP4, "scratch_bytes", read_image(DSP4).ops[0].scratch_bytes - 16),
        e.OP,
        0,
    ),
    "dsp, int16 with a zero point": (conv(DSP16, "output_offset", 1), e.OP, 0),
    "dsp, int16, clamps crossed": (conv(DSP16, "act_min", 100, "act_max", 99), e.OP, 0),
    "dsp, int16, a clamp outside": (conv(DSP16, "act_min", -32769), e.OP, 0),
    "mve, int4, with less scratch": (
        operator(MVE4, "scratch_bytes", read_image(MVE4).ops[0].scratch_bytes - 16),
        e.OP,
        0,
    ),
    "mve, int16 with a zero point": (conv(MVE16, "input_offset", 1), e.OP, 0),
    "mve, int16, a clamp outside": (conv(MVE16, "act_max", 1 << 15), e.OP, 0),
}
