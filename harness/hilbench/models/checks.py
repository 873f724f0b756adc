"""Checks of a graph that no single operator can make, and of single tensors."""

from __future__ import annotations

import math

import numpy as np

from hilbench.errors import ModelError, UnsupportedOp
from hilbench.models.graph import Graph, Tensor
from hilbench.schema import image

#: Bytes of all constants: far beyond what a microcontroller holds.
MAX_CONSTANT_BYTES = 64 << 20


def check_order(graph: Graph) -> None:
    """Every tensor is written once, before it is read, and never a constant."""
    count = len(graph.tensors)
    named = (
        *graph.input_indices,
        *graph.output_indices,
        *(i for op in graph.operators for i in (*op.inputs, *op.outputs) if i != -1),
    )
    if any(not 0 <= i < count for i in named):
        raise ModelError(f"a tensor index is outside 0 to {count - 1}")
    if not (graph.input_indices and graph.output_indices and graph.operators):
        raise ModelError("a model needs inputs, outputs and operators")
    if len(set(graph.input_indices)) != len(graph.input_indices):
        raise ModelError("an input is listed twice")
    # What is kept from the inference before is there from the start.
    written = {i for i, tensor in enumerate(graph.tensors) if tensor.is_variable}
    _check_variables(graph, written)
    for i in graph.input_indices:
        if graph.tensors[i].data is not None:
            raise ModelError(f"input '{graph.tensors[i].name}' is a constant")
        written.add(i)
    for position, operator in enumerate(graph.operators):
        for i in operator.inputs:
            if i != -1 and i not in written and graph.tensors[i].data is None:
                raise ModelError(
                    f"operator {position} ({operator.opcode}) reads '{graph.tensors[i].name}' "
                    "before anything wrote it"
                )
        for i in operator.outputs if operator.opcode != "VAR_HANDLE" else ():
            if i == -1 or i in written or graph.tensors[i].data is not None:
                raise ModelError(
                    f"operator {position} ({operator.opcode}) writes to an input, a constant or "
                    "a tensor already written"
                )
            written.add(i)
    for i in graph.output_indices:
        if i not in written or i in graph.input_indices:
            raise ModelError(f"output '{graph.tensors[i].name}' is not written by an operator")


def _check_variables(graph: Graph, variables: set[int]) -> None:
    for i in variables:
        if graph.tensors[i].data is not None:
            raise ModelError(f"variable '{graph.tensors[i].name}' is a constant")
        if i in graph.input_indices or i in graph.output_indices:
            raise UnsupportedOp(
                f"variable '{graph.tensors[i].name}' is an input or output of the model"
            )


def check_constants(graph: Graph) -> None:
    """Tensors may share a buffer of the file; the image has no such thing."""
    used = {i for operator in graph.operators for i in operator.inputs if i != -1}
    arrays = (graph.tensors[i].data for i in used)
    total = sum(array.nbytes for array in arrays if array is not None)
    if total > MAX_CONSTANT_BYTES:
        raise ModelError(f"{total} bytes of constants; {MAX_CONSTANT_BYTES} are supported")


def check_data_type(owner: str, tensor: Tensor) -> None:
    """An activation: int8 or int16 with one scale, or float32; ``owner`` names who asks."""
    if tensor.dtype not in ("int8", "int16", "float32"):
        raise UnsupportedOp(
            f"{owner}: tensor '{tensor.name}' is {tensor.dtype}; int8, int16 and float32 are "
            "supported"
        )
    if not 1 <= len(tensor.shape) <= image.MAX_RANK:
        raise UnsupportedOp(f"{owner}: tensor '{tensor.name}' has {len(tensor.shape)} dimensions")
    if tensor.dtype != "float32":
        check_quantization(owner, tensor)
        if len(tensor.scales) != 1:
            raise UnsupportedOp(f"{owner}: tensor '{tensor.name}' is quantized per channel")
    if tensor.data is not None and tensor.dtype == "float32":
        check_finite(owner, tensor)


def check_quantization(owner: str, tensor: Tensor) -> None:
    """Scales are there and positive; zero points fit int8, and are 0 for int16."""
    if not tensor.scales:
        raise ModelError(
            f"{owner}: {tensor.dtype} tensor '{tensor.name}' has no quantization parameters"
        )
    if not all(math.isfinite(scale) and scale > 0.0 for scale in tensor.scales):
        raise ModelError(f"{owner}: tensor '{tensor.name}' has a scale that is not positive")
    if not all(-128 <= zero_point <= 127 for zero_point in tensor.zero_points):
        raise ModelError(f"{owner}: tensor '{tensor.name}' has a zero point outside int8")
    if tensor.dtype == "int16" and any(tensor.zero_points):
        raise UnsupportedOp(f"{owner}: int16 tensor '{tensor.name}' has a zero point that is not 0")


def check_finite(owner: str, tensor: Tensor) -> None:
    """A float constant has neither infinities nor NaN."""
    assert tensor.data is not None
    if not np.isfinite(np.asarray(tensor.data, np.float32)).all():
        raise ModelError(f"{owner}: constant '{tensor.name}' has a value that is not finite")
