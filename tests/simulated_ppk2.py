"""A simulated PPK2 on a pty, written from the documented protocol, with faults."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tests.simulated_instrument import SimulatedInstrument

R_OHM = (1031.64, 101.65, 10.15, 0.94, 0.043)
#: Largest current of each range but the last: where the simulated instrument switches.
LIMITS_A = (50e-6, 500e-6, 5e-3, 60e-3)


def metadata(**changes: str) -> bytes:
    """Answer of an instrument with plain coefficients; ``changes`` replaces values by key."""
    values = {"Calibrated": "1"}
    values |= {f"R{n}": f"{r:.4f}" for n, r in enumerate(R_OHM)}
    for key, value in (("GS", "1"), ("GI", "1"), ("O", "0"), ("S", "0"), ("I", "0"), ("UG", "1")):
        values |= {f"{key}{n}": "0" if key == "GS" else value for n in range(5)}
    values |= {"VDD": "3300", "HW": "9173", "mode": "1", "IA": "55"}
    values |= changes
    return "".join(f"{key}: {value}\n" for key, value in values.items()).encode() + b"END\n"


def encode(
    current_a: NDArray[np.float64], digital: NDArray[np.uint8], first_counter: int = 0
) -> NDArray[np.uint32]:
    """Words of a waveform for coefficients as :func:`metadata` has them (GS 0, GI 1)."""
    ranges = np.searchsorted(np.array(LIMITS_A), current_a, side="left").astype(np.uint32)
    counts = current_a * np.array(R_OHM)[ranges] * 163840 / 1.8 / 4
    adc = np.clip(np.round(counts), 0, 0x3FFF).astype(np.uint32)
    counter = (np.arange(len(adc), dtype=np.uint32) + first_counter) % 64
    return adc | ranges << 14 | counter << 18 | digital.astype(np.uint32) << 24


@dataclass
class Waveform:
    """What the simulated instrument sends: words, and how they are spoilt."""

    words: NDArray[np.uint32]
    drop: tuple[slice, ...] = ()
    chunk_bytes: tuple[int, ...] = (4096,)
    vanish_after_bytes: int | None = None
    metadata: bytes = field(default_factory=metadata)

    def pieces(self) -> Iterator[bytes]:
        keep = np.ones(len(self.words), np.bool_)
        for gap in self.drop:
            keep[gap] = False
        data = self.words[keep].astype("<u4").tobytes()
        at = turn = 0
        while at < len(data):
            size = self.chunk_bytes[turn % len(self.chunk_bytes)]
            yield data[at : at + size]
            at, turn = at + size, turn + 1


class SimulatedPpk2(SimulatedInstrument):
    """Answers commands in a thread; sends its waveform once after START, as fast as it is read."""

    def __init__(self, waveform: Waveform) -> None:
        self.waveform = waveform
        self.log: list[bytes] = []
        super().__init__()

    def _run(self) -> None:
        stream: Iterator[bytes] | None = None
        sent, rest, buffer = 0, b"", b""
        lengths = {0x06: 1, 0x07: 1, 0x0C: 2, 0x0D: 3, 0x11: 2, 0x19: 1, 0x20: 1}
        while not self._stop.is_set():
            writers = [self._master] if stream is not None else []
            readable, writable, _ = select.select([self._master], writers, [], 0.05)
            if readable:
                buffer += os.read(self._master, 4096)
                while buffer and len(buffer) >= (size := lengths.get(buffer[0], 1)):
                    command, buffer = buffer[:size], buffer[size:]
                    self.log.append(command)
                    if command[0] == 0x06:
                        stream, rest = self.waveform.pieces(), b""
                    elif command[0] == 0x07:
                        stream = None
                    elif command[0] == 0x19:
                        os.write(self._master, self.waveform.metadata)
            if writable and stream is not None:
                rest = rest or next(stream, b"")
                if not rest:
                    stream = None
                    continue
                limit = self.waveform.vanish_after_bytes
                if limit is not None and sent >= limit:
                    self._vanish()
                    return
                count = os.write(self._master, rest)
                sent, rest = sent + count, rest[count:]
