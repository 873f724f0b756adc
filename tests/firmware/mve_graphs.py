"""Networks for the kernels of the M-profile vector extension: what dsp_graphs.py has, and all that
those kernels take beyond it: any number of channels, clamps, filters, depth multipliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.models.graph import (
    AddOptions,
    ConvOptions,
    FullyConnectedOptions,
    Graph,
    PoolOptions,
)
from hilbench.quantization import Activation
from tests.firmware.dsp_graphs import Sweep

ACTIVATIONS = (Activation.NONE, Activation.RELU, Activation.RELU6, Activation.RELU_N1_TO_1)


@dataclass
class MveSweep(Sweep):
    """Right shifts from 1 to 31, any channel with a multiplier near either end."""

    weight_type: str = "int8"

    def usual_exponent(self, terms: int) -> float:
        return float(np.log2(terms * (5000 if self.weight_type == "int8" else 300) / 128))

    def bias(self, channels: int) -> NDArray[np.generic]:
        if self.rng.random() < 0.1:
            return self.rng.choice([-(1 << 31), (1 << 31) - 1], channels).astype("i4")
        return self.rng.integers(-20000, 20001, channels).astype("i4")

    def scales(self, count: int, terms: int) -> tuple[float, ...]:
        exponents = np.maximum(self.rng.normal(self.usual_exponent(terms), 1.5, count), 1.01)
        extreme = self.rng.random(count)
        exponents[extreme < 0.05] = 1.0 + 2**-29  # the largest multiplier, shifted by 1
        exponents[extreme > 0.97] = 31.5
        return tuple(float(v) for v in 2.0**-exponents)

    def weighted(
        self, opcode: str, shape: tuple[int, ...], axis: int, out: tuple[int, ...], options: object
    ) -> None:
        """An operator on the input, its weights and bias."""
        channels, terms = shape[axis], int(np.prod(shape)) // shape[axis]
        reach = 128 if self.weight_type == "int8" else 8
        weights = self.rng.integers(-reach, reach, shape)
        if self.rng.random() < 0.3:
            weights = self.rng.choice([-reach, reach - 1], shape)
        weights = weights.astype("i1")
        kind, scales = self.weight_type, self.scales(channels, terms)
        slot = self.add("w", shape, kind, scales, (0,) * channels, axis, data=weights)
        bias = self.bias(channels)
        second = self.add("b", (channels,), bias.dtype.name, data=bias)
        slots = (0, slot, second if self.rng.random() < 0.9 else -1)
        self.operator(opcode, slots, self.output(out), options)

    def activation(self) -> Activation:
        return Activation.NONE if self.rng.random() < 0.6 else self.rng.choice(ACTIVATIONS)


def _spatial(sweep: MveSweep, limit: int) -> tuple[list[int], list[int], bool, tuple[int, int]]:
    """Kernel, stride, padding, and the output's size."""
    rng, (_, height, width, _) = sweep.rng, sweep.shape
    kernel = [int(rng.integers(1, min(limit, size) + 1)) for size in (height, width)]
    stride = [int(v) for v in rng.integers(1, 4, 2)] if rng.random() < 0.5 else [1, 1]
    same = bool(rng.random() < 0.6)
    out = (
        sweep.windows(height, kernel[0], stride[0], same),
        sweep.windows(width, kernel[1], stride[1], same),
    )
    return kernel, stride, same, out


@dataclass
class Int4Sweep(MveSweep):
    """int4 weights."""

    weight_type: str = "int4"


@dataclass
class Int16Sweep(MveSweep):
    """int16 data, a bias of 64 bits; few products, so that 32-bit sums hold them."""

    def __post_init__(self) -> None:
        self.add("input", self.shape, "int16", (1.0,), (0,))

    def output(self, shape: tuple[int, ...], scale: float = 1.0) -> int:
        return self.add("output", shape, "int16", (scale,), (0,))

    def usual_exponent(self, terms: int) -> float:
        return float(np.log2(64 * np.sqrt(terms)))

    def bias(self, channels: int) -> NDArray[np.generic]:
        return self.rng.integers(-(1 << 20), 1 << 20, channels).astype("i8")


