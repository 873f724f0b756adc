"""DWT cycle counter, which counts instructions here, and DBGMCU (ARMv7-M ARM C1.8, RM0385 40)."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

from hilbench.backends.virtual.bus import Bus

TRCENA, CYCCNTENA = 1 << 24, 1 << 0
LAR_KEY = 0xC5AC_CE55
DBG_SLEEP = 1 << 0
#: CYCCNT reads that are kept: many times those of a default run.
KEPT_READS = 1 << 17


class CycleCounter:
    """CYCCNT: executed instructions while busy, HCLK cycles while idle.

    Parameters
    ----------
    counts : callable
        Instructions executed since power-on, plain and weighted, exact at the time of the access.

    Attributes
    ----------
    reads : deque of (int, int)
        What the core read from CYCCNT, and the weighted count modulo 2**32 at that moment; the
        oldest are dropped.  No register gives the weighted count: real boards have none.
    """

    def __init__(self, bus: Bus, counts: Callable[[], tuple[int, int]]) -> None:
        self._bus, self._counts = bus, counts
        self.reads: deque[tuple[int, int]] = deque(maxlen=KEPT_READS)
        bus.on_read("DWT_CYCCNT", self._read)
        bus.on_write("DWT_CYCCNT", self._set)
        bus.on_write("DWT_CTRL", self._write_control)
        bus.on_read("DWT_LSR", lambda: 1 | (2 if self._locked else 0))
        bus.on_write("DWT_LAR", self._write_lock)
        bus.on_write("DCB_DEMCR", self._write_demcr)
        self._idle = 0.0
        self.reset()

    def reset(self) -> None:
        """State after a system reset: stopped, locked against software."""
        self._locked = True
        self._base = 0
        self._start: float | None = None

    def _total(self) -> float:
        return self._counts()[0] + int(self._idle)

    def _read(self) -> int:
        value = self.value()
        if not self._bus.debugger:
            weighted = self._counts()[1] + int(self._idle)
            self.reads.append((value, weighted & 0xFFFF_FFFF))
        return value

    def value(self) -> int:
        """CYCCNT."""
        if self._start is None:
            return self._base
        return int(self._base + self._total() - self._start) & 0xFFFF_FFFF

    def idle(self, cycles: float) -> None:
        """The core slept for ``cycles`` of HCLK, with its clock running (DBG_SLEEP)."""
        if self._bus.get("DBGMCU_CR") & DBG_SLEEP:
            self._idle += cycles

    def _writable(self, what: str) -> bool:
        if self._locked and not self._bus.debugger:
            self._bus.violate("DWT locked", f"{what} written before the key in DWT_LAR")
            return False
        if not self._bus.get("DCB_DEMCR") & TRCENA:
            self._bus.violate("DWT off", f"{what} written while DEMCR.TRCENA is clear")
            return False
        return True

    def _set(self, value: int) -> None:
        if self._writable("DWT_CYCCNT"):
            self._base = value
            if self._start is not None:
                self._start = self._total()

    def _write_control(self, value: int) -> None:
        if not self._writable("DWT_CTRL"):
            return
        other = value & ~(CYCCNTENA | 0xFF00_0000)
        if other:
            self._bus.violate("not modelled", f"DWT_CTRL bits {other:#x}")
        self._bus.put("DWT_CTRL", 0x4000_0000 | (value & CYCCNTENA))
        self._update()

    def _write_demcr(self, value: int) -> None:
        self._bus.put("DCB_DEMCR", value)
        self._update()

    def _update(self) -> None:
        on = self._bus.get("DWT_CTRL") & CYCCNTENA and self._bus.get("DCB_DEMCR") & TRCENA
        if on and self._start is None:
            self._start = self._total()
        elif not on and self._start is not None:
            self._base = self.value()
            self._start = None

    def _write_lock(self, value: int) -> None:
        self._locked = value != LAR_KEY
