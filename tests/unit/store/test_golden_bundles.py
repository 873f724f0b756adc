"""Every bundle format ever released stays readable: sealed, verified, summarised, reported."""

from __future__ import annotations

import pytest
from tests.conftest import ROOT

from hilbench.bench.results import compute
from hilbench.reports.html import render_html
from hilbench.reports.summary import summary
from hilbench.store import open_bundle

BUNDLES = sorted((ROOT / "tests" / "golden" / "bundles").iterdir())


def test_there_is_one_for_each_format() -> None:
    assert [path.name for path in BUNDLES] == ["format1"]


@pytest.mark.parametrize("path", BUNDLES, ids=lambda path: path.name)
def test_old_bundle(path: object) -> None:
    bundle = open_bundle(path)  # type: ignore[arg-type]
    content = summary(bundle)
    assert (content["board"], content["workload"], content["verdict"]) == (
        "mps2-an386",
        "digits",
        "valid",
    )
    assert content["metrics"]["top1"]["n"] == 5
    assert content["metrics"]["instructions_per_inference"]["value"] == 738_927
    page = render_html(bundle)
    assert "738,927" in page
    again = compute(
        bundle.plan, bundle.journal(), bundle.array("expected.npy"), bundle.array("labels.npy")
    )
    stored = bundle.metrics["metrics"]
    assert {key: metric.to_json() for key, metric in again.metrics.items()} == stored
