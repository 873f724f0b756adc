"""Lowering of the recurrent operators: SVDF and the unidirectional sequence LSTM."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import UnsupportedOp
from hilbench.models.checks import check_data_type, check_finite, check_quantization
from hilbench.models.graph import LstmOptions, SvdfOptions, Tensor
from hilbench.models.operator_view import OperatorView, Step
from hilbench.models.weights import MAX_LEFT_SHIFT, MAX_LEFT_SHIFT_64, MAX_PRODUCTS
from hilbench.quantization import (
    FLT_MAX,
    Activation,
    activation_range_float,
    interpolation,
    quantize_multiplier,
)
from hilbench.schema import image

f32 = np.float32
GATES = 4
#: Gates are computed in int16 with 12 fractional bits, and give 15.
GATE_SCALE = 2.0**-12
GATE_OUT_SCALE = 2.0**-15
#: Inputs of UNIDIRECTIONAL_SEQUENCE_LSTM, each for gates input, forget, cell, output.
_INPUT_WEIGHTS, _RECURRENT_WEIGHTS, _BIASES = 1, 5, 12
_HIDDEN, _CELL = 18, 19
_LSTM_INPUTS = 24
#: Peepholes, projection, layer normalization.
_VARIANTS = (9, 10, 11, 16, 17, 20, 21, 22, 23)


def _constant(
    view: OperatorView, slot: int, dtypes: tuple[str, ...], shape: tuple[int, ...]
) -> Tensor:
    tensor = view.present(slot)
    if tensor.data is None or tensor.dtype not in dtypes:
        raise UnsupportedOp(
            f"{view.label}: '{tensor.name}' must be a constant of {' or '.join(dtypes)}"
        )
    if tensor.shape != shape:
        raise view.fail(f"'{tensor.name}' has shape {list(tensor.shape)}, expected {list(shape)}")
    if tensor.dtype == "float32":
        check_finite(view.label, tensor)
    return tensor


def _weights(
    view: OperatorView, slot: int, dtypes: tuple[str, ...], shape: tuple[int, ...]
) -> Tensor:
    """Constant weights with one scale and no zero point."""
    tensor = _constant(view, slot, dtypes, shape)
    if tensor.dtype != "float32":
        check_quantization(view.label, tensor)
        if len(tensor.scales) != 1 or any(tensor.zero_points):
            raise UnsupportedOp(f"{view.label}: weights '{tensor.name}' are not per tensor")
    return tensor


def _state(view: OperatorView, slot: int, dtypes: tuple[str, ...], elements: int) -> Tensor:
    tensor = view.present(slot)
    if not tensor.is_variable or tensor.dtype not in dtypes:
        raise UnsupportedOp(
            f"{view.label}: '{tensor.name}' must be a variable of {' or '.join(dtypes)}"
        )
    check_data_type(view.label, tensor)
    if tensor.elements != elements:
        raise view.fail(f"state '{tensor.name}' has {tensor.elements} elements, not {elements}")
    return tensor


def _multiplier(view: OperatorView, real: float, most: int = MAX_LEFT_SHIFT) -> tuple[int, int]:
    multiplier, shift = quantize_multiplier(real)
    if shift > most:
        raise view.fail("scales that are too far apart")
    return multiplier, shift


# ---------------------------------------------------------------- SVDF


def lower_svdf(view: OperatorView) -> Step:
    """SVDF (data, feature weights, time weights, bias, state)."""
    options = view.operator.options
    assert isinstance(options, SvdfOptions)
    view.arity(5, 5)
    data, is_float = view.data(), view.output.dtype == "float32"
    features = view.present(1)
    if len(data.shape) != 2 or len(features.shape) != 2 or not 1 <= options.rank <= 0xFFFF:
        raise view.fail(f"data {list(data.shape)}, rank {options.rank}")
    filters = features.shape[0]
    if filters % options.rank:
        raise view.fail(f"{filters} filters of rank {options.rank}")
    batch, units = data.shape[0], filters // options.rank
    view.check_output((batch, units))
    time = view.present(2)
    memory = time.shape[-1]
    features = _weights(view, 1, ("float32",) if is_float else ("int8",), (filters, data.shape[1]))
    kinds = ("float32",) if is_float else ("int8", "int16")
    time = _weights(view, 2, kinds, (filters, memory))
    state = _state(view, 4, (time.dtype,), batch * filters * memory)
    if max(data.shape[1], memory * options.rank) > MAX_PRODUCTS // 2:
        raise UnsupportedOp(f"{view.label}: sums of more than {MAX_PRODUCTS // 2} products")
    bias = view.operator.inputs[3]
    if bias != -1:
        _constant(view, 3, ("float32",) if is_float else ("int32",), (units,))
    inputs = view.operator.inputs
    params = _svdf_params(view, options, data, features, time, state)
    slots = (inputs[0], inputs[4], inputs[1], inputs[2], bias)
    return view.step(image.Opcode.SVDF, slots, params)


def _svdf_params(
    view: OperatorView,
    options: SvdfOptions,
    data: Tensor,
    features: Tensor,
    time: Tensor,
    state: Tensor,
) -> image.Svdf:
    low_f, high_f = activation_range_float(options.activation)
    plain = image.Svdf(options.rank, 0, 0, 0, 0, 0, 0, 0, low_f, high_f)
    if data.dtype == "float32":
        return plain
    if options.activation not in (Activation.NONE, Activation.RELU) or (
        options.activation is Activation.RELU and view.output.zero_point != -128
    ):
        raise UnsupportedOp(f"{view.label}: the fused activation {options.activation.name}")
    first = f32(data.scale) * f32(features.scale) / f32(state.scale)
    second = f32(state.scale) * f32(time.scale) / f32(view.output.scale)
    pairs = _multiplier(view, float(first)), _multiplier(view, float(second))
    return replace(
        plain,
        input_offset=-data.zero_point,
        state_zero_point=state.zero_point,
        output_offset=view.output.zero_point,
        feature_multiplier=pairs[0][0],
        feature_shift=pairs[0][1],
        output_multiplier=pairs[1][0],
        output_shift=pairs[1][1],
        act_min_f=-FLT_MAX,
        act_max_f=FLT_MAX,
    )


# ---------------------------------------------------------------- LSTM


def lower_lstm(view: OperatorView) -> Step:
    """UNIDIRECTIONAL_SEQUENCE_LSTM without peepholes, projection and layer normalization."""
    options = view.operator.options
    assert isinstance(options, LstmOptions)
    view.arity(_LSTM_INPUTS, _LSTM_INPUTS)
    if any(view.operator.inputs[slot] != -1 for slot in _VARIANTS):
        raise UnsupportedOp(f"{view.label}: peepholes, projection or layer normalization")
    data = view.data()
    if len(data.shape) != 3 or len(view.output.shape) != 3:
        raise view.fail(f"data {list(data.shape)} into {list(view.output.shape)}")
    units, depth = view.output.shape[2], data.shape[2]
    view.check_output((*data.shape[:2], units))
    batch = data.shape[1] if options.time_major else data.shape[0]
    hidden = _state(view, _HIDDEN, (data.dtype,), batch * units)
    kind = "float32" if data.dtype == "float32" else "int16"
    cell = _state(view, _CELL, (kind,), batch * units)
    if max(units, depth) > MAX_PRODUCTS // 2:
        raise UnsupportedOp(f"{view.label}: sums of more than {MAX_PRODUCTS // 2} products")
    if not (math.isfinite(options.cell_clip) and options.cell_clip >= 0.0):
        raise view.fail(f"a cell clip of {options.cell_clip}")
    weights = [_gate_weights(view, gate, units, depth) for gate in range(GATES)]
    tables = _lstm_tables(weights)
    params = _lstm_params(view, options, batch, hidden, cell, weights)
    if data.dtype != "float32":
        tables = (*tables, interpolation.logistic_table())
    inputs = (view.operator.inputs[0], *view.operator.inputs[_HIDDEN : _CELL + 1])
    return view.step(image.Opcode.LSTM, inputs, params, tables=tables)


def _gate_weights(
    view: OperatorView, gate: int, units: int, depth: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Weights of the input and of the hidden state, and bias of a gate."""
    is_float = view.output.dtype == "float32"
    kinds = ("float32",) if is_float else ("int8",)
    bias = {"int8": "int32", "int16": "int64", "float32": "float32"}[view.output.dtype]
    given = _constant(view, _BIASES + gate, (bias,), (units,))
    if bias == "int64":
        assert given.data is not None
        if int(np.abs(given.data.astype(np.float64)).max()) >= 1 << 46:
            raise UnsupportedOp(f"{view.label}: bias '{given.name}' exceeds 46 bits")
    return (
        _weights(view, _INPUT_WEIGHTS + gate, kinds, (units, depth)),
        _weights(view, _RECURRENT_WEIGHTS + gate, kinds, (units, units)),
        given,
    )


