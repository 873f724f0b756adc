"""The simulated board: core, peripherals and time put together."""

from __future__ import annotations

import math
import struct
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from unicorn import UC_HOOK_CODE
from unicorn import arm_const as reg

from hilbench.backends.virtual import faults as fault_table
from hilbench.backends.virtual import memory, registers
from hilbench.backends.virtual.bus import Bus, Violation
from hilbench.backends.virtual.core import (
    CFSR_INVSTATE,
    CFSR_UNDEFINSTR,
    CORE_REGISTERS,
    Core,
    Fault,
    Stop,
)
from hilbench.backends.virtual.counter import NO_INTERRUPT
from hilbench.backends.virtual.debug import DFSR_BKPT, DFSR_VCATCH, Debug
from hilbench.backends.virtual.exceptions import (
    HARD_FAULT,
    HFSR_DEBUGEVT,
    SVCALL,
    Exceptions,
    Lockup,
)
from hilbench.backends.virtual.line import HostPort
from hilbench.backends.virtual.peripherals.adc import TS_CAL1, TS_CAL2, VREFINT_CAL, Adc
from hilbench.backends.virtual.peripherals.clocks import Clocks
from hilbench.backends.virtual.peripherals.dma import Dma
from hilbench.backends.virtual.peripherals.dwt import CycleCounter
from hilbench.backends.virtual.peripherals.flash import Flash
from hilbench.backends.virtual.peripherals.gpio import Gpio
from hilbench.backends.virtual.peripherals.system import SystemControl
from hilbench.backends.virtual.peripherals.systick import SysTick
from hilbench.backends.virtual.peripherals.usart import Usart
from hilbench.backends.virtual.simtime import SimTime

#: Longest slice in instructions: bounds how late a probe command is seen.
MAX_SLICE = 400_000
MIN_SLICE = 64
#: RCC_CSR reset flags (RM0385 5.3.21).  PIN is set by every reset.
POWER_RESET, SOFTWARE_RESET, PIN_RESET = 0x0E00_0000, 0x1400_0000, 0x0400_0000
_DEBUG_PERIPHERALS = ("DCB", "FPB", "DBGMCU")
BUS_ERROR_IMPRECISE = 1 << 10


