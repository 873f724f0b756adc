"""Each workload from the command to the report; and one that a user adds."""

from __future__ import annotations

import csv
import io
import json
import re
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.conftest import ROOT, hilbench, require_tool
from tests.host_agent import HostAgent
from tests.unit.workloads.test_shipped import need

from hilbench import workloads
from hilbench.bench.plan import restore
from hilbench.errors import BundleError, UsageError
from hilbench.models.writer import write
from hilbench.schemes import export, layers, post_training
from hilbench.schemes.network import Network
from hilbench.store import open_bundle
from hilbench.workloads import registry

QUICK = ("motion", "anomaly")
EACH = [
    name if name in QUICK else pytest.param(name, marks=pytest.mark.slow)
    for name in ("mnist5k", "motion", "anomaly", "kws-synthetic")
]


def rows_of(bundle: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO((bundle / "samples.csv").read_text())))


@pytest.mark.emulated
@pytest.mark.parametrize("name", EACH)
def test_on_an_emulated_board(name: str, tmp_path: Path) -> None:
    """The first 20 vectors: every output is the reference's, the metric the workload's."""
    require_tool("qemu-system-arm", "qemu-system-arm")
    workload = need(name)
    outcome = hilbench(
        "run", "--board", "mps2-an386", "--workload", name, "--vectors", "20",
        "--performance-vectors", "2", "--out", tmp_path, "--json",
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    content = outcome.json
    assert (content["verdict"], content["workload"]) == ("valid", name)
    assert content["synthetic"] == workload.synthetic
    metrics = content["metrics"]
    assert metrics["output_mismatches"]["value"] == 0
    assert metrics[workload.metric]["n"] == 20
    assert {"top1", "auc"} & set(metrics) == {workload.metric}
    folder = Path(content["bundle"])
    labels = workload.examples("held-out").labels[:20]
    assert [int(row["label"]) for row in rows_of(folder)] == labels.tolist()
    report = (folder / "report.html").read_text()
    assert ("synthetic: generated" in report) == workload.synthetic
    plan = json.loads((folder / "plan.json").read_text())
    assert plan["workload"]["preprocessing"] == workload.preprocessing
    if workload.synthetic:
        assert "MFCC" in report
        assert "SYNTHETIC" in plan["workload"]["source"]
        assert "synthetic" in hilbench("report", folder).stdout


def test_area_is_computed_from_the_devices_outputs(
    host_agent: HostAgent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of it again from the bundle's arrays, by scikit-learn; and resumable from them."""
    need("anomaly")
    model = workloads.get("anomaly").model_path("w8a8")
    outcome = hilbench(
        "run", "--board", "host", "--workload", "anomaly", "--mode", "accuracy", "--vectors", "150",
        "--out", tmp_path, "--json", "--require-target", env=host_agent.env,
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    bundle = open_bundle(Path(outcome.json["bundle"]))
    outputs, values, labels = (
        bundle.array(f"{name}.npy") for name in ("outputs", "values", "labels")
    )
    assert outputs is not None
    assert values is not None
    affine = bundle.plan["image"]["output_affine"]
    real = (outputs.astype(float) - affine["zero_point"]) * affine["scale"]
    scores = ((real - values.reshape(real.shape)) ** 2).mean(axis=1)
    found = outcome.json["metrics"]["auc"]
    assert found["value"] == pytest.approx(roc_auc_score(labels, scores))
    assert found["low"] < found["value"] < found["high"]
    assert [float(row["score"]) for row in rows_of(bundle.folder)] == pytest.approx(scores.tolist())
    report = (bundle.folder / "report.html").read_text()
    assert 'data-plot="scores"' in report
    assert 'data-plot="confusion"' not in report
    for name, value in host_agent.env.items():
        monkeypatch.setenv(name, value)
    assert restore(bundle).workload.asked == bundle.plan["workload"]["digest"]
    np.save(bundle.folder / "values.npy", values + np.float32(0.1))
    with pytest.raises(BundleError, match="vectors or labels were altered"):
        restore(bundle)
    digits = workloads.get("digits").model_path("w8a8")
    for wrong, text in ((digits, "vectors of 192 elements"), (model, "")):
        again = hilbench(
            "run", "--board", "host", "--workload", "anomaly", "--model", wrong, "--vectors", "1",
            "--mode", "accuracy", "--out", tmp_path, "--json", env=host_agent.env,
        )  # fmt: skip
        assert again.code == (2 if text else 0)
        assert text in again.stderr
    assert "auc" not in again.json["metrics"]  # one vector has one label


def test_mlperf_anomaly_scores_files(host_agent: HostAgent, tmp_path: Path) -> None:
    """Five files of several windows each, through a small autoencoder."""
    rng = np.random.default_rng(5)
    network = Network("ad", (640,), (layers.Dense(8, True), layers.Dense(640)))
    lines = []
    for i in range(5):
        frames = rng.normal(i % 2, 1.0, (6 + i, 128)).astype("<f4")
        frames.tofile(tmp_path / f"{i}.bin")
        lines.append(f"{i}.bin,2,{i % 2},2560,512")
    (tmp_path / "y_labels.csv").write_text("\n".join(lines) + "\n")
    graph = export.float_graph(network, network.initial(1))
    calibration = rng.normal(0.5, 1.2, (50, 640)).astype(np.float32)
    model = tmp_path / "ad.tflite"
    model.write_bytes(write(post_training.quantize(graph, calibration)))
    common = ("run", "--board", "host", "--workload", "mlperf-ad", "--model", model)
    data = ("--inputs", tmp_path, "--labels", tmp_path / "y_labels.csv")
    outcome = hilbench(
        *common, *data, "--mode", "accuracy", "--out", tmp_path / "results", "--json",
        env=host_agent.env,
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    bundle = open_bundle(Path(outcome.json["bundle"]))
    rows, files = rows_of(bundle.folder), bundle.array("files.npy")
    assert files is not None
    assert len(rows) == len(files) == 2 + 3 + 4 + 5 + 6
    assert outcome.json["metrics"]["auc"]["n"] == 5
    scores = np.array([float(row["score"]) for row in rows])
    means = [scores[files == i].mean() for i in range(5)]
    expected = roc_auc_score([0, 1, 0, 1, 0], means)
    assert outcome.json["metrics"]["auc"]["value"] == pytest.approx(expected)
    missing = hilbench(*common, "--out", tmp_path, env=host_agent.env)
    assert missing.code == 2
    assert "your own copy of the data" in missing.stderr
    assert "--inputs DIR --labels y_labels.csv" in missing.stderr


def test_without_the_package_the_command_is_named(host_agent: HostAgent, tmp_path: Path) -> None:
    """A Python path on which the data's package is a file without data."""
    (tmp_path / "seglearn.py").write_text("")
    outcome = hilbench(
        "run", "--board", "host", "--workload", "motion", "--out", tmp_path,
        env={**host_agent.env, "PYTHONPATH": f"{tmp_path}:{ROOT / 'harness'}"},
    )  # fmt: skip
    assert outcome.code == 4
    assert "pip install 'hilbench[motion]'" in outcome.stderr


# ---------------------------------------------------------------- listing and adding


def test_the_list_and_a_card() -> None:
    listed = hilbench("workloads", "--json").json
    rows = {row["workload"]: row for row in listed}
    assert list(rows)[:5] == ["digits", "mnist5k", "motion", "anomaly", "kws-synthetic"]
    assert rows["digits"]["missing"] is None
    assert (rows["digits"]["metric"], rows["digits"]["vectors"]) == ("top1", 450)
    assert rows["anomaly"]["metric"] == "auc"
    assert rows["kws-synthetic"]["synthetic"] is True
    assert rows["mlperf-vww"]["target"] == 0.8
    assert hilbench("workloads", "motion", "--json").json == rows["motion"]
    card = hilbench("workloads", "kws-synthetic").stdout
    assert "SYNTHETIC" in card
    assert "MFCC" in card


def test_a_workload_added_as_the_documents_say(host_agent: HostAgent, tmp_path: Path) -> None:
    """The code block of docs/workloads.md, as it stands there, in a run."""
    text = (ROOT / "docs" / "workloads.md").read_text()
    (block,) = re.findall(r"```python\n(# gestures\.py\n.*?)```", text, re.DOTALL)
    assert sum(bool(line.strip()) for line in block.splitlines()) <= 20
    path = tmp_path / "gestures.py"
    path.write_text(block)
    rng = np.random.default_rng(6)
    np.savez(
        tmp_path / "gestures.npz",
        x=rng.normal(size=(90, 25, 3)).astype(np.float32),
        y=np.arange(90) % 3,
        person=np.arange(90) // 10,
    )
    network = Network("gestures", (25, 1, 3), (layers.Conv2D(4, (5, 1)), layers.Dense(3)))
    model = tmp_path / "gestures.tflite"
    model.write_bytes(write(export.float_graph(network, network.initial(1))))
    outcome = hilbench(
        "run", "--board", "host", "--workload", path, "--model", model, "--mode", "accuracy",
        "--out", tmp_path / "results", "--json", env=host_agent.env, cwd=tmp_path,
    )  # fmt: skip
    assert outcome.code == 0, outcome.stderr
    assert outcome.json["workload"] == "gestures"
    assert outcome.json["metrics"]["top1"]["n"] == 20
    assert "gestures" in hilbench("workloads", path, cwd=tmp_path).stdout


def test_workloads_of_installed_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    points = {
        "again": "hilbench.workloads.digits:DIGITS",
        "broken": "no_such_module:X",
        "other": "hilbench.workloads.digits:CARD",
    }
    found = [EntryPoint(name, value, registry.GROUP) for name, value in points.items()]
    monkeypatch.setattr(registry.metadata, "entry_points", lambda group: found)
    assert workloads.names()[-3:] == ("again", "broken", "other")
    assert workloads.get("again") is workloads.get("digits")
    for name, text in (("broken", "does not load"), ("other", "is no hilbench.workloads.Workload")):
        with pytest.raises(UsageError, match=text):
            workloads.get(name)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("X = 1", "is no hilbench.workloads.Workload"),
        ("import absent_module", "does not load"),
        ("def (", "does not load"),
        (None, "no such file"),
    ],
)
def test_files_that_are_no_workload(content: str | None, text: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    if content is not None:
        path.write_text(content)
    with pytest.raises(UsageError, match=text):
        workloads.get(str(path))
