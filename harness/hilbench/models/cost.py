"""What an operator costs, whatever runs it: multiply-accumulates and weight bytes."""

from __future__ import annotations

import math

from hilbench.models.graph import Graph
from hilbench.models.lowering import Step
from hilbench.schema import image
from hilbench.schema.image import Opcode


def macs(graph: Graph, step: Step) -> int:
    """Multiply-accumulates of one inference, padding counted as if computed.

    Convolutions and fully connected layers only; pools, sums and softmax count 0.
    """
    if isinstance(step.params, image.Lstm):
        positions = graph.tensors[step.output].elements // step.tables[1].shape[1]
        return int(positions * step.tables[0].size)
    if isinstance(step.params, image.Svdf):
        batch = graph.tensors[step.inputs[0]].shape[0]
        return batch * sum(graph.tensors[i].elements for i in step.inputs[2:4])
    if step.opcode == Opcode.TRANSPOSE_CONV:
        shape = graph.tensors[step.inputs[1]].shape
        return graph.tensors[step.inputs[0]].elements * math.prod(shape[:3])
    if step.opcode not in (Opcode.CONV_2D, Opcode.DEPTHWISE_CONV_2D, Opcode.FULLY_CONNECTED):
        return 0
    assert isinstance(step.params, image.Conv)
    outputs = graph.tensors[step.output].elements
    shape = graph.tensors[step.inputs[1]].shape
    if step.opcode == Opcode.DEPTHWISE_CONV_2D:
        return outputs * math.prod(shape[1:3])
    return outputs * math.prod(shape[1:])


def weight_bytes(graph: Graph, step: Step) -> int:
    """Constant data that the operator reads, bias and tables included, bytes."""
    constants = (graph.tensors[i] for i in step.inputs if i != -1)
    weights = sum(tensor.bytes for tensor in constants if tensor.data is not None)
    return weights + sum(table.nbytes for table in step.tables)
