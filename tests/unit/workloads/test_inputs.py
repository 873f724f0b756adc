"""Random vectors, and a user's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from hilbench import models, workloads
from hilbench.errors import VectorError
from hilbench.models.graph import AddOptions, Graph, Operator, Tensor


def graph_of(dtype: str, inputs: int = 1) -> Graph:
    """x + x, four elements; or one sum of two inputs."""
    tensors = tuple(
        Tensor(name, (1, 4), dtype, (0.5,), (3,))
        if dtype == "int8"
        else Tensor(name, (1, 4), dtype)
        for name in "xyz"
    )
    operator = Operator("ADD", (0, inputs - 1), (2,), AddOptions())
    return Graph(tensors, (operator,), tuple(range(inputs)), (2,))


INT8, FLOAT = graph_of("int8"), graph_of("float32")


# ---------------------------------------------------------------- random


def test_random_vectors_are_seeded_and_cover_the_range() -> None:
    data = workloads.random_vectors(INT8, 2000, seed=1)
    assert data.labels is None
    assert data.vectors.shape == (2000, 4)
    values = data.vectors.view(np.int8)
    assert (values.min(), values.max()) == (-128, 127)
    assert workloads.random_vectors(INT8, 2000, seed=1).digest == data.digest
    assert workloads.random_vectors(INT8, 2000, seed=2).digest != data.digest
    np.testing.assert_array_equal(
        workloads.random_vectors(INT8, 5, seed=1).vectors, data.vectors[:5]
    )


def test_random_vectors_fill_every_input() -> None:
    graph = graph_of("float32", inputs=2)
    data = workloads.random_vectors(graph, 3, seed=0)
    assert data.vectors.shape == (3, 32)
    floats = data.vectors.view("<f4")
    assert 0.0 <= floats.min() < floats.max() < 1.0
    assert models.run_reference(graph, data.vectors).outputs.shape == (3, 4)


# ---------------------------------------------------------------- arrays


def saved(folder: Path, array: np.ndarray) -> Path:  # type: ignore[type-arg]
    path = folder / "inputs.npy"
    np.save(path, array)
    return path


def test_an_array_of_the_models_type_is_unchanged(tmp_path: Path) -> None:
    array = np.array([[1, -2, 3, -4], [5, 6, 7, 8]], np.int8)
    data = workloads.user_vectors(saved(tmp_path, array), None, INT8)
    np.testing.assert_array_equal(data.vectors.view(np.int8), array)
    assert data.encoding == "int8 array, unchanged"
    assert (data.metric, data.labels) == ("", None)


def test_real_values_are_quantized_by_the_models_scale(tmp_path: Path) -> None:
    array = np.array([[0.0, 0.5, -1.0, 1000.0]], np.float64)
    data = workloads.user_vectors(saved(tmp_path, array), None, INT8)
    assert data.vectors.view(np.int8).tolist() == [[3, 4, 1, 127]]
    assert data.encoding == (
        "real values of a float64 array; int8: round(value / 0.5) + 3, ties to even, "
        "clipped to -128..127"
    )


def test_integers_for_a_float_model_are_taken_as_real_values(tmp_path: Path) -> None:
    array = np.array([[0, 1, 2, 255]], np.uint8)
    data = workloads.user_vectors(saved(tmp_path, array), None, FLOAT)
    assert data.vectors.view("<f4").tolist() == [[0.0, 1.0, 2.0, 255.0]]
    assert "integers of a uint8 array" in data.encoding


@pytest.mark.parametrize(
    ("array", "graph", "words"),
    [
        (np.zeros((2, 4), np.uint8), INT8, "array of uint8, the model takes int8"),
        (np.zeros((2, 4), np.int16), INT8, "array of int16"),
        (np.zeros((2, 5), np.int8), INT8, r"vectors of 5 elements \[5\], the model takes 4"),
        (np.zeros(4, np.int8), INT8, r"shape \[4\], expected"),
        (np.zeros((0, 4), np.int8), INT8, "no vectors"),
        (np.array([[0, 0, 0, 0], [0, np.nan, 0, 0]], np.float32), FLOAT, "vector 1 has a value"),
        (np.array([[np.inf, 0, 0, 0]]), FLOAT, "not finite"),
        (np.array([[1e39, 0, 0, 0]]), FLOAT, "not finite"),
        (np.zeros((1, 4), np.complex64), FLOAT, "array of complex64"),
        (np.zeros((1, 4), np.int8), graph_of("int8", inputs=2), "one input, the model has 2"),
    ],
)
def test_an_array_that_does_not_fit_is_refused(
    tmp_path: Path,
    array: np.ndarray,  # type: ignore[type-arg]
    graph: Graph,
    words: str,
) -> None:
    with pytest.raises(VectorError, match=words) as caught:
        workloads.user_vectors(saved(tmp_path, array), None, graph)
    assert "inputs.npy" in caught.value.message


def test_an_array_with_pickled_objects_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "inputs.npy"
    np.save(path, np.array([[{}]], object), allow_pickle=True)
    with pytest.raises(VectorError, match=r"not a \.npy array"):
        workloads.user_vectors(path, None, INT8)


def test_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(VectorError, match=r"neither a folder nor a \.npy file"):
        workloads.user_vectors(tmp_path / "nothing", None, INT8)


# ---------------------------------------------------------------- folders and labels


def folder_with(folder: Path, *names: str, size: int = 4) -> Path:
    for number, name in enumerate(names):
        (folder / name).write_bytes(bytes([number]) * size)
    return folder


@pytest.mark.parametrize(
    "text",
    [
        "file,label\nb.bin,2\na.bin,0\n",
        "b.bin,2\na.bin,0\n",
        "file, classes, label\nb.bin, 4, 2\n\na.bin, 4, 0\n",
        "\ufeffb.bin,4,2\r\na.bin,4,0\r\n",
    ],
)
def test_the_csv_gives_files_and_order(tmp_path: Path, text: str) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(text, encoding="utf-8", newline="")
    folder = folder_with(tmp_path, "a.bin", "b.bin", "not-listed.bin")
    data = workloads.user_vectors(folder, labels, INT8)
    assert data.vectors.tolist() == [[1] * 4, [0] * 4]
    assert data.labels is not None
    assert data.labels.tolist() == [2, 0]
    assert (data.task, data.metric) == ("classification", "top1")
    assert "raw little-endian files" in data.encoding


def test_without_a_csv_files_come_by_name(tmp_path: Path) -> None:
    data = workloads.user_vectors(folder_with(tmp_path, "b.bin", "a.bin"), None, INT8)
    assert data.vectors[:, 0].tolist() == [1, 0]


def test_a_csv_labels_an_array(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("x,1\ny,3\n")
    data = workloads.user_vectors(saved(tmp_path, np.zeros((2, 4), np.int8)), labels, INT8)
    assert data.labels is not None
    assert data.labels.tolist() == [1, 3]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a.bin,0\nmissing.bin,1\n", r"missing\.bin: No such file"),
        ("a.bin,4\n", "label 4, but the model has 4 outputs"),
        ("a.bin,10,0\n", "10 classes, the model has 4 outputs"),
        ("a.bin,4,0\nb.bin,3,0\n", "differ in the number of classes"),
        ("a.bin,0\nb.bin,one\n", r"labels\.csv:2: 'b\.bin,one'"),
        ("a.bin,-1\n", "label -1"),
        ("a.bin,4,5\n", "label 5 is not one of 4 classes"),
        ("a.bin,1,2,3\n", "neither file,label nor"),
        ("file,label\n", "no labels"),
        ("a.bin,O\nb.bin,1\n", "neither file,label nor"),
        ("", "no labels"),
    ],
)
def test_labels_that_do_not_fit_are_refused(tmp_path: Path, text: str, words: str) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(text)
    folder = folder_with(tmp_path, "a.bin", "b.bin")
    with pytest.raises(VectorError, match=words):
        workloads.user_vectors(folder, labels, INT8)


def test_labels_must_be_as_many_as_vectors(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("x,1\n")
    with pytest.raises(VectorError, match="1 labels for 2 vectors"):
        workloads.user_vectors(saved(tmp_path, np.zeros((2, 4), np.int8)), labels, INT8)


def test_a_file_of_the_wrong_size_is_named_with_both_sizes(tmp_path: Path) -> None:
    folder = folder_with(tmp_path, "a.bin", size=5)
    with pytest.raises(VectorError, match=r"a\.bin: 5 bytes, the model takes 4"):
        workloads.user_vectors(folder, None, INT8)


def test_a_raw_file_with_a_nan_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(np.array([0, np.nan, 0, 0], "<f4").tobytes())
    with pytest.raises(VectorError, match=r"a\.bin: a value that is not finite"):
        workloads.user_vectors(tmp_path, None, FLOAT)


def test_a_file_that_is_no_csv_is_refused(tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(VectorError, match="cannot be read as CSV"):
        workloads.user_vectors(folder_with(tmp_path, "a.bin"), labels, INT8)
