"""A simulated LPM01A or STLINK-V3PWR on a pty, written from UM2269, with faults."""

from __future__ import annotations

import os
import select
from dataclasses import dataclass

from tests.simulated_instrument import SimulatedInstrument


@dataclass
class Stream:
    """What is sent after ``start``, in pieces; ``end`` follows ``stop``."""

    data: bytes
    end: bytes = b"\r\nend\r\n"
    chunk_bytes: int = 512
    name: str = "PowerShield"
    refuse: str | None = None
    vanish: bool = False  # after the data


class SimulatedPowerShield(SimulatedInstrument):
    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.log: list[str] = []
        self._voltage = b"0000-03"
        super().__init__()

    def _run(self) -> None:
        buffer, rest, running = b"", b"", False
        while not self._stop.is_set():
            writers = [self._master] if rest else []
            readable, writable, _ = select.select([self._master], writers, [], 0.05)
            if readable:
                buffer += os.read(self._master, 4096)
            while b"\n" in buffer:
                line, _, buffer = buffer.partition(b"\n")
                command = line.decode().strip()
                self.log.append(command)
                if command == "stop":
                    if running:
                        rest += self.stream.end
                    running = False
                    continue
                rest += self._answer(command)
                if command == "start":
                    running = True
                    rest += self.stream.data
            if writable and rest:
                sent = os.write(self._master, rest[: self.stream.chunk_bytes])
                rest = rest[sent:]
                if running and not rest and self.stream.vanish:
                    self._vanish()
                    return

    def _answer(self, command: str) -> bytes:
        if command == self.stream.refuse:
            return f"PowerShield > error {command}\r\nError detail: no\r\n".encode()
        if command == "powershield":
            return f"PowerShield > ack {self.stream.name}\r\n".encode()
        if command == "volt get":
            return b"PowerShield > ack volt get " + self._voltage + b"\r\n"
        if command.startswith("volt "):
            self._voltage = command[5:].removesuffix("m").encode() + b"-03"
        end = "\r\n\r\n" if "V3PWR" in self.stream.name else "\r\n"
        return f"PowerShield > ack {command}{end}".encode()
