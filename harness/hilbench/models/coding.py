"""Which constants of an image are Huffman-coded: weights, and where it makes them smaller."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hilbench.models.graph import Tensor, constant_bytes
from hilbench.models.huffman import TABLE_BYTES, CodeTable, code_table, encode

#: A coded tensor's own table must save this much over the shared one: itself and its record.
_OWN_TABLE_BYTES = TABLE_BYTES + 48
#: What a coded tensor costs beside its bits: records of an operator and a tensor, alignment.
_OVERHEAD_BYTES = 128


@dataclass(frozen=True, eq=False)
class Coded:
    """A tensor, its code and the table that decodes it (shared tables are one object)."""

    plain: Tensor
    content: bytes
    table: CodeTable


def code_tensors(tensors: Sequence[Tensor | None]) -> list[Coded | None]:
    """Code each tensor by a table shared by all, or by one of its own; None = stays as it is."""
    raw = [None if t is None else np.frombuffer(constant_bytes(t), np.uint8) for t in tensors]
    present = [data for data in raw if data is not None and data.size]
    if not present:
        return [None] * len(tensors)
    shared = code_table(np.concatenate(present))
    coded: list[Coded | None] = []
    saved_by_shared = 0
    for tensor, data in zip(tensors, raw, strict=True):
        if tensor is None or data is None or not data.size:
            coded.append(None)
            continue
        own = code_table(data)
        saved = (shared.bits(data) - own.bits(data)) // 8
        table = own if saved > _OWN_TABLE_BYTES else shared
        content = encode(data, table)
        extra = _OVERHEAD_BYTES + (_OWN_TABLE_BYTES if table is own else 0)
        gain = data.size - len(content) - extra
        coded.append(Coded(tensor, content, table) if gain > 0 else None)
        saved_by_shared += gain if gain > 0 and table is shared else 0
    if saved_by_shared <= _OWN_TABLE_BYTES:  # the shared table would cost more than it saves
        coded = [None if c is not None and c.table is shared else c for c in coded]
    return coded
