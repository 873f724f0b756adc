"""The register table (``registers.toml``) as frozen objects."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any


@dataclass(frozen=True)
class Field:
    """A bit field: position of its lowest bit, and width in bits."""

    lsb: int
    width: int

    @property
    def mask(self) -> int:
        """The field's bits, in place."""
        return ((1 << self.width) - 1) << self.lsb


@dataclass(frozen=True)
class Register:
    """One register of the table."""

    peripheral: str
    name: str
    address: int
    reset: int
    access: str
    section: str
    bits: dict[str, Field]
    gate: str | None

    @property
    def known(self) -> int:
        """Mask of the bits that the table names."""
        mask = 0
        for field in self.bits.values():
            mask |= field.mask
        return mask

    @property
    def label(self) -> str:
        """Name as in C: ``RCC_CR``."""
        return f"{self.peripheral}_{self.name}"


@dataclass(frozen=True)
class RegisterTable:
    """All registers, by address and by label."""

    by_address: dict[int, Register]
    by_label: dict[str, Register]

    def address(self, label: str) -> int:
        """Address of ``PERIPHERAL_REGISTER``."""
        return self.by_label[label].address

    def mask(self, label: str, *names: str) -> int:
        """Bits of the named fields of a register, in place."""
        bits = self.by_label[label].bits
        mask = 0
        for name in names:
            mask |= bits[name].mask
        return mask


def parse_bits(text: str) -> dict[str, Field]:
    """Read ``NAME=lsb NAME=lsb:width NAME#=lsb:width*count``."""
    bits: dict[str, Field] = {}
    for item in text.split():
        name, _, place = item.partition("=")
        place, _, count = place.partition("*")
        lsb, _, width = place.partition(":")
        one = Field(int(lsb), int(width or 1))
        if not name.endswith("#"):
            bits[name] = one
            continue
        for i in range(int(count)):
            bits[f"{name[:-1]}{i}"] = Field(one.lsb + i * one.width, one.width)
    return bits


def _registers(name: str, entry: dict[str, Any], layouts: dict[str, Any]) -> list[Register]:
    source = layouts[entry["layout"]] if "layout" in entry else entry
    resets = entry.get("resets", {})
    return [
        Register(
            peripheral=name,
            name=register,
            address=entry["base"] + row["at"],
            reset=resets.get(register, row["reset"]),
            access=row.get("access", "rw"),
            section=f"{source['manual']} {row['section']}",
            bits=parse_bits(row["bits"]),
            gate=entry.get("gate"),
        )
        for register, row in source["registers"].items()
    ]


@lru_cache(maxsize=1)
def load() -> RegisterTable:
    """Read the table that ships with the package."""
    text = resources.files(__package__).joinpath("registers.toml").read_text("utf-8")
    data = tomllib.loads(text)
    rows = [
        register
        for name, entry in data["peripheral"].items()
        for register in _registers(name, entry, data["layout"])
    ]
    by_address = {row.address: row for row in rows}
    if len(by_address) != len(rows):
        raise ValueError("registers.toml names an address twice")
    return RegisterTable(by_address, {row.label: row for row in rows})
