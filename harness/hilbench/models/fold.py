"""Folds DEQUANTIZE of constants: weights stay in their small type, other constants become float32.

Converters write weight-only and float16 models so: constant -> DEQUANTIZE -> operator.  A constant
that any operator uses other than as weights is made float32 here, as the interpreter would.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import ModelError, UnsupportedOp
from hilbench.models.graph import Graph, Tensor, is_weighted
from hilbench.quantization import from_float8

_STORED = ("int8", "int4", "float16")


def fold_constants(graph: Graph) -> Graph:
    """The graph without DEQUANTIZE operators of constants; tensors keep their indices."""
    tensors = list(graph.tensors)
    kept = []
    for position, operator in enumerate(graph.operators):
        source = operator.inputs[0] if len(operator.inputs) == 1 else -1
        foldable = operator.opcode == "DEQUANTIZE" and len(operator.outputs) == 1
        indices = (source, *operator.outputs)
        if not foldable or not all(0 <= i < len(tensors) for i in indices):
            kept.append(operator)
            continue
        stored, output = tensors[source], operator.outputs[0]
        if stored.data is None:
            kept.append(operator)
            continue
        label = f"operator {position} (DEQUANTIZE)"
        if stored.dtype not in _STORED or tensors[output].dtype != "float32":
            raise UnsupportedOp(f"{label}: constant '{stored.name}' is {stored.dtype}")
        if stored.shape != tensors[output].shape:
            raise ModelError(f"{label}: input and output differ in shape")
        if any(stored.zero_points):
            raise UnsupportedOp(f"{label}: constant '{stored.name}' has a zero point that is not 0")
        if _only_weights(graph, output):
            tensors[output] = replace(stored, storage_only=True)
        else:
            tensors[output] = replace(tensors[output], data=dequantized(stored))
    return replace(graph, tensors=tuple(tensors), operators=tuple(kept))


def dequantized(tensor: Tensor) -> NDArray[np.float32]:
    """Constant data as float32, as LiteRT's DEQUANTIZE gives it.

    Raises
    ------
    ModelError
        Scales don't fit the shape.
    """
    assert tensor.data is not None
    values = decoded(tensor)
    if not tensor.scales:
        return values
    return (values * _scale_of_each(tensor)).astype(np.float32)


def decoded(tensor: Tensor) -> NDArray[np.float32]:
    """Constant data as float32 before any scale."""
    assert tensor.data is not None
    if tensor.dtype == "float8":
        return from_float8(tensor.data.astype(np.uint8))
    return tensor.data.astype(np.float32)


def _scale_of_each(tensor: Tensor) -> NDArray[np.float32]:
    scales = np.array(tensor.scales, np.float32)
    if tensor.block_size:
        blocks = tensor.shape[-1] // tensor.block_size
        table = scales.reshape(*tensor.shape[:-1], blocks)
        return np.repeat(table, tensor.block_size, axis=-1)
    if scales.size == 1:
        return scales
    axis = tensor.quantized_dimension
    if not 0 <= axis < len(tensor.shape) or scales.size != tensor.shape[axis]:
        raise ModelError(f"constant '{tensor.name}' has {scales.size} scales along axis {axis}")
    return scales.reshape([-1 if i == axis else 1 for i in range(len(tensor.shape))])


def _only_weights(graph: Graph, index: int) -> bool:
    uses = [(op, slot) for op in graph.operators for slot, i in enumerate(op.inputs) if i == index]
    return index not in graph.output_indices and all(
        is_weighted(operator) and slot == 1 for operator, slot in uses
    )
