"""GPIO ports: registers, and which alternate function a pin carries (RM0385 6)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hilbench.backends.virtual.bus import Bus

PORTS = "ABCDEG"
MODE_INPUT, MODE_OUTPUT, MODE_ALTERNATE = 0, 1, 2


class Gpio:
    """The ports in the table.  Pins that nothing drives read as their pull, or low."""

    def __init__(self, bus: Bus, on_change: Callable[[], None]) -> None:
        self._bus, self._on_change = bus, on_change
        for port in PORTS:
            bus.on_read(f"GPIO{port}_IDR", partial(self._read_input, port))
            bus.on_write(f"GPIO{port}_BSRR", partial(self._set_reset, port))
            for name in ("MODER", "AFRL", "AFRH"):
                label = f"GPIO{port}_{name}"
                bus.on_write(label, partial(self._configure, label))

    def _configure(self, label: str, value: int) -> None:
        self._bus.put(label, value)
        self._on_change()

    def _set_reset(self, port: str, value: int) -> None:
        output = self._bus.get(f"GPIO{port}_ODR")
        # set wins over reset (RM0385 6.4.7)
        self._bus.put(f"GPIO{port}_ODR", (output & ~(value >> 16)) | (value & 0xFFFF))

    def mode(self, port: str, pin: int) -> int:
        """MODER of a pin."""
        return (self._bus.get(f"GPIO{port}_MODER") >> 2 * pin) & 3

    def alternate(self, port: str, pin: int) -> int | None:
        """Alternate function of a pin; None when it carries none or the port has no clock."""
        if not self._bus.clocked(f"GPIO{port}_MODER"):
            return None
        if self.mode(port, pin) != MODE_ALTERNATE:
            return None
        register = "AFRL" if pin < 8 else "AFRH"
        return (self._bus.get(f"GPIO{port}_{register}") >> 4 * (pin % 8)) & 0xF

    def _read_input(self, port: str) -> int:
        output = self._bus.get(f"GPIO{port}_ODR")
        pulls = self._bus.get(f"GPIO{port}_PUPDR")
        value = 0
        for pin in range(16):
            if self.mode(port, pin) == MODE_OUTPUT:
                value |= output & 1 << pin
            elif (pulls >> 2 * pin) & 3 == 1:
                value |= 1 << pin
        return value
