"""From a trained network to a float32 graph, and so to a ``.tflite`` (``models.writer``)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.models.graph import (
    ConvOptions,
    FullyConnectedOptions,
    Graph,
    Operator,
    Options,
    PoolOptions,
    ReshapeOptions,
    SoftmaxOptions,
    Tensor,
)
from hilbench.quantization import Activation
from hilbench.schemes.layers import (
    AveragePool,
    Conv2D,
    Dense,
    Depthwise,
    Flatten,
    Layer,
    MaxPool,
    Shape,
)
from hilbench.schemes.network import Network, Params, key

Array = NDArray[Any]


def float_graph(
    network: Network, params: Params, *, softmax: bool = False, input_name: str = "input"
) -> Graph:
    """The float32 graph of a network: tensor shapes have the batch axis 1 in front.

    Parameters
    ----------
    network : Network
    params : Params
    softmax : bool
        Append a SOFTMAX; a classifier's largest output is the same without.
    input_name : str
    """
    builder = _Builder(network, input_name)
    shapes = network.shapes()
    for i, layer in enumerate(network.layers):
        opcode, options = _operator(layer, shapes[i])
        constants = []
        if key(i, "weights") in params:
            constants = [
                tflite_weights(layer, params[key(i, "weights")]),
                params[key(i, "bias")],
            ]
        builder.add(opcode, (1, *shapes[i + 1]), options, constants)
    if softmax:
        builder.add("SOFTMAX", (1, *shapes[-1]), SoftmaxOptions(1.0), [])
    last = len(builder.tensors) - 1
    return Graph(tuple(builder.tensors), tuple(builder.operators), (0,), (last,), name=network.name)


def tflite_weights(layer: Layer, weights: Array) -> Array:
    """Weights in TensorFlow Lite's order: OHWI, (1, h, w, C), (O, I)."""
    if isinstance(layer, Conv2D):
        return np.ascontiguousarray(weights.transpose(3, 0, 1, 2))
    if isinstance(layer, Depthwise):
        return weights[None]
    return np.ascontiguousarray(weights.T)


class _Builder:
    def __init__(self, network: Network, input_name: str) -> None:
        self.tensors = [Tensor(input_name, (1, *network.input_shape), "float32")]
        self.operators: list[Operator] = []

    def add(self, opcode: str, shape: Shape, options: Options, constants: list[Array]) -> None:
        inputs = [self.operators[-1].outputs[0] if self.operators else 0]
        stem = f"{opcode.lower()}_{len(self.operators)}"
        for part, constant in zip(("weights", "bias"), constants, strict=False):
            inputs.append(len(self.tensors))
            self.tensors.append(Tensor(f"{stem}/{part}", constant.shape, "float32", data=constant))
        self.tensors.append(Tensor(stem, shape, "float32"))
        self.operators.append(Operator(opcode, tuple(inputs), (len(self.tensors) - 1,), options))


def _operator(layer: Layer, shape: Shape) -> tuple[str, Options]:
    activation = Activation.RELU if layer.relu else Activation.NONE
    if isinstance(layer, Conv2D | Depthwise):
        opcode = "CONV_2D" if isinstance(layer, Conv2D) else "DEPTHWISE_CONV_2D"
        return opcode, ConvOptions(layer.same, *layer.stride, activation=activation)
    if isinstance(layer, Dense):
        return "FULLY_CONNECTED", FullyConnectedOptions(activation=activation)
    if isinstance(layer, AveragePool | MaxPool):
        rows, columns = layer.size or (shape[0], shape[1])
        opcode = "AVERAGE_POOL_2D" if isinstance(layer, AveragePool) else "MAX_POOL_2D"
        return opcode, PoolOptions(False, rows, columns, rows, columns)
    if isinstance(layer, Flatten):
        return "RESHAPE", ReshapeOptions((1, *layer.output_shape(shape)))
    raise ValueError(f"no operator for {type(layer).__name__}")
