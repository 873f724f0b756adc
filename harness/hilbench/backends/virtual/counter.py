"""Exact instruction counting by a block hook: the C helper, or the same in Python.

Both count a block when it starts, by decoding it once, and can stop the core before a block.  A
second total, ``weighted``, counts an instruction that moves several registers once per register.
A block that is left early (a fault, a breakpoint) is corrected by :meth:`Counter.left_at`.  The two
give the same numbers; the helper is some ten times faster.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from enum import IntEnum
from importlib import resources
from pathlib import Path
from typing import Any, Protocol

from unicorn import UC_HOOK_BLOCK, arm_const
from unicorn.unicorn_py3.unicorn import uclib

NO_INTERRUPT = 256


class StopReason(IntEnum):
    """Why the hook stopped the core; the numbers are those of ``counter.c``."""

    NONE = 0
    LIMIT = 1
    REQUEST = 2
    INTERRUPT = 3
    FP_DISABLED = 4


class State(Protocol):
    """What the hook shares with its owner; see ``struct hb_counter``."""

    executed: int
    weighted: int
    limit: int
    request: int
    irq_priority: int
    fp_disabled: int
    reason: int
    block_address: int
    block_size: int
    block_instructions: int


def iterate_instructions(code: bytes) -> Iterator[tuple[int, int]]:
    """Halfwords of each Thumb instruction, 0 for a second one that is not there (ARM A5.1)."""
    i = 0
    while i + 1 < len(code):
        first = int.from_bytes(code[i : i + 2], "little")
        if first < 0xE800:
            yield first, 0
            i += 2
        else:
            yield first, int.from_bytes(code[i + 2 : i + 4], "little")
            i += 4


def count_instructions(code: bytes) -> int:
    """Number of Thumb instructions in ``code`` (ARMv7-M ARM A5.1)."""
    return sum(1 for _ in iterate_instructions(code))


def weigh_instructions(code: bytes) -> int:
    """Sum of :func:`registers_moved` over the Thumb instructions in ``code``."""
    return sum(registers_moved(first, second) for first, second in iterate_instructions(code))


def registers_moved(first: int, second: int) -> int:
    """Weight of an instruction: registers that it moves to or from memory at once, else 1.

    One per core register (LDM, STM, PUSH, POP, LDRD, STRD) and per S or D register (VLDM, VSTM,
    VPUSH, VPOP): about the time that the transfers take.  See ``transfers.h``, which this equals.
    """
    pc = first & 0xF == 15
    moved = 1
    if first & 0xF600 == 0xB400:
        moved = (first & 0x1FF).bit_count()
    elif first & 0xF000 == 0xC000:
        moved = (first & 0xFF).bit_count()
    elif not pc and first & 0xFE40 == 0xE800:
        moved = second.bit_count()
    elif first & 0xFE40 == 0xE840 and first & 0x0120:
        moved = 1 if pc and first & 0x20 else 2
    elif not pc and first & 0xFE00 == 0xEC00 and (second >> 9) & 7 == 5:
        puw = (first >> 6 & 6) | (first >> 5 & 1)
        if puw in (2, 3, 5):
            moved = (second & 0xFF) >> 1 if second & 0x100 else second & 0xFF
    return max(moved, 1)


def has_fp(code: bytes) -> bool:
    """Whether ``code`` holds an instruction of coprocessor 10 or 11, the FPU."""
    return fp_offset(code) is not None


def fp_offset(code: bytes) -> int | None:
    """Offset in bytes of the first floating-point instruction in ``code``, if any."""
    i = 0
    while i + 1 < len(code):
        first = int.from_bytes(code[i : i + 2], "little")
        if first < 0xE800:
            i += 2
            continue
        second = int.from_bytes(code[i + 2 : i + 4], "little")
        if first & 0xEC00 == 0xEC00 and (second >> 9) & 7 == 5:
            return i
        i += 4
    return None


class Counter:
    """Counts the instructions that a Unicorn engine executes.

    Parameters
    ----------
    uc : unicorn.Uc
        The engine to watch.
    helper : ctypes.CDLL or None
        The compiled ``counter.c``; without it the hook is a Python function.
    """

    def __init__(self, uc: Any, helper: ctypes.CDLL | None) -> None:
        self._uc = uc
        self.kind = "python" if helper is None else "c"
        self.state: State
        if helper is None:
            self._hook = _PythonHook(uc)
            self.state = self._hook
            self.clear_cache = self._hook.clear_cache
            return
        self.state = _attach_helper(uc, helper)
        pointer = ctypes.byref(self.state)  # type: ignore[arg-type]
        self.clear_cache = lambda: helper.hb_counter_clear(pointer)

    def begin(self, limit: int) -> None:
        """Prepare a slice of at most ``limit`` instructions (to the end of a block)."""
        self.state.limit = self.state.executed + limit
        self.state.request = 0
        self.state.reason = StopReason.NONE
        self.state.block_size = 0
        self.state.block_instructions = 0

    @property
    def executed(self) -> int:
        """Instructions executed so far; exact between slices."""
        return self.state.executed

    @property
    def reason(self) -> StopReason:
        """Why the hook stopped the last slice; NONE when something else did."""
        return StopReason(self.state.reason)

    def left_at(self, pc: int) -> None:
        """Correct the count: the block entered last was left before the instruction at ``pc``."""
        state = self.state
        offset = pc - state.block_address
        if not 0 <= offset < state.block_size or not state.block_instructions:
            return
        code = bytes(self._uc.mem_read(state.block_address, state.block_size))
        state.executed -= count_instructions(code[offset:])
        state.weighted -= weigh_instructions(code[offset:])
        state.block_instructions = 0


class _PythonHook:
    """The state and the hook, without a compiler."""

    def __init__(self, uc: Any) -> None:
        self.executed = self.weighted = 0
        self.limit = self.request = self.fp_disabled = self.reason = 0
        self.irq_priority = NO_INTERRUPT
        self.block_address = self.block_size = self.block_instructions = 0
        self._cache: dict[tuple[int, int], tuple[int, int, bool]] = {}
        self.clear_cache = self._cache.clear
        uc.hook_add(UC_HOOK_BLOCK, self._block)

    def _block(self, uc: Any, address: int, size: int, _user: object) -> None:
        entry = self._cache.get((address, size))
        if entry is None:
            code = bytes(uc.mem_read(address, size))
            entry = self._cache[address, size] = (
                count_instructions(code),
                weigh_instructions(code),
                has_fp(code),
            )
        self.block_address = address
        self.block_size = size
        if self.request:
            self.reason = StopReason.REQUEST
        elif self.irq_priority < NO_INTERRUPT and self._unmasked(uc):
            self.reason = StopReason.INTERRUPT
        elif self.executed >= self.limit:
            self.reason = StopReason.LIMIT
        elif self.fp_disabled and entry[2]:
            self.reason = StopReason.FP_DISABLED
        else:
            self.block_instructions = entry[0]
            self.executed += entry[0]
            self.weighted += entry[1]
            return
        self.block_instructions = 0
        uc.emu_stop()

    def _unmasked(self, uc: Any) -> bool:
        if uc.reg_read(arm_const.UC_ARM_REG_PRIMASK) & 1:
            return False
        basepri = uc.reg_read(arm_const.UC_ARM_REG_BASEPRI)
        faultmask = uc.reg_read(arm_const.UC_ARM_REG_FAULTMASK) & 1
        return not faultmask and (basepri == 0 or self.irq_priority < basepri)


class _HelperState(ctypes.Structure):
    """The head of ``struct hb_counter``; the cache follows."""

    _fields_ = (
        ("executed", ctypes.c_uint64),
        ("weighted", ctypes.c_uint64),
        ("limit", ctypes.c_uint64),
        ("request", ctypes.c_uint32),
        ("irq_priority", ctypes.c_uint32),
        ("fp_disabled", ctypes.c_uint32),
        ("reason", ctypes.c_uint32),
        ("block_address", ctypes.c_uint32),
        ("block_size", ctypes.c_uint32),
        ("block_instructions", ctypes.c_uint32),
        ("reg_primask", ctypes.c_int32),
        ("reg_basepri", ctypes.c_int32),
        ("reg_faultmask", ctypes.c_int32),
        ("mem_read", ctypes.c_void_p),
        ("reg_read", ctypes.c_void_p),
        ("emu_stop", ctypes.c_void_p),
    )


def _pointer(function: Any) -> int | None:
    return ctypes.cast(function, ctypes.c_void_p).value


def _attach_helper(uc: Any, helper: ctypes.CDLL) -> Any:
    helper.hb_counter_bytes.restype = ctypes.c_size_t
    memory = ctypes.create_string_buffer(helper.hb_counter_bytes())
    state = _HelperState.from_buffer(memory)
    state.irq_priority = NO_INTERRUPT
    state.reg_primask = arm_const.UC_ARM_REG_PRIMASK
    state.reg_basepri = arm_const.UC_ARM_REG_BASEPRI
    state.reg_faultmask = arm_const.UC_ARM_REG_FAULTMASK
    state.mem_read = _pointer(uclib.uc_mem_read)
    state.reg_read = _pointer(uclib.uc_reg_read)
    state.emu_stop = _pointer(uclib.uc_emu_stop)
    handle = ctypes.c_size_t()
    status = uclib.uc_hook_add(
        uc._uch,
        ctypes.byref(handle),
        UC_HOOK_BLOCK,
        ctypes.cast(helper.hb_counter_block, ctypes.c_void_p),
        ctypes.cast(memory, ctypes.c_void_p),
        ctypes.c_uint64(1),
        ctypes.c_uint64(0),
    )
    if status:
        raise RuntimeError(f"uc_hook_add failed with {status}")
    return state


def load_helper() -> ctypes.CDLL | None:
    """Compile ``counter.c`` with ``cc`` into the user's cache, and load it.

    ``HILBENCH_COUNTER=python`` in the environment does without.

    Returns
    -------
    ctypes.CDLL or None
        None where there is no compiler, it fails, or the cache cannot be written; counts are the
        same without the helper.
    """
    compiler = shutil.which("cc")
    if compiler is None or os.environ.get("HILBENCH_COUNTER") == "python":
        return None
    package = resources.files(__package__)
    sources = {name: package.joinpath(name).read_bytes() for name in ("transfers.h", "counter.c")}
    digest = hashlib.sha256(b"".join(sources.values())).hexdigest()
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "hilbench"
    library = cache / f"counter-{digest[:16]}.so"
    try:
        if not library.exists():
            cache.mkdir(parents=True, exist_ok=True)
            _compile(compiler, sources, library)
        return ctypes.CDLL(str(library))
    except (OSError, subprocess.SubprocessError):
        return None


def _compile(compiler: str, sources: dict[str, bytes], library: Path) -> None:
    with tempfile.TemporaryDirectory(dir=library.parent) as folder:
        for name, text in sources.items():
            (Path(folder) / name).write_bytes(text)
        built = Path(folder) / "counter.so"
        c_file = Path(folder) / "counter.c"
        command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(built), str(c_file)]
        subprocess.run(command, check=True, capture_output=True, timeout=60)
        built.replace(library)
