"""A network: layers, their parameters, forward and backward pass."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.schemes.layers import Depthwise, Layer, Shape

Array = NDArray[Any]
#: ``0/weights``, ``0/bias``, ...: by the number of the layer.
Params = dict[str, Array]
#: Per layer: what its product's gradient needs, and where the activation lets gradients through.
Tape = list[tuple[Any, Array | None]]

#: Examples that are evaluated at a time.
_CHUNK = 512


def key(layer: int, part: str) -> str:
    """Name of a parameter; ``part`` is ``weights`` or ``bias``."""
    return f"{layer}/{part}"


@dataclass(frozen=True)
class Network:
    """Layers on examples of ``input_shape``: (H, W, C), or (T, 1, C) for a time series."""

    name: str
    input_shape: Shape
    layers: tuple[Layer, ...]

    def shapes(self) -> list[Shape]:
        """Shape of the input, then of each layer's output."""
        shapes = [self.input_shape]
        for layer in self.layers:
            shapes.append(layer.output_shape(shapes[-1]))
        return shapes

    def weighted(self) -> list[int]:
        """Numbers of the layers with weights."""
        shapes = self.shapes()
        return [i for i, layer in enumerate(self.layers) if layer.weight_shape(shapes[i])]

    def parameter_count(self) -> int:
        """Weights and biases in all."""
        shapes = self.shapes()
        wanted = [self.layers[i].weight_shape(shapes[i]) for i in self.weighted()]
        return sum(math.prod(shape) + shape[-1] for shape in wanted)

    def initial(self, seed: int) -> Params:
        """He-initialised float32 parameters (He et al., 2015): variance 2 / fan-in, bias 0."""
        rng = np.random.default_rng(seed)
        shapes = self.shapes()
        params: Params = {}
        for i in self.weighted():
            shape = self.layers[i].weight_shape(shapes[i])
            fan_in = math.prod(shape[:2] if isinstance(self.layers[i], Depthwise) else shape[:-1])
            drawn = rng.normal(0.0, np.sqrt(2.0 / fan_in), shape)
            params[key(i, "weights")] = drawn.astype(np.float32)
            params[key(i, "bias")] = np.zeros(shape[-1], np.float32)
        return params

    def forward(self, params: Params, x: Array) -> tuple[Array, Tape]:
        """Outputs (n, *output shape) and the tape of the backward pass."""
        tape: Tape = []
        for i, layer in enumerate(self.layers):
            x, context = layer.forward(x, params.get(key(i, "weights")))
            if key(i, "bias") in params:
                x = x + params[key(i, "bias")]
            passed = None
            if layer.relu:
                passed = x > 0
                x = np.maximum(x, x.dtype.type(0))
            tape.append((context, passed))
        return x, tape

    def backward(self, params: Params, tape: Tape, error: Array) -> Params:
        """Gradients of the parameters from the gradient of the outputs."""
        gradients: Params = {}
        first = min(self.weighted())
        for i in range(len(self.layers) - 1, first - 1, -1):
            context, passed = tape[i]
            if passed is not None:
                error = error * passed
            weights = params.get(key(i, "weights"))
            back, gradient = self.layers[i].backward(context, weights, error, i > first)
            if gradient is not None:
                gradients[key(i, "weights")] = gradient
                gradients[key(i, "bias")] = error.sum(axis=tuple(range(error.ndim - 1)))
            if back is not None:
                error = back
        return gradients

    def predict(self, params: Params, x: Array) -> Array:
        """Outputs of any number of examples."""
        parts = [self.forward(params, x[i : i + _CHUNK])[0] for i in range(0, len(x), _CHUNK)]
        return np.concatenate(parts)
