"""PowerShield streams: figures of UM2269, any chunking, and bytes that are none."""

from __future__ import annotations

import itertools
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.instruments.base import Mark
from hilbench.instruments.powershield_protocol import (
    LPM01A_FRAMES,
    V3PWR_FRAMES,
    AsciiDecoder,
    BinaryDecoder,
    StreamState,
)

Decoder = AsciiDecoder | BinaryDecoder


def decode(decoder: Decoder, data: bytes, cuts: list[int]) -> tuple[list[float], StreamState]:
    edges = [0, *sorted(min(c, len(data)) for c in cuts), len(data)]
    values: list[float] = []
    for a, b in itertools.pairwise(edges):
        block = decoder.feed(data[a:b])
        assert block.first_index == len(values)
        values += block.current_a.tolist()
    return values, decoder.state


def stamp(milliseconds: int, buffer: int = 0) -> bytes:
    return b"\xf0\xf3" + struct.pack(">IB", milliseconds, buffer) + b"\xff\xff"


ASCII = (
    b"6409-07\r\n7935-05\r\nevent 01 ris\r\n12345-08\r\n"
    b"\r\nTimeStamp: 001s 250ms, buff 03%\r\n0001+00\r\nevent 02 fal\r\n\r\nend\r\n"
)
BINARY = (
    bytes.fromhex("52a0 3145")
    + stamp(0xFFFF)  # its time holds FF FF, which does not end the frame
    + bytes.fromhex("6001")
    + b"\xf0\xf2hello\xff\xff"
    + b"\xf0\xf5\xff\xff"
    + stamp(0x80000000 | 75_535)
    + b"\xf0\xf4\xff\xff"
)


def test_ascii_as_the_manual_has_it() -> None:
    values, state = decode(AsciiDecoder(), ASCII, [])
    assert values == pytest.approx([640.9e-6, 79.35e-3, 123.45e-6, 1.0])
    assert state.marks == [Mark(2, "d7", True), Mark(4, "d7", False)]
    assert state.stamps == [(3, 1.25, 3)]
    assert (state.ended, state.overcurrent, state.messages) == (True, False, [])


def test_a_sample_beyond_all_bounds_is_malformed() -> None:
    values, state = decode(AsciiDecoder(), b"1234+99\n0001-03\n", [])
    assert values == pytest.approx([1e-3])
    assert state.malformed == 1


def test_binary_as_the_manual_has_it() -> None:
    """52A0 is 0x2A0 / 16^5 = 640.9 uA, 3145 is 79.35 mA."""
    values, state = decode(BinaryDecoder(LPM01A_FRAMES), BINARY, [])
    assert values == pytest.approx([640.9e-6, 79.35e-3, 16.0**-6], rel=1e-4)
    assert state.stamps == [(2, 65.535, 0), (3, 75.535, 0)]
    assert state.messages == ["hello", "buffer overflow"]
    assert (state.ended, state.overcurrent, state.malformed) == (True, True, 0)
    assert state.missing_samples(100.0) == 999


def test_overcurrent_frame_of_the_v3pwr_is_longer() -> None:
    data = b"\xf0\xf5\x00\x01\x02\x03\xff\xff" + bytes.fromhex("3145")
    values, state = decode(BinaryDecoder(V3PWR_FRAMES), data, [])
    assert values == pytest.approx([79.35e-3], rel=1e-4)
    assert state.overcurrent
    assert state.malformed == 0


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 200), max_size=20))
def test_any_chunking_decodes_alike(cuts: list[int]) -> None:
    for make, data in ((AsciiDecoder, ASCII), (lambda: BinaryDecoder(LPM01A_FRAMES), BINARY)):
        assert decode(make(), data * 2, cuts) == decode(make(), data * 2, [])


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=2000), st.lists(st.integers(0, 2000), max_size=5))
def test_random_bytes_never_crash(data: bytes, cuts: list[int]) -> None:
    for make in (AsciiDecoder, lambda: BinaryDecoder(V3PWR_FRAMES)):
        values, _ = decode(make(), data, cuts)
        assert len(values) <= len(data) // 2
        assert np.all(np.isfinite(values))
