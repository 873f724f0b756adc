"""`hilbench study`: schemes paired on one board, the report, and what happens when it is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.browser import Browser, browser
from tests.conftest import hilbench, require_module, require_tool
from tests.page_checks import PHONE_PX, SCREEN_PX, assert_readable, assert_self_contained

from hilbench import workloads
from hilbench.models import writer
from hilbench.schemes import export, layers
from hilbench.schemes.network import Network
from hilbench.store import open_bundle, read_journal
from hilbench.store.study import open_study

pytestmark = [pytest.mark.emulated, pytest.mark.slow]

SCHEMES = "f32,w8a8,w4a8,dynamic8,own.tflite"
QUICK = ("--vectors", "150", "--performance-vectors", "5")


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What --json says of a study of four schemes and a file of the user's own."""
    require_tool("qemu-system-arm", "qemu-system-arm")
    require_module("ai_edge_quantizer", "quantize")
    folder = tmp_path_factory.mktemp("study")
    shutil.copy(workloads.get("digits").model_path("w8a8"), folder / "own.tflite")
    outcome = hilbench(
        "study", "--board", "mps2-an386", "--schemes", SCHEMES, *QUICK, "--json", cwd=folder
    )
    assert outcome.code == 0, outcome.stderr
    found: dict[str, Any] = outcome.json
    found["folder"] = str(folder / found["folder"])
    return found


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser(require_tool("chromium", "chromium")) as instance:
        yield instance


def subjects(study: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {row["name"]: row for row in study["subjects"]}


def test_every_comparison_follows_from_the_outputs(study: dict[str, Any]) -> None:
    """From each bundle's outputs, with another library's test."""
    from scipy import stats

    folder = open_study(Path(study["folder"]))
    labels = folder.bundle("f32").array("labels.npy")
    answers = {}
    for name in subjects(study):
        outputs = folder.bundle(name).array("outputs.npy")
        assert outputs is not None
        assert outputs.shape == (150, 10)
        answers[name] = outputs.argmax(axis=1)
    for name, row in subjects(study).items():
        assert row["verdict"] == "valid"
        assert row["metrics"]["top1"]["value"] == np.mean(answers[name] == labels)
        if name == "f32":
            assert row["vs_reference"] is None
            continue
        versus = row["vs_reference"]
        changed = np.flatnonzero(answers[name] != answers["f32"]).tolist()
        assert versus["flipped_vectors"] == changed
        lost = int(((answers["f32"] == labels) & (answers[name] != labels)).sum())
        gained = int(((answers["f32"] != labels) & (answers[name] == labels)).sum())
        assert (versus["lost"], versus["gained"]) == (lost, gained)
        p = stats.binomtest(lost, lost + gained).pvalue if lost + gained else 1.0
        assert versus["mcnemar_p"] == pytest.approx(p)
        assert versus["low"] <= versus["accuracy_shift"] == (gained - lost) / 150 <= versus["high"]
        count = "instructions_per_inference"
        ratio = row["metrics"][count]["value"] / subjects(study)["f32"]["metrics"][count]["value"]
        assert versus["cost"]["ratio"] == pytest.approx(ratio)
    assert len(subjects(study)["w4a8"]["vs_reference"]["flipped_vectors"]) > 0


def test_the_front_is_what_nothing_dominates(study: dict[str, Any]) -> None:
    objectives = {o["key"]: 1 if o["better"] == "higher" else -1 for o in study["objectives"]}
    assert set(objectives) == {"top1", "instructions_per_inference", "flash_bytes", "arena_bytes"}
    points = {
        name: np.array([sign * row["objectives"][key] for key, sign in objectives.items()])
        for name, row in subjects(study).items()
    }
    front = [
        name
        for name, mine in points.items()
        if not any((other >= mine).all() and (other > mine).any() for other in points.values())
    ]
    assert study["pareto"] == front
    assert 0 < len(front) < len(points)


def test_subjects_took_turns(study: dict[str, Any]) -> None:
    """ABBA: there in the first round, back in the second, half of the timed vectors in each."""
    names = ["f32", "w8a8", "w4a8", "dynamic8", "own"]
    folder = open_study(Path(study["folder"]))
    assert folder.plan["orders"] == [names, names[::-1]]
    visits = []
    for name in names:
        journal = folder.bundle(name).journal()
        kinds = [e["event"] for e in journal]
        first, second = (i for i, kind in enumerate(kinds) if kind == "visit")
        visits += [(journal[i]["started"], name) for i in (first, second)]
        timed = [
            [e["v"] for e in part if e["event"] == "window"]
            for part in (journal[:second], journal[second:])
        ]
        assert [sorted(set(vectors)) for vectors in timed] == [[0, 1, 2], [3, 4]]
        assert kinds.count("sample") == 150
        assert kinds.count("measured") == 1
    assert [name for _, name in sorted(visits)] == names + names[::-1]


def test_the_bundles_answer_one_question(study: dict[str, Any]) -> None:
    """Float and int8 subjects have one workload identity, and each its own subject identity."""
    plans = [open_study(Path(study["folder"])).bundle(name).plan for name in subjects(study)]
    assert len({plan["workload_identity"] for plan in plans}) == 1
    assert len({plan["subject_identity"] for plan in plans}) == len(plans)


def test_the_report_shows_the_results(study: dict[str, Any], chromium: Browser) -> None:
    report = Path(study["folder"]) / "report.html"
    chromium.resize(SCREEN_PX)
    assert_self_contained(chromium, report)
    rows = chromium.evaluate(
        "[...document.querySelectorAll('#subjects tbody tr')].map(row =>"
        " [row.dataset.subject, row.dataset.raw, row.classList.contains('beaten')])"
    )
    by_name = subjects(study)
    assert [name for name, _, _ in rows] == list(by_name)
    for name, raw, beaten in rows:
        assert json.loads(raw)["objectives"] == by_name[name]["objectives"]
        assert beaten == (name not in study["pareto"])
    sentences = chromium.evaluate(
        "[...document.querySelectorAll('#conclusion li')].map(e => e.textContent)"
    )
    assert sentences == study["conclusion"]
    for key in ("instructions_per_inference", "flash_bytes", "arena_bytes"):
        marks = chromium.evaluate(
            f"[...document.querySelectorAll('svg[data-plot=tradeoff-{key}] circle')]"
            ".map(mark => [mark.dataset.subject, +mark.dataset.x, +mark.dataset.y,"
            " mark.dataset.dominated, mark.cx.baseVal.value, mark.cy.baseVal.value])"
        )
        assert {m[0] for m in marks} == set(by_name)
        for name, x, y, dominated, _, _ in marks:
            assert x == by_name[name]["objectives"][key]
            assert y == by_name[name]["objectives"]["top1"]
            assert (dominated == "1") == (name not in study["pareto"])
        # drawn where their values say: right is more, up is more
        assert [m[0] for m in sorted(marks, key=lambda m: (m[4], m[0]))] == [
            m[0] for m in sorted(marks, key=lambda m: (m[1], m[0]))
        ]
        assert max(marks, key=lambda m: m[2])[5] == min(m[5] for m in marks)
    flips = chromium.evaluate("[...document.querySelectorAll('.wrong li img')].length")
    assert flips == sum(
        min(12, row["vs_reference"]["flipped"]) for row in by_name.values() if row["vs_reference"]
    )


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [PHONE_PX, SCREEN_PX])
def test_the_report_is_readable(
    study: dict[str, Any], chromium: Browser, width: int, dark: bool
) -> None:
    assert_readable(chromium, Path(study["folder"]) / "report.html", width, dark)


