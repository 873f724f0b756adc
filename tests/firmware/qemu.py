"""QEMU with a firmware, its line and, where wanted, its debug port, all on Unix sockets."""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT, require_tool
from tests.firmware.line import Line

CONNECT_S = 20.0


@dataclass(frozen=True)
class Machine:
    """How QEMU emulates a board, and what its ticks are worth."""

    system: str
    package: str
    machine: str
    icount_shift: int
    per_tick: tuple[int, int]  # instructions = ceil(ticks * numerator / denominator)
    pc_register: int  # in the gdb protocol

    def instructions(self, ticks: int) -> int:
        numerator, denominator = self.per_tick
        return -(-ticks * numerator // denominator)


ARM = ("qemu-system-arm", "qemu-system-arm")
MACHINES = {
    "mps2-an385-m0": Machine(*ARM, "mps2-an385", 6, (40, 64), 15),
    "mps2-an386": Machine(*ARM, "mps2-an386", 6, (40, 64), 15),
    "mps2-an500": Machine(*ARM, "mps2-an500", 6, (40, 64), 15),
    "mps3-an547": Machine(*ARM, "mps3-an547", 6, (125, 256), 15),
    "rv32-virt": Machine("qemu-system-riscv32", "qemu-system-misc", "virt", 0, (1, 1), 32),
}


def connect(path: Path) -> socket.socket:
    pipe = socket.socket(socket.AF_UNIX)
    until = time.monotonic() + CONNECT_S
    while True:
        try:
            pipe.connect(str(path))
            return pipe
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


@dataclass
class Running:
    """One QEMU process."""

    board: str
    line: Line
    gdb_path: Path

    def jump(self, address: int) -> None:
        """Set the program counter through the debug port, and let the core run."""
        register = MACHINES[self.board].pc_register
        value = address.to_bytes(4, "little").hex()
        with connect(self.gdb_path) as gdb:
            gdb.settimeout(CONNECT_S)
            # QEMU takes P only from a client that has asked for its register description
            ask(gdb, "qXfer:features:read:target.xml:0,ffb", b"</target>#")
            ask(gdb, f"P{register:x}={value}", b"$OK#")
            gdb.sendall(packet("c"))
            time.sleep(0.3)  # closing the port at once would stop the core again


def packet(command: str) -> bytes:
    return f"${command}#{sum(command.encode()) & 0xFF:02x}".encode()


def ask(gdb: socket.socket, command: str, until: bytes) -> None:
    """Send a packet of the gdb remote protocol and wait for its answer (others may come before)."""
    gdb.sendall(packet(command))
    answer = b""
    while until not in answer or len(answer.split(until)[-1]) < 2:
        answer += gdb.recv(4096)
    gdb.sendall(b"+")


@contextmanager
def running(board: str, elf: Path | None = None) -> Iterator[Running]:
    """Start QEMU; ends it by its own id."""
    machine = MACHINES[board]
    program = require_tool(machine.system, machine.package)
    folder = Path(tempfile.mkdtemp(prefix="hb"))
    uart, gdb = folder / "uart", folder / "gdb"
    image = elf or ROOT / "firmware" / "prebuilt" / board / "firmware.elf"
    command = [program, "-M", machine.machine, "-display", "none", "-monitor", "none"]
    command += ["-bios", "none"] if board == "rv32-virt" else []
    command += ["-kernel", str(image)]
    command += ["-icount", f"shift={machine.icount_shift},align=off,sleep=off"]
    command += ["-chardev", f"socket,id=u0,path={uart},server=on,wait=on", "-serial", "chardev:u0"]
    command += ["-chardev", f"socket,id=g0,path={gdb},server=on,wait=off", "-gdb", "chardev:g0"]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        with connect(uart) as pipe:
            yield Running(board, Line(pipe, pipe.recv, pipe.send), gdb)
    finally:
        process.kill()
        process.wait()
        shutil.rmtree(folder)
