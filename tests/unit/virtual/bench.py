"""A simulated machine in this process, for programs of a few lines."""

from __future__ import annotations

import os
import time
import tty
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.unit.virtual import programs

from hilbench.backends.virtual.memory import FLASH_AXIM

if TYPE_CHECKING:
    from hilbench.backends.virtual.machine import Machine

HEAD = """
#include "setup.h"
volatile uint32_t done, result[32];
__attribute__((noreturn)) static inline void finish(void)
{ done = 1; for (;;) __asm volatile("wfi"); }
void hard_fault_handler(void) { result[30] = SCB_CFSR; result[31] = SCB_HFSR;
                                result[29] = SCB_BFAR; finish(); }
"""


class Bench:
    """A machine with a program in flash.  Idle time passes at once."""

    def __init__(self, source: str, folder: Path, **settings: Any) -> None:
        from hilbench.backends.virtual.machine import Machine

        self.elf = programs.build(HEAD + source, folder)
        self.log: list[str] = []
        settings.setdefault("stop_on_violation", False)
        self.machine: Machine = Machine(bytes(range(12)), log=self.log.append, **settings)
        self.machine.max_slice = 2000  # so that `until` is asked often
        for address, data in programs.segments(self.elf):
            start = address - FLASH_AXIM
            self.machine.core.flash[start : start + len(data)] = data
        self.machine.reset(0x0E00_0000)

    def run(
        self, until: Callable[[], bool] | None = None, sim_s: float = 2.0, host_s: float = 20.0
    ) -> Bench:
        """Run until the program says that it is done (or ``until``), at most ``sim_s``."""
        machine, end_s = self.machine, self.machine.time.now_s + sim_s
        deadline = time.monotonic() + host_s
        finished = until or (lambda: bool(self.word("done")))
        while not finished() and machine.time.now_s < end_s and time.monotonic() < deadline:
            machine.advance()
            if machine.can_run:
                machine.run_slice()
                continue
            if machine.lockup or machine.stopped:
                break
            machine.idle(min(machine.due_s(), end_s))
        machine.advance()
        assert time.monotonic() < deadline, "the host's time is up"
        return self

    def word(self, name: str, index: int = 0) -> int:
        """A 32-bit variable of the program."""
        address = programs.symbol(self.elf, name) + 4 * index
        data = self.machine.core.read_memory(address, 4)
        assert data is not None
        return int.from_bytes(data, "little")

    def rules(self) -> list[str]:
        """Rules that were violated."""
        return [violation.rule for violation in self.machine.violations]

    def send(self, data: bytes, baud: int = 115200, gap_s: float = 0.0) -> None:
        """The host sends bytes, from now on."""
        self.set_baud(baud)
        self.machine.usart.arrived(data, self.machine.time.now_s + gap_s)

    def set_baud(self, baud: int) -> None:
        """The host's end of the line."""
        import termios

        slave = os.open(self.machine.port.name, os.O_RDWR | os.O_NOCTTY)
        tty.setraw(slave)
        settings = termios.tcgetattr(slave)
        settings[4] = settings[5] = getattr(termios, f"B{baud}")
        termios.tcsetattr(slave, termios.TCSANOW, settings)
        self._slave = slave

    def received(self) -> bytes:
        """What the host has received since."""
        os.set_blocking(self._slave, False)
        data = b""
        while True:
            try:
                data += os.read(self._slave, 65536)
            except BlockingIOError:
                return data

    def close(self) -> None:
        """Give the pty back."""
        if hasattr(self, "_slave"):
            os.close(self._slave)
        self.machine.port.close()


#: ``make_bench(c_source, **settings)``: a machine with that program in flash.
MakeBench = Callable[..., Bench]
