"""Reference kernels against operators written down plainly, over many shapes; every byte."""

from __future__ import annotations

import random
from dataclasses import dataclass

import numpy as np
import pytest

from hilbench.schema import image as m
from tests.firmware.engine import Engine
from tests.firmware.images import FLT_MAX, ImageBuilder, conv_params, pool_params
from tests.firmware.reference import (
    Float,
    Int8,
    half_away,
    requantize,
    same_or_valid,
    taps,
)

F32 = np.float32


@dataclass(frozen=True)
class Window:
    """A random but legal geometry."""

    size: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    out: tuple[int, int]
    pad: tuple[int, int]


def window(chance: random.Random, dilate: bool = True) -> Window:
    def axis() -> tuple[int, ...]:
        kernel, stride = chance.randint(1, 4), chance.randint(1, 3)
        dilation = chance.choice([1, 1, 2, 3]) if dilate else 1
        extent = (kernel - 1) * dilation + 1
        same = chance.random() < 0.6
        size = chance.randint(1 if same else extent, 9 + extent)
        out, pad = same_or_valid(size, extent, stride, same)
        return size, kernel, stride, dilation, out, pad

    return Window(*zip(axis(), axis(), strict=True))


def random_quantization(chance: random.Random, channels: int) -> tuple[list[int], list[int]]:
    """Multipliers and shifts as converters make them: most right, some left, some zero."""
    multipliers = [
        chance.choice([0, 1 << 30, chance.randrange(1 << 30, 1 << 31)]) for _ in range(channels)
    ]
    return multipliers, [chance.randint(-14, 2) for _ in range(channels)]


def int8(chance: random.Random, *shape: int) -> Int8:
    return np.frombuffer(chance.randbytes(int(np.prod(shape))), np.int8).reshape(shape)


def float32(chance: random.Random, *shape: int) -> Float:
    values = [chance.gauss(0, 1) for _ in range(int(np.prod(shape)))]
    return np.array(values, F32).reshape(shape)


