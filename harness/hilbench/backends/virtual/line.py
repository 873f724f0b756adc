"""The host's end of the serial line: a pty, its baud rate, and what may go wrong on the wire."""

from __future__ import annotations

import array
import fcntl
import os
import pty
import random
import tty
from collections.abc import Callable
from dataclasses import dataclass, field

# Linux: struct termios2 {4 x u32 flags, u8 line, u8 cc[19], u32 ispeed, u32 ospeed}
_TCGETS2 = 0x802C542A
_OSPEED_WORD = 10
#: Bytes kept for a host that does not read; more are lost, as in the probe's own buffer.
HOST_BACKLOG_BYTES = 1 << 16


@dataclass
class WireFaults:
    """What happens to bytes in one direction.

    Probabilities are per byte, positions count bytes since power-on, ``after`` values too.
    """

    drop: float = 0.0
    corrupt: float = 0.0
    duplicate: float = 0.0
    drop_at: list[int] = field(default_factory=list)
    corrupt_at: list[int] = field(default_factory=list)
    duplicate_at: list[int] = field(default_factory=list)
    mute_after: int | None = None
    seed: int = 1

    @property
    def any(self) -> bool:
        """Whether anything is wrong at all."""
        return (
            self.mute_after is not None
            or any(
                (self.drop, self.corrupt, self.duplicate),
            )
            or any((self.drop_at, self.corrupt_at, self.duplicate_at))
        )


class Wire:
    """One direction of the line, with its faults."""

    def __init__(self) -> None:
        self.set_faults(WireFaults())
        self.bytes = 0
        self.altered = 0
        self._watched: tuple[int, Callable[[], None]] | None = None

    def watch(self, position: int, reached: Callable[[], None]) -> None:
        """Call ``reached`` once, when so many bytes were carried."""
        self._watched = position, reached

    def set_faults(self, faults: WireFaults) -> None:
        """Replace the faults; positions go on counting."""
        self.faults = faults
        self._random = random.Random(faults.seed)

    def carry(self, data: bytes) -> bytes:
        """What arrives of ``data``."""
        start = self.bytes
        self.bytes += len(data)
        if self._watched is not None and self.bytes >= self._watched[0]:
            reached, self._watched = self._watched[1], None
            reached()
        if not self.faults.any:
            return data
        out = bytearray()
        for position, byte in enumerate(data, start):
            out += self._one(position, byte)
        return bytes(out)

    def _one(self, position: int, byte: int) -> bytes:
        f, draw = self.faults, self._random.random
        if f.mute_after is not None and position >= f.mute_after:
            return b""
        dropped = draw() < f.drop or position in f.drop_at
        corrupted = draw() < f.corrupt or position in f.corrupt_at
        doubled = draw() < f.duplicate or position in f.duplicate_at
        self.altered += dropped or corrupted or doubled
        if dropped:
            return b""
        if corrupted:
            byte ^= 1 << self._random.randrange(8)
        return bytes([byte] * (2 if doubled else 1))


class HostPort:
    """The pty whose slave side the host opens as its serial port."""

    def __init__(self) -> None:
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.name = os.ttyname(self._slave)
        self._backlog = bytearray()
        self.lost_bytes = 0
        self.open = True

    def fileno(self) -> int:
        """Descriptor to wait on; -1 once the port is gone."""
        return self._master if self.open else -1

    def baud(self) -> int:
        """Baud rate that the host has set."""
        raw = array.array("I", bytes(64))
        fcntl.ioctl(self._slave, _TCGETS2, raw, True)
        return raw[_OSPEED_WORD]

    def read(self) -> bytes:
        """Everything that the host has written."""
        data = bytearray()
        while self.open:
            try:
                chunk = os.read(self._master, 65536)
            except (BlockingIOError, OSError):
                break
            if not chunk:
                break
            data += chunk
        return bytes(data)

    def write(self, data: bytes) -> None:
        """Hand bytes to the host; what it leaves unread for too long is lost."""
        if not self.open:
            return
        self._backlog += data
        try:
            written = os.write(self._master, self._backlog)
            del self._backlog[:written]
        except (BlockingIOError, OSError):
            pass
        excess = len(self._backlog) - HOST_BACKLOG_BYTES
        if excess > 0:
            del self._backlog[:excess]
            self.lost_bytes += excess

    @property
    def has_backlog(self) -> bool:
        """Whether bytes wait for the host to read."""
        return bool(self._backlog)

    def close(self) -> None:
        """Pull the plug: the host's descriptor gets a hang-up."""
        if self.open:
            self.open = False
            os.close(self._slave)
            os.close(self._master)
