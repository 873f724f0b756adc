"""Tables for people, and the object for machines, from one bundle."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from hilbench.reports import terminal
from hilbench.reports.html import render_html
from hilbench.reports.summary import summary
from hilbench.store import Bundle


def shown(content: Any, width: int = 100) -> str:
    output = io.StringIO()
    Console(file=output, width=width, color_system=None).print(content)
    return output.getvalue()


def test_result_table_has_every_metric_with_interval_count_and_origin(bundle: Bundle) -> None:
    lines = shown(terminal.result_table(bundle)).splitlines()
    (top1,) = [line for line in lines if "Accuracy" in line]
    assert [cell.strip() for cell in top1.split("│")[1:-1]] == [
        "Accuracy (top-1)", "75.0 %", "30.1 % – 95.4 %", "4", "emulated",
    ]  # fmt: skip
    (arena,) = [line for line in lines if "Arena" in line]
    assert [cell.strip() for cell in arena.split("│")[1:-1]] == [
        "Arena", "3,072 B", "", "1", "static",
    ]  # fmt: skip
    assert len([line for line in lines if line.startswith("│")]) == 4


def test_result_table_ends_with_verdict_reasons_and_the_missing_silicon(bundle: Bundle) -> None:
    lines = [line.strip() for line in shown(terminal.result_table(bundle)).splitlines()]
    assert lines[-3:] == [
        "verdict: degraded",
        "windows: 1 of 4 were interrupted",
        "nucleo-f746 is untested on silicon",
    ]
    tested = replace(bundle, plan={**bundle.plan, "silicon_tested": True})
    assert "untested" not in shown(terminal.result_table(tested))


def test_metrics_come_in_the_registrys_order(bundle: Bundle) -> None:
    keys = [key for key, _ in terminal.ordered_metrics(bundle)]
    assert keys == ["top1", "instructions_per_inference", "arena_bytes", "stack_bytes"]


def test_list_of_runs(bundle: Bundle) -> None:
    assert "no runs" in shown(terminal.run_list([]))
    interrupted = replace(bundle, sealed=False)
    states = [row["state"] for row in terminal.run_rows([bundle, interrupted])]
    assert states == ["degraded", "interrupted"]
    assert "interrupted" in shown(terminal.run_list(terminal.run_rows([interrupted])))


def test_no_device_tells_what_there_is_instead() -> None:
    assert shown(terminal.device_list([], [], [])).strip() == "no known board is connected"
    rows = [{"name": "left", "board": "nucleo-f746", "probe": "066", "port": None}]
    assert "none" in shown(terminal.device_list(rows, [], []))


def test_summary_schema(bundle: Bundle) -> None:
    content = summary(bundle)
    assert set(content) == {
        "schema", "run", "bundle", "board", "silicon_tested", "backend", "verdict", "reasons",
        "workload", "synthetic", "model", "scheme", "metrics",
    }  # fmt: skip
    assert content["schema"] == "hilbench-run-1"
    assert (content["verdict"], content["silicon_tested"]) == ("degraded", False)
    for value in content["metrics"].values():
        assert set(value) == {"value", "unit", "origin", "n", "low", "high"}
    assert json.loads(json.dumps(content, allow_nan=False)) == content


def test_page_escapes_what_users_wrote(bundle: Bundle) -> None:
    page = render_html(bundle)
    assert "<b>dog" not in page
    assert "&lt;b&gt;dog&lt;/b&gt;" in page
    assert "flashed &amp; verified" in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page


def test_page_shows_reasons_wrong_answers_and_no_time(bundle: Bundle) -> None:
    page = render_html(bundle)
    assert "windows: 1 of 4 were interrupted" in page
    assert "1 of 4 vectors" in page
    assert page.count("data:image/png") == 1
    assert "it says nothing of time or energy" in page


def test_page_of_a_run_that_counts_cycles(bundle: Bundle) -> None:
    """On silicon: the windows' unit is cycles, times are shown, the emulator's remark is not."""
    windows = bundle.folder / "windows.csv"
    windows.write_text(windows.read_text().replace("instructions", "cycles"))
    content = json.loads((bundle.folder / "metrics.json").read_text())
    content["metrics"] = {
        "latency_s": {
            "value": 0.00345, "unit": "s", "origin": "measured", "n": 4,
            "low": 0.0034, "high": 0.0035,
        }
    }  # fmt: skip
    (bundle.folder / "metrics.json").write_text(json.dumps(content))
    facts = {"ticks": "cycles", "time_base": "real", "silicon": True}
    page = render_html(replace(bundle, plan={**bundle.plan, "facts": facts}))
    assert "Cycles per inference" in page
    assert "3.45 ms" in page
    assert "3.4 ms – 3.5 ms" in page
    assert "nothing of time" not in page


@pytest.mark.parametrize(("silicon", "source"), [(True, "by the chip"), (False, "simulated")])
def test_supply_and_temperature_say_whose_they_are(
    bundle: Bundle, silicon: bool, source: str
) -> None:
    assert "die temperature" not in render_html(bundle)
    content = json.loads((bundle.folder / "provenance.json").read_text())
    content["hello"] |= {"vdd_mv": 3301, "temperature_mc": 41_500}
    (bundle.folder / "provenance.json").write_text(json.dumps(content))
    facts = {**bundle.plan["facts"], "silicon": silicon}
    fresh = Bundle(bundle.folder, {**bundle.plan, "facts": facts}, sealed=True)
    assert f"3.30 V, 41.5 °C ({source})" in render_html(fresh)


def test_page_without_labels_and_windows(bundle: Bundle) -> None:
    """A run of random vectors in accuracy mode: the plots that have no data are not there."""
    (bundle.folder / "windows.csv").unlink()
    samples = bundle.folder / "samples.csv"
    lines = samples.read_text().splitlines()
    blanked = [lines[0], *(",".join((f[0], "", *f[2:])) for f in (x.split(",") for x in lines[1:]))]
    samples.write_text("\n".join(blanked) + "\n")
    page = render_html(bundle)
    assert 'data-plot="memory"' in page
    for plot in ("windows", "confusion", "classes"):
        assert f'data-plot="{plot}"' not in page
    assert "Wrong answers" not in page


def test_page_of_a_thousand_classes_stays_small(bundle: Bundle) -> None:
    image = {**bundle.plan["image"], "output_elements": 1000}
    workload = {**bundle.plan["workload"], "classes": []}
    page = render_html(replace(bundle, plan={**bundle.plan, "image": image, "workload": workload}))
    assert len(page) < 40_000
    assert 'data-plot="confusion"' not in page


@pytest.mark.parametrize("width", [80, 100])
def test_result_table_fits_a_terminal(bundle: Bundle, width: int) -> None:
    assert max(map(len, shown(terminal.result_table(bundle), width).splitlines())) <= width
