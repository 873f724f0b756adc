"""Frames on the device's side: golden vectors, the host's codec as counterpart, hostile bytes."""

from __future__ import annotations

import ctypes
import random
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.link.frame import Frame, FrameDecoder, encode_frame
from hilbench.schema.protocol import MAX_PAYLOAD

ON_FRAME = ctypes.CFUNCTYPE(
    None, ctypes.c_uint8, ctypes.c_uint8, ctypes.POINTER(ctypes.c_uint8), ctypes.c_size_t
)


def cobs_by_hand(data: bytes) -> bytes:
    """COBS, one block at a time: at most 254 bytes without a zero, the zero itself left out."""
    out, rest = bytearray(), data + b"\0"
    while rest:
        run = rest[:254].split(b"\0")[0]
        out += bytes([len(run) + 1]) + run
        rest = rest[len(run) :] if len(run) == 254 else rest[len(run) + 1 :]
        if len(run) == 254 and rest == b"\0":
            break  # the code of a full block already says that no zero follows
    return bytes(out)


class Reader:
    """The device's frame decoder."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library
        library.hb_shim_reader.restype = ctypes.c_void_p
        self._reader = ctypes.c_void_p(library.hb_shim_reader())

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self._library.hb_shim_reader_free(self._reader)

    def feed(self, data: bytes) -> list[tuple[int, int, bytes]]:
        frames: list[tuple[int, int, bytes]] = []
        sink = ON_FRAME(lambda t, s, p, n: frames.append((t, s, bytes(p[:n]))))
        self._library.hb_shim_feed(self._reader, data, ctypes.c_size_t(len(data)), sink)
        return frames

    def errors(self) -> tuple[int, int]:
        cobs, crc = ctypes.c_uint32(), ctypes.c_uint32()
        self._library.hb_shim_errors(self._reader, ctypes.byref(cobs), ctypes.byref(crc))
        return cobs.value, crc.value


def seal(library: ctypes.CDLL, kind: int, seq: int, payload: bytes) -> bytes:
    library.hb_shim_seal.restype = ctypes.c_size_t
    wire = ctypes.create_string_buffer(2 * MAX_PAYLOAD)
    size = library.hb_shim_seal(kind, seq, payload, ctypes.c_size_t(len(payload)), wire)
    return wire.raw[:size]


EDGES = [
    b"",
    b"\0",
    b"\0" * 300,
    b"\x01" * 246,  # header, payload and CRC around one full COBS block
    b"\x01" * 249,
    b"\x01" * 250,
    b"\x01" * 251,
    b"\xff" * 254,
    b"\xff" * 255,
    bytes(range(256)) * 4,
    b"\x5a" * MAX_PAYLOAD,
    b"\0" * MAX_PAYLOAD,
]


@pytest.mark.parametrize("payload", EDGES, ids=lambda p: f"{len(p)} x {p[:1].hex()}")
def test_edge_frames_are_what_the_definition_says(library: ctypes.CDLL, payload: bytes) -> None:
    body = bytes([0x91, 0xFE, 0, 0]) + payload
    expected = cobs_by_hand(body + zlib.crc32(body).to_bytes(4, "little")) + b"\0"
    assert seal(library, 0x91, 0xFE, payload) == expected
    with Reader(library) as reader:
        assert reader.feed(expected) == [(0x91, 0xFE, payload)]


def test_golden_frame(library: ctypes.CDLL) -> None:
    """One frame spelled out: ping, seq 2, token 0x00010203."""
    body = "03020000 03020100"  # type seq flags reserved, token little-endian
    crc = zlib.crc32(bytes.fromhex(body)).to_bytes(4, "little").hex()
    assert crc == "62831874"
    wire = bytes.fromhex("03 0302 01 04 030201 05 62831874 00")
    assert seal(library, 3, 2, bytes.fromhex("03020100")) == wire


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=MAX_PAYLOAD))
def test_host_and_device_read_each_other(
    library: ctypes.CDLL, kind: int, seq: int, payload: bytes
) -> None:
    wire = seal(library, kind, seq, payload)
    assert wire == encode_frame(Frame(kind, seq, 0, payload))
    assert FrameDecoder().feed(wire) == [Frame(kind, seq, 0, payload)]
    with Reader(library) as reader:
        assert reader.feed(wire) == [(kind, seq, payload)]


@settings(max_examples=200)
@given(st.lists(st.binary(max_size=40), min_size=1, max_size=6), st.randoms(use_true_random=False))
def test_both_sides_believe_the_same_of_a_damaged_line(
    library: ctypes.CDLL, payloads: list[bytes], chance: random.Random
) -> None:
    line = bytearray(b"".join(encode_frame(Frame(1, i, 0, p)) for i, p in enumerate(payloads)))
    for _ in range(chance.randrange(6)):
        at = chance.randrange(len(line)) if line else 0
        damage = chance.randrange(3)
        if damage == 0:
            line[at : at + 1] = bytes([chance.randrange(256)])
        elif damage == 1:
            del line[at : at + 1]
        else:
            line[at:at] = bytes([chance.choice([0, 1, 255, chance.randrange(256)])])
    host = FrameDecoder()
    believed = [(f.type, f.seq, f.payload) for f in host.feed(bytes(line))]
    with Reader(library) as reader:
        assert reader.feed(bytes(line)) == believed
        assert reader.errors() == (host.cobs_errors, host.crc_errors)


def test_a_frame_too_long_is_dropped_and_the_next_one_read(library: ctypes.CDLL) -> None:
    good = encode_frame(Frame(3, 1, 0, b"good"))
    with Reader(library) as reader:
        assert reader.feed(b"\x01\x02" * 5000 + b"\0" + good) == [(3, 1, b"good")]
        assert reader.errors() == (1, 0)
