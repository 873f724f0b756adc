"""Random small networks over every operator, padding, stride, dilation, activation and scale."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from random_operators import EVERY_OPERATOR, LACKING, OPERATORS

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

WINDOWS = (
    "CONV_2D",
    "DEPTHWISE_CONV_2D",
    "TRANSPOSE_CONV",
    "AVERAGE_POOL_2D",
    "MAX_POOL_2D",
)
FLAT = ("FULLY_CONNECTED", "SOFTMAX")
ALL_OPERATORS = {*WINDOWS, *FLAT, "RESHAPE", *EVERY_OPERATOR}


def random_graph(
    seed: int,
    dtype: str = "int8",
    operators: int = 5,
    bias_share: float = 0.8,
    variety: float = 0.6,
) -> Graph:
    """A valid network; every output of an operator is an output of the graph.

    ``variety`` is the share of operators that are not convolutions, pools, sums and the like.
    """
    builder = Builder(np.random.default_rng(seed), dtype, bias_share, variety)
    rng = builder.rng
    height, width, depth = (int(v) for v in rng.integers(1, [10, 10, 8]))
    builder.feed((1, height, width, depth))
    for _ in range(int(rng.integers(1, operators + 1))):
        builder.grow()
    if not builder.operators:
        builder.reshape("RESHAPE")
    return builder.graph()


def random_inputs(graph: Graph, seed: int, count: int) -> list[NDArray[Any]]:
    """One array (count, *shape) per input; the first integer vectors are the extremes."""
    rng = np.random.default_rng(seed)
    feeds: list[NDArray[Any]] = []
    for tensor in graph.inputs:
        shape = (count, *tensor.shape)
        if tensor.dtype in ("int8", "int16"):
            limits = np.iinfo(tensor.dtype)
            values = rng.integers(limits.min, limits.max + 1, shape).astype(tensor.dtype)
            values[0] = limits.min
            if count > 1:
                values[1] = limits.max
        else:
            values = rng.normal(0.0, 2.0, shape).astype(np.float32)
        feeds.append(values)
    return feeds


def as_vectors(feeds: list[NDArray[Any]]) -> NDArray[np.uint8]:
    """The inputs as the device takes them: (count, bytes)."""
    flat = [np.ascontiguousarray(feed).reshape(len(feed), -1).view(np.uint8) for feed in feeds]
    return np.concatenate(flat, axis=1)


@dataclass
class Builder:
    rng: np.random.Generator
    dtype: str
    bias_share: float
    variety: float
    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    current: int = 0

    def graph(self) -> Graph:
        outputs = tuple(self.computed())
        return Graph(tuple(self.tensors), tuple(self.operators), tuple(self.inputs), outputs)

    def computed(self) -> list[int]:
        """Every operator's outputs, but handles of variables."""
        outputs = [i for op in self.operators for i in op.outputs]
        return [i for i in outputs if not self.tensors[i].is_variable]

    def feed(self, shape: tuple[int, ...]) -> int:
        self.inputs.append(self.activation(shape))
        return self.inputs[-1]

    def grow(self) -> None:
        shape = self.tensors[self.current].shape
        is_image = len(shape) == 4 and shape[0] == 1
        opcode = str(self.rng.choice((*(WINDOWS if is_image else FLAT), "ADD", "RESHAPE")))
        if self.rng.random() < self.variety:
            opcode = str(self.rng.choice([o for o in OPERATORS if o not in LACKING[self.dtype]]))
        if opcode == "UNIDIRECTIONAL_SEQUENCE_LSTM":
            self.reshaped(3)
        if opcode == "SVDF":
            self.reshaped(2)
        if opcode == "TRANSPOSE_CONV" and self.tensors[self.current].elements > 500:
            opcode = "MAX_POOL_2D"
        if opcode == "SOFTMAX" and (shape[-1] > 511 or 0 < self.scale < 1e-5):
            opcode = "RESHAPE"  # too wide for the oracle's shift, or too fine to be rescaled
        {
            "CONV_2D": self.conv,
            "DEPTHWISE_CONV_2D": self.depthwise,
            "TRANSPOSE_CONV": self.transpose_conv,
            "AVERAGE_POOL_2D": self.pool,
            "MAX_POOL_2D": self.pool,
            "FULLY_CONNECTED": self.dense,
            "SOFTMAX": self.softmax,
            "RESHAPE": self.reshape,
            **{name: partial(append, self) for name, append in OPERATORS.items()},
        }[opcode](opcode)

    def reshaped(self, rank: int) -> None:
        """The current tensor in so many dimensions."""
        left = self.tensors[self.current].elements
        shape: list[int] = []
        for _ in range(rank - 1):
            shape.append(int(self.rng.choice([d for d in range(1, 9) if left % d == 0])))
            left //= shape[-1]
        asked = (*shape, left)
        output = self.activation(asked, like=self.current)
        self.emit("RESHAPE", (self.current,), output, ReshapeOptions(asked))

    # ------------------------------------------------------------ tensors

    @property
    def scale(self) -> float:
        return self.tensors[self.current].scale

    def activation(self, shape: tuple[int, ...], like: int | None = None) -> int:
        name = f"t{len(self.tensors)}"
        if self.dtype == "float32":
            return self.append(Tensor(name, shape, "float32"))
        if like is not None:
            source = self.tensors[like]
            return self.append(Tensor(name, shape, self.dtype, source.scales, source.zero_points))
        finest = -3.0 if self.dtype == "int8" else -5.5
        scale = float(np.float32(10.0 ** self.rng.uniform(finest, finest + 3)))
        return self.append(Tensor(name, shape, self.dtype, (scale,), (self.zero_point(),)))

    def zero_point(self) -> int:
        if self.dtype == "int16":
            return 0
        return int(self.rng.choice([-128, 0, 127, int(self.rng.integers(-128, 128))]))

    def append(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1

    def fused(self) -> Activation:
        return Activation(int(self.rng.integers(0, 4)))

    def constants(
        self, shape: tuple[int, ...], axis: int, channels: int, per_channel: bool
    ) -> tuple[int, int]:
        """Weights and bias (-1 for none)."""
        with_bias = self.rng.random() < self.bias_share
        number = len(self.tensors)
        if self.dtype == "float32":
            data = self.rng.normal(0, 0.5, shape).astype(np.float32)
            weights = self.append(Tensor(f"w{number}", shape, "float32", data=data))
            if not with_bias:
                return weights, -1
            bias = self.rng.normal(0, 0.5, channels).astype(np.float32)
            return weights, self.append(Tensor(f"b{number}", (channels,), "float32", data=bias))
        scales = 10.0 ** self.rng.uniform(-3, -1, channels if per_channel else 1)
        data8 = self.rng.integers(-128, 128, shape).astype(np.int8)
        floats = tuple(float(np.float32(s)) for s in scales)
        weights = self.append(
            Tensor(f"w{number}", shape, "int8", floats, (0,) * len(floats), axis, data8)
        )
        if not with_bias:
            return weights, -1
        products = max(1, int(np.prod(shape)) // channels)
        reach = int(2000 * np.sqrt(products)) + 1
        wide = self.dtype == "int16"
        bias = self.rng.integers(-reach, reach, channels) * (200 if wide else 1)
        source = self.tensors[self.current].scale
        bias_scales = tuple(float(np.float32(source * s)) for s in floats)
        return weights, self.append(
            Tensor(
                f"b{number}",
                (channels,),
                "int64" if wide else "int32",
                bias_scales,
                (0,) * len(floats),
                0,
                bias.astype(np.int64 if wide else np.int32),
            )
        )

    def rescaled(self, shape: tuple[int, ...], weights: int) -> int:
        """An output whose scale suits the accumulators, now and then far off."""
        output = self.activation(shape)
        if self.dtype == "float32":
            return output
        tensor, source = self.tensors[weights], self.tensors[self.current]
        products = max(1, tensor.elements // max(1, shape[-1]))
        typical = source.scale * float(np.mean(tensor.scales)) * np.sqrt(products) * 100
        if self.dtype == "int16" and self.rng.random() < 0.9:
            typical /= 3
        far = (-6, 3) if self.dtype == "int8" else (-1, 3)
        factor = 10.0 ** self.rng.uniform(*((-1, 1) if self.rng.random() < 0.9 else far))
        scale = float(np.float32(max(typical * factor, 1e-7)))
        self.tensors[output] = replace(self.tensors[output], scales=(scale,))
        return output

    # ------------------------------------------------------------ operators

    def operands(self, weights: int, bias: int) -> tuple[int, ...]:
        """Inputs; an absent bias is left out (a -1 there crashes the oracle)."""
        return (self.current, weights, bias) if bias != -1 else (self.current, weights)

    def emit(self, opcode: str, inputs: tuple[int, ...], output: int, options: Options) -> None:
        self.operators.append(Operator(opcode, inputs, (output,), options))
        self.current = output

    def window(self, size: int) -> tuple[bool, int, int, int, int]:
        """Same padding or not, filter, stride, dilation, output size."""
        same = bool(self.rng.random() < 0.6)
        stride = int(self.rng.integers(1, 4))
        dilation = int(self.rng.choice([1, 1, 2, 3]))
        largest = 5 if same else max(1, (size - 1) // dilation + 1)
        filter_size = int(self.rng.integers(1, min(5, largest) + 1))
        extent = (filter_size - 1) * dilation + 1
        output = -(-size // stride) if same else (size - extent) // stride + 1
        return same, filter_size, stride, dilation, output

    def spatial(self, dilated: bool) -> tuple[bool, list[tuple[int, int, int, int]]]:
        """Padding, and filter, stride, dilation, output for height and width."""
        _, height, width, _ = self.tensors[self.current].shape
        while True:
            rows, columns = self.window(height), self.window(width)
            plain = rows[3] == 1 and columns[3] == 1
            if rows[0] == columns[0] and (dilated or plain):
                return rows[0], [rows[1:], columns[1:]]

    def conv(self, opcode: str) -> None:
        depth = self.tensors[self.current].shape[3]
        channels = int(self.rng.integers(1, 10))
        same, (rows, columns) = self.spatial(dilated=True)
        shape = (channels, rows[0], columns[0], depth)
        weights, bias = self.constants(shape, 0, channels, bool(self.rng.random() < 0.7))
        output = self.rescaled((1, rows[3], columns[3], channels), weights)
        options = ConvOptions(same, rows[1], columns[1], rows[2], columns[2], 1, self.fused())
        self.emit(opcode, self.operands(weights, bias), output, options)

    def transpose_conv(self, opcode: str) -> None:
        """The window is that of a convolution from the output to the input."""
        _, height, width, depth = self.tensors[self.current].shape
        channels = int(self.rng.integers(1, 7))
        same = bool(self.rng.random() < 0.5)
        sizes, filters, strides = [], [], []
        for extent in (height, width):
            size, stride = (int(v) for v in self.rng.integers(1, 5, 2))
            least = (extent - 1) * stride + (1 if same else size)
            sizes.append(least + int(self.rng.integers(0, stride)))
            filters.append(size)
            strides.append(stride)
        weights, bias = self.constants((channels, *filters, depth), 0, channels, True)
        output = self.rescaled((1, *sizes, channels), weights)
        asked = np.array([1, *sizes, channels], np.int32)
        shape = self.append(Tensor("shape", (4,), "int32", data=asked))
        inputs = (shape, weights, self.current, *(() if bias == -1 else (bias,)))
        self.emit(opcode, inputs, output, ConvOptions(same, *strides))

    def depthwise(self, opcode: str) -> None:
        multiplier = int(self.rng.choice([1, 1, 2, 3]))
        channels = self.tensors[self.current].shape[3] * multiplier
        same, (rows, columns) = self.spatial(dilated=True)
        shape = (1, rows[0], columns[0], channels)
        weights, bias = self.constants(shape, 3, channels, bool(self.rng.random() < 0.7))
        output = self.rescaled((1, rows[3], columns[3], channels), weights)
        options = ConvOptions(
            same, rows[1], columns[1], rows[2], columns[2], multiplier, self.fused()
        )
        self.emit(opcode, self.operands(weights, bias), output, options)

    def pool(self, opcode: str) -> None:
        depth = self.tensors[self.current].shape[3]
        same, (rows, columns) = self.spatial(dilated=False)
        output = self.activation((1, rows[3], columns[3], depth), like=self.current)
        options = PoolOptions(same, rows[0], columns[0], rows[1], columns[1], self.fused())
        self.emit(opcode, (self.current,), output, options)

    def dense(self, opcode: str) -> None:
        depth = self.tensors[self.current].shape[-1]
        channels = int(self.rng.integers(1, 12))
        weights, bias = self.constants(
            (channels, depth), 0, channels, bool(self.rng.random() < 0.3)
        )
        rows = self.tensors[self.current].elements // depth
        keep = bool(self.rng.random() < 0.3)
        shape = self.tensors[self.current].shape[:-1] if keep else (rows,)
        output = self.rescaled((*shape, channels), weights)
        options = FullyConnectedOptions(self.fused(), keep)
        self.emit(opcode, self.operands(weights, bias), output, options)

    def softmax(self, opcode: str) -> None:
        output = self.activation(self.tensors[self.current].shape)
        if self.dtype != "float32":
            unit = (1 / 256, -128) if self.dtype == "int8" else (1 / 32768, 0)
            self.tensors[output] = replace(
                self.tensors[output], scales=unit[:1], zero_points=unit[1:]
            )
        beta = float(np.float32(self.rng.choice([1.0, 0.5, 2.0, self.rng.uniform(0.1, 3.0)])))
        self.emit(opcode, (self.current,), output, SoftmaxOptions(beta))

    def reshape(self, opcode: str) -> None:
        elements = self.tensors[self.current].elements
        divisors = [d for d in range(1, elements + 1) if elements % d == 0]
        rows = int(self.rng.choice(divisors))
        shape = (rows, elements // rows)
        output = self.activation(shape, like=self.current)
        inputs: tuple[int, ...] = (self.current,)
        if self.rng.random() < 0.5:
            asked = np.array([rows, -1], np.int32)
            inputs = (self.current, self.append(Tensor("shape", (2,), "int32", data=asked)))
        self.emit(opcode, inputs, output, ReshapeOptions(shape))