def _lstm_tables(weights: list[tuple[Tensor, Tensor, Tensor]]) -> tuple[NDArray[Any], ...]:
    """Weights [gates * units, inputs + units] and biases [gates, units] in one tensor each."""
    rows, biases = [], []
    for of_input, of_hidden, bias in weights:
        assert of_input.data is not None
        assert of_hidden.data is not None
        assert bias.data is not None
        rows.append(np.concatenate([of_input.data, of_hidden.data], axis=1))
        biases.append(bias.data)
    return np.concatenate(rows), np.stack(biases)


def _lstm_params(
    view: OperatorView,
    options: LstmOptions,
    batch: int,
    hidden: Tensor,
    cell: Tensor,
    weights: list[tuple[Tensor, Tensor, Tensor]],
) -> image.Lstm:
    data = view.data()
    none = (0, 0, 0, 0)
    plain = image.Lstm(
        *(batch, int(options.time_major)),
        *(none, none, none, none),
        *(0, 0, 0),
        *(0, 0, 0, 0, 0, 0, 0, 0, 0),
        cell_clip_f=options.cell_clip,
    )
    if data.dtype == "float32":
        return plain
    view.same_quantization(hidden)
    power = round(math.log2(cell.scale))
    if abs(math.log2(cell.scale) - power) >= 1e-3 or not -25 <= power <= -1:
        raise UnsupportedOp(f"{view.label}: cell state '{cell.name}' has the scale {cell.scale}")
    most = MAX_LEFT_SHIFT_64 if data.dtype == "int16" else MAX_LEFT_SHIFT
    of_input, of_hidden = (
        [
            _multiplier(view, source.scale * parts[number].scale / GATE_SCALE, most)
            for parts in weights
        ]
        for number, source in enumerate((data, hidden))
    )
    forget = _multiplier(view, GATE_OUT_SCALE)
    update = _multiplier(view, GATE_OUT_SCALE * GATE_OUT_SCALE / cell.scale)
    output = _multiplier(view, GATE_OUT_SCALE * GATE_OUT_SCALE / hidden.scale)
    tanh_shift = (15 + power) - 3
    clip = int(min(max(options.cell_clip / cell.scale, -32768.0), 32767.0))
    (a, b, c, d), (e, f, g, h) = zip(*of_input, strict=True)
    (i, j, k, m), (n, o, p, q) = zip(*of_hidden, strict=True)
    return replace(
        plain,
        input_multiplier=(a, b, c, d),
        input_shift=(e, f, g, h),
        hidden_multiplier=(i, j, k, m),
        hidden_shift=(n, o, p, q),
        input_offset=-data.zero_point,
        hidden_offset=-hidden.zero_point,
        output_offset=hidden.zero_point,
        forget_multiplier=forget[0],
        forget_shift=forget[1],
        update_multiplier=update[0],
        update_shift=update[1],
        output_multiplier=output[0],
        output_shift=output[1],
        tanh_multiplier=3 if tanh_shift < 0 else 3 << tanh_shift,
        tanh_shift=max(-tanh_shift, 0),
        cell_clip=clip,
    )
