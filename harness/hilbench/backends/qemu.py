"""QEMU: the same agent on an emulated core, with exact instruction counts.

``-icount shift=N`` makes every instruction last 2**N ns of virtual time, so that the board's timer
counts instructions; with a fixed shift the count is the same from run to run, under load, and with
several emulators in parallel (never ``shift=auto``).  ``sleep=off`` keeps idle time short.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
from typing import IO

from hilbench.backends.base import Prepared, Progress
from hilbench.backends.process import start_process, stop_process, tail
from hilbench.boards import BackendSpec, Board
from hilbench.boards.firmware import Firmware
from hilbench.device import Device
from hilbench.errors import AttestationError, HilbenchError, LinkLost, TargetLost, ToolMissing
from hilbench.link import open_link

VERSION_DEADLINE_S = 20.0


class QemuBackend:
    """One emulator process, private to the run."""

    def __init__(self, board: Board, spec: BackendSpec) -> None:
        self._board, self._spec = board, spec
        # Without a name, so that not even a killed run leaves a file.
        self._image: IO[bytes] | None = None
        self._log: IO[bytes] | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._device: Device | None = None
        self._firmware: Firmware | None = None
        self._program = ""

    def acquire(self) -> str:
        program = shutil.which(self._spec.system)
        if program is None:
            raise ToolMissing(
                f"{self._spec.system} is missing: board {self._board.id} runs on QEMU",
                hint=f"nothing was touched; apt-get install {self._spec.package}",
            )
        self._program = program
        return f"{self._spec.machine} (QEMU)"

    def prepare(self, firmware: Firmware, image: bytes, progress: Progress) -> Prepared:
        self._firmware = firmware
        self._image = tempfile.TemporaryFile()  # noqa: SIM115  close() closes both
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._image.write(image)
        self._image.flush()
        progress("emulator", 1.0)
        return Prepared(
            notes=("firmware and image loaded by the emulator",), facts={"qemu": self._version()}
        )

    def _version(self) -> str:
        output = subprocess.run(
            [self._program, "--version"],
            capture_output=True,
            text=True,
            timeout=VERSION_DEADLINE_S,
            check=False,
        ).stdout
        return output.splitlines()[0] if output else "unknown"

    def start(self) -> Device:
        assert self._image is not None
        assert self._log is not None
        assert self._firmware is not None
        image = self._image.fileno()
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
            self._process = start_process(
                self._command(image, server.fileno()),
                pass_fds=(image, server.fileno()),
                stdout=self._log,
                stderr=subprocess.STDOUT,
            )
        link = open_link(f"socket://127.0.0.1:{port}", self._board.uart.baud)
        self._device = Device(link, self._firmware.symbol)
        return self._device

    def _command(self, image: int, descriptor: int) -> list[str]:
        """QEMU listens on a socket that is already open: no port number to race for."""
        assert self._firmware is not None
        spec, address = self._spec, self._board.image_slot.address
        bios = ["-bios", "none"] if spec.system == "qemu-system-riscv32" else []
        return [
            self._program, "-M", spec.machine, *bios, "-display", "none", "-monitor", "none",
            "-kernel", str(self._firmware.elf),
            "-icount", f"shift={spec.icount_shift},align=off,sleep=off",
            "-chardev", f"socket,id=u0,fd={descriptor},server=on,wait=on,nodelay=on",
            "-serial", "chardev:u0",
            "-device",
            f"loader,file=/dev/fd/{image},addr={address:#x},force-raw=on",
        ]  # fmt: skip

    def probe_trial(self) -> dict[str, str]:
        return {}

    def counter_reads(self, last: int) -> list[tuple[int, int]]:
        return []

    def diagnose(self, error: HilbenchError) -> HilbenchError:
        process, log_file = self._process, self._log
        if (
            process is None
            or log_file is None
            or not isinstance(error, LinkLost | AttestationError)
        ):
            return error
        try:
            code = process.wait(0.5)
        except subprocess.TimeoutExpired:
            return error
        log = tail(log_file)
        kind = AttestationError if isinstance(error, AttestationError) else TargetLost
        lockup = " (lockup: a fault inside the fault handler)" if "Lockup" in log else ""
        return kind(f"QEMU ended with code {code}{lockup}: {log}", hint=error.hint)

    def close(self) -> None:
        if self._device is not None:
            self._device.link.close()
        if self._process is not None:
            stop_process(self._process)
        for file in (self._image, self._log):
            if file is not None:
                file.close()
