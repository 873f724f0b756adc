"""Post-training int8 quantization of a float graph, calibrated on given vectors.

Weights symmetric (convolutions per output channel, dense layers per tensor), activations affine
by the smallest and largest value seen, biases int32 at input scale x weight scale.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hilbench.models.graph import Graph, Operator, Tensor
from hilbench.models.reference import run_tensors

#: Operators that move values without rescaling them: output quantized as the input.
_UNSCALED = ("AVERAGE_POOL_2D", "MAX_POOL_2D", "RESHAPE")


def quantize(graph: Graph, calibration: NDArray[np.float32]) -> Graph:
    """The int8 graph of a float32 one.

    Parameters
    ----------
    graph : Graph
    calibration : ndarray of float32, shape (n, *input shape)
        Vectors that show the range of every tensor: training data, never held-out.
    """
    values = run_tensors(graph, calibration)
    tensors = list(graph.tensors)
    for index in graph.input_indices:
        tensors[index] = _activation(graph.tensors[index], values[index])
    for operator in graph.operators:
        source, target = operator.inputs[0], operator.outputs[0]
        if operator.opcode in _UNSCALED:
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
            tensors[target] = _activation(graph.tensors[target], values[target])
            _quantize_constants(tensors, operator)
    return replace(graph, tensors=tuple(tensors), digest="", file_bytes=0)


def _activation(tensor: Tensor, values: NDArray[np.float32]) -> Tensor:
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 0.0)
    scale = float(np.float32((high - low) / 255.0))
    zero_point = int(np.clip(round(-128 - low / scale), -128, 127))
    return replace(tensor, dtype="int8", scales=(scale,), zero_points=(zero_point,))


def _quantize_constants(tensors: list[Tensor], operator: Operator) -> None:
    """Weights and bias of one operator, in place."""
    if len(operator.inputs) < 2:
        return
    weights = tensors[operator.inputs[1]]
    assert weights.data is not None
    real = weights.data.astype(np.float64)
    axis = {"CONV_2D": 0, "DEPTHWISE_CONV_2D": 3}.get(operator.opcode)
    others = None if axis is None else tuple(i for i in range(real.ndim) if i != axis)
    peak = np.abs(real).max(axis=others, keepdims=True)
    scales = np.maximum(peak / 127.0, 1e-9).astype(np.float32)
    data = np.clip(np.rint(real / scales), -127, 127).astype(np.int8)
    tensors[operator.inputs[1]] = replace(
        weights,
        dtype="int8",
        scales=tuple(float(s) for s in scales.ravel()),
        zero_points=(0,) * scales.size,
        quantized_dimension=axis or 0,
        data=data,
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
