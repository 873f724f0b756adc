"""Single word loads and stores, decoded: to carry out one by hand (ARMv7-M ARM A7.7.43, A7.7.161).

Registers whose accesses must see the exact instruction count lie in a page that is not mapped; the
access faults with an exact program counter, and is carried out from what is decoded here.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WordAccess:
    """One LDR or STR of a word, without write-back."""

    load: bool
    register: int
    bytes: int


def decode(code: bytes) -> WordAccess | None:
    """The access that ``code`` (4 bytes) starts with; None for any other form of one."""
    first = int.from_bytes(code[:2], "little")
    if first >> 12 == 0b0110:  # immediate offset, T1
        return WordAccess(bool(first & 1 << 11), first & 7, 2)
    if first >> 9 in (0b0101000, 0b0101100):  # register offset, T1
        return WordAccess(bool(first & 1 << 11), first & 7, 2)
    second = int.from_bytes(code[2:4], "little")
    load, register = bool(first & 1 << 4), second >> 12
    if register == 15:
        return None
    if first >> 4 in (0xF8D, 0xF8C):  # 12-bit offset, T3
        return WordAccess(load, register, 4)
    if first >> 4 in (0xF85, 0xF84):
        by_register = second & 0x0FC0 == 0  # T2
        negative = second & 0x0F00 == 0x0C00  # T4 without write-back
        if by_register or negative:
            return WordAccess(load, register, 4)
    return None


def advance_it(xpsr: int) -> int:
    """XPSR after one more instruction of an IT block (ARMv7-M ARM A7.3.3, ITAdvance)."""
    state = (xpsr >> 25 & 3) | (xpsr >> 8 & 0xFC)
    state = 0 if state & 7 == 0 else (state & 0xE0) | (state << 1 & 0x1F)
    return (xpsr & ~0x0600_FC00) | (state & 3) << 25 | (state & 0xFC) << 8
