"""Storage forms that no .tflite carries: weights as 8-bit floats, or Huffman-coded.

``fp8`` changes the weights, and so what the model computes; ``huffman`` only how they are stored.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hilbench.errors import ModelError
from hilbench.models.graph import Graph, Tensor, is_weighted
from hilbench.quantization import MAX_FLOAT8, to_float8

#: What ``--weights`` takes; ``plain`` is the file's own form.
FORMS = ("plain", "fp8", "huffman", "fp8-huffman")


#: When Huffman-coded weights are decoded: before each use, or once when the image is loaded.
DECODE = ("layer", "once")


def in_form(graph: Graph, form: str) -> Graph:
    """The graph with its weights in one of :data:`FORMS`; coding is the packer's part.

    Raises
    ------
    ModelError
        fp8 of a model without float32 weights.
    """
    return with_float8_weights(graph) if form.startswith("fp8") else graph


def coding(form: str, decode: str) -> str:
    """What :func:`hilbench.models.pack` is told."""
    return decode if form.endswith("huffman") else ""


def scheme_name(graph: Graph, form: str) -> str:
    """The graph's scheme, with how it is stored."""
    return f"{graph.scheme}-huffman" if form.endswith("huffman") else graph.scheme


def with_float8_weights(graph: Graph) -> Graph:
    """The graph with each operator's float32 weights rounded to E4M3.

    Each output channel is scaled by the power of two that brings its largest magnitude just below
    448: a floating-point format loses nothing by it, and no channel falls among the subnormals.

    Raises
    ------
    ModelError
        The model has no float32 weights.
    """
    tensors = list(graph.tensors)
    found = False
    for operator in graph.operators:
        index = operator.inputs[1] if is_weighted(operator) else -1
        if index == -1 or tensors[index].dtype != "float32" or tensors[index].data is None:
            continue
        axis = 3 if operator.opcode == "DEPTHWISE_CONV_2D" else 0
        tensors[index] = _float8(tensors[index], axis)
        found = True
    if not found:
        raise ModelError(
            "no operator of the model has float32 weights to store as 8-bit floats",
            hint="fp8 starts from a float model; integer weights can be stored as huffman",
        )
    return replace(graph, tensors=tuple(tensors))


def _float8(tensor: Tensor, axis: int) -> Tensor:
    assert tensor.data is not None
    data = np.asarray(tensor.data, np.float32)
    others = tuple(i for i in range(data.ndim) if i != axis)
    largest = np.abs(data).max(axis=others, keepdims=True).astype(np.float64)
    exponent = np.ceil(np.log2(np.where(largest > 0, largest, 1.0) / MAX_FLOAT8))
    scale = np.exp2(np.clip(exponent, -100, 100)).astype(np.float32)
    scales = tuple(float(s) for s in scale.ravel())
    return replace(
        tensor,
        dtype="float8",
        scales=scales,
        zero_points=(0,) * len(scales),
        quantized_dimension=axis,
        data=to_float8(data / scale),
        storage_only=True,
    )
