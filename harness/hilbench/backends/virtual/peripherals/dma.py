"""DMA1: the streams that serve a peripheral (RM0385 8)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from hilbench.backends.virtual.bus import Bus
from hilbench.backends.virtual.core import Core
from hilbench.backends.virtual.exceptions import FIRST_IRQ, Exceptions
from hilbench.backends.virtual.memory import DTCM_RAM, within

#: Request lines of USART3 on DMA1: (stream, channel) (RM0385 8.3.3 table 25).
USART3_RX = ((1, 4),)
USART3_TX = ((3, 4), (4, 7))
#: Interrupt numbers of the streams of DMA1 (RM0385 10.1.2 table 46).
STREAM_IRQ = (11, 12, 13, 14, 15, 16, 17, 47)
PERIPHERAL_TO_MEMORY, MEMORY_TO_PERIPHERAL = 0, 1
_FLAG_SHIFT = (0, 6, 16, 22)
FEIF, DMEIF, TEIF, HTIF, TCIF = 1 << 0, 1 << 2, 1 << 3, 1 << 4, 1 << 5
EN, TEIE, HTIE, TCIE, CIRC, MINC = 1 << 0, 1 << 2, 1 << 3, 1 << 4, 1 << 8, 1 << 10


@dataclass
class _Stream:
    """What a stream latched when it was enabled."""

    reload: int = 0


class Dma:
    """Byte transfers between USART and memory."""

    def __init__(
        self,
        bus: Bus,
        core: Core,
        exceptions: Exceptions,
        dcache_on: Callable[[], bool],
        on_change: Callable[[], None],
    ) -> None:
        self._bus, self._core, self._exceptions = bus, core, exceptions
        self._dcache_on, self._on_change = dcache_on, on_change
        self._streams = [_Stream() for _ in range(8)]
        for register, base in (("L", 0), ("H", 4)):
            bus.on_write(f"DMA1_{register}IFCR", partial(self._clear_flags, base))
        for number in range(8):
            bus.on_write(f"DMA1_S{number}CR", partial(self._control, number))
            for name in ("NDTR", "PAR", "M0AR", "M1AR"):
                label = f"DMA1_S{number}{name}"
                bus.on_write(label, partial(self._setup, number, label))

    def reset(self) -> None:
        """State after reset."""
        self._streams = [_Stream() for _ in range(8)]

    # ------------------------------------------------------------ registers

    def _field(self, number: int, name: str) -> int:
        field = self._bus.table.by_label[f"DMA1_S{number}CR"].bits[name]
        return (self._bus.get(f"DMA1_S{number}CR") & field.mask) >> field.lsb

    def _setup(self, number: int, label: str, value: int) -> None:
        if self._bus.get(f"DMA1_S{number}CR") & EN:
            self._bus.violate("DMA stream enabled", f"{label} written while EN is set")
            return
        self._bus.put(label, value)

    def _control(self, number: int, value: int) -> None:
        label = f"DMA1_S{number}CR"
        old = self._bus.get(label)
        if old & value & EN and (old ^ value) & ~(TEIE | HTIE | TCIE | 2):
            self._bus.violate("DMA stream enabled", f"{label} reconfigured while EN is set")
            return
        if value & EN and not old & EN:
            self._bus.put(label, value & ~EN)
            if not self._may_enable(number, value):
                return
            self._streams[number].reload = self._bus.get(f"DMA1_S{number}NDTR")
        elif old & EN and not value & EN:
            # stopping a stream sets its transfer complete flag (RM0385 8.3.15)
            self._raise(number, TCIF)
        self._bus.put(label, value)
        self._update_lines()
        self._on_change()

    def _may_enable(self, number: int, value: int) -> bool:
        flags = self._flags(number)
        if flags:
            self._bus.violate(
                "DMA flags", f"stream {number} enabled with flags {flags:#x} set (RM0385 8.3.18)"
            )
        for name in ("PSIZE", "MSIZE", "PFCTRL", "DBM", "PBURST", "MBURST", "PINC"):
            if self._field(number, name):
                self._bus.violate("not modelled", f"DMA1_S{number}CR.{name}")
        if not self._bus.get(f"DMA1_S{number}NDTR"):
            return False
        if not value & MINC:
            self._bus.violate("not modelled", f"DMA1_S{number}CR without MINC")
        return self._reachable(number)

    def _reachable(self, number: int) -> bool:
        start = self._bus.get(f"DMA1_S{number}M0AR")
        size = self._bus.get(f"DMA1_S{number}NDTR")
        if self._core.read_memory(start, size) is None or start < 0x4000:
            self._bus.violate("DMA address", f"stream {number}: {start:#010x} cannot be reached")
            self._raise(number, TEIF)
            return False
        return True

    # ------------------------------------------------------------ flags

    def _flag_register(self, number: int) -> str:
        return "DMA1_LISR" if number < 4 else "DMA1_HISR"

    def _flags(self, number: int) -> int:
        return (self._bus.get(self._flag_register(number)) >> _FLAG_SHIFT[number % 4]) & 0x3F

    def _raise(self, number: int, flags: int) -> None:
        label = self._flag_register(number)
        self._bus.put(label, self._bus.get(label) | flags << _FLAG_SHIFT[number % 4])
        self._update_lines()

    def _clear_flags(self, base: int, value: int) -> None:
        label = self._flag_register(base)
        self._bus.put(label, self._bus.get(label) & ~value)
        self._update_lines()

    def _update_lines(self) -> None:
        for number, irq in enumerate(STREAM_IRQ):
            flags, control = self._flags(number), self._bus.get(f"DMA1_S{number}CR")
            level = (
                (flags & TCIF and control & TCIE)
                or (flags & HTIF and control & HTIE)
                or (flags & TEIF and control & TEIE)
            )
            self._exceptions.set_line(FIRST_IRQ + irq, bool(level))

    # ------------------------------------------------------------ requests

    def stream_for(
        self, lines: tuple[tuple[int, int], ...], direction: int, data_register: int
    ) -> int | None:
        """Stream that serves one of the request ``lines``; None when none is set up for it."""
        for number, channel in lines:
            control = self._bus.get(f"DMA1_S{number}CR")
            if not control & EN or not self._bus.clocked("DMA1_LISR"):
                continue
            if self._field(number, "CHSEL") != channel:
                continue
            if self._field(number, "DIR") != direction:
                self._bus.violate("DMA direction", f"stream {number}")
                continue
            if self._bus.get(f"DMA1_S{number}PAR") != data_register:
                self._bus.violate("DMA peripheral address", f"stream {number}")
                continue
            return number
        return None

    def remaining(self, number: int) -> int:
        """NDTR: transfers until the stream ends or wraps."""
        return self._bus.get(f"DMA1_S{number}NDTR")

    def until_flag(self, number: int) -> int | None:
        """Transfers until an enabled half or complete interrupt; None when neither is enabled."""
        control = self._bus.get(f"DMA1_S{number}CR")
        left, total = self.remaining(number), self._streams[number].reload
        if control & HTIE and left > total - total // 2:
            return left - (total - total // 2)
        if control & TCIE:
            return left
        if control & HTIE and control & CIRC:
            return left + total // 2
        return None

    def put(self, number: int, data: bytes) -> int:
        """Bytes from the peripheral to memory; returns how many the stream took."""
        taken = 0
        while taken < len(data) and self._bus.get(f"DMA1_S{number}CR") & EN:
            chunk = min(len(data) - taken, self.remaining(number))
            address = self._address(number)
            self._coherent(number, address, chunk)
            self._core.write_memory(address, data[taken : taken + chunk])
            self._moved(number, chunk)
            taken += chunk
        return taken

    def take(self, number: int, count: int) -> bytes:
        """Up to ``count`` bytes from memory to the peripheral."""
        chunk = min(count, self.remaining(number))
        address = self._address(number)
        self._coherent(number, address, chunk)
        data = self._core.read_memory(address, chunk) or bytes(chunk)
        self._moved(number, chunk)
        return data

    def _address(self, number: int) -> int:
        done = self._streams[number].reload - self.remaining(number)
        return self._bus.get(f"DMA1_S{number}M0AR") + done

    def _coherent(self, number: int, address: int, size: int) -> None:
        if self._dcache_on() and address >= 0x2000_0000 and not within(DTCM_RAM, address, size):
            self._bus.violate(
                "DMA coherence",
                f"stream {number} at {address:#010x}: cacheable memory while the D-cache is on",
            )

    def _moved(self, number: int, count: int) -> None:
        total = self._streams[number].reload
        before = self.remaining(number)
        left = before - count
        half = total - total // 2
        flags = HTIF if before > half >= left else 0
        if left == 0:
            flags |= TCIF
            if self._bus.get(f"DMA1_S{number}CR") & CIRC:
                left = total
            else:
                label = f"DMA1_S{number}CR"
                self._bus.put(label, self._bus.get(label) & ~EN)
        self._bus.put(f"DMA1_S{number}NDTR", left)
        if flags:
            self._raise(number, flags)
