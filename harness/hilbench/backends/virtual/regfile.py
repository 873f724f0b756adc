"""Registers of the Unicorn core, read and written without the detour through its Python layer.

An interrupt costs some thirty register accesses, and a firmware with a tick takes a thousand
interrupts a second.
"""

from __future__ import annotations

import ctypes
from typing import Any

from unicorn.unicorn_py3.unicorn import uclib


class RegisterFile:
    """All registers of one engine, 32 bits each."""

    def __init__(self, uc: Any) -> None:
        self._engine = uc._uch
        self._cell = ctypes.c_uint32()
        self._pointer = ctypes.byref(self._cell)

    def get(self, register: int) -> int:
        """Value of a register."""
        uclib.uc_reg_read(self._engine, register, self._pointer)
        return self._cell.value

    def set(self, register: int, value: int) -> None:
        """Set a register."""
        self._cell.value = value
        uclib.uc_reg_write(self._engine, register, self._pointer)


class RegisterGroup:
    """Some registers of one engine, read or written in one go, in order."""

    def __init__(self, uc: Any, registers: tuple[int, ...]) -> None:
        self._engine = uc._uch
        self._count = len(registers)
        self._ids = (ctypes.c_int * self._count)(*registers)
        self._values = (ctypes.c_uint32 * self._count)()
        start = ctypes.addressof(self._values)
        addresses = [start + 4 * i for i in range(self._count)]
        self._pointers = (ctypes.c_void_p * self._count)(*addresses)

    def read(self) -> list[int]:
        """Values of all registers of the group."""
        uclib.uc_reg_read_batch(self._engine, self._ids, self._pointers, self._count)
        return list(self._values)

    def write(self, *values: int) -> None:
        """Set all registers of the group, the first one first."""
        self._values[:] = list(values)
        uclib.uc_reg_write_batch(self._engine, self._ids, self._pointers, self._count)
