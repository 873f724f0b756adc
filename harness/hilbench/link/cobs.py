"""Consistent Overhead Byte Stuffing: frames without zero bytes.

S. Cheshire and M. Baker, IEEE/ACM Transactions on Networking 7 (1999) 159-172.
"""

from __future__ import annotations

MAX_RUN = 254


class CobsError(ValueError):
    """The bytes are no COBS encoding."""


def encode(data: bytes) -> bytes:
    """COBS encoding without the closing zero: at most ``len(data) // 254 + 1`` bytes longer."""
    out = bytearray()
    for block in data.split(b"\0"):
        start = 0
        while len(block) - start >= MAX_RUN:
            out.append(MAX_RUN + 1)
            out += block[start : start + MAX_RUN]
            start += MAX_RUN
        out.append(len(block) - start + 1)
        out += block[start:]
    if block and len(block) % MAX_RUN == 0:
        out.pop()  # the last run was full: its code already says that no zero follows
    return bytes(out)


def decode(encoded: bytes) -> bytes:
    """Inverse of :func:`encode`.

    Raises
    ------
    CobsError
        For an empty input, a zero inside, or a run that exceeds the input.
    """
    if not encoded:
        raise CobsError("empty")
    out = bytearray()
    position, end = 0, len(encoded)
    while position < end:
        code = encoded[position]
        run = encoded[position + 1 : position + code]
        if code == 0 or len(run) != code - 1 or 0 in run:
            raise CobsError(f"bad run at byte {position}")
        out += run
        position += code
        if code <= MAX_RUN and position < end:
            out.append(0)
    return bytes(out)