class Machine:
    """A NUCLEO-F746ZG without its ST-LINK.

    Parameters
    ----------
    uid : bytes
        96-bit unique device id, 12 bytes.
    unlimited : bool
        Whether the serial line ignores the baud rate's timing.
    faults : dict
        See :mod:`hilbench.backends.virtual.faults`.
    stop_on_violation : bool
        Whether the first violation stops the core for good.
    """

    def __init__(
        self,
        uid: bytes,
        unlimited: bool = False,
        faults: dict[str, Any] | None = None,
        stop_on_violation: bool = True,
        log: Callable[[str], None] = lambda text: print(text, file=sys.stderr, flush=True),
    ) -> None:
        self.faults = fault_table.check(dict(faults or {}))
        self._log, self._stop_on_violation = log, stop_on_violation
        self.violations: list[Violation] = []
        self.halted = self.lockup = self.sleeping = self.held_in_reset = self.stopped = False
        self._reset_wanted = False
        self._accesses = 0
        self.max_slice = MAX_SLICE
        self.time = SimTime(float(self.faults.get("clock_factor", 1.0)))
        self.bus = Bus(registers.load(), self._violate)
        self.register_pages = set(self.bus.pages())
        self.core = Core(self.bus.pages(), self._read, self._write, self._flash_store)
        self.exceptions = Exceptions(self.core)
        self._build(unlimited)
        self._write_system_memory(uid)
        self.apply_faults({})
        self.bus.reset()
        self.reset(POWER_RESET)

    def _build(self, unlimited: bool) -> None:
        bus, core, exceptions = self.bus, self.core, self.exceptions
        self.port = HostPort()
        self.clocks = Clocks(bus, self.time, self._clock_changed)
        self.gpio = Gpio(bus, self._pins_changed)
        self.flash = Flash(bus, self.time, core.flash, core.code_changed)
        self.system = SystemControl(bus, exceptions, self._request_reset, self._look_again)
        dcache_on = lambda: self.system.dcache_on  # noqa: E731
        self.dma = Dma(bus, core, exceptions, dcache_on, self._dma_changed)
        self.systick = SysTick(
            bus, self.time, exceptions, lambda: self.clocks.hclk_hz, self._look_again
        )
        self.adc = Adc(bus, self.time, self.clocks.apb2_hz)
        self.cycles = CycleCounter(bus, lambda: core.counts)
        self.usart = Usart(
            bus,
            self.time,
            exceptions,
            self.dma,
            self.gpio,
            self.port,
            self.clocks.usart3_hz,
            unlimited,
        )
        self.debug = Debug(self)
        bus.on_write("SCB_CPACR", self._write_cpacr)
        for label in ("RCC_APB1ENR", "RCC_AHB1ENR"):
            bus.on_write(label, partial(self._gate, label))
        for page in ("USART3_CR1", "DMA1_LISR"):
            bus.before[bus.table.address(page) & ~0xFFF] = self.usart.catch_up

    def _write_system_memory(self, uid: bytes) -> None:
        self.core.uc.mem_write(memory.UNIQUE_ID, uid)
        size = struct.pack("<H", memory.FLASH_BYTES // memory.KIB)
        self.core.uc.mem_write(memory.FLASH_SIZE_KIB, size)
        calibration = struct.pack("<3H", VREFINT_CAL, TS_CAL1, TS_CAL2)
        self.core.uc.mem_write(memory.ADC_CALIBRATION, calibration)

    def apply_faults(self, more: dict[str, Any]) -> None:
        """Add faults; those of the probe are its own business."""
        self.faults.update(fault_table.check(more))
        f = self.faults
        self.flash.faults = fault_table.flash_faults(f)
        self.flash.rdp = fault_table.RDP_BYTES[int(f.get("readout_protection", 0))]
        for name, wire in (("to_device", self.usart.to_device), ("to_host", self.usart.to_host)):
            wire_faults, self.usart.delay_s[name] = fault_table.wire_faults(f, f"uart_{name}")
            wire.set_faults(wire_faults)
        self.usart.gone_after = f.get("port_gone_after")
        self.system.caches_stay_off = bool(f.get("caches_off", False))
        self.clocks.hse_absent = bool(f.get("hse_absent", False))
        self.held_in_reset = bool(f.get("held_in_reset", False))
        if "chip_id" in f:
            self.bus.on_read("DBGMCU_IDCODE", lambda: fault_table.number(f["chip_id"]))
        if "bus_error_after" in more:
            self._accesses = 0
        if "flash_decay" in f:
            bits = fault_table.by_offset(f["flash_decay"])
            after = int(f.get("flash_decay_after", 0))
            self.usart.to_device.watch(after, lambda: self.flash.decay(bits))
        if "hard_fault" in more or ("hard_fault" in f and not more):
            self._plant_hard_fault(f["hard_fault"])

    def _plant_hard_fault(self, entry: dict[str, Any]) -> None:
        address, left = fault_table.number(entry["address"]) & ~1, [int(entry.get("count", 1))]

        def hit(uc: Any, _address: int, _size: int, _user: object) -> None:
            left[0] -= 1
            if left[0] <= 0:
                fault = Fault(CFSR_UNDEFINSTR, 0, "undefined instruction (injected)")
                self.core.stop_with_fault(fault)

        self.core.uc.hook_add(UC_HOOK_CODE, hit, begin=address, end=address)
        self.core.code_changed()

    # ------------------------------------------------------------ accesses of the core

    def _read(self, address: int, size: int) -> int:
        self._count_access()
        return self.bus.read(address, size)

    def _write(self, address: int, size: int, value: int) -> None:
        self._count_access()
        self.bus.write(address, size, value)

    def _count_access(self) -> None:
        self._accesses += 1
        limit = self.faults.get("bus_error_after")
        if limit is not None and self._accesses == int(limit):
            self.core.counter.state.request = 1

    def _flash_store(self, offset: int, size: int, value: int) -> None:
        self.flash.store(offset, size, value)

    def _write_cpacr(self, value: int) -> None:
        self.bus.put("SCB_CPACR", value)
        self.core.enable_fp(self.system.fp_enabled)

    def _gate(self, label: str, value: int) -> None:
        self.bus.put(label, value)
        self._pins_changed()

    def _pins_changed(self) -> None:
        self.usart.configuration_changed()

    def _clock_changed(self) -> None:
        self.systick.clock_changed()
        self.usart.configuration_changed()
        self._look_again()

    def _dma_changed(self) -> None:
        self.usart.poke()
        self._look_again()

    def _look_again(self) -> None:
        """Interrupts or the schedule may have changed: end the slice soon."""
        self.core.counter.state.request = 1

    def _request_reset(self) -> None:
        self._reset_wanted = True
        self._look_again()
        if self.bus.debugger:
            self._reset_wanted = False
            self.reset(SOFTWARE_RESET)

    def _violate(self, rule: str, detail: str) -> None:
        violation = Violation(rule, detail, self.core.pc)
        self.violations.append(violation)
        self._log(f"violation: {rule}: {detail} (in the block at {violation.pc:#010x})")
        if self._stop_on_violation:
            self.stopped = True
            self._look_again()

    # ------------------------------------------------------------ reset

    def reset(self, flags: int) -> None:
        """Reset the chip; ``flags`` are the cause in RCC_CSR."""
        self.bus.reset(keep=_DEBUG_PERIPHERALS)
        self.exceptions.reset()
        self.exceptions.cfsr = self.exceptions.hfsr = self.exceptions.bfar = 0
        for part in (self.flash, self.dma, self.systick, self.cycles, self.usart, self.adc):
            part.reset()
        self.clocks.reset(flags)
        self.usart.configuration_changed()
        self.core.code_changed()
        self.core.enable_fp(False)
        self.halted = self.lockup = self.sleeping = False
        self._start_core(caught=self.debug.was_reset())

    def _start_core(self, caught: bool) -> None:
        core = self.core
        for register in CORE_REGISTERS[:13]:
            core.set(register, 0)
        core.set(reg.UC_ARM_REG_XPSR, 0x0100_0000)
        for register in (
            reg.UC_ARM_REG_CONTROL,
            reg.UC_ARM_REG_PRIMASK,
            reg.UC_ARM_REG_BASEPRI,
            reg.UC_ARM_REG_FAULTMASK,
        ):
            core.set(register, 0)
        self.exceptions.vector_table = memory.BOOT_ADDRESS
        stack, entry = struct.unpack("<II", core.read_memory(memory.BOOT_ADDRESS, 8) or bytes(8))
        core.set(reg.UC_ARM_REG_SP, stack & ~3)
        core.set(reg.UC_ARM_REG_LR, 0xFFFF_FFFF)
        core.pc = entry
        if caught:
            self.debug.halt(DFSR_VCATCH)
        elif not entry & 1 or core.read_memory(entry & ~1, 2) is None:
            self._take(Fault(CFSR_INVSTATE, 0, "reset vector"))

    def hold_reset(self, low: bool) -> None:
        """NRST, driven by the probe."""
        if self.faults.get("held_in_reset"):
            return
        if self.held_in_reset and not low:
            self.held_in_reset = False
            self.reset(PIN_RESET)
        self.held_in_reset = low

    # ------------------------------------------------------------ running

    @property
    def can_run(self) -> bool:
        """Whether the core has instructions to execute."""
        return not (
            self.halted or self.lockup or self.sleeping or self.held_in_reset or self.stopped
        )

    def due_s(self) -> float:
        """Simulated time of the next event."""
        return min(self.systick.due_s(), self.usart.due_s())

    def advance(self) -> None:
        """Let the peripherals catch up, then deliver or note what is pending."""
        self.systick.advance()
        self.usart.advance()
        self.look_for_interrupts()

    def look_for_interrupts(self) -> None:
        """Take the most urgent pending exception, or tell the counter what to wait for."""
        state = self.core.counter.state
        state.irq_priority = NO_INTERRUPT
        if self.debug.masks_interrupts or self.halted or self.lockup or self.stopped:
            return
        number = self.exceptions.candidate()
        if number is None:
            return
        self.sleeping = False
        if self.exceptions.masked(number):
            state.irq_priority = max(self.exceptions.priority_of(number), 0)
            return
        try:
            self.exceptions.enter(number)
        except Lockup as error:
            self._lock_up(str(error))

    def run_slice(self) -> None:
        """Execute instructions until something is due."""
        ahead_s = self.due_s() - self.time.now_s
        clock_hz = self.clocks.hclk_hz
        budget = self.max_slice if math.isinf(ahead_s) else int(ahead_s * clock_hz)
        self.time.begin_slice(lambda: self.core.instructions, clock_hz)
        stop = self.core.run(max(MIN_SLICE, min(budget, self.max_slice)))
        self.time.end_slice()
        self._handle(stop)

    def debug_step(self) -> None:
        """One instruction, for the debugger."""
        self.sleeping = False
        self._handle(self.core.step())

    def _handle(self, stop: Stop) -> None:
        if self._reset_wanted:
            self._reset_wanted = False
            self.reset(SOFTWARE_RESET)
            return
        if self._accesses and self._accesses == self.faults.get("bus_error_after"):
            self._accesses += 1
            self._take(Fault(BUS_ERROR_IMPRECISE, 0, "imprecise bus error (injected)"))
        if stop is Stop.WFI:
            self.sleeping = not self.exceptions.pending_wakes()
        elif stop is Stop.FAULT:
            self._take(self.core.fault)
        elif stop is Stop.SVC:
            self.exceptions.pending.add(SVCALL)
        elif stop is Stop.EXC_RETURN:
            self._leave()
        elif stop in (Stop.BKPT, Stop.BREAKPOINT):
            self._breakpoint()

    def _leave(self) -> None:
        try:
            self.exceptions.leave(self.core.get(reg.UC_ARM_REG_PC) | 1)
        except Lockup as error:
            self._lock_up(str(error))

    def _breakpoint(self) -> None:
        if self.debug.enabled:
            self.debug.halt(DFSR_BKPT)
            return
        try:
            self.exceptions.hard_fault(HFSR_DEBUGEVT)
        except Lockup as error:
            self._lock_up(str(error))

    def _take(self, fault: Fault) -> None:
        self._log(f"fault: {fault.what} at {self.core.pc:#010x}, address {fault.address:#010x}")
        try:
            number = self.exceptions.fault(fault)
        except Lockup as error:
            self._lock_up(str(error))
            return
        if number == HARD_FAULT and self.debug.catches_hard_fault():
            self.debug.halt(DFSR_VCATCH)

    def _lock_up(self, why: str) -> None:
        self._log(f"lockup: {why}")
        self.lockup = True

    def idle(self, until_s: float) -> None:
        """Move simulated time to ``until_s``, the core doing nothing."""
        step_s = until_s - self.time.now_s
        if step_s <= 0:
            return
        if not self.halted:
            self.cycles.idle(step_s * self.clocks.hclk_hz)
        self.time.move_to(until_s)
