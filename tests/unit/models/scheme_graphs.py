"""Random small chains of the operators with weights, in every scheme."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.models.graph import (
    ConvOptions,
    FullyConnectedOptions,
    Graph,
    Operator,
    Options,
    Tensor,
)
from hilbench.quantization import Activation, to_float8

#: Scheme -> type of the data, type of the weights, made float before use.
SCHEMES = {
    "w8a8": ("int8", "int8", False),
    "w4a8": ("int8", "int4", False),
    "w8a16": ("int16", "int8", False),
    "w4a16": ("int16", "int4", False),
    "dynamic8": ("float32", "int8", False),
    "dynamic4": ("float32", "int4", False),
    "weight8": ("float32", "int8", True),
    "weight4": ("float32", "int4", True),
    "f16": ("float32", "float16", True),
    "fp8": ("float32", "float8", True),
}
INTEGER_SCHEMES = ("w8a8", "w4a8", "w8a16", "w4a16")
FLOAT_SCHEMES = tuple(scheme for scheme in SCHEMES if scheme not in INTEGER_SCHEMES)


def scheme_graph(
    seed: int, scheme: str, operators: int = 3, blocks: bool = False, plain: bool = False
) -> Graph:
    """A chain of convolutions, ended now and then by fully connected layers.

    Every operator's output is an output of the graph.  ``blocks``: fully connected layers only,
    their weights quantized in blocks.  ``plain``: as packed kernels want them, as trained models
    are: an even number of channels, no dilation, no clamp, accumulators that are scaled down.
    """
    builder = Builder(np.random.default_rng(seed), *SCHEMES[scheme], blocks=blocks, plain=plain)
    rng = builder.rng
    shape = tuple(int(v) for v in rng.integers(1, [9, 9, 9]))
    builder.start((1, 24) if blocks else (1, *shape))
    for _ in range(int(rng.integers(1, operators + 1))):
        kinds = [builder.dense] if blocks else [builder.conv, builder.depthwise, builder.dense]
        if len(builder.tensors[builder.current].shape) == 2:
            kinds = [builder.dense]
        kinds[int(rng.integers(len(kinds)))]()
    outputs = tuple(op.outputs[0] for op in builder.operators)
    return Graph(tuple(builder.tensors), tuple(builder.operators), (0,), outputs)


def scheme_inputs(graph: Graph, seed: int, count: int) -> NDArray[Any]:
    """Vectors (count, *shape); of integers the first two are the extremes, of floats one is 0."""
    rng = np.random.default_rng(seed)
    tensor = graph.inputs[0]
    shape = (count, *tensor.shape)
    if tensor.dtype == "float32":
        values = rng.normal(0.3, 2.0, shape).astype(np.float32)
        values[0] = 0
        return values
    limits = np.iinfo(tensor.dtype)
    integers = rng.integers(limits.min, limits.max + 1, shape).astype(tensor.dtype)
    integers[0], integers[1] = limits.min, limits.max
    return integers


@dataclass
class Builder:
    """Tensors and operators of a chain; `current` is what the next operator reads."""

    rng: np.random.Generator
    data: str
    weights: str
    storage_only: bool
    blocks: bool
    plain: bool
    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    current: int = 0

    def start(self, shape: tuple[int, ...]) -> None:
        scale = float(np.float32(10.0 ** self.rng.uniform(-3, 0)))
        self.current = self.activation(shape, scale)

    def activation(self, shape: tuple[int, ...], scale: float) -> int:
        name = f"t{len(self.tensors)}"
        if self.data == "float32":
            return self.append(Tensor(name, shape, "float32"))
        zero = int(self.rng.integers(-128, 128)) if self.data == "int8" else 0
        return self.append(Tensor(name, shape, self.data, (scale,), (zero,)))

    def append(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    # ------------------------------------------------------------ constants

    def constant(self, shape: tuple[int, ...], axis: int, per_channel: bool) -> Tensor:
        name = f"w{len(self.tensors)}"
        real = self.rng.normal(0, 0.5, shape).astype(np.float32)
        if self.weights == "float16":
            half = real.astype(np.float16)
            return Tensor(name, shape, "float16", data=half, storage_only=True)
        count = shape[axis] if per_channel or self.weights == "float8" else 1
        block = 0
        if self.blocks:
            block = int(self.rng.choice([d for d in (1, 2, 3, 4, 6, 8, 12) if shape[1] % d == 0]))
            count = shape[0] * (shape[1] // block)
        scales = tuple(float(np.float32(s)) for s in 10.0 ** self.rng.uniform(-3, -1, count))
        data: NDArray[Any]
        if self.weights == "float8":
            data = to_float8(real * np.float32(100))
        else:
            reach = 8 if self.weights == "int4" else 128
            # LiteRT's vector code for dynamic ranges takes -128 for 128; no converter writes it.
            least = 1 - reach if self.data == "float32" else -reach
            data = self.rng.integers(least, reach, shape).astype(np.int8)
        zeros = (0,) * len(scales)
        return Tensor(
            name, shape, self.weights, scales, zeros, axis, data, block, self.storage_only
        )

    def operands(
        self, shape: tuple[int, ...], axis: int, per_channel: bool
    ) -> tuple[tuple[int, ...], float]:
        """Inputs of the operator, and the typical magnitude of its sums in real units."""
        tensor, source = self.constant(shape, axis, per_channel), self.tensors[self.current]
        inputs = (self.current, self.append(tensor))
        channels = shape[axis]
        products = tensor.elements // channels
        typical = 1.0
        if tensor.scales and source.scale:
            typical = source.scale * float(np.mean(tensor.scales)) * np.sqrt(products)
            typical *= float(np.iinfo(self.data).max) * 0.5
        if self.rng.random() < 0.3 and self.data != "float32":  # LiteRT asks for a bias
            return inputs, typical
        name = f"b{len(self.tensors)}"
        if self.data == "float32":
            bias: NDArray[Any] = self.rng.normal(0, 0.5, channels).astype(np.float32)
            return (*inputs, self.append(Tensor(name, (channels,), "float32", data=bias))), typical
        kind = "int32"
        if self.data == "int16" and (axis == 3 or self.rng.random() < 0.7):
            kind = "int64"  # the only one that the oracle's depthwise convolution reads rightly
        reach = 1 << (36 if kind == "int64" and not self.plain else 20)
        bias = self.rng.integers(-reach, reach, channels).astype(kind)
        scales = tuple(float(np.float32(source.scale * s)) for s in tensor.scales)
        described = Tensor(name, (channels,), kind, scales, (0,) * len(scales), 0, bias)
        return (*inputs, self.append(described)), typical

    # ------------------------------------------------------------ operators

    def emit(
        self,
        opcode: str,
        operands: tuple[tuple[int, ...], float],
        shape: tuple[int, ...],
        options: Options,
    ) -> None:
        inputs, typical = operands
        limit = 127 if self.data == "int8" else 32767
        exponent = self.rng.uniform(0.7, 1.7) if self.plain else self.rng.uniform(-1, 1)
        scale = float(np.float32(max(typical / limit * 10.0**exponent, 1e-7)))
        output = self.activation(shape, scale)
        self.operators.append(Operator(opcode, inputs, (output,), options))
        self.current = output

    def window(self) -> tuple[tuple[int, int], tuple[int, int], ConvOptions]:
        """Filter size, output size, options."""
        _, height, width, _ = self.tensors[self.current].shape
        same = bool(self.rng.random() < 0.6)
        stride = [int(v) for v in self.rng.integers(1, 3, 2)]
        dilation = [1, 1] if self.plain else [int(v) for v in self.rng.choice([1, 1, 2], 2)]
        sizes, outputs = [], []
        for extent, s, d in zip((height, width), stride, dilation, strict=True):
            largest = 4 if same else max(1, (extent - 1) // d + 1)
            size = int(self.rng.integers(1, min(4, largest) + 1))
            reach = (size - 1) * d + 1
            sizes.append(size)
            outputs.append(-(-extent // s) if same else (extent - reach) // s + 1)
        fused = Activation.NONE if self.plain else Activation(int(self.rng.integers(0, 4)))
        options = ConvOptions(same, stride[0], stride[1], dilation[0], dilation[1], 1, fused)
        return (sizes[0], sizes[1]), (outputs[0], outputs[1]), options

    def channels(self) -> int:
        count = int(self.rng.integers(1, 12))
        return 2 * count if self.plain else count

    def conv(self) -> None:
        size, output, options = self.window()
        channels = self.channels()
        shape = (channels, *size, self.tensors[self.current].shape[3])
        operands = self.operands(shape, 0, bool(self.rng.random() < 0.7))
        self.emit("CONV_2D", operands, (1, *output, channels), options)

    def depthwise(self) -> None:
        size, output, options = self.window()
        multiplier = int(self.rng.choice([1, 1, 2]))
        channels = self.tensors[self.current].shape[3] * multiplier
        operands = self.operands((1, *size, channels), 3, True)
        described = ConvOptions(**{**options.__dict__, "depth_multiplier": multiplier})
        self.emit("DEPTHWISE_CONV_2D", operands, (1, *output, channels), described)

    def dense(self) -> None:
        shape = self.tensors[self.current].shape
        depth, rows = shape[-1], int(np.prod(shape[:-1]))
        channels = self.channels()
        operands = self.operands((channels, depth), 0, bool(self.rng.random() < 0.5))
        fused = Activation.NONE if self.plain else Activation(int(self.rng.integers(0, 4)))
        asymmetric = self.data == "float32" and bool(self.rng.random() < 0.5)
        self.emit(
            "FULLY_CONNECTED",
            operands,
            (rows, channels),
            FullyConnectedOptions(fused, False, asymmetric),
        )
