"""Exceptions of the Cortex-M7: pending, priorities, entry and return (ARMv7-M ARM B1.5, B3.4)."""

from __future__ import annotations

import struct

from unicorn import arm_const as reg

from hilbench.backends.virtual.core import CORE_REGISTERS, S_REGISTERS, Core, Fault

NMI, HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT = 2, 3, 4, 5, 6
SVCALL, PENDSV, SYSTICK, FIRST_IRQ = 11, 14, 15, 16
#: STM32F746: 98 interrupts (RM0385 10.1.2), 4 priority bits.
IRQ_COUNT, PRIORITY_MASK = 98, 0xF0
CFSR_INVPC, CFSR_INVSTATE, CFSR_STKERR, CFSR_UNSTKERR = 1 << 18, 1 << 17, 1 << 12, 1 << 11
HFSR_VECTTBL, HFSR_FORCED, HFSR_DEBUGEVT = 1 << 1, 1 << 30, 1 << 31
CONTROL_SPSEL, CONTROL_FPCA = 2, 4
THREAD_PRIORITY = 256

_FRAME = (*CORE_REGISTERS[0:4], reg.UC_ARM_REG_R12, reg.UC_ARM_REG_LR)
_BASIC_BYTES, _EXTENDED_BYTES = 32, 104


class Lockup(Exception):
    """The core locked up (ARMv7-M ARM B1.5.15)."""


