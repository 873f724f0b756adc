"""Schemes by name: each model is what its name says, and its answers are those of the oracle."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.conftest import require_module
from tests.unit.models import oracle

from hilbench import models, workloads
from hilbench.errors import ModelError, ToolMissing, UsageError
from hilbench.models import Graph, writer
from hilbench.models.fold import dequantized
from hilbench.quantization import unpack_int4
from hilbench.schemes import ai_edge, recipes

VECTORS = 60
INTEGER = ("w8a8", "w8a8-tensor", "w8a16", "w4a8")
FLOAT = ("f32", "dynamic8", "dynamic4", "weight8", "weight4", "f16", "fp8")
#: Of probabilities from 0 to 1.  Measured: 0 for f32, 1.8e-7 at most where weights are stored;
#: where activations are quantized, a value on the edge between two steps may fall to either side.
TOLERANCE = {"dynamic8": 2e-2, "dynamic4": 5e-2}


@pytest.fixture(scope="module")
def made() -> dict[str, bytes]:
    require_module("ai_edge_quantizer", "quantize")
    digits = workloads.get("digits")
    content = digits.model_path("f32").read_bytes()
    calibration = digits.examples("train").values[:100]
    return {name: recipes.quantize(content, name, calibration) for name in (*INTEGER, *FLOAT)}


def loaded(content: bytes, name: str) -> tuple[Graph, NDArray[np.uint8]]:
    graph = models.in_form(models.loads(content), recipes.SCHEMES[name].form)
    return graph, workloads.get("digits").vectors(graph).vectors[:VECTORS]


def feed_of(graph: Graph, vectors: NDArray[np.uint8]) -> NDArray[np.generic]:
    tensor = graph.inputs[0]
    return vectors.view(tensor.dtype).reshape(len(vectors), *tensor.shape)


def widened(graph: Graph) -> bytes:
    """int4 weights as int8 ones of equal values: the wheel has no int4 dense layer."""
    tensors = [
        replace(t, dtype="int8", data=unpack_int4(t.data, t.elements).reshape(t.shape))
        if t.dtype == "int4" and t.data is not None and t.data.dtype == np.uint8
        else (replace(t, dtype="int8") if t.dtype == "int4" else t)
        for t in graph.tensors
    ]
    return writer.write(replace(graph, tensors=tuple(tensors)))


def as_floats(graph: Graph) -> bytes:
    """8-bit float weights as float32 ones of equal values: no .tflite carries the former."""
    tensors = [
        replace(t, dtype="float32", scales=(), zero_points=(), data=dequantized(t))
        if t.dtype == "float8"
        else t
        for t in graph.tensors
    ]
    return writer.write(replace(graph, tensors=tuple(tensors)))


@pytest.mark.parametrize("name", [*INTEGER, *FLOAT])
def test_a_model_is_what_its_scheme_says(made: dict[str, bytes], name: str) -> None:
    graph, _ = loaded(made[name], name)
    assert models.scheme_name(graph, recipes.SCHEMES[name].form) == name


@pytest.mark.parametrize("name", INTEGER)
def test_integer_schemes_equal_tflm(made: dict[str, bytes], name: str) -> None:
    require_module("tflite_micro", "oracle")
    graph, vectors = loaded(made[name], name)
    ours = models.run_reference(graph, vectors).outputs
    content = widened(graph) if name == "w4a8" else made[name]
    theirs = oracle.tflm_outputs(content, [feed_of(graph, vectors)], 1)
    np.testing.assert_array_equal(ours, np.stack([outputs[0].ravel() for outputs in theirs]))


@pytest.mark.parametrize("name", FLOAT)
def test_float_schemes_are_near_litert(made: dict[str, bytes], name: str) -> None:
    require_module("ai_edge_litert", "oracle")
    graph, vectors = loaded(made[name], name)
    ours = models.run_reference(graph, vectors).outputs
    content = as_floats(graph) if name == "fp8" else made[name]
    theirs = oracle.litert_outputs(content, [feed_of(graph, vectors)])
    expected = np.stack([outputs[0].ravel() for outputs in theirs])
    np.testing.assert_allclose(ours, expected, rtol=0, atol=TOLERANCE.get(name, 1e-6))


def test_a_recipe_gives_the_same_bytes_again(made: dict[str, bytes]) -> None:
    digits = workloads.get("digits")
    content = digits.model_path("f32").read_bytes()
    again = recipes.quantize(content, "w8a8", digits.examples("train").values[:100])
    assert again == made["w8a8"]
    without_signature = writer.write(models.loads(content))
    assert recipes.quantize(without_signature, "dynamic8", None) == made["dynamic8"]


def test_what_cannot_be_made_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    digits = workloads.get("digits")
    float_model = digits.model_path("f32").read_bytes()
    with pytest.raises(UsageError, match="no scheme 'w3a3'; there are: f32, w8a8"):
        recipes.quantize(float_model, "w3a3", None)
    with pytest.raises(UsageError, match="w8a8 needs training vectors"):
        recipes.quantize(float_model, "w8a8", None)
    with pytest.raises(ModelError, match="the model is w8a8, scheme dynamic8 is made of a float32"):
        recipes.quantize(digits.model_path("w8a8").read_bytes(), "dynamic8", None)
    monkeypatch.setattr(ai_edge, "PACKAGES", ("no_such_quantizer",))
    with pytest.raises(ToolMissing, match="needs the package ai-edge-quantizer") as missing:
        recipes.quantize(float_model, "dynamic8", None)
    assert "pip install 'hilbench[quantize]'" in missing.value.hint


def test_a_quantizer_that_fails_says_why() -> None:
    require_module("ai_edge_quantizer", "quantize")
    content = Path(workloads.get("digits").model_path("f32")).read_bytes()
    with pytest.raises(ModelError, match="ai_edge_quantizer cannot quantize the model: "):
        ai_edge.quantize_by(content, [{"regex": ".*"}], None)
