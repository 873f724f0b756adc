"""``hilbench compress`` from the command line: what it leaves, repeats, resumes and refuses."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.browser import Browser, browser
from tests.conftest import Outcome, hear_interrupts, hilbench, require_module, require_tool
from tests.page_checks import PHONE_PX, SCREEN_PX, assert_readable, assert_self_contained

from hilbench import models, workloads
from hilbench.cli.app import main
from hilbench.stats.paired import mcnemar_exact, paired_difference_interval

STAGES = [
    "teacher", "distilled", "channels", "sparse", "ptq", "qat", "huffman",
    "same-sparse", "same-ptq", "same-qat", "same-huffman",
]  # fmt: skip
QUICK = ("--effort", "0.04")


def compress(out: Path, *arguments: str) -> Outcome:
    return hilbench("compress", *QUICK, "--out", out, "--json", *arguments, timeout_s=600)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A quick compression without a board."""
    out = tmp_path_factory.mktemp("compress") / "first"
    outcome = compress(out, "--seed", "3")
    assert outcome.code == 0, outcome.stderr
    assert outcome.json == result_of(out)
    return out


def result_of(out: Path) -> Any:
    return json.loads((out / "compress.json").read_text())


def right(graph: models.Graph) -> np.ndarray:
    """Where a model is right on the held-out part."""
    vectors = workloads.get("digits").vectors(graph)
    outputs = models.run_reference(graph, vectors.vectors).outputs
    return outputs.argmax(axis=1) == vectors.labels


def test_every_stage_is_a_file_and_its_figures_are_true(folder: Path) -> None:
    result = result_of(folder)
    assert [stage["key"] for stage in result["stages"]] == STAGES
    teacher = right(models.load(folder / result["stages"][0]["model"]))
    for stage in result["stages"]:
        path = folder / stage["model"]
        content, image = path.read_bytes(), path.with_suffix(".image").read_bytes()
        graph = models.load(path)
        assert hashlib.sha256(content).hexdigest() == stage["tflite_sha256"] == graph.digest
        assert len(content) == stage["tflite_bytes"]
        coding = "layer" if stage["weights"] == "huffman" else ""
        assert models.pack(graph, coding=coding).data == image
        assert len(image) == stage["image_bytes"]
        assert models.scheme_name(graph, stage["weights"]) == stage["scheme"]
        flags = right(graph)
        assert stage["top1"]["value"] == np.mean(flags)
        if stage["vs_teacher"] is not None:
            lost, won = int((teacher & ~flags).sum()), int((flags & ~teacher).sum())
            shift, low, high = paired_difference_interval(lost, won, len(flags))
            paired = stage["vs_teacher"]
            assert paired["mcnemar_p"] == mcnemar_exact(lost, won)
            assert [paired[k] for k in ("accuracy_shift", "low", "high")] == [shift, low, high]


def test_pruning_alone_gains_nothing_and_the_report_says_so(folder: Path) -> None:
    stages = {stage["key"]: stage for stage in result_of(folder)["stages"]}
    assert stages["sparse"]["zeros"] == pytest.approx(0.4, abs=0.01)
    assert stages["sparse"]["image_plain_bytes"] == stages["channels"]["image_plain_bytes"]
    assert stages["sparse"]["image_huffman_bytes"] < stages["channels"]["image_huffman_bytes"]
    assert stages["channels"]["image_bytes"] < stages["distilled"]["image_bytes"]
    assert stages["qat"]["zeros"] >= stages["sparse"]["zeros"]
    page = (folder / "report.html").read_text()
    assert "Pruned weights alone gain nothing on this dense engine" in page


def test_the_teacher_is_one_of_three_and_the_sizes_meet_the_bars(folder: Path) -> None:
    result = result_of(folder)
    (teacher,) = (t for t in result["teachers"] if t["chosen"])
    assert len(result["teachers"]) == 3
    assert teacher["parameters"] == result["stages"][0]["parameters"] <= 25_000
    assert result["summary"]["small"]["factor"] >= 12
    assert result["summary"]["same"]["factor"] >= 5


@pytest.mark.slow
def test_interrupted_it_goes_on_and_gives_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    """Ctrl-C after the first stage; then the rest; then nothing is left to train."""
    out = tmp_path / "second"
    arguments = ["compress", *QUICK, "--seed", "3", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "hilbench", *arguments],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_interrupts,
        env=dict(os.environ),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("Distilled"):
            process.send_signal(signal.SIGINT)
            break
    said = process.stderr.read()
    assert process.wait() == 130
    assert "finished stages are in" in said
    kept = {path: path.stat().st_mtime_ns for path in (out / "params").glob("*teacher*")}
    assert len(kept) == 3
    assert not (out / "compress.json").exists()
    assert compress(out, "--seed", "3").code == 0
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert result_of(out) == result_of(folder)
    for path in folder.glob("[01]*.*"):
        assert (out / path.name).read_bytes() == path.read_bytes()
    started = time.monotonic()
    assert compress(out, "--seed", "3").json == result_of(folder)
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    assert time.monotonic() - started < 60


