"""From a scheme's name to the model of that scheme, made of a float one.

Integer and mixed schemes are quantized by ai-edge-quantizer, weights as 8-bit floats and Huffman
codes by the packer (``hilbench.models.storage``), which no quantizer knows.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench import models
from hilbench.errors import ModelError, UsageError
from hilbench.models import writer
from hilbench.schemes.ai_edge import Recipe, quantize_by

#: Vectors of the training part that show the ranges of activations.
CALIBRATION_VECTORS = 300


def _entry(
    operation: str, weight_bits: int, activation_bits: int, granularity: str, explicit: bool = False
) -> dict[str, Any]:
    """One line of a quantizer's recipe; 0 activation bits = float activations."""
    config: dict[str, Any] = {
        "weight_tensor_config": {
            "num_bits": weight_bits,
            "symmetric": True,
            "granularity": granularity,
            "dtype": "INT",
        },
        "compute_precision": "FLOAT" if explicit else "INTEGER",
        "explicit_dequantize": explicit,
    }
    if activation_bits:
        config["activation_tensor_config"] = {
            "num_bits": activation_bits,
            "symmetric": activation_bits == 16,
            "granularity": "TENSORWISE",
            "dtype": "INT",
        }
    return {
        "regex": ".*",
        "operation": operation,
        "algorithm_key": "min_max_uniform_quantize",
        "op_config": config,
    }


_HALF = {
    "regex": ".*",
    "operation": "*",
    "algorithm_key": "float_casting",
    "op_config": {
        "weight_tensor_config": {"num_bits": 16, "dtype": "FLOAT"},
        "compute_precision": "FLOAT",
        "explicit_dequantize": True,
    },
}
_W8A8 = _entry("*", 8, 8, "CHANNELWISE")
#: Depthwise filters stay at 8 bits: TensorFlow Lite has no int4 ones.
_W4A8 = [_W8A8, *(_entry(op, 4, 8, "CHANNELWISE") for op in ("CONV_2D", "FULLY_CONNECTED"))]


@dataclass(frozen=True)
class Scheme:
    """How a scheme is made.

    Attributes
    ----------
    text : str
        In words, for the report.
    recipe : list of dict
        Of ai-edge-quantizer; empty = the float model as it is.
    calibrated : bool
        Whether training vectors are needed for the ranges of activations.
    form : str
        Storage of the weights in the image, of ``models.FORMS``.
    """

    text: str
    recipe: Recipe
    calibrated: bool = False
    form: str = "plain"


_PLAIN = {
    "f32": Scheme("float32", []),
    "w8a8": Scheme("int8 weights per channel, int8 activations", [_W8A8], True),
    "w8a8-tensor": Scheme(
        "int8 weights per tensor, int8 activations", [_entry("*", 8, 8, "TENSORWISE")], True
    ),
    "w8a16": Scheme("int8 weights, int16 activations", [_entry("*", 8, 16, "CHANNELWISE")], True),
    "w4a8": Scheme("int4 weights per channel (depthwise: int8), int8 activations", _W4A8, True),
    "dynamic8": Scheme(
        "int8 weights, activations quantized at run time", [_entry("*", 8, 0, "CHANNELWISE")]
    ),
    "dynamic4": Scheme(
        "int4 weights, activations quantized at run time", [_entry("*", 4, 0, "CHANNELWISE")]
    ),
    "weight8": Scheme(
        "int8 weights, computed in float32", [_entry("*", 8, 0, "CHANNELWISE", explicit=True)]
    ),
    "weight4": Scheme(
        "int4 weights, computed in float32", [_entry("*", 4, 0, "CHANNELWISE", explicit=True)]
    ),
    "f16": Scheme("float16 weights, computed in float32", [_HALF]),
    "fp8": Scheme("8-bit float weights (E4M3), computed in float32", [], form="fp8"),
}


def _coded(scheme: Scheme) -> Scheme:
    form = "fp8-huffman" if scheme.form == "fp8" else "huffman"
    return Scheme(f"{scheme.text}; Huffman-coded", scheme.recipe, scheme.calibrated, form)


#: Name -> how it is made.
SCHEMES: dict[str, Scheme] = {
    **_PLAIN,
    **{f"{name}-huffman": _coded(scheme) for name, scheme in _PLAIN.items()},
}


def find_scheme(name: str) -> Scheme:
    """A scheme by name.

    Raises
    ------
    UsageError
        There is none of that name.
    """
    try:
        return SCHEMES[name]
    except KeyError:
        raise UsageError(
            f"no scheme '{name}'; there are: {', '.join(_PLAIN)}",
            hint="with -huffman appended the weights are coded; a path to a .tflite is taken as is",
        ) from None


def quantize(float_model: bytes, name: str, calibration: NDArray[np.float32] | None) -> bytes:
    """The .tflite of a scheme.

    Parameters
    ----------
    float_model : bytes
        A float32 .tflite; one without a signature gets one.
    name : str
        Of :data:`SCHEMES`.
    calibration : ndarray of float32, shape (n, ...)
        Training vectors as the float model takes them; None is enough for uncalibrated schemes.

    Raises
    ------
    UsageError
        No such scheme; a calibrated one without calibration vectors.
    ModelError
        The model is no float model, or the quantizer refuses it.
    ToolMissing
        ai-edge-quantizer is not installed.
    """
    return quantize_by_recipe(float_model, find_scheme(name), name, calibration)


def quantize_by_recipe(
    float_model: bytes, scheme: Scheme, name: str, calibration: NDArray[np.float32] | None
) -> bytes:
    """:func:`quantize` with a recipe of one's own."""
    graph = models.loads(float_model, "model")
    if graph.scheme != "f32":
        raise ModelError(
            f"the model is {graph.scheme}, scheme {name} is made of a float32 one",
            hint="give the float model, or this file itself among --schemes",
        )
    if not scheme.recipe:
        return float_model
    if scheme.calibrated and calibration is None:
        raise UsageError(f"scheme {name} needs training vectors to calibrate its activations")
    shaped = None
    if scheme.calibrated and calibration is not None:
        shaped = calibration.reshape(len(calibration), *graph.inputs[0].shape)
    return quantize_by(writer.write(graph), copy.deepcopy(scheme.recipe), shaped)
