"""The committed ELFs: what they say of themselves, what they need, what they are made of."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from hilbench.schema import image, protocol
from tests.conftest import ROOT, require_tool

PREBUILT = ROOT / "firmware" / "prebuilt"
BOARDS = (
    "nucleo-f746",
    "mps2-an385-m0",
    "mps2-an386",
    "mps2-an500",
    "mps3-an547",
    "rv32-virt",
)
ARM, RISCV = "arm-none-eabi", "riscv64-unknown-elf"

#: Mnemonics that a core lacks.  Double precision: everything with .f64 that computes or converts.
DOUBLE = r"v\w+\.f64"
FPV5 = r"vrint\w*|vsel\w*|vmaxnm\w*|vminnm\w*|vcvt[anpm]\.\w+"
MVE_OR_LOOP = re.compile(r"^(vctp\S*|vps?t\S*|dlstp\S*|wlstp\S*|letp|dls|wls|le)\b|\bq[0-7]\b")
FORBIDDEN = {
    "mps2-an386": re.compile(rf"^({DOUBLE}|{FPV5})"),
    "mps2-an500": re.compile(rf"^({DOUBLE})"),
    "nucleo-f746": re.compile(rf"^({DOUBLE})"),
}
#: Armv6-M's instructions (Armv6-M ARM, A6.7), as objdump prints them: flag-setting where the
#: encoding is, and no wide ones but these.
ARMV6M = re.compile(
    r"""(
    adcs|adds?|ands|asrs|b(eq|ne|cs|cc|mi|pl|vs|vc|hi|ls|ge|lt|gt|le)?(\.n)?|bics|bkpt|bl|blx|bx|
    cmn|cmp|cps(ie|id)|dmb|dsb|eors|isb|ldmia|ldr(\.n)?|ldr(b|h|sb|sh)|lsls|lsrs|movs?|mrs|msr|muls|
    mvns|negs|nop|orrs|pop|push|rev(16|sh)?|rors|rsbs|sbcs|sev|stmia|str(b|h)?|subs?|svc|sxt[bh]|
    tst|udf|uxt[bh]|wfe|wfi|yield
    )$""",
    re.VERBOSE,
)
#: Base names of RV32IMAC with Zicsr, and the pseudo-instructions that objdump prints.
RV32IMAC = re.compile(
    r"""(c\.)?(
    add|addi|sub|andi?|ori?|xori?|slli?|srli?|srai?|slti?u?|lui|auipc|la|li|mv|not|neg|nop|zext\.b|
    lbu?|lhu?|lw|sb|sh|sw|b(eq|ne|lt|ge|gt|le)[uz]?|jr?|jalr?|ret|call|tail|s(eqz|nez|ltz|gtz)|
    mul|mulhs?u?|divu?|remu?|fence(\.i)?|ecall|ebreak|wfi|mret|csrr?[wsc]?i?|rd(instret|cycle)h?
    )$""",
    re.VERBOSE,
)


def elf(board: str) -> Path:
    return PREBUILT / board / "firmware.elf"


def manifest(board: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((PREBUILT / board / "manifest.json").read_text())
    return content


def instructions(board: str) -> list[tuple[str, str]]:
    """(mnemonic, operands) of all code; constant pools are no instructions."""
    prefix = RISCV if board == "rv32-virt" else ARM
    package = "binutils-" + prefix
    tool = require_tool(f"{prefix}-objdump", package)
    text = subprocess.run(
        [tool, "-d", "--no-show-raw-insn", str(elf(board))],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    lines = re.findall(r"^\s*[0-9a-f]+:\t(\S+)[ \t]*(.*)$", text, re.MULTILINE)
    return [(mnemonic, operands) for mnemonic, operands in lines if not mnemonic.startswith(".")]


@pytest.mark.parametrize("board", BOARDS)
def test_no_instruction_that_the_core_lacks(board: str) -> None:
    code = instructions(board)
    assert len(code) > 3000
    assert not [i for i in code if "UNDEFINED" in i[0] + i[1] or "unknown" in i[0] + i[1]]
    if board == "rv32-virt":
        assert not {mnemonic for mnemonic, _ in code if not RV32IMAC.match(mnemonic)}
        return
    if board == "mps2-an385-m0":
        assert not {mnemonic for mnemonic, _ in code if not ARMV6M.match(mnemonic)}
        return
    if board == "mps3-an547":
        return  # the M55 here has all that GCC emits for it
    forbidden = FORBIDDEN[board]
    assert not [i for i in code if forbidden.match(i[0]) or MVE_OR_LOOP.search(" ".join(i))]


@pytest.mark.parametrize(
    ("board", "source"),
    [
        ("mps2-an386", "vrinta.f32 s0, s0"),
        ("mps2-an500", "vadd.f64 d0, d1, d2"),
        ("nucleo-f746", "vadd.i32 q0, q1, q2"),
        ("nucleo-f746", "letp lr, 1b"),
        ("rv32-virt", "flw fa0, 0(a0)"),
        ("mps2-an385-m0", "udiv r0, r0, r1"),
        ("mps2-an385-m0", "cbz r0, 10"),
        ("mps2-an385-m0", "ldr.w r0, [r1, #200]"),
        ("mps2-an385-m0", "clz r0, r1"),
    ],
)
def test_the_disassembly_check_can_fail(board: str, source: str) -> None:
    """What it looks for is what objdump prints."""
    mnemonic = source.split()[0]
    if board == "rv32-virt":
        assert not RV32IMAC.match(mnemonic)
        return
    if board == "mps2-an385-m0":
        assert not ARMV6M.match(mnemonic)
        return
    assert FORBIDDEN[board].match(mnemonic) or MVE_OR_LOOP.search(source)


@pytest.mark.parametrize("board", BOARDS)
def test_the_elf_says_what_it_is(board: str) -> None:
    with elf(board).open("rb") as stream:
        meta = ELFFile(stream).get_section_by_name(".hilbench.meta").data()
    assert meta[:8] == b"HBMETA1\0"
    assert int.from_bytes(meta[8:10], "little") == protocol.VERSION
    assert int.from_bytes(meta[10:12], "little") == image.VERSION
    assert int.from_bytes(meta[12:16], "little") == protocol.SCHEMA_HASH
    assert meta[16:40].rstrip(b"\0").decode() == board
    assert meta[40:56].hex() == manifest(board)["firmware_digest"]


@pytest.mark.parametrize("board", BOARDS)
def test_the_manifest_is_of_this_elf(board: str) -> None:
    said = manifest(board)
    assert said["board"] == board
    assert said["elf_sha256"] == hashlib.sha256(elf(board).read_bytes()).hexdigest()
    assert said["protocol"] == {"version": protocol.VERSION, "schema_hash": protocol.SCHEMA_HASH}
    assert said["image"] == {"version": image.VERSION, "schema_hash": image.SCHEMA_HASH}
    assert 8_000 < said["engine_flash_bytes"] < 100_000
    assert said["arena_capacity_bytes"] >= 192 << 10


@pytest.mark.parametrize("board", BOARDS)
def test_no_path_and_no_debug_information_is_in_it(board: str) -> None:
    content = elf(board).read_bytes()
    assert b"/home/" not in content
    assert b"/work" not in content
    with elf(board).open("rb") as stream:
        names = [section.name for section in ELFFile(stream).iter_sections()]
    assert ".symtab" in names
    assert not [name for name in names if name.startswith(".debug")]


def test_firmware_and_image_slot_share_no_flash() -> None:
    """nucleo-f746: sectors 0 to 4 are the firmware's, the slot begins with sector 5."""
    with elf("nucleo-f746").open("rb") as stream:
        loads = [s for s in ELFFile(stream).iter_segments() if s["p_filesz"]]
        ends = [s["p_paddr"] + s["p_filesz"] for s in loads if s["p_type"] == "PT_LOAD"]
    assert max(ends) <= 0x08040000


def test_kernels_of_both_m7_boards_are_the_same_code() -> None:
    """The instruction counts of mps2-an500 and nucleo-f746 may be compared to the last one."""
    require_tool(f"{ARM}-objdump", f"binutils-{ARM}")
    sizes = [manifest(board)["sections"][".engine"] for board in ("nucleo-f746", "mps2-an500")]
    assert sizes[0] == sizes[1]


@pytest.mark.slow
def test_rebuilding_gives_the_committed_bytes() -> None:
    """Byte for byte where the compiler is the manifest's; otherwise the sources' digest decides."""
    require_tool("make", "make")
    require_tool(f"{ARM}-gcc", f"gcc-{ARM}")
    require_tool(f"{RISCV}-gcc", f"gcc-{RISCV}")
    command = [sys.executable, str(ROOT / "firmware" / "tools" / "manifest.py"), "check"]
    process = subprocess.run(
        [*command, "--boards", *BOARDS], capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stdout + process.stderr
