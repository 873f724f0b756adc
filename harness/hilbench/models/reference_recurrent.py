"""SVDF and LSTM on batches of vectors: the output, and what the state becomes.

Every function takes the step, the data and the states, shape (n, *tensor), and the constants.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.models import float_math
from hilbench.models.lowering import Step
from hilbench.models.reference_float import clamp
from hilbench.quantization import (
    interpolation,
    multiply_by_quantized_multiplier,
    multiply_by_reduced_multiplier,
    wrap_int32,
)
from hilbench.schema import image

Array = NDArray[Any]
f32 = np.float32
GATES = 4


def svdf(
    step: Step, x: Array, state: Array, features: Array, time: Array, bias: Array | None
) -> tuple[Array, Array]:
    """Output (n, batch, units), and the state, whose rows have moved on by one."""
    p = step.params
    assert isinstance(p, image.Svdf)
    n, batch, _ = x.shape
    filters, memory = time.shape
    rows = state.reshape(n, batch, filters, memory)
    newest: Array
    if x.dtype == np.float32:
        newest = _float_product(x, features)
    else:
        raw = (x.astype(np.int64) + p.input_offset) @ features.T.astype(np.int64)
        scaled = multiply_by_quantized_multiplier(raw, p.feature_multiplier, p.feature_shift)
        limits = np.iinfo(state.dtype)
        newest = np.clip(wrap_int32(scaled + p.state_zero_point), limits.min, limits.max)
    moved = np.concatenate([rows[..., 1:], newest[..., None].astype(state.dtype)], axis=-1)
    output = _svdf_output(p, moved, time, bias)
    return output.astype(x.dtype), moved.reshape(state.shape)


def _svdf_output(p: image.Svdf, rows: Array, time: Array, bias: Array | None) -> Array:
    n, batch, filters, memory = rows.shape
    units = filters // p.rank
    if rows.dtype == np.float32:
        sums = np.zeros((n, batch, filters), f32)
        for i in range(memory):
            sums += time[:, i] * rows[..., i]
        grouped = sums.reshape(n, batch, units, p.rank)
        total = np.zeros((n, batch, units), f32) if bias is None else np.tile(bias, (n, batch, 1))
        for i in range(p.rank):
            total = total + grouped[..., i]
        return clamp(total.astype(f32), p.act_min_f, p.act_max_f)
    centred = rows.astype(np.int64) - p.state_zero_point
    products = (centred * time.astype(np.int64)).sum(axis=-1)
    wide: Array = products.reshape(n, batch, units, p.rank).sum(axis=-1)
    wide = wrap_int32(wide if bias is None else wide + bias)
    scaled = multiply_by_quantized_multiplier(wide, p.output_multiplier, p.output_shift)
    return np.clip(wrap_int32(scaled + p.output_offset), -128, 127)


def lstm(step: Step, x: Array, hidden: Array, cell: Array) -> tuple[Array, Array, Array]:
    """Output (n, *), and hidden and cell state after the last step in time."""
    p = step.params
    assert isinstance(p, image.Lstm)
    weights, biases = step.tables[:2]
    units = biases.shape[1]
    h = hidden.reshape(len(x), p.batch, units)
    c = cell.reshape(len(x), p.batch, units)
    steps = x.shape[1] if p.time_major else x.shape[2]
    outputs = []
    for t in range(steps):
        part = x[:, t] if p.time_major else x[:, :, t]
        h, c = _lstm_step(step, part, h, c, weights, biases)
        outputs.append(h)
    stacked = np.stack(outputs, axis=1 if p.time_major else 2)
    return stacked, h.reshape(hidden.shape), c.reshape(cell.shape)


def _lstm_step(
    step: Step, x: Array, h: Array, c: Array, weights: Array, biases: Array
) -> tuple[Array, Array]:
    p = step.params
    assert isinstance(p, image.Lstm)
    units, depth = biases.shape[1], x.shape[-1]
    sums = []
    for gate in range(GATES):
        rows = weights[gate * units : (gate + 1) * units]
        parts = rows[:, :depth], rows[:, depth:]
        sums.append(_gate(p, gate, x, h, parts, biases[gate]))
    if x.dtype == np.float32:
        gates = tuple(
            float_math.tanh(s) if k == 2 else float_math.logistic(s) for k, s in enumerate(sums)
        )
        c = gates[1] * c + gates[0] * gates[2]
        if p.cell_clip_f > 0:
            c = clamp(c, -p.cell_clip_f, p.cell_clip_f)
        return float_math.tanh(c) * gates[3], c
    table = step.tables[2].view(np.int16)
    i, f, g, o = (
        (interpolation.tanh if k == 2 else interpolation.logistic)(s, table, 3, 0)
        for k, s in enumerate(sums)
    )
    kept = _scaled(f * c.astype(np.int64), p.forget_multiplier, p.forget_shift)
    added = _scaled(i * g, p.update_multiplier, p.update_shift)
    c = np.clip(kept + added, -32768, 32767)
    if p.cell_clip > 0:
        c = np.clip(c, -p.cell_clip, p.cell_clip)
    curve = interpolation.tanh(c, table, p.tanh_multiplier, p.tanh_shift)
    limits = np.iinfo(h.dtype)
    raw = multiply_by_quantized_multiplier(curve * o, p.output_multiplier, p.output_shift)
    h = np.clip(wrap_int32(raw + p.output_offset), limits.min, limits.max).astype(h.dtype)
    return h, c.astype(np.int16)


def _gate(
    p: image.Lstm, gate: int, x: Array, h: Array, parts: tuple[Array, Array], bias: Array
) -> Array:
    """Input of a gate's function: both products, rescaled each, added."""
    if x.dtype == np.float32:
        return (_float_product(x, parts[0]) + bias) + _float_product(h, parts[1])
    of_input = (x.astype(np.int64) + p.input_offset) @ parts[0].T.astype(np.int64) + bias
    of_hidden = (h.astype(np.int64) + p.hidden_offset) @ parts[1].T.astype(np.int64)
    pairs = (
        (of_input, p.input_multiplier[gate], p.input_shift[gate]),
        (of_hidden, p.hidden_multiplier[gate], p.hidden_shift[gate]),
    )
    wide = x.dtype == np.int16
    rescale = multiply_by_reduced_multiplier if wide else multiply_by_quantized_multiplier
    first, second = (
        np.clip(rescale(raw if wide else wrap_int32(raw), m, s), -32768, 32767)
        for raw, m, s in pairs
    )
    total: Array = np.clip(first + second, -32768, 32767)
    return total


def _scaled(raw: Array, multiplier: int, shift: int) -> Array:
    scaled = multiply_by_quantized_multiplier(raw, multiplier, shift)
    return np.clip(scaled, -32768, 32767)


def _float_product(rows: Array, weights: Array) -> Array:
    """rows (..., K) times weights (O, K), summed over K in order."""
    total = np.zeros((*rows.shape[:-1], len(weights)), f32)
    for k in range(rows.shape[-1]):
        total += rows[..., k, None] * weights[:, k]
    return total