def test_a_folder_of_another_compression_is_left_alone(folder: Path) -> None:
    before = result_of(folder)
    another = compress(folder, "--seed", "4")
    assert another.code == 2
    assert "holds another compression" in another.stderr
    assert result_of(folder) == before


@pytest.mark.parametrize(
    "wrong",
    [
        ("--workload", "nothing"),
        ("--backend", "virtual"),
        ("--board", "nothing"),
        ("--sparsity", "1.5"),
        ("--seed", "-1"),
        ("--effort", "0"),
    ],
)
def test_what_it_refuses(
    wrong: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["compress", "--out", str(tmp_path / "refused"), *wrong]) == 2
    assert wrong[0].lstrip("-") in capsys.readouterr().err
    assert not (tmp_path / "refused").exists()


# ---------------------------------------------------------------- on a board, in a browser


@pytest.fixture(scope="module")
def on_board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require_module("unicorn", "virtual")
    out = tmp_path_factory.mktemp("compress") / "board"
    outcome = compress(out, "--board", "nucleo-f746", "--backend", "virtual")
    assert outcome.code == 0, outcome.stderr
    return out


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser(require_tool("chromium", "chromium")) as instance:
        yield instance


@pytest.mark.slow
@pytest.mark.emulated
def test_every_stage_is_exact_on_the_device(on_board: Path) -> None:
    result = result_of(on_board)
    for stage in result["stages"]:
        device = stage["device"]
        assert device["output_mismatches"]["value"] == 0
        assert device["output_mismatches"]["n"] >= 450
        assert device["instructions_per_inference"]["origin"] == "emulated"
        assert (on_board / device["bundle"] / "metrics.json").exists()
    stages = {stage["key"]: stage for stage in result["stages"]}
    counts = {k: s["device"]["instructions_per_inference"]["value"] for k, s in stages.items()}
    assert counts["qat"] < counts["sparse"] / 2
    assert counts["sparse"] == pytest.approx(counts["channels"], rel=0.005)
    assert counts["huffman"] > counts["qat"]


@pytest.mark.slow
@pytest.mark.emulated
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE_PX, SCREEN_PX])
def test_the_page_is_readable(on_board: Path, chromium: Browser, width: int, dark: bool) -> None:
    page = on_board / "report.html"
    assert_readable(chromium, page, width, dark)
    assert_self_contained(chromium, page)


@pytest.mark.slow
@pytest.mark.emulated
def test_the_waterfall_shows_the_figures(on_board: Path, chromium: Browser) -> None:
    chromium.open(on_board / "report.html")
    result = result_of(on_board)
    for lineage in ("small", "same"):
        way = [stage for stage in result["stages"] if lineage in stage["lineage"]]
        marks = chromium.evaluate(
            f"[...document.querySelectorAll('svg[data-plot={lineage}-image] .bar')]"
            ".map(bar => [Number(bar.dataset.value), Number(bar.dataset.change)])"
        )
        sizes = [way[0]["tflite_bytes"], *(stage["image_bytes"] for stage in way)]
        changes = [after - before for before, after in pairwise(sizes)]
        assert marks == [[a, b] for a, b in zip(sizes, [0, *changes], strict=True)]


@pytest.mark.slow
def test_low_precision_experiment(tmp_path: Path, chromium: Browser) -> None:
    """Rounded to the nearest of coarse steps training stalls, stochastically it does not."""
    out = tmp_path / "formats"
    arguments = ("--experiment", "low-precision", "--effort", "0.3", "--seed", "1")
    outcome = hilbench("compress", *arguments, "--out", out, "--json", timeout_s=600)
    assert outcome.code == 0, outcome.stderr
    assert json.loads((out / "low-precision.json").read_text()) == outcome.json
    curves = {curve["format"]: curve for curve in outcome.json["curves"]}
    assert len(curves) == 6
    assert all(len(curve["validation_top1"]) == 18 for curve in curves.values())
    losses = {name: curve["train_loss"][-1] for name, curve in curves.items()}
    assert losses["fixed16-8-nearest"] > 2 * losses["fixed16-8"]
    assert losses["fp8"] < 1.5 * losses["float32"]
    for width in (PHONE_PX, SCREEN_PX):
        assert_readable(chromium, out / "report.html", width, dark=False)
    assert_self_contained(chromium, out / "report.html")
    shown = chromium.evaluate(
        "[...document.querySelectorAll('svg[data-plot=accuracy] .curve')]"
        ".map(curve => [curve.dataset.label, Number(curve.dataset.value)])"
    )
    assert shown == [[c["title"], c["validation_top1"][-1]] for c in curves.values()]


def test_the_experiment_is_no_run_on_a_board(capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--experiment", "low-precision", "--board", "nucleo-f746"]
    assert main(["compress", *arguments]) == 2
    assert "takes no --board" in capsys.readouterr().err
