"""Frames: ``COBS(type seq flags reserved payload crc32) 0x00`` (schema/protocol.toml)."""

from __future__ import annotations

import time
import zlib
from dataclasses import dataclass, field

from hilbench.link import cobs
from hilbench.schema.protocol import CRC_BYTES, HEADER_BYTES, MAX_PAYLOAD

#: Longest encoded frame without its delimiter; longer runs of bytes are noise.
MAX_ENCODED = HEADER_BYTES + MAX_PAYLOAD + CRC_BYTES + (HEADER_BYTES + MAX_PAYLOAD) // 254 + 2


@dataclass(frozen=True)
class Frame:
    """One frame: its header and its payload, CRC already checked.

    ``arrival_s`` is the host's monotonic time at which its last byte was read; 0 for a frame of the
    host's own making.
    """

    type: int
    seq: int
    flags: int
    payload: bytes
    arrival_s: float = field(default=0.0, compare=False)


def encode_frame(frame: Frame) -> bytes:
    """Bytes on the wire, the closing zero included."""
    body = bytes((frame.type, frame.seq, frame.flags, 0)) + frame.payload
    return cobs.encode(body + zlib.crc32(body).to_bytes(CRC_BYTES, "little")) + b"\0"


class FrameDecoder:
    """Cuts a byte stream into frames; what is not a frame is counted and dropped."""

    def __init__(self) -> None:
        self.cobs_errors = 0
        self.crc_errors = 0
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """Frames that are complete after these bytes."""
        self._pending += data
        *pieces, rest = bytes(self._pending).split(b"\0")
        if len(rest) > MAX_ENCODED:
            self.cobs_errors += 1
            rest = b""
        self._pending = bytearray(rest)
        return [frame for piece in pieces if piece for frame in self._decode(piece)]

    def _decode(self, piece: bytes) -> list[Frame]:
        try:
            body = cobs.decode(piece)
        except cobs.CobsError:
            self.cobs_errors += 1
            return []
        if not HEADER_BYTES + CRC_BYTES <= len(body) <= HEADER_BYTES + MAX_PAYLOAD + CRC_BYTES:
            self.cobs_errors += 1
            return []
        head, crc = body[:-CRC_BYTES], int.from_bytes(body[-CRC_BYTES:], "little")
        if zlib.crc32(head) != crc:
            self.crc_errors += 1
            return []
        return [Frame(head[0], head[1], head[2], head[HEADER_BYTES:], time.monotonic())]
