"""The keys of silicon, driven to the end before any lab: a catalogue entry that declares cycles.

Its origin is `synthetic`: it exercises the path, and is never taken for a measurement.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.conftest import ROOT, hilbench, require_module

from hilbench.store import open_bundle

pytestmark = pytest.mark.emulated


@pytest.fixture
def rehearsal(tmp_path: Path) -> dict[str, str]:
    """nucleo-f746 whose virtual backend declares cycles instead of instructions."""
    require_module("unicorn", "virtual")
    board: dict[str, Any] = yaml.safe_load((ROOT / "boards.yaml").read_text())["boards"][
        "nucleo-f746"
    ]
    board["backends"] = {"virtual": {"ticks": "cycles", "time_base": "real"}}
    path = tmp_path / "boards.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "boards": {"nucleo-f746": board}}))
    return {"HILBENCH_BOARDS": str(path)}


def test_silicon_keys_are_synthetic_here(rehearsal: dict[str, str], tmp_path: Path) -> None:
    outcome = hilbench(
        "run", "--board", "nucleo-f746", "--out", tmp_path / "out", "--json", env=rehearsal
    )
    assert outcome.code == 0, outcome.stderr
    metrics = outcome.json["metrics"]
    silicon = {"latency_s", "latency_p99_s", "cycles_per_inference", "clock_hz", "throughput_ips"}
    assert silicon <= set(metrics)
    assert "instructions_per_inference" not in metrics
    executed = silicon | {"top1", "output_mismatches", "stack_bytes"}
    assert {metrics[key]["origin"] for key in executed} == {"synthetic"}
    cycles, hz = metrics["cycles_per_inference"]["value"], metrics["clock_hz"]["value"]
    assert hz == 216_000_000
    assert metrics["latency_s"]["value"] == pytest.approx(cycles / hz)
    assert metrics["throughput_ips"]["value"] == pytest.approx(hz / cycles)
    assert metrics["latency_s"]["n"] == 100
    rows = open_bundle(Path(outcome.json["bundle"])).rows("windows.csv")
    assert len(rows) == 100
    assert all(int(row["cycles"]) < int(row["ticks"]) for row in rows), "overhead is subtracted"
    page = (Path(outcome.json["bundle"]) / "report.html").read_text()
    assert "Cycles per inference" in page
    assert "synthetic" in page


def test_acceptance_never_accepts_a_rehearsal(rehearsal: dict[str, str], tmp_path: Path) -> None:
    state = tmp_path / "state"
    outcome = hilbench(
        "doctor", "--acceptance", "--board", "nucleo-f746", "--out", tmp_path / "out",
        env={**rehearsal, "HILBENCH_STATE": str(state)}, timeout_s=300,
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    assert not state.exists()
    boards = hilbench("boards", "--json", env={"HILBENCH_STATE": str(state)}).json
    assert not any(board["silicon_tested"] for board in boards)
