"""The port's register header against the virtual board's table (and that one against the SVD)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest

from tests.conftest import ROOT

TABLE = ROOT / "harness" / "hilbench" / "backends" / "virtual" / "registers.toml"
PORT = ROOT / "firmware" / "ports"
HEADERS = (
    PORT / "nucleo-f746" / "stm32f746_registers.h",
    PORT / "common" / "cortex_m" / "hb_cortex_m.h",
)
#: Names of our own beside the manuals': values, not registers.
NO_REGISTERS = {"SCB_AIRCR_VECTKEY", "SCB_CPACR_CP10_CP11"}
#: The shared layouts that the header's generic bit names stand for.
GENERIC = {"USART": "USART3", "DMA_SxCR": "DMA1_S1CR"}


def bits_of(text: str) -> Iterator[tuple[str, int]]:
    """(name, mask) of the fields in a row's `bits`."""
    for part in text.split():
        match = re.fullmatch(r"(\w+)=(\d+)(?::(\d+))?", part)
        if match:
            yield match[1], ((1 << int(match[3] or 1)) - 1) << int(match[2])


def table() -> tuple[dict[str, int], dict[str, int]]:
    """Addresses of registers by name, and masks of their bits by name."""
    raw: dict[str, Any] = tomllib.loads(TABLE.read_text(encoding="utf-8"))
    addresses, masks = {}, {}
    for name, peripheral in raw["peripheral"].items():
        layout = raw["layout"][peripheral["layout"]] if "layout" in peripheral else peripheral
        for register, row in layout["registers"].items():
            addresses[f"{name}_{register}"] = peripheral["base"] + row["at"]
            for bit, mask in bits_of(row.get("bits", "")):
                masks[f"{name}_{register}_{bit}"] = mask
    return addresses, masks


def defines() -> list[tuple[str, int]]:
    """(name, value) of every register and bit in the headers."""
    found = []
    for header in HEADERS:
        text = header.read_text(encoding="utf-8")
        for name, value in re.findall(r"^#define (\w+_\w+) (0x[0-9A-F]+u|\(.+\))", text, re.M):
            shifted = re.fullmatch(r"\((\d+)u? << (\d+)\)", value)
            if name in NO_REGISTERS or (value.startswith("(") and not shifted):
                continue
            number = int(shifted[1]) << int(shifted[2]) if shifted else int(value[:-1], 16)
            found.append((name, number))
    return found


@pytest.mark.parametrize(("name", "value"), defines())
def test_every_register_and_bit_is_the_tables(name: str, value: int) -> None:
    addresses, masks = table()
    for short, register in GENERIC.items():
        if name.startswith(short + "_"):
            name = register + name[len(short) :]
    known = addresses if value >= 0x1FF00000 and name not in masks else masks
    assert name in known, f"{name} is not in registers.toml"
    assert known[name] == value


def test_the_headers_are_read_at_all() -> None:
    names = {name for name, _ in defines()}
    assert {"RCC_CR", "USART_CR1_UE", "DMA_SxCR_EN", "SYST_CSR", "SCB_CCR_IC"} <= names
    assert len(names) > 100
