"""The shipped workload: data, split, encoding and the accuracy of its models."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.conftest import ROOT, require_module

from hilbench import models, workloads
from hilbench.errors import UsageError, VectorError
from hilbench.models.graph import AddOptions, Graph, Operator, Tensor

DATA = ROOT / "harness" / "hilbench" / "workloads" / "data"
SCHEMES = ("w8a8", "f32")
PARTS: tuple[workloads.Part, ...] = ("train", "validation", "held-out")


def digits(scheme: str) -> tuple[models.Graph, workloads.Vectors]:
    workload = workloads.get("digits")
    graph = models.load(workload.model_path(scheme))
    return graph, workload.vectors(graph)


def test_registry() -> None:
    assert workloads.names()[0] == "digits"
    workload = workloads.get("digits")
    assert workload.default_model == workload.model_path("w8a8")
    assert workload.classes == tuple("0123456789")
    assert "CC BY 4.0" in workload.card
    with pytest.raises(
        UsageError, match="there are: digits, mnist5k, motion, anomaly, kws-synthetic, mlperf-"
    ):
        workloads.get("letters")


def test_the_parts_are_cut_by_position() -> None:
    parts = [workloads.get("digits").examples(part) for part in PARTS]
    assert [len(part) for part in parts] == [1197, 150, 450]
    assert all(part.values.shape[1:] == (8, 8) and part.values.max() == 1.0 for part in parts)


def test_the_data_are_those_of_scikit_learn() -> None:
    require_module("sklearn", "test")
    from sklearn import datasets

    images, labels = datasets.load_digits(return_X_y=True)
    parts = [workloads.get("digits").examples(part) for part in PARTS]
    stored = np.concatenate([part.values for part in parts])
    np.testing.assert_array_equal(16 * stored.reshape(len(labels), 64), images)
    np.testing.assert_array_equal(np.concatenate([part.labels for part in parts]), labels)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_accuracy_on_the_held_out_part(scheme: str) -> None:
    graph, data = digits(scheme)
    outputs = models.run_reference(graph, data.vectors).outputs
    assert data.labels is not None
    assert len(data) == 450
    assert data.target == 0.93
    assert workloads.top1(outputs, data.labels) >= data.target


def test_encoding_is_exact_and_recorded() -> None:
    grey = 16 * workloads.get("digits").examples("held-out").values.reshape(450, 64)
    graph, data = digits("w8a8")
    tensor = graph.inputs[0]
    stored = data.vectors.view(np.int8).astype(np.float64)
    real = (stored - tensor.zero_point) * tensor.scale
    assert np.abs(real - grey / 16).max() <= tensor.scale / 2 + 1e-6
    assert data.encoding.startswith("grey value / 16; int8: round(value / ")
    _, floats = digits("f32")
    np.testing.assert_array_equal(
        floats.vectors.view("<f4"), grey.astype(np.float32) / np.float32(16)
    )
    assert floats.encoding == "grey value / 16; float32, unchanged"


def test_identity_is_that_of_what_is_asked() -> None:
    _, data = digits("w8a8")
    _, again = digits("w8a8")
    _, floats = digits("f32")
    assert data.digest == again.digest != floats.digest
    assert data.asked == again.asked == floats.asked
    first = data.first(10)
    assert first.vectors.shape == (10, 64)
    assert first.labels is not None
    assert len(first.labels) == 10
    assert first.digest != data.digest
    assert first.asked != data.asked
    assert data.first(450) is data


def test_a_model_of_another_size_is_refused() -> None:
    x = Tensor("x", (1, 32), "float32")
    graph = Graph((x, x), (Operator("ADD", (0, 0), (1,), AddOptions()),), (0,), (1,))
    with pytest.raises(VectorError, match=r"vectors of 64 elements.*'x' has 32"):
        workloads.get("digits").vectors(graph)
    with pytest.raises(VectorError, match="one input, the model 2"):
        workloads.get("digits").vectors(
            Graph((x, x, x), (Operator("ADD", (0, 1), (2,), AddOptions()),), (0, 1), (2,))
        )


def test_the_files_are_small_and_attributed() -> None:
    sizes = {path.name: path.stat().st_size for path in DATA.iterdir()}
    assert sizes["digits.npz"] < 100_000
    assert sizes["digits_f32.tflite"] + sizes["digits_w8a8.tflite"] < 60_000
    notice = (ROOT / "NOTICE").read_text(encoding="utf-8")
    assert all(name in notice for name in ("digits.npz", "Alpaydin", "CC BY 4.0"))


@pytest.mark.slow
def test_training_gives_the_shipped_models_again(tmp_path: Path) -> None:
    """The same bytes, or with another BLAS an accuracy within one point."""
    script = ROOT / "tools" / "train_digits.py"
    subprocess.run([sys.executable, script, "--out", tmp_path], check=True, timeout=600)
    for scheme in SCHEMES:
        shipped, data = digits(scheme)
        trained = models.load(tmp_path / f"digits_{scheme}.tflite")
        if trained.digest == shipped.digest:
            continue
        assert data.labels is not None
        accuracies = [
            workloads.top1(models.run_reference(graph, data.vectors).outputs, data.labels)
            for graph in (shipped, trained)
        ]
        assert accuracies[1] == pytest.approx(accuracies[0], abs=0.01)


def test_other_quantizers_accept_the_float_model() -> None:
    require_module("ai_edge_litert", "oracle")
    from ai_edge_litert.interpreter import Interpreter

    content = (DATA / "digits_f32.tflite").read_bytes()
    assert "serving_default" in Interpreter(model_content=content).get_signature_list()