def test_report_and_ls_know_studies(study: dict[str, Any], tmp_path: Path) -> None:
    folder = Path(study["folder"])
    again = hilbench("report", folder, "--html", tmp_path / "again.html", "--json")
    assert again.code == 0
    assert again.json["subjects"] == study["subjects"]
    assert (tmp_path / "again.html").read_bytes() == (folder / "report.html").read_bytes()
    table = hilbench("report", folder).stdout
    assert "f32 (reference)" in table
    listed = hilbench("ls", folder.parent, "--json").json
    assert [row["state"] for row in listed] == ["study"]
    assert listed[0]["scheme"] == "f32, w8a8, w4a8, dynamic8, own"


@pytest.mark.parametrize("name", ["results.json", "models/w8a8.tflite", "subjects"])
def test_an_altered_study_is_refused(study: dict[str, Any], tmp_path: Path, name: str) -> None:
    folder = tmp_path / "copy"
    shutil.copytree(study["folder"], folder)
    target = folder / name
    if name == "subjects":
        target = next(target.glob("*w8a8*")) / "manifest.json"
    target.write_bytes(target.read_bytes() + b" ")
    outcome = hilbench("report", folder)
    assert outcome.code == 2
    assert "was altered" in outcome.stderr


@pytest.mark.slow
def test_a_study_killed_half_way_goes_on_with_what_it_has(tmp_path: Path) -> None:
    require_tool("qemu-system-arm", "qemu-system-arm")
    arguments = ["study", "--board", "mps2-an386", "--schemes", "f32,own.tflite,fp8", *QUICK]
    shutil.copy(workloads.get("digits").model_path("w8a8"), tmp_path / "own.tflite")
    process = subprocess.Popen(
        [sys.executable, "-m", "hilbench", *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("round 2 of 2: own"):
            break
    time.sleep(0.3)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    process.stderr.close()
    folder = next((tmp_path / "results").glob("*study*"))
    plan = json.loads((folder / "study.json").read_text())
    before = {s["name"]: read_journal(folder / s["bundle"]) for s in plan["subjects"]}
    assert open_bundle(folder / plan["subjects"][2]["bundle"]).sealed
    assert hilbench("report", folder).code == 2
    left = hilbench("resume", folder, "--dry-run").json
    assert left["fp8"] == {"done": 5, "vectors": 5}
    assert left["f32"] == {"done": 3, "vectors": 5}
    outcome = hilbench("resume", folder, "--json")
    assert outcome.code == 0, outcome.stderr
    assert "1 of 3 subjects are done" in outcome.stderr
    assert "round 1" not in outcome.stderr
    for subject in plan["subjects"]:
        after = read_journal(folder / subject["bundle"])
        kept = before[subject["name"]]
        assert after[: len(kept)] == kept
        assert sum(e["event"] == "sample" for e in after) == 150
        keys = [(e["v"], e["k"]) for e in after if e["event"] == "window"]
        assert len(set(keys)) == 10
    assert hilbench("resume", folder).code == 2


def test_a_scheme_that_does_not_fit_is_told_and_the_others_go_on(tmp_path: Path) -> None:
    """Float activations of 96 x 96 x 8 are more than the F746's RAM; int8 ones fit."""
    require_module("unicorn", "virtual")
    require_module("ai_edge_quantizer", "quantize")
    layout = (layers.Conv2D(8, (3, 3)), layers.AveragePool(), layers.Dense(2))
    network = Network("large", (96, 96, 1), layout)
    graph = export.float_graph(network, network.initial(seed=1), softmax=True)
    (tmp_path / "large.tflite").write_bytes(writer.write(graph))
    values = np.random.default_rng(1).random((4, 96, 96, 1), dtype=np.float32)
    np.save(tmp_path / "inputs.npy", values)
    arguments = ["--board", "nucleo-f746", "--backend", "virtual", "--model", "large.tflite"]
    arguments += ["--inputs", "inputs.npy", "--calibration", "inputs.npy", "--json"]
    arguments += ["--performance-vectors", "1", "--rounds", "1", "--schemes"]
    outcome = hilbench("study", *arguments, "w8a8,w8a8-tensor,f32", cwd=tmp_path)
    assert outcome.code == 0, outcome.stderr
    by_name = subjects(outcome.json)
    assert "bytes" in by_name["f32"]["refused"]
    assert by_name["f32"]["metrics"] == {}
    assert f"f32 cannot run here: {by_name['f32']['refused']}." in outcome.json["conclusion"]
    assert outcome.json["metric"] is None
    assert by_name["w8a8-tensor"]["vs_reference"]["vectors"] == 4
    first = hilbench("study", *arguments, "f32,w8a8", cwd=tmp_path)
    assert first.code == 2
    assert "the reference scheme f32 cannot run on nucleo-f746" in first.stderr


BAD = {
    "one scheme": (["--schemes", "f32"], "at least two schemes"),
    "unknown": (["--schemes", "f32,w3a3"], "no scheme 'w3a3'; there are: f32"),
    "twice": (["--schemes", "f32,w8a8,w8a8"], "two schemes are called 'w8a8'"),
    "no file": (["--schemes", "f32,none.tflite"], "No such file"),
    "no rounds": (["--rounds", "0"], "--rounds is 0"),
    "not a model": (["--schemes", "f32,bad.tflite"], "bad.tflite"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_touches_nothing(case: str, tmp_path: Path) -> None:
    arguments, message = BAD[case]
    (tmp_path / "bad.tflite").write_bytes(b"no model")
    outcome = hilbench("study", "--board", "mps2-an386", *arguments, cwd=tmp_path)
    assert outcome.code == 2, outcome.stderr
    assert message in outcome.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.slow
def test_anomaly_detectors_are_compared_by_their_areas(tmp_path: Path) -> None:
    require_tool("qemu-system-arm", "qemu-system-arm")
    require_module("seglearn", "motion")
    outcome = hilbench(
        "study", "--board", "mps2-an386", "--workload", "anomaly", "--schemes", "f32,w8a8,w4a8",
        "--performance-vectors", "2", "--out", tmp_path, "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["metric"] == "auc"
    by_name = subjects(outcome.json)
    areas = {name: row["metrics"]["auc"]["value"] for name, row in by_name.items()}
    for name in ("w8a8", "w4a8"):
        versus = by_name[name]["vs_reference"]
        assert versus["auc_shift"] == pytest.approx(areas[name] - areas["f32"])
        assert versus["low"] <= versus["auc_shift"] <= versus["high"]
        assert versus["delong_p_holm"] >= versus["delong_p"]
    assert "AUC" in " ".join(outcome.json["conclusion"])


@pytest.mark.slow
@pytest.mark.parametrize("workload", ["digits", "motion"])
@pytest.mark.parametrize("board", ["nucleo-f746", "mps2-an386"])
def test_seven_schemes_on_two_workloads(board: str, workload: str, tmp_path: Path) -> None:
    require_module("ai_edge_quantizer", "quantize")
    if workload == "motion":
        require_module("seglearn", "motion")
    backend = ("--backend", "virtual") if board == "nucleo-f746" else ()
    outcome = hilbench(
        "study", "--board", board, *backend, "--workload", workload, "--out", tmp_path, "--json",
        timeout_s=600,
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    assert len(outcome.json["subjects"]) == 7
    for row in outcome.json["subjects"]:
        assert row["verdict"] == "valid"
        assert row["metrics"]["output_mismatches"]["value"] == 0
