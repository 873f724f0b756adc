"""The same kernel objects take the same instructions on the virtual board and on QEMU's M7."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import hilbench, require_module, require_tool

pytestmark = pytest.mark.emulated


def run(board: str, backend: str, folder: Path, vectors: int = 5, **env: str) -> Any:
    """What a performance run of random vectors prints as JSON."""
    done = hilbench(
        *("run", "--board", board, "--backend", backend, "--mode", "performance"),
        *("--vectors", str(vectors), "--out", folder, "--json"),
        env=env,
    )
    assert done.code == 0, done.stderr
    return done.json


def instructions(content: Any) -> list[int]:
    """Instructions of each timed inference."""
    with (Path(content["bundle"]) / "windows.csv").open() as file:
        return [int(row["instructions"]) for row in csv.DictReader(file)]


def test_counts_equal_qemus_to_the_instruction(tmp_path: Path) -> None:
    require_module("unicorn", "virtual")
    require_tool("qemu-system-arm", "qemu-system-arm")
    virtual = instructions(run("nucleo-f746", "virtual", tmp_path / "virtual"))
    qemu = instructions(run("mps2-an500", "qemu", tmp_path / "qemu"))
    assert virtual == qemu
    assert len(virtual) >= 5
    assert min(virtual) > 100_000


def test_a_run_has_weighted_counts_and_the_python_counter_the_same(tmp_path: Path) -> None:
    require_module("unicorn", "virtual")
    keys = ("instructions_per_inference", "weighted_instructions_per_inference")
    runs = [
        run("nucleo-f746", "virtual", tmp_path, 2),
        run("nucleo-f746", "virtual", tmp_path, 2, HILBENCH_COUNTER="python"),
    ]
    (plain, weighted), python = ([content["metrics"][key] for key in keys] for content in runs)
    assert [plain, weighted] == python
    assert plain["value"] < weighted["value"] < 1.5 * plain["value"]
    assert (weighted["origin"], weighted["n"]) == ("emulated", plain["n"])
