"""The same kernel objects take the same instructions on the virtual board and on QEMU's M7."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from tests.conftest import hilbench, require_module, require_tool

pytestmark = pytest.mark.emulated


def instructions(board: str, backend: str, folder: Path) -> list[int]:
    """Instructions of each timed inference of five random vectors."""
    done = hilbench(
        *("run", "--board", board, "--backend", backend, "--mode", "performance"),
        *("--vectors", "5", "--out", folder, "--json"),
    )
    assert done.code == 0, done.stderr
    with (Path(done.json["bundle"]) / "windows.csv").open() as file:
        return [int(row["instructions"]) for row in csv.DictReader(file)]


def test_counts_equal_qemus_to_the_instruction(tmp_path: Path) -> None:
    require_module("unicorn", "virtual")
    require_tool("qemu-system-arm", "qemu-system-arm")
    virtual = instructions("nucleo-f746", "virtual", tmp_path / "virtual")
    qemu = instructions("mps2-an500", "qemu", tmp_path / "qemu")
    assert virtual == qemu
    assert len(virtual) >= 5
    assert min(virtual) > 100_000