def conv_sweep(seed: int, operators: int = 8, kind: type[MveSweep] = MveSweep) -> Graph:
    """Dense convolutions: any number of channels, up to depths beyond the unrolled part."""
    rng = np.random.default_rng(seed)
    depth = int(rng.choice([1, 2, 3, 5, 8, 15, 16, 17, 32, 48, 64, 80]))
    if kind is Int16Sweep:
        depth = min(depth, 17)
    size = rng.integers(1, 14 if depth < 48 else 6, 2)
    sweep = kind(rng, (1, int(size[0]), int(size[1]), depth))
    for _ in range(operators):
        kernel, stride, same, out = _spatial(sweep, 5)
        if rng.random() < 0.3:
            kernel, stride, out = [1, 1], [1, 1], (int(size[0]), int(size[1]))
        channels = int(rng.choice([1, 2, 3, 4, 7, 8, 12, 15, 16, 17, 20, 32, 35]))
        options = ConvOptions(same, *stride, activation=sweep.activation())
        sweep.weighted("CONV_2D", (channels, *kernel, depth), 0, (1, *out, channels), options)
    return sweep.graph()


def depthwise_sweep(seed: int, operators: int = 8) -> Graph:
    """Depthwise convolutions: any filter, stride and multiplier; half of them 3x3."""
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(1, 16, 2))
    depth = int(rng.integers(1, 22))
    sweep = MveSweep(rng, (1, height, width, depth))
    for _ in range(operators):
        kernel, stride, same, out = _spatial(sweep, 7)
        if rng.random() < 0.5 and min(height, width) >= 3:
            kernel, step = [3, 3], int(rng.integers(1, 3))
            stride = [step, step]
            out = (sweep.windows(height, 3, step, same), sweep.windows(width, 3, step, same))
        multiplier = int(rng.choice([1, 1, 1, 2, 3, 8]))
        multiplier += depth * multiplier % 2  # pairs of channels
        channels = depth * multiplier
        options = ConvOptions(
            same, *stride, activation=sweep.activation(), depth_multiplier=multiplier
        )
        shape = (1, *kernel, channels)
        sweep.weighted("DEPTHWISE_CONV_2D", shape, 3, (1, *out, channels), options)
    return sweep.graph()


def flat_sweep(seed: int, operators: int = 8, kind: type[MveSweep] = MveSweep) -> Graph:
    """Fully connected: any depth, any number of outputs, several rows."""
    rng = np.random.default_rng(seed)
    depth = int(rng.choice([int(rng.integers(1, 200)), 16 * int(rng.integers(1, 8))]))
    rows = int(rng.integers(1, 4))
    sweep = kind(rng, (rows, depth))
    for _ in range(operators):
        channels = int(rng.integers(1, 35))
        options = FullyConnectedOptions(activation=sweep.activation())
        sweep.weighted("FULLY_CONNECTED", (channels, depth), 0, (rows, channels), options)
    return sweep.graph()


def pool_sweep(seed: int, operators: int = 8, quad: bool = False) -> Graph:
    """Both pools, up to the whole input; the clamp of an activation; ``quad``: channels by 4."""
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(1, 16, 2))
    channels = int(rng.choice([1, 3, 8, 12, 16, 17, 32, 40]))
    if quad:
        channels += -channels % 4
    sweep = MveSweep(rng, (1, height, width, channels))
    given = sweep.tensors[0]
    for _ in range(operators):
        kernel, stride, same, out = _spatial(sweep, 16)
        if rng.random() < 0.3:
            kernel, same = [height, width], False
            out = (1, 1)
        output = sweep.add("output", (1, *out, channels), "int8", given.scales, given.zero_points)
        opcode = str(rng.choice(["AVERAGE_POOL_2D", "MAX_POOL_2D"]))
        options = PoolOptions(same, *kernel, *stride, sweep.activation())
        sweep.operator(opcode, (0,), output, options)
    return sweep.graph()


def add_sweep(seed: int, operators: int = 6) -> Graph:
    """Additions: a constant operand has every value, so that many pairs occur; some of the scales
    have ties, for which there are no coefficients."""
    rng = np.random.default_rng(seed)
    shape = (1, 256 * int(rng.integers(1, 5)) + int(rng.integers(0, 16)))
    sweep = MveSweep(rng, shape)
    for _ in range(operators):
        plain = rng.random() < 0.4
        scale = float(rng.choice([0.25, 0.5, 1.0])) if plain else float(rng.uniform(0.1, 2))
        data = rng.permutation(np.resize(np.arange(-128, 128), shape)).astype("i1")
        zero_point = int(rng.integers(-128, 128))
        other = sweep.add("other", shape, "int8", (scale,), (zero_point,), data=data)
        out_scale = 1.0 if plain else float(rng.uniform(0.3, 2))
        output = sweep.output(shape, out_scale)
        operands = (0, other) if rng.random() < 0.5 else (other, 0)
        sweep.operator("ADD", operands, output, AddOptions(sweep.activation()))
    return sweep.graph()
