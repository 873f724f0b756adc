"""System control space: SCB, NVIC, FPU and cache registers (ARMv7-M ARM B3.2, B3.4; PM0253 4)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hilbench.backends.virtual.bus import Bus
from hilbench.backends.virtual.exceptions import (
    BUS_FAULT,
    FIRST_IRQ,
    IRQ_COUNT,
    MEM_MANAGE,
    NMI,
    PENDSV,
    PRIORITY_MASK,
    SYSTICK,
    USAGE_FAULT,
    Exceptions,
)

CPACR_FP = 0xF << 20
CCR_DC, CCR_IC = 1 << 16, 1 << 17
SYSRESETREQ, VECTKEY = 1 << 2, 0x05FA
_ENABLE_BITS = {16: MEM_MANAGE, 17: BUS_FAULT, 18: USAGE_FAULT}


class SystemControl:
    """What software sees of the core.

    Parameters
    ----------
    on_reset : callable
        SYSRESETREQ was written.
    on_change : callable
        Interrupts may have become deliverable.
    """

    def __init__(
        self,
        bus: Bus,
        exceptions: Exceptions,
        on_reset: Callable[[], None],
        on_change: Callable[[], None],
    ) -> None:
        self._bus, self._exceptions = bus, exceptions
        self._on_reset, self._on_change = on_reset, on_change
        self.caches_stay_off = False
        self._wire_scb()
        for i in range(4):
            self._wire_nvic_word(i)
        for i in range(28):
            bus.on_write(f"NVIC_IPR{i}", partial(self._write_priority, i))

    def _wire_scb(self) -> None:
        bus = self._bus
        bus.on_read("SCB_ICSR", self._read_icsr)
        bus.on_write("SCB_ICSR", self._write_icsr)
        bus.on_write("SCB_VTOR", self._write_vtor)
        bus.on_write("SCB_AIRCR", self._write_aircr)
        bus.on_write("SCB_CCR", self._write_ccr)
        for i in (1, 2, 3):
            bus.on_write(f"SCB_SHPR{i}", partial(self._write_shpr, i))
        bus.on_write("SCB_SHCSR", self._write_shcsr)
        bus.on_read("SCB_CFSR", lambda: self._exceptions.cfsr)
        bus.on_write("SCB_CFSR", self._clear_cfsr)
        bus.on_read("SCB_HFSR", lambda: self._exceptions.hfsr)
        bus.on_write("SCB_HFSR", self._clear_hfsr)
        bus.on_read("SCB_BFAR", lambda: self._exceptions.bfar)
        bus.on_write("SCB_STIR", self._pend_irq)
        bus.on_write("MPU_CTRL", self._write_mpu)

    # ------------------------------------------------------------ what others ask

    @property
    def fp_enabled(self) -> bool:
        """Whether CPACR lets floating-point instructions execute."""
        return self._bus.get("SCB_CPACR") & CPACR_FP == CPACR_FP

    @property
    def dcache_on(self) -> bool:
        """Whether the data cache is on."""
        return bool(self._bus.get("SCB_CCR") & CCR_DC)

    # ------------------------------------------------------------ SCB

    def _read_icsr(self) -> int:
        waiting = self._exceptions.pending | self._exceptions.lines
        active = self._exceptions.active
        value = active[-1] if active else 0
        value |= (1 << 11) if len(active) <= 1 else 0
        value |= min(waiting, default=0) << 12
        value |= (1 << 22) if any(n >= FIRST_IRQ for n in waiting) else 0
        value |= (1 << 26) if SYSTICK in waiting else 0
        return value | ((1 << 28) if PENDSV in waiting else 0)

    def _write_icsr(self, value: int) -> None:
        pending = self._exceptions.pending
        for bit, number in ((31, NMI), (28, PENDSV), (26, SYSTICK)):
            if value >> bit & 1:
                pending.add(number)
        for bit, number in ((27, PENDSV), (25, SYSTICK)):
            if value >> bit & 1:
                pending.discard(number)
        self._on_change()

    def _write_vtor(self, value: int) -> None:
        self._bus.put("SCB_VTOR", value)
        self._exceptions.vector_table = value & ~0x7F

    def _write_aircr(self, value: int) -> None:
        if value >> 16 != VECTKEY:
            self._bus.violate("AIRCR", f"written with {value:#010x}: no VECTKEY")
            return
        self._exceptions.group_shift = value >> 8 & 7
        self._bus.put("SCB_AIRCR", 0xFA05_0000 | (value & 0x700))
        if value & SYSRESETREQ:
            self._on_reset()

    def _write_ccr(self, value: int) -> None:
        if self.caches_stay_off:
            value &= ~(CCR_DC | CCR_IC)
        self._bus.put("SCB_CCR", value)

    def _write_shpr(self, i: int, value: int) -> None:
        value &= 0xF0F0_F0F0
        self._bus.put(f"SCB_SHPR{i}", value)
        for k in range(4):
            self._exceptions.priority[4 * i + k] = value >> 8 * k & PRIORITY_MASK

    def _write_shcsr(self, value: int) -> None:
        self._bus.put("SCB_SHCSR", value & 0x0007_0000)
        for bit, number in _ENABLE_BITS.items():
            if value >> bit & 1:
                self._exceptions.enabled.add(number)
            else:
                self._exceptions.enabled.discard(number)

    def _clear_cfsr(self, value: int) -> None:
        self._exceptions.cfsr &= ~value

    def _clear_hfsr(self, value: int) -> None:
        self._exceptions.hfsr &= ~value

    def _write_mpu(self, value: int) -> None:
        if value & 1:
            self._bus.violate("not modelled", "the MPU")
        self._bus.put("MPU_CTRL", value)

    # ------------------------------------------------------------ NVIC

    def _wire_nvic_word(self, i: int) -> None:
        bus, exceptions = self._bus, self._exceptions
        numbers = range(FIRST_IRQ + 32 * i, FIRST_IRQ + min(32 * i + 32, IRQ_COUNT))

        def bits(members: set[int]) -> int:
            return sum(1 << (n - numbers.start) for n in numbers if n in members)

        def chosen(value: int) -> set[int]:
            return {n for n in numbers if value >> (n - numbers.start) & 1}

        def changed(members: set[int], value: int, add: bool) -> None:
            if add:
                members |= chosen(value)
            else:
                members -= chosen(value)
            self._on_change()

        for name in ("ISER", "ICER"):
            bus.on_read(f"NVIC_{name}{i}", lambda: bits(exceptions.enabled))
        for name in ("ISPR", "ICPR"):
            bus.on_read(f"NVIC_{name}{i}", lambda: bits(exceptions.pending | exceptions.lines))
        bus.on_read(f"NVIC_IABR{i}", lambda: bits(set(exceptions.active)))
        bus.on_write(f"NVIC_ISER{i}", lambda v: changed(exceptions.enabled, v, True))
        bus.on_write(f"NVIC_ICER{i}", lambda v: changed(exceptions.enabled, v, False))
        bus.on_write(f"NVIC_ISPR{i}", lambda v: changed(exceptions.pending, v, True))
        bus.on_write(f"NVIC_ICPR{i}", lambda v: changed(exceptions.pending, v, False))

    def _write_priority(self, i: int, value: int) -> None:
        value &= 0xF0F0_F0F0
        self._bus.put(f"NVIC_IPR{i}", value)
        for k in range(4):
            self._exceptions.priority[FIRST_IRQ + 4 * i + k] = value >> 8 * k & PRIORITY_MASK
        self._on_change()

    def _pend_irq(self, value: int) -> None:
        self._exceptions.pending.add(FIRST_IRQ + (value & 0x1FF))
        self._on_change()
