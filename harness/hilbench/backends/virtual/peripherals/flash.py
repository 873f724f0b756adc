"""The embedded flash and its controller (RM0385 3)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from hilbench.backends.virtual.bus import Bus
from hilbench.backends.virtual.memory import FLASH_BYTES, SECTORS
from hilbench.backends.virtual.simtime import SimTime

KEYS = (0x4567_0123, 0xCDEF_89AB)  # RM0385 3.5.1
OPTION_KEYS = (0x0819_2A3B, 0x4C5D_6E7F)  # RM0385 3.4.2
RDP_LEVEL_0, RDP_LEVEL_2 = 0xAA, 0xCC  # anything else is level 1 (RM0385 3.6.1)

#: Durations in seconds.  DS10916 table 46 gives 16 us for a word and 250 ms to 1 s for a sector;
#: they are a hundredth here, since nothing is measured while flash is programmed.
PROGRAM_S = 16e-8
ERASE_S = {32 * 1024: 2.5e-3, 128 * 1024: 6e-3, 256 * 1024: 10e-3}
MASS_ERASE_S = 80e-3


@dataclass
class FlashFaults:
    """What is wrong with this flash."""

    stuck_low: dict[int, int] = field(default_factory=dict)  # offset -> bits that read 0
    stuck_high: dict[int, int] = field(default_factory=dict)  # offset -> bits that read 1
    busy_for_ever: bool = False
    operation_error_at: int | None = None  # offset whose programming sets OPERR


class Flash:
    """1 MiB in 8 sectors: bits are cleared by programming and set by erasing, nothing else.

    Parameters
    ----------
    cells : memoryview
        The memory itself, FLASH_BYTES bytes.
    on_change : callable
        Called when the contents changed: translated code is stale.
    """

    def __init__(
        self, bus: Bus, time: SimTime, cells: memoryview, on_change: Callable[[], None]
    ) -> None:
        self._bus, self._time, self._cells, self._changed = bus, time, cells, on_change
        self.faults = FlashFaults()
        self.rdp = RDP_LEVEL_0
        bus.on_write("FLASH_KEYR", self._write_key)
        bus.on_write("FLASH_OPTKEYR", self._write_option_key)
        bus.on_read("FLASH_SR", self._read_status)
        bus.on_write("FLASH_SR", self._write_status)
        bus.on_write("FLASH_CR", self._write_control)
        bus.on_read("FLASH_OPTCR", self._read_option)
        bus.on_write("FLASH_OPTCR", self._write_option)
        self.reset()

    def decay(self, bits: dict[int, int]) -> None:
        """Cells change by themselves: offset -> bits that flip."""
        for offset, mask in bits.items():
            self._cells[offset] ^= mask
        self._changed()

    def reset(self) -> None:
        """State after reset: locked, and a wrong key forgiven."""
        self._keys_seen = 0
        self._key_locked = False
        self._busy_until_s = -1.0
        self._debugger_attached = False

    @property
    def protected(self) -> bool:
        """Whether readout protection keeps a debugger away from flash."""
        return self.rdp != RDP_LEVEL_0

    def _bit(self, register: str, name: str) -> int:
        return self._bus.table.mask(f"FLASH_{register}", name)

    def _error(self, name: str) -> None:
        self._bus.put("FLASH_SR", self._bus.get("FLASH_SR") | self._bit("SR", name))

    # ------------------------------------------------------------ keys

    def _write_key(self, value: int) -> None:
        if self._key_locked:
            return
        if value != KEYS[self._keys_seen]:
            self._key_locked = True
            self._bus.violate("flash key", f"wrong key {value:#010x}: locked until reset")
            return
        self._keys_seen += 1
        if self._keys_seen == len(KEYS):
            self._keys_seen = 0
            self._bus.put("FLASH_CR", self._bus.get("FLASH_CR") & ~self._bit("CR", "LOCK"))

    def _write_option_key(self, _value: int) -> None:
        self._bus.violate("not modelled", "option bytes are not programmed")

    def _read_option(self) -> int:
        rdp = self._bus.table.by_label["FLASH_OPTCR"].bits["RDP"]
        return (self._bus.get("FLASH_OPTCR") & ~rdp.mask) | self.rdp << rdp.lsb

    def _write_option(self, value: int) -> None:
        if value != self._bus.get("FLASH_OPTCR"):
            self._bus.violate("not modelled", "option bytes are not programmed")

    # ------------------------------------------------------------ status and control

    @property
    def busy(self) -> bool:
        """Whether an operation is under way."""
        return self.faults.busy_for_ever or self._time.now_s < self._busy_until_s

    def _read_status(self) -> int:
        value = self._bus.get("FLASH_SR")
        if self._busy_until_s < 0:
            return value
        return value | (self._bit("SR", "BSY") if self.busy else 0)

    def _write_status(self, value: int) -> None:
        self._bus.put("FLASH_SR", self._bus.get("FLASH_SR") & ~value)

    def _write_control(self, value: int) -> None:
        control = self._bus.get("FLASH_CR")
        if control & self._bit("CR", "LOCK"):
            if value != control:
                self._bus.violate("flash locked", f"FLASH_CR written with {value:#010x}")
            return
        if self.busy and self._busy_until_s >= 0:
            self._bus.violate("flash busy", "FLASH_CR written while BSY is set (RM0385 3.7.5)")
            return
        start = value & self._bit("CR", "STRT")
        self._bus.put("FLASH_CR", value & ~start)
        if start:
            self._start(value)

    def _start(self, control: int) -> None:
        if self.protected and self._debugger_attached:
            self._error("WRPERR")
            return
        if control & self._bit("CR", "MER"):
            self._erase(0, FLASH_BYTES, MASS_ERASE_S)
        elif control & self._bit("CR", "SER"):
            number = (control & self._bit("CR", "SNB")) >> 3
            if number >= len(SECTORS):
                self._error("ERSERR")
                return
            sector = SECTORS[number]
            self._erase(sector.offset, sector.size, ERASE_S[sector.size])
        else:
            self._error("ERSERR")

    def _erase(self, offset: int, size: int, duration_s: float) -> None:
        self._cells[offset : offset + size] = b"\xff" * size
        for at in self.faults.stuck_low:
            if offset <= at < offset + size:
                self._stick(at)
        self._busy_until_s = self._time.now_s + duration_s
        self._end_of_operation()
        self._changed()

    def _end_of_operation(self) -> None:
        if self._bus.get("FLASH_CR") & self._bit("CR", "EOPIE"):
            self._error("EOP")

    # ------------------------------------------------------------ programming

    def debugger_attached(self) -> None:
        """A debugger has connected: readout protection 1 keeps it from flash until power-off."""
        self._debugger_attached = True

    def store(self, offset: int, size: int, value: int) -> None:
        """A store of ``size`` bytes to flash (RM0385 3.5.4)."""
        control = self._bus.get("FLASH_CR")
        if not control & self._bit("CR", "PG"):
            self._bus.violate("flash store", f"store to flash offset {offset:#x} without PG")
            self._error("ERSERR")
            return
        if self.busy and self._busy_until_s >= 0:
            self._bus.violate("flash busy", "programmed while BSY is set")
            return
        if self.protected and self._debugger_attached:
            self._error("WRPERR")
            return
        if 1 << ((control & self._bit("CR", "PSIZE")) >> 8) != size:
            self._error("PGPERR")
            return
        if offset // 16 != (offset + size - 1) // 16:
            self._error("PGAERR")
            return
        if self.faults.operation_error_at == offset:
            self._error("OPERR")
            return
        old = int.from_bytes(self._cells[offset : offset + size], "little")
        self._cells[offset : offset + size] = (old & value).to_bytes(size, "little")
        for at in range(offset, offset + size):
            self._stick(at)
        self._busy_until_s = self._time.now_s + PROGRAM_S
        self._end_of_operation()
        self._changed()

    def _stick(self, at: int) -> None:
        low = self.faults.stuck_low.get(at, 0)
        high = self.faults.stuck_high.get(at, 0)
        if low or high:
            self._cells[at] = (self._cells[at] & ~low & 0xFF) | high
