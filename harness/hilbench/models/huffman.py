"""Huffman coding of constant data, byte by byte: a storage form that the device decodes.

Canonical codes of at most 15 bits, the most significant bit first (Huffman, "A method for the
construction of minimum-redundancy codes", 1952; Schwartz and Kallick's canonical form, 1964).  A
table of code lengths takes 128 bytes, two lengths to a byte (symbol 2n in the low half), and may
serve several tensors.  Lengths of 0 mark symbols that don't occur.

A coded tensor in an image: u32 size of the coded bits in bytes, then the bits.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

SYMBOLS = 256
MAX_CODE_BITS = 15
TABLE_BYTES = SYMBOLS // 2

Bytes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class CodeTable:
    """Code lengths and codes, arrays of 256."""

    lengths: Bytes
    codes: NDArray[np.uint16]

    @property
    def packed(self) -> Bytes:
        """The table as an image holds it, 128 bytes."""
        return (self.lengths[0::2] | (self.lengths[1::2] << 4)).astype(np.uint8)

    def bits(self, data: Bytes) -> int:
        """Size of the coded data, bits."""
        return int(self.lengths[data].astype(np.int64).sum())


def code_table(data: Bytes) -> CodeTable:
    """The table that codes ``data`` (not empty) in the fewest bits, with codes of 15 at most."""
    counts = np.bincount(data, minlength=SYMBOLS).astype(np.int64)
    lengths = _limited(_lengths(counts), counts)
    return CodeTable(lengths, _canonical(lengths))


def encode(data: Bytes, table: CodeTable) -> bytes:
    """Size word and bits."""
    lengths = table.lengths[data].astype(np.int64)
    codes = table.codes[data].astype(np.int64)
    index = np.arange(MAX_CODE_BITS)
    shifts = lengths[:, None] - 1 - index
    bits = (codes[:, None] >> np.maximum(shifts, 0)) & 1
    stream = np.packbits(bits[shifts >= 0].astype(np.uint8)).tobytes()
    return len(stream).to_bytes(4, "little") + stream


def decode(blob: bytes, packed_table: Bytes, size: int) -> Bytes:
    """The ``size`` bytes that :func:`encode` was given; what the device computes."""
    lengths = np.stack([packed_table & 15, packed_table >> 4], axis=1).reshape(-1)
    symbols = {
        (int(lengths[s]), int(code)): s for s, code in enumerate(_canonical(lengths)) if lengths[s]
    }
    coded = int.from_bytes(blob[:4], "little")
    bits = np.unpackbits(np.frombuffer(blob[4 : 4 + coded], np.uint8)).tolist()
    out = np.zeros(size, np.uint8)
    code = length = position = 0
    for bit in bits:
        code, length = code << 1 | bit, length + 1
        symbol = symbols.get((length, code))
        if symbol is not None and position < size:
            out[position] = symbol
            code, length, position = 0, 0, position + 1
    return out


def _lengths(counts: NDArray[np.int64]) -> Bytes:
    """Unlimited Huffman code lengths; a lone symbol gets one bit."""
    heap: list[tuple[int, int, tuple[int, ...]]] = [
        (int(count), symbol, (symbol,)) for symbol, count in enumerate(counts) if count
    ]
    lengths = np.zeros(SYMBOLS, np.int64)
    if len(heap) == 1:
        lengths[heap[0][1]] = 1
        return lengths.astype(np.uint8)
    heapq.heapify(heap)
    while len(heap) > 1:
        first, second = heapq.heappop(heap), heapq.heappop(heap)
        merged = first[2] + second[2]
        lengths[list(merged)] += 1
        heapq.heappush(heap, (first[0] + second[0], min(first[1], second[1]), merged))
    return lengths.astype(np.uint8)


def _limited(lengths: Bytes, counts: NDArray[np.int64]) -> Bytes:
    """Lengths of 15 at most, Kraft's inequality kept: the rarest symbols pay for the cut."""
    result = np.minimum(lengths, MAX_CODE_BITS).astype(np.int64)
    used = np.flatnonzero(result)
    unit = 1 << MAX_CODE_BITS
    excess = int((unit >> result[used]).sum()) - unit
    by_count = used[np.argsort(counts[used], kind="stable")]
    while excess > 0:
        for symbol in by_count:
            if excess > 0 and result[symbol] < MAX_CODE_BITS:
                excess -= unit >> int(result[symbol] + 1)
                result[symbol] += 1
    return result.astype(np.uint8)


def _canonical(lengths: Bytes) -> NDArray[np.uint16]:
    """Codes in the order of length, then symbol."""
    codes = np.zeros(SYMBOLS, np.uint16)
    code = 0
    for length in range(1, MAX_CODE_BITS + 1):
        for symbol in np.flatnonzero(lengths == length):
            codes[symbol] = code
            code += 1
        code <<= 1
    return codes