SEEDS = range(24)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("depthwise", [False, True])
def test_conv_int8(engine: Engine, seed: int, depthwise: bool) -> None:
    chance = random.Random(seed)
    w = window(chance)
    batch, c_in = chance.randint(1, 2), chance.randint(1, 6)
    multiple = chance.randint(1, 3) if depthwise else 1
    c_out = c_in * multiple if depthwise else chance.randint(1, 9)
    x = int8(chance, batch, *w.size, c_in)
    weights = int8(chance, *((1, *w.kernel, c_out) if depthwise else (c_out, *w.kernel, c_in)))
    bias = np.array([chance.randint(-40000, 40000) for _ in range(c_out)], np.int32)
    multipliers, shifts = random_quantization(chance, c_out)
    offsets = chance.randint(-127, 128), chance.randint(-128, 127)
    clamp = (chance.randint(-128, 0), chance.randint(0, 127))
    expected = np.empty((batch, *w.out, c_out), np.int8)
    for n, oy, ox, oc in np.ndindex(*expected.shape):
        acc = int(bias[oc])
        for ky, kx, y, col in taps((oy, ox), w.size, w.kernel, w.stride, w.dilation, w.pad):
            if depthwise:
                acc += (int(x[n, y, col, oc // multiple]) + offsets[0]) * int(
                    weights[0, ky, kx, oc]
                )
            else:
                acc += sum(
                    (int(x[n, y, col, ic]) + offsets[0]) * int(weights[oc, ky, kx, ic])
                    for ic in range(c_in)
                )
        value = requantize(acc, multipliers[oc], shifts[oc]) + offsets[1]
        expected[n, oy, ox, oc] = min(max(value, clamp[0]), clamp[1])

    b = ImageBuilder()
    source, sink = b.tensor(x.shape, "int8"), b.tensor(expected.shape, "int8")
    slots = [source, b.constant(weights), b.constant(bias)]
    slots += [b.constant(np.array(multipliers, np.int32)), b.constant(np.array(shifts, np.int32))]
    params = conv_params(w.stride, w.dilation, w.pad, multiple, offsets, clamp)
    opcode = m.Opcode.DEPTHWISE_CONV_2D if depthwise else m.Opcode.CONV_2D
    b.op(opcode, slots, sink, params)
    image = b.build([source], [sink])
    assert engine.infer(image, x.tobytes(), expected.nbytes) == expected.tobytes()


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("depthwise", [False, True])
def test_conv_float(engine: Engine, seed: int, depthwise: bool) -> None:
    chance = random.Random(seed)
    w = window(chance)
    c_in = chance.randint(1, 5)
    multiple = chance.randint(1, 2) if depthwise else 1
    c_out = c_in * multiple if depthwise else chance.randint(1, 9)
    x = float32(chance, 1, *w.size, c_in)
    weights = float32(chance, *((1, *w.kernel, c_out) if depthwise else (c_out, *w.kernel, c_in)))
    bias = float32(chance, c_out) if chance.random() < 0.7 else None
    low, high = (F32(0), F32(1.5)) if chance.random() < 0.5 else (F32(-FLT_MAX), F32(FLT_MAX))
    expected = np.empty((1, *w.out, c_out), F32)
    for _, oy, ox, oc in np.ndindex(*expected.shape):
        acc = F32(0)
        for ky, kx, y, col in taps((oy, ox), w.size, w.kernel, w.stride, w.dilation, w.pad):
            if depthwise:
                acc = acc + x[0, y, col, oc // multiple] * weights[0, ky, kx, oc]
            else:
                for ic in range(c_in):
                    acc = acc + x[0, y, col, ic] * weights[oc, ky, kx, ic]
        if bias is not None:
            acc = acc + bias[oc]
        expected[0, oy, ox, oc] = min(max(acc, low), high)

    b = ImageBuilder()
    source, sink = b.tensor(x.shape, "float32"), b.tensor(expected.shape, "float32")
    slots = [source, b.constant(weights), *([] if bias is None else [b.constant(bias)])]
    params = conv_params(w.stride, w.dilation, w.pad, multiple, clamp_f=(float(low), float(high)))
    opcode = m.Opcode.DEPTHWISE_CONV_2D if depthwise else m.Opcode.CONV_2D
    b.op(opcode, slots, sink, params)
    image = b.build([source], [sink])
    assert engine.infer(image, x.tobytes(), expected.nbytes) == expected.tobytes()


@pytest.mark.parametrize("seed", SEEDS)
def test_fully_connected(engine: Engine, seed: int) -> None:
    chance = random.Random(seed)
    batch, inputs, outputs = chance.randint(1, 3), chance.randint(1, 40), chance.randint(1, 9)
    is_float = seed % 2 == 1
    b = ImageBuilder()
    if is_float:
        x, weights = float32(chance, batch, inputs), float32(chance, outputs, inputs)
        floats = np.empty((batch, outputs), F32)
        for n, o in np.ndindex(batch, outputs):
            acc = F32(0)
            for i in range(inputs):
                acc = acc + x[n, i] * weights[o, i]
            floats[n, o] = acc
        expected, dtype, params = floats.tobytes(), "float32", conv_params()
        source, sink = b.tensor(x.shape, dtype), b.tensor((batch, outputs), dtype)
        slots = [source, b.constant(weights)]
        vector = x.tobytes()
    else:
        q, k = int8(chance, batch, inputs), int8(chance, outputs, inputs)
        bias = np.array([chance.randint(-9999, 9999) for _ in range(outputs)], np.int32)
        multipliers, shifts = random_quantization(chance, outputs)
        offsets = chance.randint(-127, 128), chance.randint(-128, 127)
        result = np.empty((batch, outputs), np.int8)
        for n, o in np.ndindex(batch, outputs):
            total = int(bias[o]) + sum(
                (int(q[n, i]) + offsets[0]) * int(k[o, i]) for i in range(inputs)
            )
            value = requantize(total, multipliers[o], shifts[o]) + offsets[1]
            result[n, o] = min(max(value, -128), 127)
        expected, dtype, params = result.tobytes(), "int8", conv_params(offsets=offsets)
        source, sink = b.tensor(q.shape, dtype), b.tensor((batch, outputs), dtype)
        slots = [source, b.constant(k), b.constant(bias)]
        slots += [b.constant(np.array(values, np.int32)) for values in (multipliers, shifts)]
        vector = q.tobytes()
    b.op(m.Opcode.FULLY_CONNECTED, slots, sink, params)
    assert engine.infer(b.build([source], [sink]), vector, len(expected)) == expected


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("opcode", [m.Opcode.AVERAGE_POOL_2D, m.Opcode.MAX_POOL_2D])
def test_pools(engine: Engine, seed: int, opcode: m.Opcode) -> None:
    from fractions import Fraction

    chance = random.Random(seed)
    w = window(chance, dilate=False)
    dtype = chance.choice(["int8", "float32"])
    channels = chance.randint(1, 5)
    x = (int8 if dtype == "int8" else float32)(chance, 1, *w.size, channels)
    expected = np.empty((1, *w.out, channels), x.dtype)
    for _, oy, ox, c in np.ndindex(*expected.shape):
        inside = [
            x[0, y, col, c]
            for _, _, y, col in taps((oy, ox), w.size, w.kernel, w.stride, (1, 1), w.pad)
        ]
        if opcode is m.Opcode.MAX_POOL_2D:
            expected[0, oy, ox, c] = max(inside)
        elif dtype == "int8":
            expected[0, oy, ox, c] = half_away(Fraction(sum(map(int, inside)), len(inside)))
        else:
            total = F32(0)
            for value in inside:
                total = total + value
            expected[0, oy, ox, c] = total / F32(len(inside))
    b = ImageBuilder()
    source, sink = b.tensor(x.shape, dtype), b.tensor(expected.shape, dtype)
    b.op(opcode, [source], sink, pool_params(w.kernel, w.stride, w.pad))
    image = b.build([source], [sink])
    assert engine.infer(image, x.tobytes(), expected.nbytes) == expected.tobytes()


@pytest.mark.parametrize("seed", SEEDS)
def test_add(engine: Engine, seed: int) -> None:
    chance = random.Random(seed)
    shape = (1, chance.randint(1, 5), chance.randint(1, 5), chance.randint(1, 5))
    in_place = chance.random() < 0.5
    b = ImageBuilder()
    if seed % 2:
        x, y = float32(chance, *shape), float32(chance, *shape)
        expected = (x + y).tobytes()
        params = m.Add(*([0] * 12), -FLT_MAX, FLT_MAX).pack()
        dtype = "float32"
    else:
        x, y = int8(chance, *shape), int8(chance, *shape)
        offsets = [chance.randint(-127, 128), chance.randint(-127, 128), chance.randint(-128, 127)]
        scales = [(chance.randrange(1 << 30, 1 << 31), -chance.randint(0, 4)) for _ in range(2)]
        scales.append((chance.randrange(1 << 30, 1 << 31), -chance.randint(16, 20)))
        flat = [value for pair in scales for value in pair]
        params = m.Add(*offsets, 20, *flat, -128, 127, 0.0, 0.0).pack()
        result = np.empty(shape, np.int8)
        for at in np.ndindex(*shape):
            total = sum(
                requantize((int(v[at]) + offset) << 20, *scale)
                for v, offset, scale in zip((x, y), offsets, scales, strict=False)
            )
            result[at] = min(max(requantize(total, *scales[2]) + offsets[2], -128), 127)
        expected, dtype = result.tobytes(), "int8"
    first, second = b.tensor(shape, dtype), b.tensor(shape, dtype)
    sink = b.tensor(shape, dtype, at=0) if in_place else b.tensor(shape, dtype)
    b.op(m.Opcode.ADD, [first, second], sink, params)
    image = b.build([first, second], [sink])
    assert engine.infer(image, x.tobytes() + y.tobytes(), len(expected)) == expected


@pytest.mark.parametrize("in_place", [False, True])
def test_reshape(engine: Engine, in_place: bool) -> None:
    b = ImageBuilder()
    source = b.tensor((1, 2, 3, 4), "int8")
    sink = b.tensor((1, 24), "int8", at=0 if in_place else None)
    b.op(m.Opcode.RESHAPE, [source], sink)
    data = bytes(range(24))
    assert engine.infer(b.build([source], [sink]), data, 24) == data


@pytest.mark.parametrize("seed", SEEDS)
def test_softmax_int8_is_close_to_the_real_one(engine: Engine, seed: int) -> None:
    """Exactness is shown against the tflite-micro wheel; here: right to 1 of 256 everywhere."""
    chance = random.Random(seed)
    rows, depth = chance.randint(1, 3), chance.randint(1, 40)
    scale = chance.choice([0.01, 0.05, 0.1, 0.25])
    x = int8(chance, rows, depth)
    # TensorFlow Lite's PreprocessSoftmaxScaling and CalculateInputRadius, 5 integer bits
    real = min(scale * (1 << 26), float((1 << 31) - 1))
    mantissa, exponent = np.frexp(real)
    multiplier = round(float(mantissa) * (1 << 31))
    radius = int(31 * (1 << 26) / (1 << int(exponent)))
    b = ImageBuilder()
    source, sink = b.tensor(x.shape, "int8"), b.tensor(x.shape, "int8")
    b.op(m.Opcode.SOFTMAX, [source], sink, m.Softmax(multiplier, exponent, -radius, 0.0).pack())
    got = np.frombuffer(engine.infer(b.build([source], [sink]), x.tobytes(), x.size), np.int8)
    exact = np.exp((x - x.max(axis=1, keepdims=True).astype(float)) * scale)
    exact = exact / exact.sum(axis=1, keepdims=True) * 256 - 128
    assert np.abs(got.reshape(x.shape) - np.minimum(exact, 127)).max() <= 1


def expf(x: np.float32) -> np.float32:
    """The engine's exponential, operation by operation in float32."""
    if x < F32(-87):
        return F32(0)
    n = int(x * F32(1.44269504) - F32(0.5))
    r = x - F32(n) * F32(0.693359375)
    r = r - F32(n) * F32(-2.12194440e-4)
    poly = F32(1.9875691500e-4)
    for factor in (1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5):
        poly = poly * r + F32(5.0000001201e-1 if factor == 0.5 else factor)
    return ((poly * (r * r) + r) + F32(1)) * F32(2.0**n)


@pytest.mark.parametrize("seed", SEEDS)
def test_softmax_float(engine: Engine, seed: int) -> None:
    chance = random.Random(seed)
    rows, depth = chance.randint(1, 3), chance.randint(1, 20)
    x = float32(chance, rows, depth) * F32(chance.choice([1, 10, 60]))
    beta = F32(chance.choice([1.0, 0.5]))
    expected = np.empty_like(x)
    for row in range(rows):
        largest = x[row].max()
        powers = [expf((value - largest) * beta) for value in x[row]]
        total = F32(0)
        for power in powers:
            total = total + power
        expected[row] = [power / total for power in powers]
    b = ImageBuilder()
    source, sink = b.tensor(x.shape, "float32"), b.tensor(x.shape, "float32")
    b.op(m.Opcode.SOFTMAX, [source], sink, m.Softmax(0, 0, 0, float(beta)).pack())
    image = b.build([source], [sink])
    assert engine.infer(image, x.tobytes(), x.nbytes) == expected.tobytes()
    shifted = (x - x.max(axis=1, keepdims=True)).astype(float) * float(beta)
    real = np.exp(shifted) / np.exp(shifted).sum(axis=1, keepdims=True)
    assert np.allclose(expected, real, rtol=1e-5, atol=1e-30)
