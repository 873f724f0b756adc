"""SysTick (ARMv7-M ARM B3.3)."""

from __future__ import annotations

import math
from collections.abc import Callable

from hilbench.backends.virtual.bus import Bus
from hilbench.backends.virtual.exceptions import SYSTICK, Exceptions
from hilbench.backends.virtual.simtime import SimTime

ENABLE, TICKINT, CLKSOURCE, COUNTFLAG = 1 << 0, 1 << 1, 1 << 2, 1 << 16


class SysTick:
    """The 24-bit down-counter; its clock is HCLK, or HCLK / 8."""

    def __init__(
        self,
        bus: Bus,
        time: SimTime,
        exceptions: Exceptions,
        hclk_hz: Callable[[], float],
        on_change: Callable[[], None],
    ) -> None:
        self._bus, self._time, self._exceptions = bus, time, exceptions
        self._hclk_hz, self._on_change = hclk_hz, on_change
        self._wrap_s = math.inf
        self._countflag = False
        bus.on_read("SYST_CSR", self._read_control)
        bus.on_write("SYST_CSR", self._write_control)
        bus.on_read("SYST_CVR", self._read_current)
        bus.on_write("SYST_CVR", self._write_current)

    def reset(self) -> None:
        """State after reset: stopped."""
        self._wrap_s = math.inf
        self._countflag = False

    def _tick_s(self) -> float:
        divider = 1 if self._bus.get("SYST_CSR") & CLKSOURCE else 8
        return divider / self._hclk_hz()

    def _period_s(self) -> float:
        return (self._bus.get("SYST_RVR") + 1) * self._tick_s()

    def clock_changed(self) -> None:
        """Restart the running period at the new clock."""
        if self._wrap_s < math.inf:
            self._wrap_s = self._time.now_s + self._period_s()

    def _write_control(self, value: int) -> None:
        was_on = self._bus.get("SYST_CSR") & ENABLE
        self._bus.put("SYST_CSR", value & (ENABLE | TICKINT | CLKSOURCE))
        if not value & ENABLE or not self._bus.get("SYST_RVR"):
            self._wrap_s = math.inf
        elif not was_on:
            self._wrap_s = self._time.now_s + self._period_s()
        self._on_change()

    def _read_control(self) -> int:
        self.advance()
        value = self._bus.get("SYST_CSR") | (COUNTFLAG if self._countflag else 0)
        self._countflag = False
        return value

    def _write_current(self, _value: int) -> None:
        self._countflag = False
        if self._wrap_s < math.inf:
            self._wrap_s = self._time.now_s + self._period_s()

    def _read_current(self) -> int:
        if self._wrap_s == math.inf:
            return 0
        self.advance()
        left = (self._wrap_s - self._time.now_s) / self._tick_s()
        return max(0, min(int(left), self._bus.get("SYST_RVR")))

    def due_s(self) -> float:
        """When the next interrupt comes; infinity for never."""
        return self._wrap_s if self._bus.get("SYST_CSR") & TICKINT else math.inf

    def advance(self) -> None:
        """Catch up with simulated time."""
        if self._time.now_s < self._wrap_s:
            return
        self._countflag = True
        period_s = self._period_s()
        missed = math.floor((self._time.now_s - self._wrap_s) / period_s)
        self._wrap_s += (missed + 1) * period_s
        if self._bus.get("SYST_CSR") & TICKINT:
            self._exceptions.pending.add(SYSTICK)
