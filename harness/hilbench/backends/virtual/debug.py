"""The debugger's view: halt, step, core registers, breakpoints, ROM tables (ARMv7-M ARM C1)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from unicorn import arm_const as reg

from hilbench.backends.virtual import memory
from hilbench.backends.virtual.core import CORE_REGISTERS, S_REGISTERS

if TYPE_CHECKING:
    from hilbench.backends.virtual.machine import Machine

C_DEBUGEN, C_HALT, C_STEP, C_MASKINTS = 1, 2, 4, 8
S_REGRDY, S_HALT, S_SLEEP, S_LOCKUP, S_RETIRE_ST, S_RESET_ST = (
    1 << i for i in (16, 17, 18, 19, 24, 25)
)
DHCSR_KEY = 0xA05F
DFSR_HALTED, DFSR_BKPT, DFSR_VCATCH = 1, 2, 8
VC_CORERESET, VC_HARDERR = 1 << 0, 1 << 10
_MASKS = (reg.UC_ARM_REG_PRIMASK, reg.UC_ARM_REG_BASEPRI, reg.UC_ARM_REG_FAULTMASK)


class BusError(Exception):
    """The memory access port got an error from the bus."""

    def __init__(self, address: int) -> None:
        super().__init__(f"bus error at {address:#010x}")
        self.address = address


def _component(kind: int, part: int, designer: int = 0x3B, continuation: int = 4) -> dict[int, int]:
    """Peripheral and component id registers (ARM IHI 0031, CoreSight)."""
    return {
        0xFD0: continuation,
        0xFE0: part & 0xFF,
        0xFE4: (designer & 0xF) << 4 | part >> 8,
        0xFE8: 8 | designer >> 4,
        0xFEC: 0,
        0xFF0: 0x0D,
        0xFF4: kind << 4,
        0xFF8: 0x05,
        0xFFC: 0xB1,
    }


#: Address of the first ROM table, as AP BASE has it (RM0385 40.5: ST's own table comes first).
ROM_BASE = 0xE00F_D000
_ROM_TABLES: dict[int, dict[int, int]] = {
    0xE00F_D000: {0x0: 0x1003, 0xFCC: 1} | _component(1, 0x449, 0x20, 0),
    0xE00F_E000: {0x0: 0x1003, 0xFCC: 1} | _component(1, 0x4C8),
    0xE00F_F000: {0x0: 0xFFF0_F003, 0x4: 0xFFF0_2003, 0x8: 0xFFF0_3003, 0xC: 0xFFF0_1003, 0xFCC: 1}
    | _component(1, 0x4C7),
    0xE000_E000: _component(0xE, 0x00C),
    0xE000_1000: _component(0xE, 0x002),
    0xE000_2000: _component(0xE, 0x00E),
    0xE000_0000: _component(0xE, 0x001),
}


class Debug:
    """Debug registers of the core, and the bus as the debugger reaches it."""

    def __init__(self, machine: Machine) -> None:
        self._m = machine
        self.control = 0
        self._reset_seen = True
        bus = machine.bus
        bus.on_read("DCB_DHCSR", self._read_dhcsr)
        bus.on_write("DCB_DHCSR", self._write_dhcsr)
        bus.on_write("DCB_DCRSR", self._transfer)
        bus.on_write("FPB_CTRL", self._write_fpb)
        for i in range(8):
            bus.on_write(f"FPB_COMP{i}", partial(self._write_comparator, i))

    @property
    def enabled(self) -> bool:
        """Whether a debugger is attached (C_DEBUGEN)."""
        return bool(self.control & C_DEBUGEN)

    @property
    def masks_interrupts(self) -> bool:
        """C_MASKINTS."""
        return bool(self.control & C_MASKINTS)

    def was_reset(self) -> bool:
        """Note a reset; returns whether the core halts at its first instruction (vector catch)."""
        self._reset_seen = True
        self.control &= ~C_HALT
        return self.enabled and bool(self._m.bus.get("DCB_DEMCR") & VC_CORERESET)

    def catches_hard_fault(self) -> bool:
        """Whether HardFault halts the core (VC_HARDERR)."""
        return self.enabled and bool(self._m.bus.get("DCB_DEMCR") & VC_HARDERR)

    def halt(self, cause: int) -> None:
        """Halt the core; ``cause`` is a DFSR bit."""
        self._m.halted = True
        self._m.lockup = False
        self.control |= C_HALT
        self._m.bus.put("SCB_DFSR", self._m.bus.get("SCB_DFSR") | cause)

    # ------------------------------------------------------------ DHCSR

    def _read_dhcsr(self) -> int:
        m = self._m
        value = self.control | S_REGRDY
        value |= S_HALT if m.halted else S_RETIRE_ST
        value |= S_LOCKUP if m.lockup else 0
        value |= S_SLEEP if m.sleeping and not m.halted else 0
        value |= S_RESET_ST if self._reset_seen or m.held_in_reset else 0
        if m.bus.debugger:
            self._reset_seen = False
        return value

    def _write_dhcsr(self, value: int) -> None:
        m = self._m
        if value >> 16 != DHCSR_KEY or not m.bus.debugger:
            return
        self.control = value & 0x2F
        m.flash.debugger_attached()
        if not value & C_DEBUGEN:
            m.halted = False
        elif m.held_in_reset:
            return
        elif value & C_HALT:
            if not m.halted:
                self.halt(DFSR_HALTED)
        elif m.halted:
            m.halted = False
            if value & C_STEP:
                m.debug_step()
                self.halt(DFSR_HALTED)

    # ------------------------------------------------------------ core registers

    def _transfer(self, value: int) -> None:
        if not self._m.bus.debugger:
            return
        number, write = value & 0x7F, bool(value & 1 << 16)
        core, bus = self._m.core, self._m.bus
        if number == 20:
            self._transfer_masks(write)
            return
        register = self._register(number)
        if register is None:
            return
        if not write:
            bus.put("DCB_DCRDR", core.get(register) & 0xFFFF_FFFF)
            return
        data = bus.get("DCB_DCRDR")
        core.set(register, data | 1 if number == 15 else data)
        if number in (15, 16):
            self._m.sleeping = False

    @staticmethod
    def _register(number: int) -> int | None:
        special: dict[int, int] = {
            17: reg.UC_ARM_REG_MSP,
            18: reg.UC_ARM_REG_PSP,
            33: reg.UC_ARM_REG_FPSCR,
        }
        if number < len(CORE_REGISTERS):
            return int(CORE_REGISTERS[number])
        if 64 <= number < 96:
            return int(S_REGISTERS[number - 64])
        return special.get(number)

    def _transfer_masks(self, write: bool) -> None:
        """CONTROL, FAULTMASK, BASEPRI, PRIMASK in one word (C1.6.3)."""
        core, bus = self._m.core, self._m.bus
        if write:
            data = bus.get("DCB_DCRDR")
            for i, register in enumerate(_MASKS):
                core.set(register, data >> 8 * i & 0xFF)
            core.set(reg.UC_ARM_REG_CONTROL, data >> 24 & 7)
            return
        word = sum((core.get(register) & 0xFF) << 8 * i for i, register in enumerate(_MASKS))
        bus.put("DCB_DCRDR", word | (core.get(reg.UC_ARM_REG_CONTROL) & 7) << 24)

    # ------------------------------------------------------------ breakpoints

    def _write_fpb(self, value: int) -> None:
        if value & 2:
            self._m.bus.put("FPB_CTRL", 0x1000_0080 | (value & 1))
            self._update_breakpoints()

    def _write_comparator(self, i: int, value: int) -> None:
        self._m.bus.put(f"FPB_COMP{i}", value)
        self._update_breakpoints()

    def _update_breakpoints(self) -> None:
        bus = self._m.bus
        addresses = []
        if bus.get("FPB_CTRL") & 1:
            values = [bus.get(f"FPB_COMP{i}") for i in range(8)]
            addresses = [value & ~1 for value in values if value & 1]
        self._m.core.set_breakpoints(addresses)

    # ------------------------------------------------------------ bus, as the debugger sees it

    def read(self, address: int, size: int) -> bytes:
        """Memory through the access port.

        Raises
        ------
        BusError
            When nothing answers there, or readout protection forbids it.
        """
        self._check(address, size)
        if not self._is_register(address):
            data = self._m.core.read_memory(address, size)
            if data is None:
                raise BusError(address)
            return data
        out = bytearray()
        for at in range(address & ~3, address + size, 4):
            out += self._read_word(at).to_bytes(4, "little")
        return bytes(out[address & 3 : (address & 3) + size])

    def _read_word(self, address: int) -> int:
        ids = _ROM_TABLES.get(address & ~0xFFF, {})
        if address & 0xFFF in ids:
            return ids[address & 0xFFF]
        return self._m.bus.read(address, 4, debugger=True)

    def write(self, address: int, data: bytes) -> None:
        """Write memory through the access port; raises :class:`BusError`."""
        self._check(address, len(data))
        if self._is_register(address):
            width = 4 if len(data) % 4 == 0 and address % 4 == 0 else 1
            for i in range(0, len(data), width):
                value = int.from_bytes(data[i : i + width], "little")
                self._m.bus.write(address + i, width, value, debugger=True)
            return
        offset = memory.flash_offset(address, len(data))
        if offset is not None:
            for i in range(0, len(data), 4):
                word = data[i : i + 4]
                self._m.flash.store(offset + i, len(word), int.from_bytes(word, "little"))
            return
        if not self._m.core.write_memory(address, data):
            raise BusError(address)
        self._m.core.code_changed()

    def _check(self, address: int, size: int) -> None:
        in_flash = memory.flash_offset(address) is not None
        if in_flash and self._m.flash.protected:
            raise BusError(address)
        if self._m.held_in_reset and not self._is_core_space(address):
            raise BusError(address)

    @staticmethod
    def _is_core_space(address: int) -> bool:
        return address >= 0xE000_0000

    def _is_register(self, address: int) -> bool:
        return address & ~0xFFF in self._m.register_pages or 0xE000_0000 <= address < 0xE010_0000
