"""`hilbench study` layer by layer: a mix under a budget runs on the board, the report shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.browser import browser
from tests.conftest import hilbench, require_module, require_tool
from tests.page_checks import PHONE_PX, SCREEN_PX, assert_readable

from hilbench import models, workloads
from hilbench.store.study import open_study

pytestmark = [pytest.mark.emulated, pytest.mark.slow]

#: Between the flash of float and of w4a8; float needs four times the instructions.
MAX_FLASH, MAX_INSTRUCTIONS = 32_000, 200_000
STUDY = ("study", "--board", "mps2-an386", "--schemes", "w4a8,auto", "--vectors", "40",
         "--performance-vectors", "2")  # fmt: skip


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    require_tool("qemu-system-arm", "qemu-system-arm")
    require_module("ai_edge_quantizer", "quantize")
    folder = tmp_path_factory.mktemp("layers")
    outcome = hilbench(
        *STUDY, "--max-flash", MAX_FLASH, "--max-instructions", MAX_INSTRUCTIONS,
        "--sensitivity", "w4a8", "--json", cwd=folder,
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    found: dict[str, Any] = outcome.json
    found["folder"] = str(folder / found["folder"])
    return found


def test_the_mix_runs_exactly_and_holds_its_budget(study: dict[str, Any]) -> None:
    row = next(row for row in study["subjects"] if row["name"] == "auto")
    auto = study["auto"]
    assert row["verdict"] == "valid"
    assert row["metrics"]["output_mismatches"]["value"] == 0
    counted = row["metrics"]["instructions_per_inference"]["value"]
    assert auto["counted_instructions"] == counted
    assert auto["exceeded"] == (counted > MAX_INSTRUCTIONS)
    assert auto["estimated_instructions"] <= MAX_INSTRUCTIONS
    assert row["objectives"]["flash_bytes"] == auto["flash_bytes"] <= MAX_FLASH
    assert row["objectives"]["arena_bytes"] == auto["arena_bytes"]
    text = f"auto holds its budget with {auto['estimated_instructions']:,} instructions"
    assert any(line.startswith(text) for line in study["conclusion"])


def test_the_mix_is_no_less_accurate_on_validation_than_a_uniform_one(
    study: dict[str, Any],
) -> None:
    folder = Path(study["folder"])
    quality = {}
    for name in ("w4a8", "auto"):
        graph = models.load(folder / "models" / f"{name}.tflite")
        part = workloads.get("digits").vectors(graph, "validation")
        outputs = models.run_reference(graph, part.vectors).outputs
        quality[name] = float(np.mean(outputs.argmax(axis=1) == part.labels))
    assert study["auto"]["validation_quality"] == quality["auto"] >= quality["w4a8"]


def test_the_report_has_each_layer(study: dict[str, Any]) -> None:
    report = (Path(study["folder"]) / "report.html").read_text()
    layers = study["sensitivity"]["layers"]
    assert [row["layer"] for row in layers] == [row["layer"] for row in study["auto"]["layers"]]
    for row in layers:
        assert f'data-layer="{row["layer"]}"' in report
        assert f'data-value="{row["change"]!r}"' in report
    assert "host reference, validation part" in report
    assert 'id="mix"' in report
    stored = open_study(Path(study["folder"])).results()
    assert stored["sensitivity"] == study["sensitivity"]


@pytest.mark.parametrize("width", [PHONE_PX, SCREEN_PX])
def test_the_report_is_readable(study: dict[str, Any], width: int) -> None:
    with browser(require_tool("chromium", "chromium")) as page:
        assert_readable(page, Path(study["folder"]) / "report.html", width, dark=False)


BAD = {
    "no budget": ([], "auto needs a budget"),
    "nothing": (["--max-flash", "0"], "must be at least 1"),
    "no auto": (["--schemes", "f32,w8a8", "--max-arena", "9000"], "a budget is for auto"),
    "no such scheme": (["--max-arena", "9000", "--sensitivity", "w3a3"], "no scheme 'w3a3'"),
    "float": (["--max-arena", "9000", "--sensitivity", "f32"], "not quantized layer by layer"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_touches_nothing(case: str, tmp_path: Path) -> None:
    arguments, message = BAD[case]
    outcome = hilbench(*STUDY, *arguments, cwd=tmp_path)
    assert outcome.code == 2, outcome.stderr
    assert message in outcome.stderr
    assert not (tmp_path / "results").exists()
