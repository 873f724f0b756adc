"""Networks for the kernels of the M-profile vector extension: what dsp_graphs.py has, and all that
those kernels take beyond it: any number of channels, clamps, filters, depth multipliers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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

    def scales(self, count: int, terms: int) -> tuple[float, ...]:
        usual = np.log2(terms * 5000 / 128)
        exponents = np.maximum(self.rng.normal(usual, 1.5, count), 1.01)
        extreme = self.rng.random(count)
        exponents[extreme < 0.05] = 1.0 + 2**-29  # the largest multiplier, shifted by 1
        exponents[extreme > 0.97] = 31.5
        return tuple(float(v) for v in 2.0**-exponents)

    def weighted(
        self, opcode: str, shape: tuple[int, ...], axis: int, out: tuple[int, ...], options: object
    ) -> None:
        """An operator on the input, its weights and bias."""
        channels, terms = shape[axis], int(np.prod(shape)) // shape[axis]
        weights = self.rng.integers(-128, 128, shape)
        if self.rng.random() < 0.3:
            weights = self.rng.choice([-128, 127], shape)
        bias = self.rng.integers(-20000, 20001, channels)
        if self.rng.random() < 0.1:
            bias = self.rng.choice([-(1 << 31), (1 << 31) - 1], channels)
        scales = self.scales(channels, terms)
        constants = (
            self.add("w", shape, "int8", scales, (0,) * channels, axis, data=weights.astype("i1")),
            self.add("b", (channels,), "int32", data=bias.astype("i4")),
        )
        slots = (0, constants[0], constants[1] if self.rng.random() < 0.9 else -1)
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


def conv_sweep(seed: int, operators: int = 8) -> Graph:
    """Dense convolutions: any number of channels, up to depths beyond the unrolled part."""
    rng = np.random.default_rng(seed)
    depth = int(rng.choice([1, 2, 3, 5, 8, 15, 16, 17, 32, 48, 64, 80]))
    size = rng.integers(1, 14 if depth < 48 else 6, 2)
    sweep = MveSweep(rng, (1, int(size[0]), int(size[1]), depth))
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


def flat_sweep(seed: int, operators: int = 8) -> Graph:
    """Fully connected: any depth, any number of outputs, several rows."""
    rng = np.random.default_rng(seed)
    depth = int(rng.choice([int(rng.integers(1, 200)), 16 * int(rng.integers(1, 8))]))
    rows = int(rng.integers(1, 4))
    sweep = MveSweep(rng, (rows, depth))
    for _ in range(operators):
        channels = int(rng.integers(1, 35))
        options = FullyConnectedOptions(activation=sweep.activation())
        sweep.weighted("FULLY_CONNECTED", (channels, depth), 0, (rows, channels), options)
    return sweep.graph()


def pool_sweep(seed: int, operators: int = 8) -> Graph:
    """Both pools, up to the whole input; the clamp of an activation."""
    rng = np.random.default_rng(seed)
    height, width = (int(v) for v in rng.integers(1, 16, 2))
    channels = int(rng.choice([1, 3, 8, 12, 16, 17, 32, 40]))
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
