"""ST's PowerShield family (X-NUCLEO-LPM01A, STLINK-V3PWR) on the wire: samples and events.

Sources: UM2269 revision 6 (LPM01A: ASCII samples, section on ``format``; binary samples and table
42, metadata), with the length of the V3PWR's frames as ST's own Python tool has them.  Where they
disagree (the tag of the overcurrent frame) the code of the tools is followed.

ASCII: a line ``6409-07`` is 6409e-7; a line ``TimeStamp: 001s 000ms, buff 00%`` comes every 1,000
samples; an edge on D7 is a line ``event 01 ris``; ``end`` closes.  Binary: big-endian words of 16
bits, the high nibble the negative power of 16, the low 12 bits the value; a word F0 Fx begins a
frame of a length that the tag tells.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from hilbench.instruments.base import LOST, Block, Mark

#: Bytes of a binary frame by its tag.
LPM01A_FRAMES = {0xF3: 9, 0xF4: 4, 0xF5: 4, 0xF6: 4, 0xF7: 6, 0xF8: 6, 0xF9: 5}
V3PWR_FRAMES = {**LPM01A_FRAMES, 0xF5: 8, 0xFA: 4, 0xFB: 4}
#: Frames of text end with FF FF; longer ones than this are not text.
_TEXT_TAGS = (0xF1, 0xF2)
MAX_TEXT_BYTES = 512
MAX_LINE_BYTES = 512
#: Of ASCII samples: more is no current and no energy.
MAX_EXPONENT = 20
EVENT_LINE = "d7"

_SAMPLE = re.compile(rb"(\d{1,5})([+-]\d{1,2})")
_STAMP = re.compile(rb"TimeStamp: *(\d+)s *(\d+)ms, *buff *(\d+)%")
_EVENT = re.compile(rb"event +\d+ +(ris|fal)")


@dataclass
class StreamState:
    """What a stream said beside its samples.

    Attributes
    ----------
    marks : list of Mark
        Edges on D7, at the index of the sample that follows.
    stamps : list of (int, float, int)
        Samples so far, the instrument's time in s, its buffer's filling in percent.
    messages : list of str
        Other lines, errors and infos.
    overcurrent, ended : bool
    malformed : int
        Lines or words that are neither sample nor known frame.
    """

    marks: list[Mark] = field(default_factory=list)
    stamps: list[tuple[int, float, int]] = field(default_factory=list)
    messages: list[str] = field(default_factory=list)
    overcurrent: bool = False
    ended: bool = False
    malformed: int = 0

    def missing_samples(self, rate_hz: float) -> int:
        """Samples that the instrument's own time stamps show to be lost; never negative."""
        if len(self.stamps) < 2:
            return 0
        (first, first_s, _), (last, last_s, _) = self.stamps[0], self.stamps[-1]
        return max(0, round((last_s - first_s) * rate_hz) - (last - first))


class AsciiDecoder:
    """Bytes of the ASCII format in any chunking -> samples (A, or J with ``output energy``)."""

    def __init__(self) -> None:
        self.state = StreamState()
        self._pending = b""
        self._index = 0

    def feed(self, data: bytes) -> Block:
        """Samples of the lines that are complete with these bytes."""
        *lines, self._pending = (self._pending + data).split(b"\n")
        if len(self._pending) > MAX_LINE_BYTES:
            self._pending = b""
            self.state.malformed += 1
        first = self._index
        values = [value for line in lines if (value := self._line(line.strip())) is not None]
        return _block(first, np.array(values, np.float64))

    def _line(self, line: bytes) -> float | None:
        if match := _SAMPLE.fullmatch(line):
            if abs(int(match[2])) > MAX_EXPONENT:
                self.state.malformed += 1
                return None
            self._index += 1
            return int(match[1]) * 10.0 ** int(match[2])
        if match := _STAMP.fullmatch(line):
            seconds = int(match[1]) + int(match[2]) / 1000
            self.state.stamps.append((self._index, seconds, int(match[3])))
        elif match := _EVENT.fullmatch(line):
            self.state.marks.append(Mark(self._index, EVENT_LINE, match[1] == b"ris"))
        elif line == b"end":
            self.state.ended = True
        elif line:
            text = line.decode("ascii", "replace")
            self.state.messages.append(text)
            self.state.overcurrent |= "overcurrent" in text.lower()
        return None


class BinaryDecoder:
    """Bytes of the binary format in any chunking -> samples.

    Parameters
    ----------
    frames : dict of int to int
        :data:`LPM01A_FRAMES` or :data:`V3PWR_FRAMES`.
    """

    def __init__(self, frames: dict[int, int]) -> None:
        self.state = StreamState()
        self._frames = frames
        self._pending = b""
        self._index = 0

    def feed(self, data: bytes) -> Block:
        """Samples that are complete with these bytes."""
        data = self._pending + data
        while not self._index and data.startswith(b"\r\n"):
            data = data[2:]  # the end of the answer to `start`; as a sample it would be 3338 A
        parts: list[NDArray[np.float64]] = []
        first = self._index
        at = 0
        while True:
            words = np.frombuffer(data, ">u2", (len(data) - at) // 2, at)
            frames = np.flatnonzero(words >= 0xF000)
            count = int(frames[0]) if len(frames) else len(words)
            exponent = (words[:count] >> 12).astype(np.int64)
            parts.append((words[:count] & 0x0FFF) * 16.0**-exponent)
            self._index += count
            at += 2 * count
            if not len(frames):
                break
            size = self._frame_bytes(data, at)
            if size is None:
                break
            self._frame(data[at : at + size])
            at += size
        self._pending = data[at:]
        return _block(first, np.concatenate(parts))

    def _frame_bytes(self, data: bytes, at: int) -> int | None:
        """Length of the frame at ``at``; None while it is not complete."""
        tag = data[at + 1]
        if data[at] != 0xF0 or (tag not in self._frames and tag not in _TEXT_TAGS):
            return 2  # one word that is nothing
        if tag in self._frames:
            size = self._frames[tag]
            return size if len(data) - at >= size else None
        end = data.find(b"\xff\xff", at + 2, at + MAX_TEXT_BYTES)
        if end >= 0:
            return end + 2 - at
        return 2 if len(data) - at >= MAX_TEXT_BYTES else None

    def _frame(self, frame: bytes) -> None:
        tag, body = frame[1], frame[2:-2]
        if len(frame) == 2 or not frame.endswith(b"\xff\xff"):
            self.state.malformed += 1
        elif tag in _TEXT_TAGS:
            self.state.messages.append(body.decode("ascii", "replace"))
        elif tag == 0xF3:
            stamp = int.from_bytes(body[:4], "big")
            # Bit 31 says that the instrument's buffer overflowed.
            if stamp >> 31:
                self.state.messages.append("buffer overflow")
            self.state.stamps.append((self._index, (stamp & 0x7FFFFFFF) / 1000, body[4]))
        elif tag == 0xF4:
            self.state.ended = True
        elif tag == 0xF5:
            self.state.overcurrent = True
        else:
            self.state.messages.append(f"frame {tag:02x}: {body.hex()}")


def _block(first: int, values: NDArray[np.float64]) -> Block:
    flags = np.where(np.isfinite(values), 0, LOST).astype(np.uint8)
    return Block(first, values.astype(np.float32), flags)
