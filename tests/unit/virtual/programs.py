"""Builds small C programs for the virtual board, with registers.h from the register table."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hilbench.backends.virtual import registers

SOURCES = Path(__file__).parents[2] / "emulated" / "virtual_firmware"
COMPILER = "arm-none-eabi-gcc"
FLAGS = [
    "-mcpu=cortex-m7",
    "-mthumb",
    "-mfpu=fpv5-sp-d16",
    "-mfloat-abi=hard",
    "-O2",
    "-std=c11",
    "-ffreestanding",
    "-fno-builtin",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-nostdlib",
    "-nostartfiles",
    "-Wl,--build-id=none",
]


def require_compiler() -> None:
    """Skip without the cross compiler, or fail when HILBENCH_REQUIRE asks for it."""
    if shutil.which(COMPILER):
        return
    text = f"{COMPILER} is missing: apt-get install gcc-arm-none-eabi"
    if os.environ.get("HILBENCH_REQUIRE") == "all":
        pytest.fail(text)
    pytest.skip(text)


def registers_header() -> str:
    """``#define RCC_CR …`` and ``RCC_CR_HSEON`` for every register and bit of the table."""
    lines = ["#include <stdint.h>"]
    for row in registers.load().by_address.values():
        lines.append(f"#define {row.label} (*(volatile uint32_t *){row.address:#010x}u)")
        lines += [f"#define {row.label}_{name} {f.mask:#x}u" for name, f in row.bits.items()]
    return "\n".join(lines) + "\n"


def build(source: str | Path, folder: Path, name: str = "program") -> Path:
    """Compile C text, or a file of ``virtual_firmware``, to an ELF in ``folder``."""
    require_compiler()
    (folder / "registers.h").write_text(registers_header())
    if isinstance(source, str):
        path = folder / f"{name}.c"
        path.write_text(source)
    else:
        path = source
    elf = folder / f"{name}.elf"
    command = [COMPILER, *FLAGS, f"-I{folder}", f"-I{SOURCES}", f"-Wl,-T,{SOURCES / 'board.ld'}",
               "-o", str(elf), str(path), str(SOURCES / "startup.c"), "-lgcc"]  # fmt: skip
    subprocess.run(command, check=True)
    return elf


def segments(elf: Path) -> list[tuple[int, bytes]]:
    """What an ELF puts into flash: (physical address, bytes)."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        return [
            (part["p_paddr"], part.data())
            for part in ELFFile(file).iter_segments()
            if part["p_type"] == "PT_LOAD" and part["p_filesz"]
        ]


def symbol(elf: Path, name: str) -> int:
    """Value of a symbol."""
    from elftools.elf.elffile import ELFFile

    with elf.open("rb") as file:
        table = ELFFile(file).get_section_by_name(".symtab")
        return int(table.get_symbol_by_name(name)[0]["st_value"])
