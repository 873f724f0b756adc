"""The register table agrees with the vendor's SVD, the firmware's headers and itself."""

from __future__ import annotations

import gzip
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

import pytest
from tests.conftest import ROOT, require_shared

from hilbench.backends.virtual import registers

TABLE = registers.load()

#: Names that differ: ours (RM0385's) -> the SVD's.
SVD_PERIPHERAL = {"DBGMCU": "DBG", "ADC": "C_ADC"}
SVD_REGISTER = {
    "RCC_DCKCFGR1": "DKCFGR1",
    "RCC_DCKCFGR2": "DKCFGR2",
    "DBGMCU_IDCODE": "DBGMCU_IDCODE",
    "DBGMCU_CR": "DBGMCU_CR",
    "DBGMCU_APB1_FZ": "DBGMCU_APB1_FZ",
    "DBGMCU_APB2_FZ": "DBGMCU_APB2_FZ",
}
#: Peripherals of the core, which the vendor's SVD leaves out, and factory words, which are memory.
NOT_IN_SVD = {"SYST", "NVIC", "SCB", "SCS", "TCM", "MPU", "DWT", "FPB", "DCB", "UID", "CALIBRATION"}

#: Where the SVD is wrong, or silent: register -> why our reset value differs.
RESET_DIFFERS = {
    "DBGMCU_IDCODE": "SVD has the STM32F405's 0x10006411; RM0385 40.6.1: DEV_ID 0x449",
    "FLASH_OPTCR": "SVD has the F76x's dual bank bits; RM0385 3.7.6: 0xC0FFAAFD",
    "FLASH_OPTCR1": "SVD has 0x0FFF0000; RM0385 3.7.7: 0x00400080",
    "RCC_DCKCFGR1": "SVD repeats PLLI2SCFGR's value; RM0385 5.3.25: 0",
}
#: Bits that we name and the SVD lacks, or has elsewhere.
BITS_DIFFER = {
    "RCC_CR": "PLLSAION and PLLSAIRDY (RM0385 5.3.1) are missing in the SVD",
    "FLASH_CR": "the SVD has MER1 and a 5-bit SNB of the F76x; RM0385 3.7.5",
    "PWR_CSR1": "EIWUP (RM0385 4.4.2) is missing in the SVD",
    "DBGMCU_APB1_FZ": "DBG_RTC_STOP (RM0385 40.16.4) is missing in the SVD",
}


class SvdRegister(NamedTuple):
    """What the SVD says of a register."""

    address: int
    reset: int
    known: int


@pytest.fixture(scope="module")
def svd() -> dict[tuple[str, str], SvdRegister]:
    """(peripheral, register) -> what the SVD says."""
    root = ElementTree.fromstring(
        gzip.decompress(require_shared("svd/STM32F746.svd.gz").read_bytes())
    )
    peripherals = {p.findtext("name", ""): p for p in root.iter("peripheral")}
    found = {}
    for name, peripheral in peripherals.items():
        source = peripherals[peripheral.get("derivedFrom", name)]
        base = int(peripheral.findtext("baseAddress", "0"), 0)
        for register in source.iter("register"):
            known = 0
            for field in register.iter("field"):
                width = int(field.findtext("bitWidth", "0"))
                known |= ((1 << width) - 1) << int(field.findtext("bitOffset", "0"))
            found[name, register.findtext("name", "")] = SvdRegister(
                base + int(register.findtext("addressOffset", "0"), 0),
                int(register.findtext("resetValue", "0"), 16),
                known,
            )
    return found


def _rows() -> list[registers.Register]:
    return [r for r in TABLE.by_address.values() if r.peripheral not in NOT_IN_SVD]


def _in_svd(svd: dict[tuple[str, str], SvdRegister], row: registers.Register) -> SvdRegister:
    peripheral = SVD_PERIPHERAL.get(row.peripheral, row.peripheral)
    return svd[peripheral, SVD_REGISTER.get(row.label, row.name)]


