"""A type of board, as the catalogue describes it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hilbench.records import Facts


@dataclass(frozen=True)
class Counter:
    """The tick counter: enum counter_kind of the protocol, and its rate."""

    kind: str
    hz: int


@dataclass(frozen=True)
class ImageSlot:
    """Where the packed model lies in the board's address space."""

    address: int
    bytes: int


@dataclass(frozen=True)
class Uart:
    """The agent's serial port: its baud rate after reset, and the highest one to negotiate."""

    baud: int
    max_baud: int


@dataclass(frozen=True)
class ProbeSpec:
    """How to find the board's debug probe, and how to recognise the chip.

    Attributes
    ----------
    kind : str
        ``stlink``.
    usb : tuple of str
        ``vid:pid`` pairs, lower-case hex.
    board_id : str
        The probe's own board id.
    target : str
        pyOCD target name.
    pack : str or None
        A CMSIS pack of the user's, instead of the built-in target.
    frequency_hz : int
        SWD clock.
    chip_id_address, chip_id_mask, chip_id_value : int
        ``read32(address) & mask == value`` on the right chip.
    unique_id_address, unique_id_bytes : int
        Where the unique device id lies.
    """

    kind: str
    usb: tuple[str, ...]
    board_id: str
    target: str
    frequency_hz: int
    chip_id_address: int
    chip_id_mask: int
    chip_id_value: int
    unique_id_address: int
    unique_id_bytes: int
    pack: str | None = None


def count_ticks(ticks: int, ratio: Sequence[int] | None) -> int:
    """Cycles unchanged (no ratio), or instructions: ceil(ticks * numerator / denominator)."""
    return ticks if ratio is None else math.ceil(ticks * ratio[0] / ratio[1])


@dataclass(frozen=True)
class BackendSpec:
    """One way to execute a board's firmware, with the two facts that it declares.

    Attributes
    ----------
    name : str
        ``silicon``, ``virtual``, ``qemu`` or ``host`` (the agent built for this computer: tests).
    facts : Facts
        Ticks and time base.
    ticks_to_instructions : (int, int) or None
        instructions = ceil(ticks * numerator / denominator); None where ticks are cycles.
    system, package, machine, icount_shift
        QEMU only: its program, Debian's package of it, machine name, -icount shift.
    """

    name: str
    facts: Facts
    ticks_to_instructions: tuple[int, int] | None = None
    system: str = ""
    package: str = ""
    machine: str = ""
    icount_shift: int = 0

    def count(self, ticks: int) -> int:
        """Ticks as what the facts say they are; see :func:`count_ticks`."""
        return count_ticks(ticks, self.ticks_to_instructions)


@dataclass(frozen=True)
class Board:
    """A type of board.  Built by :func:`hilbench.boards.load_catalogue`.

    ``firmware`` is the folder with its ``firmware.elf`` and ``manifest.json``.
    """

    id: str
    title: str
    mcu: str
    core: str
    isa: tuple[str, ...]
    silicon_tested: bool
    clock_hz: int
    clock_flags: tuple[str, ...]
    wait_states: int
    counter: Counter
    image_slot: ImageSlot
    uart: Uart
    probe: ProbeSpec | None
    backends: dict[str, BackendSpec]
    firmware: Path
