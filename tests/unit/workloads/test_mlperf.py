"""The tasks of MLPerf Tiny: the suite's files and label lines, read as its runner sends them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import require_shared

from hilbench import models, workloads
from hilbench.errors import UsageError, VectorError
from hilbench.models.graph import AddOptions, Graph, Operator, Tensor

#: Name -> target, bytes of a file, shape, type of a file's values.
TASKS = {
    "mlperf-kws": (0.90, 490, (49, 10, 1), "i1"),
    "mlperf-ic": (0.85, 3072, (32, 32, 3), "u1"),
    "mlperf-vww": (0.80, 27648, (96, 96, 3), "u1"),
    "mlperf-ad": (0.85, 2560, (640,), "<f4"),
}
QUANTIZATION = {
    "mlperf-kws": (0.5847029089927673, 83),
    "mlperf-ic": (1.0, -128),
    "mlperf-vww": (float(np.float32(1 / 255)), -128),
}


def doubling(shape: tuple[int, ...], scale: float, zero_point: int) -> Graph:
    """A model of the suite's input: x + x."""
    x, y = (Tensor(n, (1, *shape), "int8", (scale,), (zero_point,)) for n in "xy")
    return Graph((x, y), (Operator("ADD", (0, 0), (1,), AddOptions()),), (0,), (1,))


def folder_of(tmp_path: Path, files: dict[str, bytes], lines: list[str]) -> tuple[Path, Path]:
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    labels = tmp_path / "y_labels.csv"
    labels.write_text("\n".join(lines) + "\n")
    return tmp_path, labels


def with_data(name: str, inputs: Path, labels: Path) -> workloads.Workload:
    bring = workloads.get(name).with_data
    assert bring is not None
    return bring(inputs, labels)


@pytest.mark.parametrize("name", TASKS)
def test_definitions(name: str) -> None:
    workload = workloads.get(name)
    target, size, shape, dtype = TASKS[name]
    assert workload.target == target
    assert workload.metric == ("auc" if name == "mlperf-ad" else "top1")
    assert np.prod(shape) * np.dtype(dtype).itemsize == size
    assert str(size) in workload.card
    assert f"--workload {name}" in (workload.missing() or "")
    with pytest.raises(UsageError, match="your own copy") as caught:
        workload.examples("held-out")
    assert "--inputs DIR --labels y_labels.csv" in (caught.value.hint or "")
    with pytest.raises(UsageError, match="without a model"):
        _ = workload.default_model


@pytest.mark.parametrize("name", QUANTIZATION)
def test_int8_models_get_the_bytes_of_the_suite(name: str, tmp_path: Path) -> None:
    """int8 files as they are; of uint8 pixels 128 is subtracted, as the suite's firmware does."""
    _, size, shape, dtype = TASKS[name]
    classes = len(workloads.get(name).classes)
    rng = np.random.default_rng(3)
    content = [rng.integers(0, 256, size, dtype=np.uint8).tobytes() for _ in range(3)]
    files = {f"tst_{i}.bin": raw for i, raw in enumerate(content)}
    lines = [f"tst_{i}.bin,{classes},{i % classes}" for i in (2, 0, 1)]
    workload = with_data(name, *folder_of(tmp_path, files, lines))
    vectors = workload.vectors(doubling(shape, *QUANTIZATION[name]))
    raw = np.stack([np.frombuffer(content[i], dtype) for i in (2, 0, 1)]).astype(np.int64)
    expected = raw if dtype == "i1" else raw - 128
    np.testing.assert_array_equal(vectors.vectors.view(np.int8), expected)
    assert vectors.labels is not None
    assert vectors.labels.tolist() == [i % classes for i in (2, 0, 1)]
    assert (vectors.target, vectors.files) == (TASKS[name][0], None)
    assert str(tmp_path) in vectors.source


def test_real_models_of_the_suite_take_the_same_bytes(tmp_path: Path) -> None:
    folder = require_shared("mlperf-tiny")
    files = {"a.bin": (folder / "kws_int8_s1.in.bin").read_bytes()}
    workload = with_data("mlperf-kws", *folder_of(tmp_path, files, ["a.bin,12,3"]))
    vectors = workload.vectors(models.load(folder / "kws_int8.tflite"))
    assert vectors.vectors.tobytes() == files["a.bin"]


def test_anomaly_files_give_windows_and_one_score_each(tmp_path: Path) -> None:
    rng = np.random.default_rng(4)
    frames = [rng.normal(size=(200, 128)).astype("<f4"), rng.normal(size=(7, 128)).astype("<f4")]
    files = {f"{i}.bin": f.tobytes() for i, f in enumerate(frames)}
    for lines in (["0.bin,2,1,2560,512", "1.bin,2,0,2560,512"], ["0.bin,2,1", "1.bin,2,0"]):
        workload = with_data("mlperf-ad", *folder_of(tmp_path, files, lines))
        part = workload.examples("held-out")
        assert len(part) == 196 + 3
        np.testing.assert_array_equal(part.values[5], frames[0][5:10].ravel())
        np.testing.assert_array_equal(part.values[198], frames[1][2:7].ravel())
        vectors = workload.vectors(doubling((640,), 0.1, 0))
        assert vectors.files is not None
        assert vectors.labels is not None
        assert vectors.files.tolist() == [0] * 196 + [1] * 3
        scores, labels = workloads.by_file(np.arange(199.0), vectors.labels, vectors.files)
        assert scores.tolist() == [97.5, 197.0]
        assert labels.tolist() == [1, 0]
    with pytest.raises(UsageError, match="has no train part"):
        workload.examples("train")


@pytest.mark.parametrize(
    ("name", "content", "line", "text"),
    [
        ("mlperf-kws", b"short", "x.bin,12,0", "5 bytes, the model takes 490"),
        ("mlperf-kws", bytes(490), "x.bin,12,12", "label 12 is not one of 12"),
        ("mlperf-kws", bytes(490), "x.bin,10,3", "not a label of 12 classes"),
        ("mlperf-kws", bytes(490), "y.bin,12,3", "y.bin"),
        ("mlperf-kws", bytes(490), "x.bin,12,3,4", "is neither"),
        ("mlperf-ad", bytes(2560 + 4), "x.bin,2,0", "not windows of 2560 bytes"),
        ("mlperf-ad", bytes(2560), "x.bin,2,0,1280,512", "the model takes 2560"),
        ("mlperf-ad", bytes(2560), "x.bin,2,0,2560,0", "windows of 2560 bytes every 0"),
        ("mlperf-ad", b"\xff" * 2560, "x.bin,2,0", "not finite"),
    ],
)
def test_refusals(name: str, content: bytes, line: str, text: str, tmp_path: Path) -> None:
    workload = with_data(name, *folder_of(tmp_path, {"x.bin": content}, [line]))
    with pytest.raises(VectorError, match=text):
        workload.examples("held-out")
    with pytest.raises(VectorError, match="not a folder"):
        with_data(name, tmp_path / "absent", tmp_path / "y_labels.csv")
