"""The reference interpreter: golden layers, and what it refuses."""

from __future__ import annotations

import json
import zlib

import numpy as np
import pytest
from random_graphs import as_vectors, random_graph, random_inputs
from tests.conftest import ROOT

from hilbench import models, workloads
from hilbench.errors import VectorError
from hilbench.models import reference, windows
from hilbench.models.reference_float import exp

GOLDEN = json.loads((ROOT / "tests" / "golden" / "digits_layers.json").read_text())


@pytest.mark.parametrize("scheme", ["w8a8", "f32"])
def test_every_layer_of_the_shipped_models_is_golden(scheme: str) -> None:
    golden = GOLDEN[scheme]
    workload = workloads.get("digits")
    graph = models.load(workload.model_path(scheme))
    assert graph.digest == golden["model_sha256"]
    vectors = workload.vectors(graph).vectors
    values = models.run_tensors(graph, vectors)
    layers = [values[op.outputs[0]] for op in graph.operators]
    assert [zlib.crc32(layer.tobytes()) for layer in layers] == golden["all_vectors_crc32"]
    expected = models.run_reference(graph, vectors, layers=True)
    assert expected.layer_crc is not None
    first = golden["first_vectors_crc32"]
    assert expected.layer_crc[: len(first)].tolist() == first
    np.testing.assert_array_equal(expected.outputs, layers[-1].reshape(len(vectors), -1))


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("seed", [3, 11, 12, 13])
def test_a_vector_gives_the_same_alone_and_in_a_batch(
    seed: int, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    graph = random_graph(seed, dtype, operators=6)
    vectors = as_vectors(random_inputs(graph, seed=2, count=9))
    whole = models.run_reference(graph, vectors, layers=True)
    monkeypatch.setattr(reference, "_CHUNK_ELEMENTS", 1)
    monkeypatch.setattr(windows, "BLOCK_ELEMENTS", 1)
    single = models.run_reference(graph, vectors, layers=True)
    assert whole.outputs.tobytes() == single.outputs.tobytes()
    assert whole.layer_crc is not None
    assert single.layer_crc is not None
    np.testing.assert_array_equal(whole.layer_crc, single.layer_crc)


def test_arrays_and_bytes_are_the_same_vectors() -> None:
    graph = random_graph(0, "float32")
    feed = random_inputs(graph, seed=1, count=4)[0]
    from_array = models.run_reference(graph, feed).outputs
    from_bytes = models.run_reference(graph, as_vectors([feed])).outputs
    assert from_array.tobytes() == from_bytes.tobytes()


def test_no_vectors_give_no_outputs() -> None:
    graph = models.load(workloads.get("digits").default_model)
    result = models.run_reference(graph, np.zeros((0, 64), np.uint8), layers=True)
    assert result.outputs.shape == (0, 10)
    assert result.outputs.dtype == np.int8
    assert result.layer_crc is not None
    assert result.layer_crc.shape == (0, 9)


@pytest.mark.parametrize(
    "vectors",
    [np.zeros((2, 63), np.int8), np.zeros((2, 65), np.uint8), np.zeros((2, 64), np.float32)],
)
def test_vectors_of_another_size_or_type_are_refused(vectors: np.ndarray) -> None:  # type: ignore[type-arg]
    graph = models.load(workloads.get("digits").default_model)
    with pytest.raises(VectorError):
        models.run_reference(graph, vectors)


def test_the_float_exponential_is_within_two_units_in_the_last_place() -> None:
    x = -np.concatenate([np.linspace(0, 87, 20001), [0.0, 1e-30]]).astype(np.float32)
    exact = np.exp(x.astype(np.float64))
    error = np.abs(exp(x).astype(np.float64) - exact) / exact
    assert error.max() < 2 * 2.0**-23
    assert exp(np.array([-87.5, -1e30], np.float32)).tolist() == [0.0, 0.0]
