"""Weights that the device decodes row by row (firmware, kernels/hb_rows.h): order, scratch.

A row is what one output channel needs.  The engine decodes a row into scratch, computes that
channel at every output position, and goes on to the next: weights of any type stay small in flash
and cost the RAM of one row.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hilbench.models.graph import Graph, Tensor, is_weighted
from hilbench.models.operator_view import Step
from hilbench.schema import image
from hilbench.schema.image import Opcode, OpFlag

_DYNAMIC = OpFlag.DYNAMIC_SYMMETRIC | OpFlag.DYNAMIC_ASYMMETRIC
#: Bytes of the engine's struct hb_dynamic_row: scale and zero point of a row of data.
_DYNAMIC_ROW_BYTES = 8


def is_by_rows(graph: Graph, step: Step) -> bool:
    """Whether the weights have another type than the data."""
    if step.is_init or not is_weighted(graph.operators[step.index]):
        return False
    return graph.tensors[step.inputs[0]].dtype != graph.tensors[step.inputs[1]].dtype


def rows_tensor(step: Step, weights: Tensor) -> Tensor:
    """The weights ordered by output channel: depthwise ones as (C * multiplier, H, W, 1)."""
    if step.opcode != Opcode.DEPTHWISE_CONV_2D:
        return weights
    assert weights.data is not None
    ordered = np.ascontiguousarray(weights.data[0].transpose(2, 0, 1)[..., None])
    return replace(weights, data=ordered, shape=ordered.shape)


def scratch_bytes(graph: Graph, step: Step) -> int:
    """Scratch of an operator that is computed by rows: a row, and dynamically quantized data."""
    data, weights = (graph.tensors[i] for i in step.inputs[:2])
    output = graph.tensors[step.output]
    channels = output.shape[-1]
    count = weights.elements // channels
    dynamic = bool(step.flags & _DYNAMIC)
    row = 0
    if data.dtype == "float32" and not dynamic:
        row = 4 * count
    elif weights.dtype == "int4":
        row = _align4(count)
    if not dynamic:
        return row
    connected = step.opcode == image.Opcode.FULLY_CONNECTED
    rows = output.elements // channels if connected else 1
    return row + _DYNAMIC_ROW_BYTES * rows + _align4(data.elements)


def _align4(size: int) -> int:
    return -(-size // 4) * 4
