"""Frames: golden bytes, cutting a stream, and surviving noise."""

from __future__ import annotations

import zlib

from hypothesis import given
from hypothesis import strategies as st

from hilbench.link import Frame, FrameDecoder, encode_frame
from hilbench.link.frame import MAX_ENCODED
from hilbench.schema.protocol import MAX_PAYLOAD

frames = st.builds(
    Frame,
    st.integers(0, 255),
    st.integers(0, 255),
    st.integers(0, 255),
    st.binary(max_size=MAX_PAYLOAD),
)


def test_golden_hello() -> None:
    """type 1, seq 2, flags 0: the bytes are worked out by hand from the schema's first lines."""
    body = b"\x01\x02\x00\x00"
    crc = zlib.crc32(body).to_bytes(4, "little")
    assert 0 not in crc
    assert encode_frame(Frame(1, 2, 0, b"")) == b"\x03\x01\x02\x01\x05" + crc + b"\x00"


@given(st.lists(frames, max_size=4), st.integers(1, 7))
def test_any_cut_of_the_stream_gives_the_same_frames(sent: list[Frame], cut: int) -> None:
    decoder = FrameDecoder()
    wire = b"".join(map(encode_frame, sent))
    got = [f for i in range(0, len(wire), cut) for f in decoder.feed(wire[i : i + cut])]
    assert got == sent
    assert (decoder.cobs_errors, decoder.crc_errors) == (0, 0)


@given(frames, st.data())
def test_one_changed_byte_never_passes(frame: Frame, data: st.DataObject) -> None:
    wire = bytearray(encode_frame(frame))
    position = data.draw(st.integers(0, len(wire) - 2))
    wire[position] ^= data.draw(st.integers(1, 255))
    decoder = FrameDecoder()
    assert frame not in decoder.feed(bytes(wire))
    follow = encode_frame(Frame(3, 4, 5, b"after"))
    assert decoder.feed(b"\0" + follow) == [Frame(3, 4, 5, b"after")]


def test_endless_noise_is_dropped_and_counted() -> None:
    decoder = FrameDecoder()
    for _ in range(10):
        assert decoder.feed(b"\x55" * (MAX_ENCODED + 1)) == []
    assert decoder.cobs_errors == 10


def test_largest_frame_passes_and_a_larger_one_does_not() -> None:
    largest = Frame(9, 9, 9, bytes(range(256)) * 4 + bytes(MAX_PAYLOAD - 1024))
    assert FrameDecoder().feed(encode_frame(largest)) == [largest]
    larger = Frame(9, 9, 9, b"\x01" * (MAX_PAYLOAD + 1))
    decoder = FrameDecoder()
    assert decoder.feed(encode_frame(larger)) == []
    assert decoder.cobs_errors == 1
