"""benchmarks/engine.py: two ways of counting agree, and the counts are those of the baseline."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from benchmarks.counted_board import CountingQemu, counted_board
from benchmarks.engine import BASELINE, MODELS, SPEED, boards, is_of_interest, measure, plan_of
from tests.conftest import ROOT, require_module, require_shared, require_tool

pytestmark = pytest.mark.emulated

RENEW = "python benchmarks/engine.py --write-baseline"


def need(board: str) -> None:
    """Skip when the board's emulator, or a C compiler for the plugin, is missing."""
    if boards()[board] == "virtual":
        require_module("unicorn", "virtual")
        return
    require_tool("cc", "gcc")
    riscv = board.startswith("rv32")
    system = "qemu-system-riscv32" if riscv else "qemu-system-arm"
    require_tool(system, "qemu-system-misc" if riscv else "qemu-system-arm")


def test_the_plugin_counts_what_the_timer_counts() -> None:
    need("mps2-an386")
    with counted_board(plan_of("mps2-an386", "qemu", "digits")) as board:
        count = board.inference()
        assert isinstance(board.backend, CountingQemu)
        (empty, *_), (inference, *_) = board.backend.windows(2)
    assert inference - empty == count.plain > 100_000
    assert count.weighted is not None
    assert count.plain < count.weighted < 1.5 * count.plain


def test_weighted_counts_of_qemu_and_the_virtual_board_are_the_same() -> None:
    """The same kernel objects on both Cortex-M7 boards, weighed by a plugin and by a block hook."""
    need("mps2-an500")
    need("nucleo-f746")
    qemu, virtual = (measure(board, "digits", True) for board in ("mps2-an500", "nucleo-f746"))
    both = [
        [replace(count, interpreter=None) for count in (row.count, *(x.count for x in row.layers))]
        for row in (qemu, virtual)  # only the plugin knows the interpreter's share
    ]
    assert both[0] == both[1]


def test_without_a_compiler_there_are_plain_counts_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    need("mps2-an386")
    monkeypatch.setattr("benchmarks.counted_board.compile_plugin", lambda folder: None)
    count = measure("mps2-an386", "digits").count
    assert count.weighted is None
    assert count.plain > 100_000


def test_the_table_and_the_csv(tmp_path: Path) -> None:
    need("mps3-an547")
    path = tmp_path / "engine.csv"
    arguments = ["--board", "mps3-an547", "--model", "digits", "--layers", "--csv", str(path)]
    printed = subprocess.run(
        [sys.executable, ROOT / "benchmarks" / "engine.py", *arguments],
        capture_output=True, text=True, check=True, timeout=60,
    ).stdout  # fmt: skip
    with path.open() as file:
        whole, *layers = csv.DictReader(file)
    assert f"{int(whole['instructions']):,}" in printed
    assert int(whole["image_bytes"]) > 6000
    assert int(whole["instructions"]) <= int(whole["vector"]) < int(whole["weighted"])
    assert len(layers) == 9
    macs = sum(int(layer["macs"]) for layer in layers)
    assert macs == int(whole["macs"]) == 80_864
    for layer in layers:
        assert layer["name"] in printed
        if int(layer["macs"]):
            assert float(layer["times_floor"]) >= 1
    # an operator's window holds the hook that closes it
    total = sum(int(layer["instructions"]) for layer in layers)
    assert 0 <= total - int(whole["instructions"]) < 40 * len(layers)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("board", "model"), [(b, m) for b in boards() for m in MODELS if is_of_interest(b, m)]
)
def test_counts_are_those_of_the_baseline(board: str, model: str) -> None:
    """Exactly, fewer included: a change of the engine's counts is a line in the history."""
    need(board)
    if model != "digits":
        require_shared(f"mlperf-tiny/{model.removesuffix(SPEED)}.tflite")
    stored = json.loads(BASELINE.read_text())
    assert measure(board, model).baseline() == stored[f"{board} {model}"], f"if meant: {RENEW}"
