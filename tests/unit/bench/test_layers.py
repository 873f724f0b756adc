"""Layers judged on the host: a planted sensitive layer is found, a mix holds its budget."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.conftest import require_module

from hilbench import models, workloads
from hilbench.bench.auto import Budget, search_mix
from hilbench.bench.candidates import Candidate, Judge
from hilbench.bench.sensitivity import measure_sensitivity
from hilbench.boards import load_catalogue
from hilbench.errors import UsageError
from hilbench.models import writer
from hilbench.schemes import mixed, recipes


def judge_of(content: bytes) -> Judge:
    digits = workloads.get("digits")
    calibration = digits.examples("train").values[:60]
    board = load_catalogue()["mps2-an386"]
    return Judge(content, calibration, digits, board, "size")


@pytest.fixture(scope="module")
def judge() -> Judge:
    require_module("ai_edge_quantizer", "quantize")
    return judge_of(workloads.get("digits").model_path("f32").read_bytes())


@pytest.fixture(scope="module")
def uniform(judge: Judge) -> dict[str, Candidate]:
    found = judge.judge([judge.uniform(scheme) for scheme in mixed.LAYER_SCHEMES])
    assert None not in found
    return {s: c for s, c in zip(mixed.LAYER_SCHEMES, found, strict=True) if c is not None}


def with_outliers(layer: int) -> bytes:
    """The digits model, one layer's weights squeezed into the lowest steps by a large one that
    meets an input which is always 0 (its channel's bias and weights are made so)."""
    graph = models.load(workloads.get("digits").model_path("f32"))
    before, operator = (graph.operators[i] for i in (layer - 1, layer))
    tensors = list(graph.tensors)

    def change(index: int, values: np.ndarray) -> None:
        tensors[index] = replace(tensors[index], data=values)

    weights, bias = (tensors[i].data for i in before.inputs[1:3])
    assert weights is not None
    assert bias is not None
    silenced, quiet = weights.copy(), bias.copy()
    silenced[..., 0], quiet[0] = 0.0, 0.0
    change(before.inputs[1], silenced)
    change(before.inputs[2], quiet)
    wide = tensors[operator.inputs[1]].data
    assert wide is not None
    planted = wide.copy()
    planted[..., 0] = 40 * np.abs(wide).max()
    change(operator.inputs[1], planted)
    return writer.write(replace(graph, tensors=tuple(tensors)))


@pytest.mark.parametrize("layer", [2, 4], ids=["a middle layer", "the last convolution"])
def test_a_planted_sensitive_layer_is_found(layer: int) -> None:
    """A silent channel's large weights take int4's steps from all others; float loses nothing."""
    require_module("ai_edge_quantizer", "quantize")
    content = with_outliers(layer)
    found = measure_sensitivity(judge_of(content), "w4a8")
    assert found["quality"] > 0.9
    assert found["origin"] == "host reference, validation part"
    planted = models.loads(content).operators[layer].outputs[0]
    name = models.loads(content).tensors[planted].name
    worst = max(found["layers"], key=lambda row: row["change"])
    assert worst["layer"] == name
    assert worst["high"] < 0
    others = [row for row in found["layers"] if row["layer"] != name]
    assert all(row["shift"] > worst["shift"] for row in others)


def test_sensitivity_is_that_of_the_models_it_names(judge: Judge) -> None:
    """Shift and change again, from a model quantized here; the float model is its own reference."""
    found = measure_sensitivity(judge, "w8a8")
    digits = workloads.get("digits")
    graph = models.load(digits.model_path("f32"))
    layers = mixed.layers_of(graph)
    assert [row["layer"] for row in found["layers"]] == [layer.output for layer in layers]
    recipe = mixed.recipe_of(layers, {layers[2].output: "w8a8"}, with_followers=False)
    scheme = recipes.Scheme("", recipe, calibrated=True)
    calibration = digits.examples("train").values[:60]
    content = recipes.quantize_by_recipe(writer.write(graph), scheme, "one", calibration)
    single = models.loads(content)
    assert sum(t.dtype == "int8" and t.data is not None for t in single.tensors) == 1
    part = digits.vectors(graph, "validation")
    outputs = [models.run_reference(g, part.vectors).outputs for g in (graph, single)]
    change = np.mean((outputs[1].astype(float) - outputs[0].astype(float)) ** 2)
    assert found["layers"][2]["change"] == pytest.approx(change, rel=1e-6)
    right = [(o.argmax(axis=1) == part.labels).mean() for o in outputs]
    assert found["layers"][2]["shift"] == pytest.approx(right[1] - right[0])


@pytest.mark.parametrize("scheme", mixed.LAYER_SCHEMES)
def test_a_mix_of_one_scheme_is_that_scheme(uniform: dict[str, Candidate], scheme: str) -> None:
    float_model = workloads.get("digits").model_path("f32").read_bytes()
    calibration = workloads.get("digits").examples("train").values[:60]
    assert uniform[scheme].content == recipes.quantize(float_model, scheme, calibration)


@pytest.mark.slow
def test_a_mix_holds_its_budget_and_is_no_less_accurate(uniform: dict[str, Candidate]) -> None:
    """A flash limit between the sizes of the uniform schemes that float alone would not meet."""
    judge = judge_of(workloads.get("digits").model_path("f32").read_bytes())
    flash = sorted(uniform[s].flash_bytes or 0 for s in ("f32", "w4a8"))
    instructions = uniform["w4a8"].instructions
    assert instructions is not None
    budget = Budget(flash_bytes=sum(flash) // 2, instructions=instructions)
    found = search_mix(judge, budget)
    assert budget.excess(uniform["f32"].costs) > 0
    assert found.candidate.costs["flash_bytes"] <= budget.flash_bytes  # type: ignore[operator]
    assert found.candidate.costs["instructions"] <= instructions  # type: ignore[operator]
    assert found.candidate.answers.quality >= uniform["w4a8"].answers.quality
    assert found.judged <= 96


@pytest.mark.slow
def test_a_budget_that_cannot_be_met_names_the_closest(judge: Judge) -> None:
    with pytest.raises(UsageError, match=r"the closest of \d+: arena [\d,]+ of 100") as error:
        search_mix(judge, Budget(arena_bytes=100))
    assert "conv_2d_0" in (error.value.hint or "")
