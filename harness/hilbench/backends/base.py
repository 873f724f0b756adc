"""What a backend does for a run: acquire, prepare, start, close.

The order is fixed, and with it the exit code of what goes wrong: until :meth:`Backend.acquire`
returns, nothing has been touched (exit 4); until the firmware has attested itself, exit 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from hilbench.boards import Board
from hilbench.boards.firmware import Firmware
from hilbench.device import Device
from hilbench.errors import HilbenchError

Progress = Callable[[str, float], None]
"""Called with a stage's name and its fraction done, 0 to 1."""


@dataclass(frozen=True)
class Prepared:
    """What preparing the target did.

    Attributes
    ----------
    unique_id : bytes or None
        The chip's unique id as the probe read it; None without a probe.
    notes : tuple of str
        For the report: flashed or skipped, how verified.
    facts : dict
        For the provenance: probe, port, versions of the tools used.
    """

    unique_id: bytes | None = None
    notes: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)


class Backend(Protocol):
    """One way to execute a board's firmware."""

    def acquire(self) -> str:
        """Find and lock the device; returns its name.  Raises BlockedError; touches nothing."""

    def prepare(self, firmware: Firmware, image: bytes, progress: Progress) -> Prepared:
        """Bring firmware and image to the target and verify them.  Raises PrepareError."""

    def start(self) -> Device:
        """Open the link, reset the target, return the client."""

    def probe_trial(self) -> dict[str, str]:
        """What the debug probe answers to accesses that must fail; empty without a probe."""

    def counter_reads(self, last: int) -> list[tuple[int, int]]:
        """The core's ``last`` reads of its counter, as an emulator logged them, oldest first.

        Each is the value read and the weighted count (see ``weighted_instructions_per_inference``)
        modulo 2**32; empty where there is no such log.
        """

    def diagnose(self, error: HilbenchError) -> HilbenchError:
        """Look at a target that was lost: the same error, or a better one."""

    def close(self) -> None:
        """Leave the target halted or reset, everything closed.  Never raises."""


def find_device(board: Board, name: str, device: str | None) -> str:
    """Name of the device that a backend would take, found free; raises BlockedError."""
    backend = create_backend(board, name, device)
    try:
        return backend.acquire()
    finally:
        backend.close()


def create_backend(board: Board, name: str, device: str | None) -> Backend:
    """The backend of that name for a board; imports only what it needs."""
    spec = board.backends[name]
    if name == "qemu":
        from hilbench.backends.qemu import QemuBackend

        return QemuBackend(board, spec)
    if name == "host":
        from hilbench.backends.host import HostBackend

        return HostBackend(board, spec)
    if name == "virtual":
        from hilbench.backends.virtual.backend import VirtualBackend

        return VirtualBackend(board, spec)
    from hilbench.backends.silicon import SiliconBackend

    return SiliconBackend(board, spec, device)
