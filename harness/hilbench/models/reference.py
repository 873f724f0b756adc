"""Runs a graph on the host: the expected outputs of every run, and of every layer."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import VectorError
from hilbench.models import (
    reference_dynamic,
    reference_elementwise,
    reference_float,
    reference_integer,
    reference_recurrent,
)
from hilbench.models import reference_movement as movement
from hilbench.models.fold import dequantized
from hilbench.models.graph import Graph
from hilbench.models.lowering import Step, lower
from hilbench.models.lowering import layers as layer_steps
from hilbench.schema.image import Opcode, OpFlag

Array = NDArray[Any]

#: Elements of the largest intermediate that one chunk of vectors may need.
_CHUNK_ELEMENTS = 1 << 22


@dataclass(frozen=True, eq=False)
class Reference:
    """Expected results of n vectors.

    Attributes
    ----------
    outputs : ndarray, shape (n, output elements)
        All outputs one after the other, in the model's type (bytes where they differ in type).
    layer_crc : ndarray of uint32, shape (n, layers), or None
        CRC-32 (zlib) of each layer's output bytes (:func:`hilbench.models.lowering.layers`).
    """

    outputs: Array
    layer_crc: NDArray[np.uint32] | None = None


def run_reference(graph: Graph, vectors: Array, layers: bool = False) -> Reference:
    """Expected outputs of vectors.

    Parameters
    ----------
    graph : Graph
    vectors : ndarray
        One input: shape (n, *input shape) (the input's leading 1 may be left out) or (n, elements)
        in the input's type.  Any number of inputs: uint8 of shape (n, vector bytes).
    layers : bool
        Also compute the CRC of every layer.

    Raises
    ------
    VectorError
        Shape or type does not fit the model.
    """
    feeds = split_inputs(graph, vectors)
    steps = lower(graph)
    ends = layer_steps(steps)
    count = len(vectors)
    chunk = max(1, _CHUNK_ELEMENTS // _working_elements(graph, steps))
    outputs, crcs = [], []
    for start in range(0, count, chunk):
        values = _run(graph, steps, [feed[start : start + chunk] for feed in feeds])
        outputs.append(_join([values[i] for i in graph.output_indices]))
        if layers:
            crcs.append(np.stack([_crc(values[step.output]) for step in ends], axis=1))
    return Reference(
        outputs=np.concatenate(outputs) if outputs else _no_outputs(graph),
        layer_crc=(np.concatenate(crcs) if crcs else np.zeros((0, len(ends)), np.uint32))
        if layers
        else None,
    )


def run_stream(graph: Graph, vectors: Array) -> dict[int, Array]:
    """As :func:`run_tensors`, but each inference goes on from the state that the one before left.

    The device never does so in a run: there every vector starts from the reset state.
    """
    steps = lower(graph)
    state: dict[int, Array] = {}
    runs = []
    for vector in range(len(vectors)):
        feeds = split_inputs(graph, vectors[vector : vector + 1])
        values = _run(graph, steps, feeds, state)
        state = {i: v for i, v in values.items() if graph.tensors[i].is_variable}
        runs.append(values)
    return {i: np.concatenate([run[i] for run in runs]) for i in (runs[0] if runs else ())}


def run_tensors(graph: Graph, vectors: Array) -> dict[int, Array]:
    """Every computed tensor of the vectors: index -> array of shape (n, *tensor shape)."""
    return _run(graph, lower(graph), split_inputs(graph, vectors))


def split_inputs(graph: Graph, vectors: Array) -> list[Array]:
    """The vectors as one array (n, *shape) per input, checked."""
    n = len(vectors)
    inputs = graph.inputs
    if len(inputs) == 1 and vectors.dtype == inputs[0].dtype:
        if vectors.size != n * inputs[0].elements:
            raise VectorError(
                f"vectors of shape {list(vectors.shape[1:])}, the model's input is "
                f"{list(inputs[0].shape)}"
            )
        return [np.ascontiguousarray(vectors).reshape(n, *inputs[0].shape)]
    if vectors.dtype != np.uint8 or vectors.shape[1:] != (graph.vector_bytes,):
        raise VectorError(
            f"vectors of {vectors.dtype}{list(vectors.shape[1:])}, the model takes "
            f"{', '.join(f'{t.dtype}{list(t.shape)}' for t in inputs)}"
        )
    feeds, at = [], 0
    for tensor in inputs:
        part = np.ascontiguousarray(vectors[:, at : at + tensor.bytes])
        feeds.append(part.view(f"<{np.dtype(tensor.dtype).str[1:]}").reshape(n, *tensor.shape))
        at += tensor.bytes
    return feeds


def _run(
    graph: Graph,
    steps: tuple[Step, ...],
    feeds: list[Array],
    state: dict[int, Array] | None = None,
) -> dict[int, Array]:
    """Values of all tensors; ``state`` is that left by the inference before, None = reset."""
    values: dict[int, Array] = dict(zip(graph.input_indices, feeds, strict=True))
    values |= state or {}
    n = len(feeds[0])
    with np.errstate(over="ignore", invalid="ignore", under="ignore"):
        for step in steps:
            if step.is_init and state:
                continue
            shape = graph.tensors[step.output].shape
            if step.opcode in (Opcode.SVDF, Opcode.LSTM):
                result, states = _recurrent(graph, step, values)
                values |= states
            else:
                result = execute(graph, step, values, n)
            values[step.output] = np.ascontiguousarray(result).reshape(n, *shape)
    return values


def _recurrent(
    graph: Graph, step: Step, values: dict[int, Array]
) -> tuple[Array, dict[int, Array]]:
    """Output of an operator that changes its state, and that state."""
    x, *states = (values[i] for i in step.inputs if i in values)
    if step.opcode == Opcode.LSTM:
        output, hidden, cell = reference_recurrent.lstm(step, x, states[0], states[1])
        return output, {step.inputs[1]: hidden, step.inputs[2]: cell}
    constants = [None if i == -1 else graph.tensors[i].data for i in step.inputs[2:]]
    assert constants[0] is not None
    assert constants[1] is not None
    output, state = reference_recurrent.svdf(
        step, x, states[0], constants[0], constants[1], constants[2]
    )
    return output, {step.inputs[1]: state}


def execute(graph: Graph, step: Step, values: dict[int, Array], n: int) -> Array:
    """Output of one step without a state: ``values`` holds (n, *shape) of what its inputs computed;
    a MOVE adds to the output's value."""

    def fed(slot: int) -> Array:
        index = step.inputs[slot]
        tensor = graph.tensors[index]
        if tensor.data is not None:
            return np.broadcast_to(tensor.data, (n, *tensor.shape))
        return values[index]

    opcode, output = step.opcode, graph.tensors[step.output]
    if opcode == Opcode.RESHAPE:
        return np.broadcast_to(step.tables[0], (n, *output.shape)) if step.tables else fed(0)
    if opcode == Opcode.FILL:
        return movement.fill(step, (n, *output.shape), output.dtype)
    if opcode == Opcode.MOVE:
        before = values.get(step.output)
        if before is None:
            before = np.zeros((n, *output.shape), output.dtype)
        return movement.move(step, fed(0), before)
    if opcode == Opcode.RESIZE_NEAREST:
        return movement.resize_nearest(step, fed(0))
    if opcode in reference_elementwise.OPERATORS:
        inputs = [fed(slot) for slot in range(len(step.inputs))]
        return reference_elementwise.OPERATORS[opcode](step, output.dtype, *inputs)
    return _windows_and_weights(graph, step, fed(0), values)


def _windows_and_weights(graph: Graph, step: Step, x: Array, values: dict[int, Array]) -> Array:
    def value(slot: int) -> Array | None:
        index = step.inputs[slot]
        if index == -1:
            return None
        tensor = graph.tensors[index]
        if tensor.data is None:
            return values[index]
        return dequantized(tensor) if kernels is reference_float else tensor.data

    output, opcode = graph.tensors[step.output], step.opcode
    kernels: ModuleType = reference_float if output.dtype == "float32" else reference_integer
    if step.flags & (OpFlag.DYNAMIC_SYMMETRIC | OpFlag.DYNAMIC_ASYMMETRIC):
        kernels = reference_dynamic
    result: Array
    if opcode == Opcode.SOFTMAX:
        result = kernels.softmax(step, x)
    elif opcode == Opcode.FULLY_CONNECTED:
        weights = value(1)
        assert weights is not None
        result = kernels.fully_connected(step, x.reshape(-1, weights.shape[1]), weights, value(2))
    else:
        spatial = x.reshape(len(x), *x.shape[2:])
        out_hw = (output.shape[1], output.shape[2])
        if opcode == Opcode.AVERAGE_POOL_2D:
            result = kernels.average_pool_2d(step, spatial, out_hw)
        elif opcode == Opcode.MAX_POOL_2D:
            result = kernels.max_pool_2d(step, spatial, out_hw)
        elif opcode == Opcode.TRANSPOSE_CONV:
            result = kernels.transpose_conv(step, spatial, value(1), value(2), out_hw)
        elif opcode == Opcode.CONV_2D:
            result = kernels.conv_2d(step, spatial, value(1), value(2), out_hw)
        else:
            result = kernels.depthwise_conv_2d(step, spatial, value(1), value(2), out_hw)
    return result


def _working_elements(graph: Graph, steps: tuple[Step, ...]) -> int:
    """Elements of the largest array that one vector needs."""
    most = 1
    for step in steps:
        output = graph.tensors[step.output]
        need = max(output.elements, *(graph.tensors[i].elements for i in step.inputs if i != -1), 1)
        if step.opcode == Opcode.CONV_2D:
            weights = graph.tensors[step.inputs[1]]
            need = max(need, output.elements // weights.shape[0] * math.prod(weights.shape[1:]))
        most = max(most, need)
    return most


def _join(outputs: list[Array]) -> Array:
    n = len(outputs[0])
    flat = [
        np.ascontiguousarray(output).reshape(n, math.prod(output.shape[1:])) for output in outputs
    ]
    if len({output.dtype for output in flat}) > 1:
        flat = [output.view(np.uint8) for output in flat]
    return np.concatenate(flat, axis=1)


def _no_outputs(graph: Graph) -> Array:
    return _join([np.zeros((0, t.elements), t.dtype) for t in graph.outputs])


def _crc(values: Array) -> NDArray[np.uint32]:
    return np.array([zlib.crc32(value.tobytes()) for value in values], np.uint32)