def test_addresses_are_the_svds(svd: dict[tuple[str, str], SvdRegister]) -> None:
    wrong = {r.label: hex(r.address) for r in _rows() if _in_svd(svd, r).address != r.address}
    assert not wrong
    assert len(_rows()) > 100


def test_reset_values_are_the_svds(svd: dict[tuple[str, str], SvdRegister]) -> None:
    differ = {r.label for r in _rows() if _in_svd(svd, r).reset != r.reset}
    assert differ == set(RESET_DIFFERS)


def test_bits_are_the_svds(svd: dict[tuple[str, str], SvdRegister]) -> None:
    differ = {r.label for r in _rows() if r.known & ~_in_svd(svd, r).known}
    assert differ <= set(BITS_DIFFER)


def test_every_row_has_its_section_and_bits() -> None:
    for row in TABLE.by_address.values():
        assert re.fullmatch(r"(RM0385|ARMv7-M ARM|PM0253) [A-C]?\d[\d.]*", row.section), row
        assert row.bits, row
        if row.gate is not None:
            register, _, bit = row.gate.partition(".")
            assert bit in TABLE.by_label[f"RCC_{register}"].bits


def test_bits_of_a_register_do_not_overlap() -> None:
    for row in TABLE.by_address.values():
        seen = 0
        for name, field in row.bits.items():
            assert not seen & field.mask, f"{row.label}_{name}"
            assert field.lsb + field.width <= 32
            seen |= field.mask


# ---------------------------------------------------------------- headers


DEFINE = re.compile(
    r"#define (?P<name>[A-Z][A-Za-z0-9_]+) "
    r"(?P<value>\(\*\(volatile uint32_t \*\)0x[0-9A-Fa-f]+u\)|\(\d+u << \d+\)|0x[0-9A-Fa-f]{8}u)"
)
#: Registers that several peripherals or streams share are written with a placeholder in C.
GENERIC = (("USART_", "USART3_"), ("DMA_Sx", "DMA1_S1"))
#: Constants, not registers or bits: keys, and a value of a field.
VALUES = {"FLASH_KEYR_KEY1", "FLASH_KEYR_KEY2", "FLASH_CR_PSIZE_WORD", "DWT_LAR_KEY"}


def _defines(header: Path) -> dict[str, int]:
    found = {}
    for match in DEFINE.finditer(header.read_text()):
        text = match["value"].replace("(*(volatile uint32_t *)", "").strip("()").replace("u", "")
        number, _, shift = text.partition("<<")
        found[match["name"]] = int(number, 0) << int(shift or 0)
    return found


def _expected(name: str) -> int | None:
    for generic, ours in GENERIC:
        if name.startswith(generic):
            name = ours + name[len(generic) :]
    if name in TABLE.by_label:
        return TABLE.address(name)
    for label in sorted(TABLE.by_label, key=len, reverse=True):
        bit = name[len(label) + 1 :]
        if name.startswith(label + "_") and bit in TABLE.by_label[label].bits:
            return TABLE.mask(label, bit)
    return None


def _headers() -> list[Path]:
    ports = ROOT / "firmware" / "ports" / "nucleo-f746"
    common = ROOT / "firmware" / "ports" / "common" / "cortex_m"
    algorithm = ROOT / "firmware" / "flash_algorithm"
    return [h for folder in (ports, common, algorithm) for h in sorted(folder.rglob("*.h"))]


@pytest.mark.parametrize("header", _headers(), ids=lambda path: path.name)
def test_headers_agree_with_the_table(header: Path) -> None:
    defines = {k: v for k, v in _defines(header).items() if k not in VALUES}
    wrong = {n: (hex(v), _expected(n)) for n, v in defines.items() if _expected(n) != v}
    assert not wrong


def test_the_header_check_reads_headers() -> None:
    names = {name for header in _headers() for name in _defines(header)}
    assert {"RCC_CR", "RCC_CR_HSEON", "FLASH_SR_BSY", "DMA1_S1NDTR", "USART_ISR_ORE"} <= names
