"""Start and stop a virtual board: a process of its own, held by a handle."""

from __future__ import annotations

import importlib.util
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

import hilbench
from hilbench.backends.virtual import faults
from hilbench.backends.virtual.wire import BoardGone, Client
from hilbench.errors import BlockedError, ToolMissing, UsageError

#: Time to start: importing Unicorn, and compiling the C helper the first time; seconds.
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
DEFAULT_UID = "48494C42454E4348F7460001"
_started = itertools.count()
#: Faults for the simulated board to have, as JSON: for tests and demonstrations.
FAULTS_VARIABLE = "HILBENCH_VIRTUAL_FAULTS"


@dataclass(frozen=True)
class BoardConfig:
    """What a virtual board is like.

    Parameters
    ----------
    uid : str
        96-bit unique device id, 24 hexadecimal digits.
    serial : str
        Serial number of its ST-LINK; when left out, one that no other board on this host has.
    flash_image : Path or None
        Raw bytes that are in flash from 0x08000000 on at power-on.
    timing : {"line", "unlimited"}
        Whether the serial line takes the time that its baud rate gives.
    faults : dict
        See :mod:`hilbench.backends.virtual.faults`.
    log : Path or None
        Where violations and faults are written; None: nowhere.
    stop_on_violation : bool
        Whether the core stops at the first violation.
    """

    uid: str = DEFAULT_UID
    serial: str = field(default_factory=lambda: _unused_serial())
    flash_image: Path | None = None
    timing: str = "line"
    faults: dict[str, Any] = field(default_factory=dict)
    log: Path | None = None
    stop_on_violation: bool = True


def _unused_serial() -> str:
    """24 hexadecimal digits, as an ST-LINK/V2-1 has: process and running number."""
    return f"0669FF48494C{os.getpid():08X}{next(_started) & 0xFFFF:04X}"


class BoardHandle:
    """A running virtual board.

    Attributes
    ----------
    serial : str
        Serial number of its ST-LINK.
    port : str
        Path of its serial port.
    socket_path : str
        Unix socket of its probe and its control commands.
    info : dict
        State at the start; ``info["counter"]`` says which counter is in use (``c`` or ``python``).
    """

    def __init__(
        self, process: subprocess.Popen[str], folder: Path, info: dict[str, Any], path: str
    ) -> None:
        self.process, self.info, self.socket_path = process, info, path
        self.serial: str = info["serial"]
        self.port: str = info["port"]
        self._folder = folder
        self._client = Client(path)

    def control(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Ask the board's process; commands are those of ``server.py``."""
        return self._client.control(command, **arguments)

    def violations(self) -> list[dict[str, Any]]:
        """What the firmware did that working silicon would not forgive."""
        found: list[dict[str, Any]] = self.control("violations")["violations"]
        return found

    def inject(self, **faults: Any) -> None:
        """Add faults while the board runs."""
        self.control("inject", faults=faults)

    def stop(self) -> None:
        """End the board's process; fine when it has ended."""
        try:
            if self.process.poll() is None:
                self._client.control("stop")
        except (BoardGone, ValueError):
            pass
        self._client.close()
        _end(self.process)
        shutil.rmtree(self._folder, ignore_errors=True)

    def __enter__(self) -> BoardHandle:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def _end(process: subprocess.Popen[str]) -> None:
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            stream.close()
    try:
        process.wait(STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_TIMEOUT_S)


def require_unicorn() -> None:
    """Raise :class:`ToolMissing` where Unicorn is not installed, without importing it."""
    if importlib.util.find_spec("unicorn") is None:
        raise ToolMissing(
            "the virtual board needs the Python package unicorn, which is not installed",
            hint="nothing was touched; install it with: pip install 'hilbench[virtual]'",
        )


def start(config: BoardConfig, timeout_s: float = START_TIMEOUT_S) -> BoardHandle:
    """Start a board and wait until it is ready.

    Raises
    ------
    ToolMissing
        When Unicorn is not installed.
    UsageError
        When a fault does not exist.
    BlockedError
        When the process does not get ready in time; the message has what it said.
    """
    require_unicorn()
    try:
        faults.check(config.faults)
    except ValueError as error:
        raise UsageError(str(error), hint=f"they come from ${FAULTS_VARIABLE} or a test") from error
    folder = Path(tempfile.mkdtemp(prefix="hilbench-board-"))
    path = str(folder / "probe.sock")
    log = config.log or folder / "board.log"
    settings = {
        "uid": config.uid,
        "serial": config.serial,
        "flash_image": str(config.flash_image) if config.flash_image else None,
        "timing": config.timing,
        "faults": config.faults,
        "stop_on_violation": config.stop_on_violation,
        "socket": path,
        "folder": str(folder),
    }
    root = str(Path(hilbench.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([root, *_python_path()])}
    with log.open("a") as errors:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "hilbench.backends.virtual", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=environment,
            start_new_session=True,
        )
    assert process.stdin is not None
    try:
        process.stdin.write(json.dumps(settings) + "\n")
        process.stdin.flush()
        info = _wait_ready(process, timeout_s)
    except (BrokenPipeError, ValueError, TimeoutError) as error:
        _end(process)
        said = log.read_text("utf-8", "replace").strip()[-2000:]
        shutil.rmtree(folder, ignore_errors=True)
        raise BlockedError(
            f"the virtual board did not start: {error or 'its process ended'}\n{said}".rstrip(),
            hint="nothing was touched; `hilbench doctor` checks what it needs",
        ) from error
    return BoardHandle(process, folder, info, path)


def _python_path() -> list[str]:
    return [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]


def _wait_ready(process: subprocess.Popen[str], timeout_s: float) -> dict[str, Any]:
    deadline = time.monotonic() + timeout_s
    assert process.stdout is not None
    while time.monotonic() < deadline:
        if select.select([process.stdout], [], [], 0.1)[0]:
            line = process.stdout.readline()
            if not line:
                raise ValueError("its process ended")
            info: dict[str, Any] = json.loads(line)
            return info
    raise TimeoutError(f"not ready after {timeout_s:.0f} s")
