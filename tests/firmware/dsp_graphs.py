"""Networks for the packed kernels: many operators on one input, at the bounds of what they take."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.models.graph import (
    AddOptions,
    ConvOptions,
    FullyConnectedOptions,
    Graph,
    Operator,
    Options,
    PoolOptions,
    Tensor,
)
from hilbench.quantization import Activation

#: So that the scales of weights alone say how far outputs are shifted.
SCALE = 1.0


@dataclass
class Sweep:
    """Collects operators that all read the same input."""

    rng: np.random.Generator
    shape: tuple[int, ...]
    tensors: list[Tensor] = field(default_factory=list)
    operators: list[Operator] = field(default_factory=list)

    def __post_init__(self) -> None:
        zero_point = int(self.rng.choice([-128, 127, self.rng.integers(-128, 128)]))
        self.add("input", self.shape, "int8", (SCALE,), (zero_point,))

    def add(self, name: str, shape: tuple[int, ...], dtype: str, *rest: Any, **data: Any) -> int:
        self.tensors.append(Tensor(name, shape, dtype, *rest, **data))
        return len(self.tensors) - 1

    def output(self, shape: tuple[int, ...], scale: float = SCALE) -> int:
        """Half of them as after a ReLU: zero point -128."""
        zero_point = -128 if self.rng.random() < 0.5 else int(self.rng.integers(-128, 128))
        return self.add("output", shape, "int8", (scale,), (zero_point,))

    def operator(self, opcode: str, inputs: tuple[int, ...], output: int, options: Options) -> None:
        self.operators.append(Operator(opcode, inputs, (output,), options))

    def constants(self, shape: tuple[int, ...], axis: int, terms: int) -> tuple[int, int]:
        """Weights and bias, with right shifts from 2 on; some weights all at their extremes."""
        rng, channels = self.rng, shape[axis]
        weights = rng.integers(-127, 128, shape)
        if rng.random() < 0.3:
            weights = rng.choice([-127, 127], shape)
        usual = np.log2(terms * 5000 / 128)
        exponents = np.maximum(rng.normal(usual, 1.5, channels), 2.01)
        scales = tuple(float(v) for v in 2.0**-exponents)
        bias = rng.integers(-20000, 20001, channels)
        return (
            self.add(
                "weights", shape, "int8", scales, (0,) * channels, axis, data=weights.astype("i1")
            ),
            self.add("bias", (channels,), "int32", data=bias.astype("i4")),
        )

    def windows(self, size: int, kernel: int, stride: int, same: bool) -> int:
        return -(-size // stride) if same else (size - kernel) // stride + 1

    def graph(self) -> Graph:
        outputs = tuple(op.outputs[0] for op in self.operators)
        return Graph(tuple(self.tensors), tuple(self.operators), (0,), outputs)


def conv_sweep(seed: int, operators: int = 8) -> Graph:
    """Dense convolutions: any filter, stride and padding, few and many channels."""
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(1, 14, 2))
    depth = int(rng.choice([1, 2, 3, 4, 5, 8, 16, 17, 24]))
    sweep = Sweep(rng, (1, height, width, depth))
    for _ in range(operators):
        kernel = [int(rng.integers(1, min(5, size) + 1)) for size in (height, width)]
        if rng.random() < 0.3:
            kernel = [1, 1]
        stride = [int(v) for v in rng.integers(1, 4, 2)] if rng.random() < 0.5 else [1, 1]
        same = bool(rng.random() < 0.6)
        channels = 2 * int(rng.integers(1, 7))
        rows = sweep.windows(height, kernel[0], stride[0], same)
        columns = sweep.windows(width, kernel[1], stride[1], same)
        terms = kernel[0] * kernel[1] * depth
        weights, bias = sweep.constants((channels, *kernel, depth), 0, terms)
        output = sweep.output((1, rows, columns, channels))
        options = ConvOptions(same, *stride, activation=Activation.NONE)
        sweep.operator("CONV_2D", (0, weights, bias), output, options)
    return sweep.graph()


def winograd_sweep(seed: int, operators: int = 2) -> Graph:
    """Convolutions 3x3 of stride 1, one after the other: odd and even sizes, every depth that is a
    multiple of four in turn; half of the inputs are outputs too, the others are worked on in place.
    """
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(5, 21, 2))
    depth = 4 + 4 * (seed % 10)
    sweep = Sweep(rng, (1, height, width, depth))
    current, kept = 0, []
    for _ in range(operators):
        same = bool(rng.random() < 0.7) or min(height, width) < 5
        channels = 4 * int(rng.integers(2, depth // 4 + 3))
        if rng.random() < 0.2:
            channels += 2
        height, width = (sweep.windows(size, 3, 1, same) for size in (height, width))
        weights, bias = sweep.constants((channels, 3, 3, depth), 0, 9 * depth)
        output = sweep.output((1, height, width, channels))
        sweep.operator("CONV_2D", (current, weights, bias), output, ConvOptions(same))
        if rng.random() < 0.5:
            kept.append(output)
        current, depth = output, channels
    return replace(sweep.graph(), output_indices=tuple(dict.fromkeys([*kept, current])))


def depthwise_sweep(seed: int, operators: int = 8) -> Graph:
    """Depthwise 3x3: strides 1 and 2, odd and even sizes, lines along either axis."""
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(3, 16, 2))
    channels = 4 * int(rng.integers(1, 5))
    sweep = Sweep(rng, (1, height, width, channels))
    for _ in range(operators):
        stride = [int(v) for v in rng.integers(1, 3, 2)]
        same = bool(rng.random() < 0.6)
        rows = sweep.windows(height, 3, stride[0], same)
        columns = sweep.windows(width, 3, stride[1], same)
        weights, bias = sweep.constants((1, 3, 3, channels), 3, 9)
        output = sweep.output((1, rows, columns, channels))
        sweep.operator("DEPTHWISE_CONV_2D", (0, weights, bias), output, ConvOptions(same, *stride))
    return sweep.graph()


def int4_depthwise_sweep(seed: int, operators: int = 8) -> Graph:
    """The same with int4 weights."""
    graph = depthwise_sweep(seed, operators)
    tensors = [
        tensor
        if tensor.data is None or tensor.dtype != "int8"
        else replace(tensor, dtype="int4", data=(tensor.data // 16).astype("i1"))
        for tensor in graph.tensors
    ]
    return replace(graph, tensors=tuple(tensors))


def flat_sweep(seed: int, operators: int = 8) -> Graph:
    """Fully connected: any depth, also not a multiple of four."""
    rng = np.random.default_rng(seed)
    depth = int(rng.integers(1, 200))
    sweep = Sweep(rng, (1, depth))
    for _ in range(operators):
        channels = 2 * int(rng.integers(1, 9))
        weights, bias = sweep.constants((channels, depth), 0, depth)
        output = sweep.output((1, channels))
        sweep.operator("FULLY_CONNECTED", (0, weights, bias), output, FullyConnectedOptions())
    return sweep.graph()


def pool_sweep(seed: int, operators: int = 8) -> Graph:
    """Average pools, up to the whole input."""
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(1, 16, 2))
    channels = 4 * int(rng.integers(1, 5))
    sweep = Sweep(rng, (1, height, width, channels))
    for _ in range(operators):
        kernel = [int(rng.integers(1, size + 1)) for size in (height, width)]
        if rng.random() < 0.3:
            kernel = [height, width]
        stride = [int(v) for v in rng.integers(1, 4, 2)]
        same = bool(rng.random() < 0.5)
        rows = sweep.windows(height, kernel[0], stride[0], same)
        columns = sweep.windows(width, kernel[1], stride[1], same)
        shape = (1, rows, columns, channels)
        given = sweep.tensors[0]
        output = sweep.add("output", shape, "int8", given.scales, given.zero_points)
        sweep.operator("AVERAGE_POOL_2D", (0,), output, PoolOptions(same, *kernel, *stride))
    return sweep.graph()


def add_sweep(seed: int, operators: int = 4) -> Graph:
    """Additions: a constant operand has every value, so that many pairs occur; some of the scales
    have ties, for which there are no direct tables."""
    rng = np.random.default_rng(seed)
    shape = (1, 16, 16, 3)
    sweep = Sweep(rng, shape)
    for _ in range(operators):
        plain = rng.random() < 0.4
        scale = float(rng.choice([0.25, 0.5, 1.0])) if plain else float(rng.uniform(0.1, 2))
        data = rng.permutation(np.resize(np.arange(-128, 128), shape)).astype("i1")
        other = sweep.add(
            "other", shape, "int8", (scale,), (int(rng.integers(-128, 128)),), data=data
        )
        out_scale = 1.0 if plain else float(rng.uniform(0.3, 2))
        sweep.operator("ADD", (0, other), sweep.output(shape, out_scale), AddOptions())
    return sweep.graph()


def chain_sweep(seed: int) -> Graph:
    """One operator after the other, only the last one's output kept: most work in place."""
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(3, 12, 2))
    channels = 4 * int(rng.integers(1, 5))
    sweep = Sweep(rng, (1, height, width, channels))
    current = 0
    for _ in range(6):
        kind = int(rng.integers(0, 4))
        shape = (1, height, width, channels)
        if kind == 0:
            weights, bias = sweep.constants((1, 3, 3, channels), 3, 9)
            output = sweep.output(shape)
            sweep.operator("DEPTHWISE_CONV_2D", (current, weights, bias), output, ConvOptions(True))
        elif kind == 1 and rng.random() < 0.5:
            output = sweep.output(shape)
            sweep.operator("ADD", (current, current), output, AddOptions())
        else:
            size = 1 if kind == 1 else int(rng.integers(2, 6))
            stride = 1 if kind < 3 else int(rng.integers(1, 3))
            channels = 4 * int(rng.integers(1, channels // 4 + 2))
            height, width = -(-height // stride), -(-width // stride)
            terms = size * size * shape[3]
            weights, bias = sweep.constants((channels, size, size, shape[3]), 0, terms)
            output = sweep.output((1, height, width, channels))
            options = ConvOptions(True, stride, stride)
            sweep.operator("CONV_2D", (current, weights, bias), output, options)
        current = output
    graph = sweep.graph()
    return replace(graph, output_indices=(current,))


def vectors(graph: Graph, seed: int, count: int = 4) -> NDArray[np.uint8]:
    """Both extremes, each element at one of them, then random ones."""
    rng = np.random.default_rng(seed)
    data = rng.integers(-128, 128, (count, graph.vector_bytes)).astype(np.int8)
    data[0], data[1] = -128, 127
    data[2] = rng.choice([-128, 127], graph.vector_bytes)
    return data.view(np.uint8)
