"""The flash controller, and the flash algorithm that drives it."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from tests.conftest import ROOT, require_tool
from tests.unit.virtual.bench import MakeBench

from hilbench.backends.targets import flash_algorithm

SOURCE = ROOT / "firmware" / "flash_algorithm"
BUILT = ROOT / "harness" / "hilbench" / "backends" / "flash_algorithms"
UNLOCK = "FLASH_KEYR = 0x45670123u; FLASH_KEYR = 0xCDEF89ABu;"
WAIT = "while (FLASH_SR & FLASH_SR_BSY) { }"
PG = "FLASH_CR = (2u << 8) | FLASH_CR_PG;"


def test_bits_are_only_cleared_until_erased(make_bench: MakeBench) -> None:
    bench = make_bench(
        "#define CELL (*(volatile uint32_t *)0x08020004u)\n"
        "int main(void) {" + UNLOCK + PG +
        "CELL = 0xFFFF00FFu;" + WAIT + "CELL = 0x12345678u;" + WAIT +
        "result[0] = CELL; FLASH_CR = (2u << 8) | FLASH_CR_SER | (4u << 3);"
        "FLASH_CR |= FLASH_CR_STRT; result[2] = FLASH_SR;" + WAIT +
        "result[1] = CELL; FLASH_CR = FLASH_CR_LOCK; finish(); }"
    ).run()  # fmt: skip
    assert bench.word("result", 0) == 0xFFFF00FF & 0x12345678
    assert bench.word("result", 1) == 0xFFFFFFFF
    assert bench.word("result", 2) & 1 << 16
    assert bench.rules() == []


@pytest.mark.parametrize(
    ("body", "flag"),
    [
        ("FLASH_CR = FLASH_CR_PG; *(volatile uint32_t *)0x08020000u = 0;", 6),  # PGPERR: PSIZE 8
        ("FLASH_CR = (2u << 8) | FLASH_CR_SER | (9u << 3); FLASH_CR |= FLASH_CR_STRT;", 7),
    ],
)
def test_error_flags_stay_until_written(make_bench: MakeBench, body: str, flag: int) -> None:
    bench = make_bench(
        "int main(void) {" + UNLOCK + body + "result[0] = FLASH_SR; FLASH_SR = result[0];"
        "result[1] = FLASH_SR; finish(); }"
    ).run()
    assert bench.word("result", 0) == 1 << flag
    assert bench.word("result", 1) == 0


def test_a_wrong_key_locks_until_reset(make_bench: MakeBench) -> None:
    bench = make_bench(
        "int main(void) { FLASH_KEYR = 1;" + UNLOCK + "result[0] = FLASH_CR; finish(); }"
    ).run()
    assert bench.word("result", 0) == 1 << 31


def test_programming_a_busy_flash_is_a_violation(make_bench: MakeBench) -> None:
    bench = make_bench(
        "int main(void) {" + UNLOCK + PG + "*(volatile uint32_t *)0x08020000u = 0;"
        "*(volatile uint32_t *)0x08020004u = 0; finish(); }"
    ).run()
    assert "flash busy" in bench.rules()


# ---------------------------------------------------------------- the algorithm


def test_the_algorithm_is_the_one_of_its_manifest() -> None:
    manifest = json.loads((BUILT / "manifest.json").read_text())
    elf = (BUILT / "stm32f746.elf").read_bytes()
    assert hashlib.sha256(elf).hexdigest() == manifest["sha256"]
    digest = hashlib.sha256()
    for name in manifest["sources"]:
        digest.update(name.encode() + b"\0" + (SOURCE / name).read_bytes())
    assert digest.hexdigest() == manifest["source_sha256"], "make -C firmware/flash_algorithm"


def test_a_rebuild_gives_the_same_bytes(tmp_path: Path) -> None:
    compiler = require_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi")
    require_tool("make", "make")
    manifest = json.loads((BUILT / "manifest.json").read_text())
    version = subprocess.run([compiler, "--version"], capture_output=True, text=True, check=True)
    if version.stdout.splitlines()[0] != manifest["compiler"]:
        pytest.skip(f"not comparable: built with {manifest['compiler']}")
    copy = tmp_path / "flash_algorithm"
    shutil.copytree(SOURCE, copy)
    subprocess.run(["make", "-s", "-C", copy, f"OUT={tmp_path}"], check=True, capture_output=True)
    assert (tmp_path / "stm32f746.elf").read_bytes() == (BUILT / "stm32f746.elf").read_bytes()
    assert json.loads((tmp_path / "manifest.json").read_text()) == manifest


def test_the_algorithm_lies_in_dtcm_without_overlap() -> None:
    algorithm = flash_algorithm("stm32f746")
    code_end = algorithm["load_address"] + 4 * len(algorithm["instructions"])
    buffers = algorithm["page_buffers"]
    assert algorithm["load_address"] == 0x2000_0000
    assert code_end <= algorithm["static_base"] < algorithm["end_stack"]
    assert algorithm["begin_stack"] <= buffers[0]
    assert buffers[1] - buffers[0] == algorithm["page_size"]
    assert buffers[1] + algorithm["page_size"] <= 0x2001_0000
    for name in ("pc_init", "pc_unInit", "pc_program_page", "pc_erase_sector", "pc_eraseAll"):
        assert algorithm[name] & 1
        assert algorithm["load_address"] < algorithm[name] < code_end
