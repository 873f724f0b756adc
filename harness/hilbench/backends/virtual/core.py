"""The Cortex-M7: Unicorn, its memories, and exact stops.

:meth:`Core.run` executes a slice and says why it ended.  Counts are exact at every return: a block
that was left early is corrected by the program counter.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from unicorn import arm_const as reg
from unicorn import unicorn_const as u
from unicorn.unicorn_py3.unicorn import Uc, UcError

from hilbench.backends.virtual import memory
from hilbench.backends.virtual.access import WordAccess, advance_it, decode
from hilbench.backends.virtual.counter import Counter, StopReason, fp_offset, load_helper
from hilbench.backends.virtual.regfile import RegisterFile, RegisterGroup

CFSR_IBUSERR, CFSR_PRECISERR, CFSR_BFARVALID = 1 << 8, 1 << 9, 1 << 15
CFSR_UNDEFINSTR, CFSR_INVSTATE, CFSR_NOCP, CFSR_UNALIGNED = 1 << 16, 1 << 17, 1 << 19, 1 << 24

#: Pages that stay unmapped, so that an access stops the core exactly: (start, bytes).
PRECISE_PAGE = (0xE000_1000, 0x1000)

GENERAL = tuple(getattr(reg, f"UC_ARM_REG_R{i}") for i in range(13))
CORE_REGISTERS = (
    *GENERAL,
    reg.UC_ARM_REG_SP,
    reg.UC_ARM_REG_LR,
    reg.UC_ARM_REG_PC,
    reg.UC_ARM_REG_XPSR,
)
S_REGISTERS = tuple(getattr(reg, f"UC_ARM_REG_S{i}") for i in range(32))
EXC_RETURN_FLOOR = 0xFFFF_FFE0


class Stop(Enum):
    """Why a slice ended."""

    LIMIT = auto()
    REQUEST = auto()
    INTERRUPT = auto()
    WFI = auto()
    FAULT = auto()
    SVC = auto()
    BKPT = auto()
    BREAKPOINT = auto()
    EXC_RETURN = auto()


@dataclass(frozen=True)
class Fault:
    """A fault: bits for CFSR, and the address for BFAR when CFSR.BFARVALID is among them."""

    cfsr: int
    address: int = 0
    what: str = ""


Read = Callable[[int, int], int]
Write = Callable[[int, int, int], None]


class Core:
    """A Cortex-M7 with the memories of the STM32F746ZG.

    Parameters
    ----------
    pages : list of int
        Start addresses of the 4 KiB pages that hold peripheral registers.
    read, write : callable
        ``read(address, size) -> value`` and ``write(address, size, value)`` for those pages.
    flash_write : callable
        ``flash_write(offset, size, value)``: a store into flash.
    """

    def __init__(self, pages: list[int], read: Read, write: Write, flash_write: Write) -> None:
        engine: Any = Uc
        self.uc: Any = engine(u.UC_ARCH_ARM, u.UC_MODE_THUMB | u.UC_MODE_MCLASS)
        self.uc.ctl_set_cpu_model(reg.UC_CPU_ARM_CORTEX_M7)
        self._registers = RegisterFile(self.uc)
        self._read, self._write, self._flash_write = read, write, flash_write
        self._map_memories()
        for page in pages:
            if page != PRECISE_PAGE[0]:
                self._map_page(page, 0x1000)
        self.counter = Counter(self.uc, load_helper())
        self.uc.hook_add(u.UC_HOOK_INTR, self._on_interrupt)
        self.uc.hook_add(u.UC_HOOK_MEM_WRITE_PROT, self._on_write_protected)
        self.uc.hook_add(u.UC_HOOK_MEM_UNMAPPED, self._on_unmapped)
        self._breakpoint_hooks: list[int] = []
        self._stop: Stop | None = None
        self._bad_address = 0
        self._code_dirty = True
        self._precise: tuple[int, int] | None = None
        self._fp_enabled = False
        self.fault = Fault(0)

    # ------------------------------------------------------------ memories

    def _map_memories(self) -> None:
        self._flash_buffer = ctypes.create_string_buffer(memory.FLASH_BYTES + 0x1000)
        base = (ctypes.addressof(self._flash_buffer) + 0xFFF) & ~0xFFF
        array = (ctypes.c_ubyte * memory.FLASH_BYTES).from_address(base)
        self.flash = memoryview(array).cast("B")
        self.flash[:] = b"\xff" * memory.FLASH_BYTES
        for start in (memory.FLASH_AXIM, memory.FLASH_ITCM):
            self.uc.mem_map_ptr(start, memory.FLASH_BYTES, u.UC_PROT_READ | u.UC_PROT_EXEC, base)
            # one write from outside makes Unicorn treat the region as read-only inside as well
            self.uc.mem_write(start, b"\xff" * 4)
        for start, size in (memory.ITCM_RAM, memory.DTCM_RAM, memory.SRAM1, memory.SRAM2):
            self.uc.mem_map(start, size, u.UC_PROT_ALL)
        self.uc.mem_map(*memory.SYSTEM_MEMORY, u.UC_PROT_READ | u.UC_PROT_EXEC)

    def _map_page(self, start: int, size: int) -> None:
        def on_read(_uc: Any, offset: int, width: int, _user: object) -> int:
            return self._read(start + offset, width)

        def on_write(_uc: Any, offset: int, width: int, value: int, _user: object) -> None:
            self._write(start + offset, width, value & ((1 << 8 * width) - 1))

        self.uc.mmio_map(start, size, on_read, None, on_write, None)

    def read_memory(self, address: int, size: int) -> bytes | None:
        """Bytes of RAM, flash or system memory; None where nothing is mapped."""
        try:
            return bytes(self.uc.mem_read(address, size))
        except UcError:
            return None

    def write_memory(self, address: int, data: bytes) -> bool:
        """Write RAM as a debugger or a DMA does; False where there is none."""
        regions = (memory.ITCM_RAM, memory.DTCM_RAM, memory.SRAM1, memory.SRAM2)
        inside = any(memory.within(region, address, len(data)) for region in regions)
        straddles = memory.within((memory.DTCM_RAM[0], 320 * memory.KIB), address, len(data))
        if not inside and not straddles:
            return False
        self.uc.mem_write(address, data)
        return True

    def code_changed(self) -> None:
        """Forget translated code before the next slice."""
        self._code_dirty = True

    # ------------------------------------------------------------ registers

    def get(self, register: int) -> int:
        """Value of a Unicorn register id."""
        return self._registers.get(register)

    def set(self, register: int, value: int) -> None:
        """Set a Unicorn register id."""
        self._registers.set(register, value)

    def group(self, *registers: int) -> RegisterGroup:
        """Some registers, to read or write in one go."""
        return RegisterGroup(self.uc, registers)

    @property
    def pc(self) -> int:
        """Address of the next instruction."""
        return self.get(reg.UC_ARM_REG_PC) & ~1

    @pc.setter
    def pc(self, value: int) -> None:
        self.set(reg.UC_ARM_REG_PC, value | 1)

    @property
    def instructions(self) -> int:
        """Instructions executed; exact between slices and while the DWT is accessed."""
        return self.counts[0]

    @property
    def counts(self) -> tuple[int, int]:
        """Instructions executed, plain and weighted; exact when :attr:`instructions` is."""
        state = self.counter.state
        return self._precise or (state.executed, state.weighted)

    # ------------------------------------------------------------ running

    def enable_fp(self, on: bool) -> None:
        """Let floating-point instructions execute, or fault (CPACR)."""
        self._fp_enabled = on
        self.counter.state.fp_disabled = 0 if on else 1

    def set_breakpoints(self, addresses: list[int]) -> None:
        """Stop before the instructions at these addresses (FPB comparators)."""
        for hook in self._breakpoint_hooks:
            self.uc.hook_del(hook)
        self._breakpoint_hooks = [
            self.uc.hook_add(u.UC_HOOK_CODE, self._on_breakpoint, begin=address, end=address)
            for address in addresses
        ]
        self.code_changed()

    def run(self, limit: int) -> Stop:
        """Execute at least one block, until ``limit`` instructions or something else stops it."""
        if self._code_dirty:
            self.uc.ctl_flush_tb()
            self.counter.clear_cache()
            self._code_dirty = False
        self._stop = None
        self.counter.begin(limit)
        self.counter.state.fp_disabled = 0 if self._fp_enabled else 1
        start = self.pc
        try:
            self.uc.emu_start(start | 1, 0xFFFF_FFFF)
        except UcError as error:
            return self._on_error(error)
        if self._stop is not None:
            self.counter.left_at(self.pc)
            return self._stop
        return self._plain_stop()

    def step(self) -> Stop:
        """Execute exactly one instruction."""
        self._stop = None
        self.counter.begin(1 << 40)
        self.counter.state.fp_disabled = 0
        if not self._fp_enabled and fp_offset(self.read_memory(self.pc, 4) or b"") == 0:
            return self._fault(CFSR_NOCP, 0, "floating point while CPACR forbids it")
        start = self.pc
        # a block translated earlier does not know that it has to stop after one instruction
        self.uc.ctl_remove_cache(start, start + 4)
        try:
            self.uc.emu_start(start | 1, 0xFFFF_FFFF, count=1)
        except UcError as error:
            return self._on_error(error)
        finally:
            self.uc.ctl_remove_cache(start, start + 4)
        if self._stop not in (Stop.SVC, Stop.EXC_RETURN):
            self.counter.left_at(self.pc)
        return self._stop or (Stop.WFI if self._after_wfi() else Stop.LIMIT)

    def _plain_stop(self) -> Stop:
        reason = self.counter.reason
        if reason is StopReason.FP_DISABLED:
            return self._run_to_fp()
        if reason is StopReason.NONE and self._after_wfi():
            return Stop.WFI
        stops = {StopReason.REQUEST: Stop.REQUEST, StopReason.INTERRUPT: Stop.INTERRUPT}
        return stops.get(reason, Stop.LIMIT)

    def _run_to_fp(self) -> Stop:
        """Run up to the first floating-point instruction of the block, then fault (NOCP)."""
        state = self.counter.state
        code = bytes(self.uc.mem_read(state.block_address, state.block_size))
        start = state.block_address
        target = start + (fp_offset(code) or 0)
        while self.pc != target:
            stop = self.step()
            if stop is not Stop.LIMIT:
                return stop
            if not start <= self.pc <= target:
                return Stop.LIMIT
        if self._fp_enabled:
            return Stop.LIMIT
        return self._fault(CFSR_NOCP, 0, "floating point while CPACR forbids it")

    def _after_wfi(self) -> bool:
        """Whether the instruction before PC is WFI (0xBF30, or wide) or WFE."""
        code = self.read_memory(self.pc - 4, 4) or bytes(4)
        wide = code in (b"\xaf\xf3\x03\x80", b"\xaf\xf3\x02\x80")
        return wide or code[2:] in (b"\x30\xbf", b"\x20\xbf")

    # ------------------------------------------------------------ hooks

    def _on_interrupt(self, uc: Any, number: int, _user: object) -> None:
        # exception numbers of Unicorn's ARM core: 2 SVC, 7 BKPT, 8 exception return
        kinds = {2: Stop.SVC, 7: Stop.BKPT, 8: Stop.EXC_RETURN}
        self._stop = kinds.get(number)
        if self._stop is None:
            self._stop = self._fault(CFSR_UNDEFINSTR, 0, f"core exception {number}")
        uc.emu_stop()

    def _on_breakpoint(self, uc: Any, _address: int, _size: int, _user: object) -> None:
        self._stop = Stop.BREAKPOINT
        uc.emu_stop()

    def _on_write_protected(
        self, _uc: Any, _access: int, address: int, size: int, value: int, _user: object
    ) -> bool:
        offset = memory.flash_offset(address, size)
        if offset is None:
            self._bad_address = address
            return False
        self._flash_write(offset, size, value & ((1 << 8 * size) - 1))
        return True

    def _on_unmapped(
        self, _uc: Any, _access: int, address: int, _size: int, _value: int, _user: object
    ) -> bool:
        self._bad_address = address
        return False

    def _on_error(self, error: UcError) -> Stop:
        pc = self.pc
        if pc >= EXC_RETURN_FLOOR & ~1:
            return Stop.EXC_RETURN
        data = (u.UC_ERR_READ_UNMAPPED, u.UC_ERR_WRITE_UNMAPPED)
        if error.errno in data and memory.within(PRECISE_PAGE, self._bad_address):
            self.counter.left_at(pc)
            return self._precise_access()
        if error.errno == u.UC_ERR_INSN_INVALID and self._after_wfi():
            return Stop.WFI  # WFE: Unicorn knows no event register
        self.counter.left_at(pc)
        if error.errno in (*data, u.UC_ERR_WRITE_PROT):
            return self._fault(CFSR_PRECISERR | CFSR_BFARVALID, self._bad_address, "data bus error")
        if error.errno in (u.UC_ERR_FETCH_UNMAPPED, u.UC_ERR_FETCH_PROT):
            return self._fault(CFSR_IBUSERR, 0, "instruction bus error")
        if error.errno in (u.UC_ERR_READ_UNALIGNED, u.UC_ERR_WRITE_UNALIGNED):
            return self._fault(CFSR_UNALIGNED, 0, "unaligned access")
        if error.errno in (u.UC_ERR_INSN_INVALID, u.UC_ERR_EXCEPTION):
            return self._fault(CFSR_UNDEFINSTR, 0, "undefined instruction")
        raise error

    def _precise_access(self) -> Stop:
        """Execute one access to the DWT with the count exact before it."""
        self._precise = self.counts
        try:
            access = decode(self.read_memory(self.pc, 4) or b"")
            if access is not None:
                self._carry_out(access)
                return Stop.LIMIT
            self._map_page(*PRECISE_PAGE)
            try:
                return self.step()
            finally:
                self.uc.mem_unmap(*PRECISE_PAGE)
        finally:
            self._precise = None

    def _carry_out(self, access: WordAccess) -> None:
        register = CORE_REGISTERS[access.register]
        if access.load:
            self.set(register, self._read(self._bad_address, 4))
        else:
            self._write(self._bad_address, 4, self.get(register))
        xpsr = self.get(reg.UC_ARM_REG_XPSR)
        after = advance_it(xpsr)
        if after != xpsr:
            self.set(reg.UC_ARM_REG_XPSR, after)
        self.pc = self.pc + access.bytes
        self.counter.state.executed += 1
        self.counter.state.weighted += 1

    def stop_with_fault(self, fault: Fault) -> None:
        """End the slice before the current instruction with a fault; for a code hook."""
        self.fault = fault
        self._stop = Stop.FAULT
        self.uc.emu_stop()

    def _fault(self, cfsr: int, address: int, what: str) -> Stop:
        self.fault = Fault(cfsr, address, what)
        return Stop.FAULT
