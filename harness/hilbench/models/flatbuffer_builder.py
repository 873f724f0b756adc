"""Builds FlatBuffers: a tree of tables and vectors, laid out front to back.

Children lie behind their parents, so that every offset is positive, as the format asks.  Vtables
are not shared: the files are small.  Layout: https://flatbuffers.dev/internals/
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray


@dataclass
class TableNode:
    """A table: slot -> scalar (struct letter, value) or child; None is left out."""

    scalars: dict[int, tuple[str, float]] = field(default_factory=dict)
    children: dict[int, Node | None] = field(default_factory=dict)


@dataclass
class VectorNode:
    """A vector of numbers, its data aligned to ``align`` bytes."""

    data: NDArray[np.generic]
    align: int = 4


@dataclass
class TablesNode:
    """A vector of tables."""

    tables: list[TableNode]


Node = TableNode | VectorNode | TablesNode | str


def integers(values: tuple[int, ...], dtype: str = "<i4") -> VectorNode:
    """A vector of integers."""
    data = np.array(values, dtype)
    return VectorNode(data, max(4, data.itemsize))


def build(root: TableNode, identifier: bytes) -> bytes:
    """The file."""
    out = bytearray(4) + identifier
    out[0:4] = struct.pack("<I", _emit(out, root))
    return bytes(out)


def _emit(out: bytearray, node: Node) -> int:
    """Append a node and what hangs below it; returns its position."""
    if isinstance(node, TableNode):
        return _emit_table(out, node)
    if isinstance(node, TablesNode):
        return _emit_tables(out, node)
    if isinstance(node, str):
        raw = node.encode()
        _pad(out, 4)
        at = len(out)
        out += struct.pack("<I", len(raw)) + raw + b"\0"
        return at
    _pad(out, node.align, ahead=4)
    at = len(out)
    out += struct.pack("<I", len(node.data)) + node.data.tobytes()
    return at


def _emit_table(out: bytearray, node: TableNode) -> int:
    children = {slot: child for slot, child in node.children.items() if child is not None}
    fields = {slot: struct.calcsize("<" + code) for slot, (code, _) in node.scalars.items()}
    fields.update(dict.fromkeys(children, 4))
    offsets, size = {}, 4
    for slot, width in sorted(fields.items(), key=lambda item: (-item[1], item[0])):
        size = -(-size // width) * width
        offsets[slot] = size
        size += width
    slots = max(fields, default=-1) + 1
    vtable = struct.pack(
        f"<HH{slots}H", 4 + 2 * slots, size, *(offsets.get(slot, 0) for slot in range(slots))
    )
    _pad(out, 8, ahead=len(vtable))
    at = len(out) + len(vtable)
    out += vtable + struct.pack("<i", len(vtable)) + bytes(size - 4)
    for slot, (code, value) in node.scalars.items():
        number = float(value) if code in "fd" else int(value)
        struct.pack_into("<" + code, out, at + offsets[slot], number)
    for slot, child in children.items():
        _link(out, at + offsets[slot], child)
    return at


def _emit_tables(out: bytearray, node: TablesNode) -> int:
    _pad(out, 4)
    at = len(out)
    out += struct.pack("<I", len(node.tables)) + bytes(4 * len(node.tables))
    for number, table in enumerate(node.tables):
        _link(out, at + 4 + 4 * number, table)
    return at


def _link(out: bytearray, at: int, child: Node) -> None:
    struct.pack_into("<I", out, at, _emit(out, child) - at)


def _pad(out: bytearray, alignment: int, ahead: int = 0) -> None:
    """Zeros until the position ``ahead`` bytes from here is aligned."""
    out += bytes(-(len(out) + ahead) % alignment)
