"""Post-training quantization of a float graph, calibrated on given vectors.

Weights symmetric, int8 or int4, activations int8, affine by the smallest and largest value seen,
biases int32 at input scale x weight scale.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.models import run_tensors
from hilbench.models.graph import Graph, Operator, Tensor

Array = NDArray[Any]

#: Operators that move values without rescaling them: output quantized as the input.
UNSCALED = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "RESHAPE")
#: Along which dimension weights have a scale each, by operator.
CHANNEL_AXIS = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3, "FULLY_CONNECTED": 0}


def quantize(
    graph: Graph,
    calibration: NDArray[np.float32],
    *,
    weight_bits: int = 8,
    dense_per_channel: bool | None = None,
) -> Graph:
    """The integer graph of a float32 one.

    Parameters
    ----------
    graph : Graph
    calibration : ndarray of float32, shape (n, *input shape)
        Vectors that show the range of every tensor: training data, never held-out.
    weight_bits : int
        8 or 4.
    dense_per_channel : bool
        Fully connected layers have a scale per output, or one for all; None: as TensorFlow Lite
        Micro takes it (:func:`dense_has_channels`).
    """
    values = run_tensors(graph, calibration)
    ranges = {i: (float(v.min()), float(v.max())) for i, v in values.items()}
    return quantize_with_ranges(
        graph, ranges, weight_bits=weight_bits, dense_per_channel=dense_per_channel
    )


def quantize_with_ranges(
    graph: Graph,
    ranges: dict[int, tuple[float, float]],
    *,
    weight_bits: int = 8,
    dense_per_channel: bool | None = None,
) -> Graph:
    """:func:`quantize` with the range of each computed tensor given: index -> (low, high)."""
    per_channel = (
        dense_has_channels(weight_bits) if dense_per_channel is None else dense_per_channel
    )
    tensors = list(graph.tensors)
    for index in graph.input_indices:
        tensors[index] = _activation(graph.tensors[index], ranges[index])
    for operator in graph.operators:
        source, target = operator.inputs[0], operator.outputs[0]
        if operator.opcode in UNSCALED:
            like = tensors[source]
            tensors[target] = replace(
                graph.tensors[target],
                dtype="int8",
                scales=like.scales,
                zero_points=like.zero_points,
            )
        elif operator.opcode == "SOFTMAX":
            tensors[target] = replace(
                graph.tensors[target], dtype="int8", scales=(1.0 / 256.0,), zero_points=(-128,)
            )
        else:
            tensors[target] = _activation(graph.tensors[target], ranges[target])
            axis = CHANNEL_AXIS.get(operator.opcode)
            if operator.opcode == "FULLY_CONNECTED" and not per_channel:
                axis = None
            _quantize_constants(tensors, operator, axis, weight_bits)
    return replace(graph, tensors=tuple(tensors), digest="", file_bytes=0)


def dense_has_channels(weight_bits: int) -> bool:
    """Whether fully connected layers get a scale per output.

    TensorFlow Lite Micro refuses that of int4 weights (kernels/fully_connected_common.cc).
    """
    return weight_bits == 8


def activation_parameters(low: float, high: float) -> tuple[float, int]:
    """Scale (a float32) and zero point of int8 values from ``low`` to ``high``, 0 included."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32((high - low) / 255.0)) or 1.0
    return scale, int(np.clip(round(-128 - low / scale), -128, 127))


def weight_scales(weights: Array, bits: int, axis: int | None) -> NDArray[np.float32]:
    """Symmetric scales by the largest magnitude, broadcastable to the weights."""
    others = None if axis is None else tuple(i for i in range(weights.ndim) if i != axis)
    peak = np.abs(weights.astype(np.float64)).max(axis=others, keepdims=True)
    steps = np.maximum(peak / ((1 << (bits - 1)) - 1), 1e-9)
    scales: NDArray[np.float32] = steps.astype(np.float32)
    return scales


def quantized_weights(weights: Array, scales: NDArray[np.float32], bits: int) -> NDArray[np.int8]:
    """Weights in steps of their scale, ties to even."""
    most = (1 << (bits - 1)) - 1
    return np.clip(np.rint(weights.astype(np.float64) / scales), -most, most).astype(np.int8)


def _activation(tensor: Tensor, span: tuple[float, float]) -> Tensor:
    scale, zero_point = activation_parameters(*span)
    return replace(tensor, dtype="int8", scales=(scale,), zero_points=(zero_point,))


def _quantize_constants(
    tensors: list[Tensor], operator: Operator, axis: int | None, bits: int
) -> None:
    """Weights and bias of one operator, in place."""
    if len(operator.inputs) < 2:
        return
    weights = tensors[operator.inputs[1]]
    assert weights.data is not None
    scales = weight_scales(weights.data, bits, axis)
    tensors[operator.inputs[1]] = replace(
        weights,
        dtype=f"int{bits}",
        scales=tuple(float(s) for s in scales.ravel()),
        zero_points=(0,) * scales.size,
        quantized_dimension=axis or 0,
        data=quantized_weights(weights.data, scales, bits),
    )
    if len(operator.inputs) > 2 and operator.inputs[2] != -1:
        bias = tensors[operator.inputs[2]]
        assert bias.data is not None
        bias_scales = (np.float32(tensors[operator.inputs[0]].scale) * scales).ravel()
        tensors[operator.inputs[2]] = replace(
            bias,
            dtype="int32",
            scales=tuple(float(s) for s in bias_scales),
            zero_points=(0,) * bias_scales.size,
            data=np.rint(bias.data.astype(np.float64) / bias_scales).astype(np.int32),
        )
