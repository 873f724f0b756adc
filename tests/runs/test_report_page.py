"""The HTML report in a real browser: nothing from outside, the bundle's own data, readable."""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.browser import Browser, browser
from tests.conftest import hilbench, require_module, require_tool
from tests.host_agent import HostAgent
from tests.page_checks import PHONE_PX, SCREEN_PX, assert_readable

from hilbench.stats import wilson_interval

MARKS = """[...document.querySelectorAll('svg[data-plot="%s"] [data-value]')]
  .map(mark => ({...mark.dataset}))"""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser(require_tool("chromium", "chromium")) as instance:
        yield instance


EMULATED = [pytest.param(b, marks=pytest.mark.emulated) for b in ("nucleo-f746", "mps2-an386")]


@pytest.fixture(scope="module", params=["host", *EMULATED])
def bundle(
    request: pytest.FixtureRequest, chromium: Browser, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A short run's folder: of the agent on this computer, and of two emulated boards."""
    board, env = request.param, {}
    arguments = ["run", "--board", board, "--vectors", "120", "--performance-vectors", "10"]
    if board == "host":
        agent: HostAgent = request.getfixturevalue("host_agent")
        env = agent.env
    elif board == "nucleo-f746":
        require_module("unicorn", "virtual")
        arguments += ["--backend", "virtual"]
    else:
        require_tool("qemu-system-arm", "qemu-system-arm")
    out = tmp_path_factory.mktemp("results")
    outcome = hilbench(*arguments, "--out", out, "--json", env=env)
    assert outcome.code == 0, outcome.stderr
    return Path(outcome.json["bundle"])


@pytest.fixture
def page(bundle: Path, chromium: Browser) -> Browser:
    chromium.resize(SCREEN_PX)
    chromium.open(bundle / "report.html")
    return chromium


def marks(page: Browser, plot: str) -> list[dict[str, str]]:
    return list(page.evaluate(MARKS % plot))


def rows(bundle: Path, name: str) -> list[dict[str, str]]:
    with (bundle / name).open(newline="") as file:
        return list(csv.DictReader(file))


def content(bundle: Path, name: str) -> Any:
    return json.loads((bundle / name).read_text())


def test_nothing_is_requested_and_nothing_complained_of(bundle: Path, page: Browser) -> None:
    asked = [url for url in page.requests() if not url.startswith("data:")]
    assert asked == [(bundle / "report.html").as_uri()]
    assert page.complaints() == []
    assert page.evaluate("document.scripts.length") == 0


def test_a_request_and_a_complaint_would_be_seen(chromium: Browser, tmp_path: Path) -> None:
    """The test above can fail: a page that does both is caught."""
    bad = tmp_path / "bad.html"
    bad.write_text("<img src='absent.png'><script>console.warn('so'); missing()</script>")
    chromium.open(bad)
    chromium.evaluate("0")
    assert len([url for url in chromium.requests() if url.endswith("absent.png")]) == 1
    assert len(chromium.complaints()) >= 2


def test_table_equals_metrics(bundle: Path, page: Browser) -> None:
    metrics = content(bundle, "metrics.json")["metrics"]
    shown = page.evaluate(
        "[...document.querySelectorAll('#metrics tbody tr')].map(row => [row.dataset.key,"
        " row.dataset.metric, [...row.cells].map(cell => cell.textContent)])"
    )
    assert {key: json.loads(raw) for key, raw, _ in shown} == metrics
    for key, _, cells in shown:
        assert cells[3].replace(",", "") == str(metrics[key]["n"])
        assert cells[4] == metrics[key]["origin"]
    texts = {key: cells for key, _, cells in shown}
    assert texts["top1"][1] == f"{100 * metrics['top1']['value']:.1f} %"
    assert texts["arena_bytes"][1] == f"{metrics['arena_bytes']['value']:,} B"


def test_verdict_and_checks_equal_metrics(bundle: Path, page: Browser) -> None:
    verdict = content(bundle, "metrics.json")["verdict"]
    assert page.evaluate("document.querySelector('#verdict').textContent") == verdict["status"]
    shown = page.evaluate(
        "[...document.querySelectorAll('#checks tr')]"
        ".map(row => [...row.cells].map(cell => cell.textContent))"
    )
    assert shown == [[check["name"], check["seen"]] for check in verdict["checks"]]
    assert "untested on silicon" in page.evaluate("document.querySelector('header').textContent")


def test_timed_windows_equal_the_file(bundle: Path, page: Browser) -> None:
    unit = content(bundle, "plan.json")["facts"]["ticks"]
    expected = [(w["vector"], w["repeat"], w[unit]) for w in rows(bundle, "windows.csv")]
    assert len(expected) == 20
    shown = [(m["vector"], m["repeat"], m["value"]) for m in marks(page, "windows")]
    assert shown == expected
    # and they are drawn where their values say: higher on the page is more
    heights = page.evaluate(
        "[...document.querySelectorAll('svg[data-plot=windows] circle')]"
        ".map(circle => circle.cy.baseVal.value)"
    )
    values = [float(value) for _, _, value in shown]
    highest, lowest = heights[values.index(max(values))], heights[values.index(min(values))]
    assert highest < lowest or max(values) == min(values)


def test_confusion_equals_the_file(bundle: Path, page: Browser) -> None:
    expected = Counter((s["label"], s["prediction"]) for s in rows(bundle, "samples.csv"))
    cells = marks(page, "confusion")
    assert len(cells) == 100
    shown = {(c["label"], c["prediction"]): int(c["value"]) for c in cells}
    assert {pair: count for pair, count in shown.items() if count} == dict(expected)


def test_accuracy_by_class_equals_the_file(bundle: Path, page: Browser) -> None:
    samples = rows(bundle, "samples.csv")
    total = Counter(s["label"] for s in samples)
    right = Counter(s["label"] for s in samples if s["label"] == s["prediction"])
    shown = marks(page, "classes")
    assert [m["label"] for m in shown] == sorted(total)
    for mark in shown:
        name = mark["label"]
        assert float(mark["value"]) == right[name] / total[name]
        interval = wilson_interval(right[name], total[name])
        assert (float(mark["low"]), float(mark["high"])) == interval


def test_memory_and_macs_equal_the_files(bundle: Path, page: Browser) -> None:
    metrics = content(bundle, "metrics.json")["metrics"]
    titles = {
        "image_bytes": "Image (flash)",
        "engine_flash_bytes": "Engine (flash)",
        "arena_bytes": "Arena",
        "vector_buffer_bytes": "Vector buffer",
        "stack_bytes": "Stack high-water mark",
    }
    expected = {title: metrics[key]["value"] for key, title in titles.items() if key in metrics}
    assert {m["label"]: float(m["value"]) for m in marks(page, "memory")} == expected
    ops = content(bundle, "plan.json")["image"]["ops"]
    costs = [(f"{i} {op['name']}", op["macs"]) for i, op in enumerate(ops) if op["macs"]]
    assert [(m["label"], int(m["value"])) for m in marks(page, "macs")] == costs


def test_bars_are_as_long_as_their_values(page: Browser) -> None:
    for plot in ("memory", "macs"):
        widths = page.evaluate(
            f"[...document.querySelectorAll('svg[data-plot={plot}] .bar')]"
            ".map(bar => bar.width.baseVal.value)"
        )
        values = [float(m["value"]) for m in marks(page, plot)]
        scale = max(widths) / max(values)
        assert widths == pytest.approx([scale * value for value in values], abs=0.02)


def test_wrong_answers_are_pictured(bundle: Path, page: Browser) -> None:
    wrong = [s for s in rows(bundle, "samples.csv") if s["label"] != s["prediction"]]
    texts = page.evaluate("[...document.querySelectorAll('.wrong li')].map(e => e.textContent)")
    assert texts == [f"{s['vector']}: {s['label']} taken for {s['prediction']}" for s in wrong]
    sizes = page.evaluate(
        "[...document.querySelectorAll('.picture')].map(e => [e.naturalWidth, e.naturalHeight])"
    )
    assert sizes == [[8, 8]] * len(wrong)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE_PX, SCREEN_PX])
def test_readable(page: Browser, bundle: Path, width: int, dark: bool) -> None:
    assert_readable(page, bundle / "report.html", width, dark)
