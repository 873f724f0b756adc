"""Quantization-aware training: the forward pass is the device's integer arithmetic, bit for bit.

Weights are quantized anew in every step (symmetric, a scale per output channel; one for int4 dense
layers), activations by ranges that calibration set; sums, requantization and clamps are those of
the engine.  Gradients pass through the rounding unchanged and stop where a clamp is active
(straight-through estimator: Bengio, Leonard and Courville, 2013; Jacob et al., 2018).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.models.graph import Graph
from hilbench.quantization import multiply_by_quantized_multiplier, quantize_multipliers
from hilbench.schemes import export
from hilbench.schemes.layers import AveragePool, Dense
from hilbench.schemes.network import Network, Params, key
from hilbench.schemes.post_training import (
    activation_parameters,
    dense_has_channels,
    quantize_with_ranges,
    quantized_weights,
    weight_scales,
)

Array = NDArray[Any]
Range = tuple[float, float]

_CHUNK = 512
#: |data| <= 255, |weight| <= 127: so many products stay below 2**24, exact in float32.
_FLOAT32_EXACT_PRODUCTS = (1 << 24) // (255 * 127)


def calibrate(network: Network, params: Params, values: Array) -> tuple[Range, ...]:
    """Smallest and largest value of the input and of each layer's output, on training data."""
    ranges = [(float(values.min()), float(values.max()))]
    for i, layer in enumerate(network.layers):
        values, _ = layer.forward(values, params.get(key(i, "weights")))
        if key(i, "bias") in params:
            values = values + params[key(i, "bias")]
        if layer.relu:
            values = np.maximum(values, values.dtype.type(0))
        ranges.append((float(values.min()), float(values.max())))
    return tuple(ranges)


@dataclass(frozen=True)
class _Step:
    """What the backward pass needs of one layer; ``scale`` is that of its input."""

    context: Any
    weights: Array | None
    passed: Array | None
    scale: np.float32


@dataclass(frozen=True)
class QuantizedNetwork:
    """A network with int8 or int4 weights and int8 activations, trainable as the float one.

    Attributes
    ----------
    network : Network
    ranges : tuple of (low, high)
        From :func:`calibrate`.
    weight_bits : int
        8 or 4.
    """

    network: Network
    ranges: tuple[Range, ...]
    weight_bits: int = 8

    def forward(self, params: Params, x: Array) -> tuple[Array, list[_Step]]:
        """Outputs as real values (n, *output shape), every one a step of the output's scale."""
        scale, zero_point = activation_parameters(*self.ranges[0])
        steps = np.rint(x.astype(np.float64) / scale) + zero_point
        values = (np.clip(steps, -128, 127) - zero_point).astype(np.float32)
        tape: list[_Step] = []
        for i, layer in enumerate(self.network.layers):
            if key(i, "weights") in params:
                values, step, scale, zero_point = self._weighted(i, params, values, scale)
            elif isinstance(layer, AveragePool):
                values, context = _average(layer, values, zero_point)
                step = _Step(context, None, None, np.float32(scale))
            else:
                values, context = layer.forward(values, None)
                step = _Step(context, None, None, np.float32(scale))
            tape.append(step)
        return values * np.float32(scale), tape

    def _weighted(
        self, i: int, params: Params, values: Array, scale: float
    ) -> tuple[Array, _Step, float, int]:
        """One layer: its outputs less the zero point, and their scale and zero point."""
        layer, real = self.network.layers[i], params[key(i, "weights")]
        by_channel = not isinstance(layer, Dense) or dense_has_channels(self.weight_bits)
        scales = weight_scales(real, self.weight_bits, real.ndim - 1 if by_channel else None)
        narrow = math.prod(real.shape[:-1]) <= _FLOAT32_EXACT_PRODUCTS
        kind = np.float32 if narrow else np.float64
        weights: Array = quantized_weights(real, scales, self.weight_bits).astype(kind)
        sums, context = layer.forward(values.astype(kind), weights)
        channel_scales = scales.ravel()
        bias_scales = np.float32(scale) * channel_scales
        bias = np.rint(params[key(i, "bias")].astype(np.float64) / bias_scales).astype(np.int32)
        out_scale, out_zero = activation_parameters(*self.ranges[i + 1])
        factors = scale * channel_scales.astype(np.float64) / out_scale
        multiplier, shift = quantize_multipliers(factors)
        total = multiply_by_quantized_multiplier(sums.astype(np.int64) + bias, multiplier, shift)
        low = 0 if layer.relu else -128 - out_zero
        above = total > 0 if layer.relu else total >= low
        passed = above & (total <= 127 - out_zero)
        outputs = np.clip(total, low, 127 - out_zero).astype(np.float32)
        dequantized = (weights * scales).astype(np.float32)
        return outputs, _Step(context, dequantized, passed, np.float32(scale)), out_scale, out_zero

    def backward(self, params: Params, tape: list[_Step], error: Array) -> Params:
        """Gradients of the real-valued parameters by the straight-through estimator."""
        gradients: Params = {}
        first = min(self.network.weighted())
        for i in range(len(tape) - 1, first - 1, -1):
            step = tape[i]
            if step.passed is not None:
                error = error * step.passed
            back, gradient = self.network.layers[i].backward(
                step.context, step.weights, error, i > first
            )
            if gradient is not None:
                gradients[key(i, "weights")] = (gradient * step.scale).astype(np.float32)
                gradients[key(i, "bias")] = error.sum(axis=tuple(range(error.ndim - 1)))
            if back is not None:
                error = back.astype(np.float32, copy=False)
        return gradients

    def predict(self, params: Params, x: Array) -> Array:
        """Outputs of any number of examples, real values."""
        parts = [self.forward(params, x[i : i + _CHUNK])[0] for i in range(0, len(x), _CHUNK)]
        return np.concatenate(parts)

    def graph(self, params: Params, *, softmax: bool = False, input_name: str = "input") -> Graph:
        """The integer graph, which computes what :meth:`forward` simulates."""
        graph = export.float_graph(self.network, params, softmax=softmax, input_name=input_name)
        outputs = [operator.outputs[0] for operator in graph.operators]
        spans: Sequence[Range] = [*self.ranges, (0.0, 1.0)]
        ranges = dict(zip([graph.input_indices[0], *outputs], spans, strict=False))
        return quantize_with_ranges(graph, ranges, weight_bits=self.weight_bits)


def _average(layer: AveragePool, values: Array, zero_point: int) -> tuple[Array, Any]:
    """The engine's average: of the stored integers, rounded half away from zero."""
    rows, columns = layer.size or (values.shape[1], values.shape[2])
    count = rows * columns
    mean, context = layer.forward(values.astype(np.float64) + zero_point, None)
    total = np.rint(mean * count).astype(np.int64)
    rounded = np.sign(total) * ((np.abs(total) + count // 2) // count)
    return (rounded - zero_point).astype(np.float32), context
