"""What the tests of the virtual board share."""

from __future__ import annotations

from collections.abc import Callable

from tests.conftest import ROOT

from hilbench.backends.probe import ProbeSession
from hilbench.backends.virtual.board import BoardHandle

FIRMWARE = ROOT / "firmware" / "prebuilt" / "nucleo-f746" / "firmware.elf"
TARGET, FREQUENCY_HZ = "stm32f746zg", 4_000_000

#: ``start_board(**faults)``: a board that this process sees like a connected one.
StartBoard = Callable[..., BoardHandle]


def open_session(board: BoardHandle) -> ProbeSession:
    """A debug session with a board."""
    return ProbeSession.open(board.serial, TARGET, FREQUENCY_HZ)
