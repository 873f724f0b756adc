"""Schemes layer by layer: each weighted operator of a float model by a scheme of its own."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench import models
from hilbench.errors import ModelError, UsageError
from hilbench.models import writer
from hilbench.models.graph import Graph, is_weighted
from hilbench.schemes import recipes
from hilbench.schemes.ai_edge import Recipe, quantize_all

#: What a layer may be in a mix, the most accurate first.
LAYER_SCHEMES = ("f32", "w8a16", "w8a8", "w4a8")
#: TensorFlow Lite has int4 weights of these alone.
_INT4 = ("CONV_2D", "FULLY_CONNECTED")

#: Layer's output tensor -> scheme.
Mix = Mapping[str, str]


@dataclass(frozen=True)
class Layer:
    """A weighted operator of a float model.

    Attributes
    ----------
    output : str
        Name of its output tensor, which names the layer.
    operator : str
        TensorFlow Lite's name.
    weights : int
        Elements of its filter.
    followers : tuple of str
        Output tensors of the operators without weights behind it, up to the next weighted one:
        in a mix they have its scheme.  The first layer has the model's inputs, too, and what
        comes before it.
    """

    output: str
    operator: str
    weights: int
    followers: tuple[str, ...]

    @property
    def schemes(self) -> tuple[str, ...]:
        """Of :data:`LAYER_SCHEMES`, those that differ for it."""
        most = len(LAYER_SCHEMES) if self.operator in _INT4 else -1
        return LAYER_SCHEMES[:most]


def layers_of(graph: Graph) -> tuple[Layer, ...]:
    """The weighted operators of a float model, in their order.

    Raises
    ------
    UsageError
        It has none, or two tensors of one name.
    """
    found: list[tuple[str, str, int]] = []
    names: list[list[str]] = []
    # the quantizer has an operator that makes the inputs, known by all their names
    early = [";".join(tensor.name for tensor in graph.inputs)]
    for operator in graph.operators:
        output = graph.tensors[operator.outputs[0]].name
        if is_weighted(operator):
            weights = graph.tensors[operator.inputs[1]].elements
            found.append((output, operator.opcode, weights))
            names.append([])
        else:
            (names[-1] if names else early).append(output)
    if not found:
        raise UsageError("the model has no operator with weights")
    names[0] += early
    if len({name for name, _, _ in found}) != len(found):
        raise UsageError("two operators of the model write tensors of one name")
    return tuple(
        Layer(*fields, followers=tuple(rest)) for fields, rest in zip(found, names, strict=True)
    )


def recipe_of(layers: Sequence[Layer], mix: Mix, with_followers: bool = True) -> Recipe:
    """The quantizer's recipe of a mix; layers that it does not name stay float.

    ``with_followers``: operators without weights have the scheme of the layer before them.
    """
    recipe: Recipe = []
    for layer in layers:
        scheme = recipes.find_scheme(mix.get(layer.output, "f32"))
        for output in (layer.output, *(layer.followers if with_followers else ())):
            scope = f"^{re.escape(output)};$"
            recipe += [{**entry, "regex": scope} for entry in scheme.recipe]
    return recipe


def quantize_mixes(
    float_model: bytes,
    wanted: Sequence[Recipe],
    calibration: NDArray[np.float32] | None,
) -> list[bytes | ModelError]:
    """The .tflite of each recipe, an empty one being the float model; one process for all.

    Raises
    ------
    UsageError
        There are no calibration vectors.
    ToolMissing
        ai-edge-quantizer is not installed.
    ModelError
        The model is no float model.
    """
    graph = models.loads(float_model, "model")
    if graph.scheme != "f32":
        raise ModelError(f"the model is {graph.scheme}; layers are quantized of a float32 one")
    if calibration is None:
        raise UsageError("schemes layer by layer need training vectors to calibrate activations")
    shaped = calibration.reshape(len(calibration), *graph.inputs[0].shape)
    shown = recipes.find_scheme("w8a8").recipe
    asked = [recipe for recipe in wanted if recipe]
    made = iter(quantize_all(writer.write(graph), asked, shown, shaped) if asked else ())
    return [next(made) if recipe else float_model for recipe in wanted]
