"""The agent built for this computer: for tests and sanitizers, never in the shipped catalogue.

Its firmware is a program that prints ``PORT <pty>`` and serves it until it is ended.
"""

from __future__ import annotations

import selectors
import subprocess
import tempfile
from pathlib import Path

from hilbench.backends.base import Prepared, Progress
from hilbench.backends.process import start_process, stop_process
from hilbench.boards import BackendSpec, Board
from hilbench.boards.firmware import Firmware
from hilbench.device import Device
from hilbench.errors import AttestationError, HilbenchError
from hilbench.link import open_link

START_DEADLINE_S = 20.0


class HostBackend:
    """One agent process, private to the run."""

    def __init__(self, board: Board, spec: BackendSpec) -> None:
        self._board, self._spec = board, spec
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._device: Device | None = None
        self._program = Path()

    def acquire(self) -> str:
        return "this computer"

    def prepare(self, firmware: Firmware, image: bytes, progress: Progress) -> Prepared:
        self._program = firmware.elf
        self._folder = tempfile.TemporaryDirectory(prefix="hilbench-host-")
        (Path(self._folder.name) / "image.bin").write_bytes(image)
        progress("agent", 1.0)
        return Prepared(notes=("the agent runs on this computer",))

    def start(self) -> Device:
        assert self._folder is not None
        image = Path(self._folder.name) / "image.bin"
        self._process = start_process(
            [str(self._program), "--image", str(image)], stdout=subprocess.PIPE
        )
        self._device = Device(open_link(self._port(self._process), self._board.uart.baud))
        return self._device

    def _port(self, process: subprocess.Popen[bytes]) -> str:
        assert process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            line = process.stdout.readline() if selector.select(START_DEADLINE_S) else b""
        words = line.decode().split()
        if len(words) != 2 or words[0] != "PORT":
            raise AttestationError(f"the host-built agent did not say its port, but {line!r}")
        return words[1]

    def probe_trial(self) -> dict[str, str]:
        return {}

    def counter_reads(self, last: int) -> list[tuple[int, int]]:
        return []

    def diagnose(self, error: HilbenchError) -> HilbenchError:
        return error

    def close(self) -> None:
        if self._device is not None:
            self._device.link.close()
        if self._process is not None:
            stop_process(self._process)
            assert self._process.stdout is not None
            self._process.stdout.close()
        if self._folder is not None:
            self._folder.cleanup()
