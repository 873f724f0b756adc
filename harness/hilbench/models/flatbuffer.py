"""A strict, read-only FlatBuffers reader.

Every access is checked against the buffer, so that hostile bytes give a
:class:`~hilbench.errors.ModelError` and nothing else.  Vectors of numbers are views of the buffer:
a vector can't be larger than the file.  Layout: https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError

#: Limits of what becomes Python objects: tables of a file may share what they point to, so that a
#: small file could ask for any amount of work.
MAX_TABLES = 0xFFFE
MAX_INTEGERS = 256
MAX_TEXT_BYTES = 256


@dataclass(frozen=True)
class Table:
    """A table: ``position`` of its first byte, and where its vtable lies."""

    buffer: bytes
    position: int
    vtable: int
    vtable_bytes: int
    table_bytes: int

    def number(self, slot: int, code: str, default: float = 0) -> float:
        """Scalar field ``slot``; ``code`` is a :mod:`struct` letter."""
        size = struct.calcsize("<" + code)
        at = self._field(slot, size)
        return default if at is None else unpack(self.buffer, at, code)

    def integer(self, slot: int, code: str, default: int = 0) -> int:
        """Integer field ``slot``."""
        return int(self.number(slot, code, default))

    def table(self, slot: int) -> Table | None:
        """Sub-table, or None when absent."""
        at = self._offset(slot)
        return None if at is None else table_at(self.buffer, at)

    def tables(self, slot: int) -> list[Table]:
        """Vector of tables, at most :data:`MAX_TABLES`; absent = empty."""
        at = self._offset(slot)
        if at is None:
            return []
        count = self._count(at, 4)
        if count > MAX_TABLES:
            raise ModelError(f"a vector of {count} tables; {MAX_TABLES} are read at most")
        starts = range(at + 4, at + 4 + 4 * count, 4)
        return [table_at(self.buffer, follow(self.buffer, start)) for start in starts]

    def vector(self, slot: int, dtype: str) -> NDArray[np.generic] | None:
        """Vector of numbers as a read-only view; None when absent."""
        at = self._offset(slot)
        if at is None:
            return None
        kind = np.dtype(dtype)
        return np.frombuffer(self.buffer, kind, self._count(at, kind.itemsize), at + 4)

    def integers(self, slot: int, dtype: str = "<i4") -> tuple[int, ...]:
        """Vector of integers, at most :data:`MAX_INTEGERS`; absent = empty."""
        values = self.vector(slot, dtype)
        if values is None:
            return ()
        if values.size > MAX_INTEGERS:
            raise ModelError(f"a vector of {values.size} integers; {MAX_INTEGERS} are read at most")
        return tuple(values.tolist())

    def text(self, slot: int) -> str:
        """The first :data:`MAX_TEXT_BYTES` of a string; absent = empty.  Escaped unless UTF-8."""
        at = self._offset(slot)
        if at is None:
            return ""
        count = min(self._count(at, 1), MAX_TEXT_BYTES)
        return self.buffer[at + 4 : at + 4 + count].decode("utf-8", "backslashreplace")

    def _field(self, slot: int, size: int) -> int | None:
        entry = 4 + 2 * slot
        if entry + 2 > self.vtable_bytes:
            return None
        offset = unpack(self.buffer, self.vtable + entry, "H")
        if offset == 0:
            return None
        if offset < 4 or offset + size > self.table_bytes:
            raise ModelError(f"malformed model: field {slot} outside its table")
        return self.position + offset

    def _offset(self, slot: int) -> int | None:
        at = self._field(slot, 4)
        return None if at is None else follow(self.buffer, at)

    def _count(self, at: int, size: int) -> int:
        count = unpack(self.buffer, at, "I")
        if count * size > len(self.buffer) - at - 4:
            raise ModelError(f"malformed model: vector of {count} at byte {at} runs past the end")
        return count


def root(buffer: bytes, identifier: bytes) -> Table:
    """Root table of a buffer that carries the 4-byte file ``identifier``."""
    if len(buffer) < 8 or buffer[4:8] != identifier:
        raise ModelError(f"not a {identifier.decode()} file: the identifier is missing")
    return table_at(buffer, follow(buffer, 0))


def table_at(buffer: bytes, position: int) -> Table:
    """The table at ``position``, its vtable checked."""
    vtable = position - unpack(buffer, position, "i")
    vtable_bytes = unpack(buffer, vtable, "H")
    table_bytes = unpack(buffer, vtable + 2, "H")
    if vtable_bytes < 4 or vtable_bytes % 2 or vtable + vtable_bytes > len(buffer):
        raise ModelError(f"malformed model: vtable at byte {vtable}")
    if table_bytes < 4 or position + table_bytes > len(buffer):
        raise ModelError(f"malformed model: table at byte {position} runs past the end")
    return Table(buffer, position, vtable, vtable_bytes, table_bytes)


def follow(buffer: bytes, at: int) -> int:
    """Target of the offset stored at ``at``."""
    return at + int(unpack(buffer, at, "I"))


def unpack(buffer: bytes, at: int, code: str) -> int:
    """One little-endian number, bounds checked (float codes give a float)."""
    size = struct.calcsize("<" + code)
    if at < 0 or at + size > len(buffer):
        raise ModelError(f"malformed model: byte {at} is outside the file")
    value: int = struct.unpack_from("<" + code, buffer, at)[0]
    return value