class Exceptions:
    """Which exceptions are pending, enabled and active, and the switch between them."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._frame = core.group(*_FRAME, reg.UC_ARM_REG_PC, reg.UC_ARM_REG_XPSR)
        self._context = core.group(reg.UC_ARM_REG_XPSR, reg.UC_ARM_REG_CONTROL, reg.UC_ARM_REG_SP)
        # in this order: the mode, and with it the stack pointer, changes with XPSR
        self._entry = core.group(reg.UC_ARM_REG_XPSR, reg.UC_ARM_REG_LR, reg.UC_ARM_REG_PC)
        self._return = core.group(
            *_FRAME,
            reg.UC_ARM_REG_XPSR,
            reg.UC_ARM_REG_CONTROL,
            reg.UC_ARM_REG_SP,
            reg.UC_ARM_REG_PC,
        )
        self._masks = core.group(
            reg.UC_ARM_REG_PRIMASK, reg.UC_ARM_REG_FAULTMASK, reg.UC_ARM_REG_BASEPRI
        )
        self.reset()

    def reset(self) -> None:
        """State after reset."""
        self.pending: set[int] = set()
        self.lines: set[int] = set()
        self.enabled: set[int] = {NMI, HARD_FAULT, SVCALL, PENDSV, SYSTICK}
        self.priority: dict[int, int] = {NMI: -2, HARD_FAULT: -1}
        self.active: list[int] = []
        self.group_shift = 0
        self.vector_table = 0
        self.taken = 0

    # ------------------------------------------------------------ priorities

    def priority_of(self, number: int) -> int:
        """Priority as written; 0 is the most urgent that can be configured."""
        return self.priority.get(number, 0)

    def _group(self, priority: int) -> int:
        return priority if priority < 0 else priority & ~((2 << self.group_shift) - 1)

    def execution_priority(self) -> int:
        """Priority of what executes, masks left out."""
        return min((self._group(self.priority_of(n)) for n in self.active), default=THREAD_PRIORITY)

    def set_line(self, number: int, level: bool) -> None:
        """Level of an interrupt request line."""
        if level:
            self.lines.add(number)
        else:
            self.lines.discard(number)

    def candidate(self) -> int | None:
        """The most urgent exception that may preempt what executes, masks left out."""
        waiting = (self.pending | (self.lines - set(self.active))) & self.enabled
        if not waiting:
            return None
        number = min(waiting, key=lambda n: (self.priority_of(n), n))
        if self._group(self.priority_of(number)) < self.execution_priority():
            return number
        return None

    def pending_wakes(self) -> bool:
        """Whether WFI falls through: something pending could preempt, PRIMASK left out."""
        return self.candidate() is not None

    def masked(self, number: int) -> bool:
        """Whether PRIMASK, FAULTMASK or BASEPRI hold an exception back."""
        priority = self._group(self.priority_of(number))
        if priority < 0:
            return False
        primask, faultmask, basepri = self._masks.read()
        if primask & 1 or faultmask & 1:
            return True
        basepri &= PRIORITY_MASK
        return bool(basepri) and priority >= self._group(basepri)

    # ------------------------------------------------------------ entry

    def enter(self, number: int) -> None:
        """Stack the context and start the handler of ``number``.

        Raises
        ------
        Lockup
            When the stack or the vector table cannot be read or written while a fault is handled.
        """
        core = self._core
        self.pending.discard(number)
        xpsr, control, sp = self._context.read()
        thread = not xpsr & 0x1FF
        has_fp = bool(control & CONTROL_FPCA)
        if not self._stack(sp, has_fp):
            self._derived_fault(number, CFSR_STKERR)
            return
        uses_psp = thread and bool(control & CONTROL_SPSEL)
        exc_return = 0xFFFF_FFF1 if not thread else 0xFFFF_FFFD if uses_psp else 0xFFFF_FFF9
        if has_fp:
            exc_return &= ~0x10
            core.set(reg.UC_ARM_REG_CONTROL, control & 3)
        vector = core.read_memory(self.vector_table + 4 * number, 4)
        if vector is None:
            self._derived_fault(number, 0)
            return
        self.active.append(number)
        self.taken += 1
        handler = int.from_bytes(vector, "little")
        self._entry.write(0x0100_0000 | number, exc_return, handler | 1)
        if not handler & 1:
            self.fault(Fault(CFSR_INVSTATE, 0, f"vector {number} is not a Thumb address"))

    def _stack(self, sp: int, has_fp: bool) -> bool:
        core = self._core
        size = _EXTENDED_BYTES if has_fp else _BASIC_BYTES
        frame_at = (sp - size) & ~7
        realigned = 0x200 if (sp - size) & 4 else 0
        *words, pc, xpsr = self._frame.read()
        frame = struct.pack("<8I", *words, pc & ~1, (xpsr & ~0x200) | realigned)
        if has_fp:
            singles = [core.get(r) & 0xFFFF_FFFF for r in S_REGISTERS[:16]]
            frame += struct.pack("<18I", *singles, core.get(reg.UC_ARM_REG_FPSCR), 0)
        if not core.write_memory(frame_at, frame):
            return False
        core.set(reg.UC_ARM_REG_SP, frame_at)
        return True

    def _derived_fault(self, number: int, cfsr: int) -> None:
        if number == HARD_FAULT or HARD_FAULT in self.active:
            raise Lockup("fault while entering HardFault")
        self.cfsr |= cfsr
        self.hfsr |= HFSR_FORCED if cfsr else HFSR_VECTTBL
        # the stack is unusable: restart it where the vector table says, as nothing better is known
        top = self._core.read_memory(self.vector_table, 4)
        if cfsr and top is not None:
            self._core.set(reg.UC_ARM_REG_SP, int.from_bytes(top, "little") & ~3)
        self.enter(HARD_FAULT)

    # ------------------------------------------------------------ return

    def leave(self, exc_return: int) -> None:
        """Return from the active exception (ARMv7-M ARM B1.5.8)."""
        core = self._core
        if not self.active:
            self.fault(Fault(CFSR_INVPC, 0, "exception return outside a handler"))
            return
        to_thread, uses_psp = bool(exc_return & 8), bool(exc_return & 4)
        has_fp = not exc_return & 0x10
        bank = reg.UC_ARM_REG_PSP if uses_psp else reg.UC_ARM_REG_MSP
        sp = core.get(bank)
        size = _EXTENDED_BYTES if has_fp else _BASIC_BYTES
        frame = core.read_memory(sp, size)
        if frame is None:
            self.fault(Fault(CFSR_UNSTKERR, 0, "stack unreadable on exception return"))
            return
        number = self.active.pop()
        if number != NMI:
            core.set(reg.UC_ARM_REG_FAULTMASK, 0)
        words = struct.unpack_from("<8I", frame)
        if bool(words[7] & 0x1FF) == to_thread:
            self.fault(Fault(CFSR_INVPC, 0, "exception return to the wrong mode"))
            return
        if has_fp:
            self._unstack_fp(frame)
        control = core.get(reg.UC_ARM_REG_CONTROL) & 1
        control |= CONTROL_SPSEL if to_thread and uses_psp else 0
        control |= CONTROL_FPCA if has_fp else 0
        sp += size + (4 if words[7] & 0x200 else 0)
        self._return.write(*words[:6], words[7] & ~0x200, control, sp, words[6] | 1)

    def _unstack_fp(self, frame: bytes) -> None:
        *singles, fpscr, _ = struct.unpack_from("<18I", frame, _BASIC_BYTES)
        for register, value in zip(S_REGISTERS[:16], singles, strict=True):
            self._core.set(register, value)
        self._core.set(reg.UC_ARM_REG_FPSCR, fpscr)

    # ------------------------------------------------------------ faults

    cfsr = 0
    hfsr = 0
    bfar = 0

    def fault(self, fault: Fault) -> int:
        """Take a synchronous fault; returns the exception that handles it.

        Raises
        ------
        Lockup
            When HardFault or NMI is active already.
        """
        self.cfsr |= fault.cfsr
        if fault.cfsr & (1 << 15):
            self.bfar = fault.address
        number = USAGE_FAULT if fault.cfsr >> 16 else BUS_FAULT if fault.cfsr >> 8 else MEM_MANAGE
        can_take = (
            number in self.enabled
            and self._group(self.priority_of(number)) < self.execution_priority()
            and not self.masked(number)
        )
        if not can_take:
            if self.execution_priority() <= -1 or self._core.get(reg.UC_ARM_REG_FAULTMASK) & 1:
                raise Lockup(fault.what)
            self.hfsr |= HFSR_FORCED
            number = HARD_FAULT
        self.enter(number)
        return number

    def hard_fault(self, hfsr: int) -> int:
        """Take a HardFault that is no escalation, such as BKPT without a debugger."""
        if self.execution_priority() <= -1:
            raise Lockup("fault inside HardFault")
        self.hfsr |= hfsr
        self.enter(HARD_FAULT)
        return HARD_FAULT
