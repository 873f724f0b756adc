"""Writes a graph as a .tflite file: tensors and operators keep their indices.

The file has a signature, since other quantizers ask for one.  Slots are those of
:mod:`hilbench.models.tflite`.
"""

from __future__ import annotations

import numpy as np

from hilbench.models import tflite
from hilbench.models.flatbuffer_builder import (
    Node,
    TableNode,
    TablesNode,
    VectorNode,
    build,
    integers,
)
from hilbench.models.graph import (
    AddOptions,
    ConvOptions,
    FullyConnectedOptions,
    Graph,
    Operator,
    PoolOptions,
    ReshapeOptions,
    SoftmaxOptions,
    Tensor,
    constant_bytes,
)

_CODES = {name: (code, union) for code, (name, union) in tflite.OPERATORS.items()}
#: Operator versions: the lowest that allows what we write (float, int8).
_VERSIONS = {
    "ADD": (1, 2),
    "AVERAGE_POOL_2D": (1, 2),
    "CONV_2D": (1, 3),
    "DEPTHWISE_CONV_2D": (2, 3),
    "FULLY_CONNECTED": (1, 4),
    "MAX_POOL_2D": (1, 2),
    "RESHAPE": (1, 1),
    "SOFTMAX": (1, 2),
}


def write(graph: Graph, description: str = "hilbench") -> bytes:
    """The bytes of a .tflite file; :func:`hilbench.models.loads` reads the same graph back."""
    opcodes = sorted({operator.opcode for operator in graph.operators})
    buffers = [TableNode()]
    tensors = []
    for tensor in graph.tensors:
        number = 0
        if tensor.data is not None:
            number = len(buffers)
            raw = np.frombuffer(constant_bytes(tensor), np.uint8)
            buffers.append(TableNode(children={0: VectorNode(raw, align=16)}))
        tensors.append(_tensor(tensor, number))
    subgraph = TableNode(
        children={
            0: TablesNode(tensors),
            1: integers(graph.input_indices),
            2: integers(graph.output_indices),
            3: TablesNode([_operator(op, opcodes.index(op.opcode)) for op in graph.operators]),
            4: "main",
        }
    )
    quantized = any(tensor.dtype == "int8" for tensor in graph.outputs)
    model = TableNode(
        scalars={0: ("I", tflite.SCHEMA_VERSION)},
        children={
            1: TablesNode([_operator_code(name, quantized) for name in opcodes]),
            2: TablesNode([subgraph]),
            3: description,
            4: TablesNode(buffers),
            7: TablesNode([_signature(graph)]),
        },
    )
    return build(model, tflite.FILE_IDENTIFIER)


def _tensor(tensor: Tensor, buffer: int) -> TableNode:
    return TableNode(
        scalars={
            1: ("b", tflite.TENSOR_TYPES.index(tensor.dtype)),
            2: ("I", buffer),
        },
        children={
            0: integers(tensor.shape),
            3: tensor.name,
            4: _quantization(tensor) if tensor.scales else None,
        },
    )


def _quantization(tensor: Tensor) -> TableNode:
    return TableNode(
        scalars={6: ("i", tensor.quantized_dimension)},
        children={
            2: VectorNode(np.array(tensor.scales, "<f4")),
            3: integers(tensor.zero_points, "<i8"),
        },
    )


def _operator_code(name: str, quantized: bool) -> TableNode:
    code = _CODES[name][0]
    version = _VERSIONS[name][int(quantized)]
    return TableNode(scalars={0: ("b", code), 2: ("i", version), 3: ("i", code)})


def _operator(operator: Operator, code_index: int) -> TableNode:
    return TableNode(
        scalars={0: ("I", code_index), 3: ("B", _CODES[operator.opcode][1])},
        children={
            1: integers(operator.inputs),
            2: integers(operator.outputs),
            4: _options(operator),
        },
    )


def _options(operator: Operator) -> TableNode:
    options = operator.options
    children: dict[int, Node | None] = {}
    scalars: dict[int, tuple[str, float]]
    if isinstance(options, ConvOptions):
        values = [
            ("b", int(not options.same_padding)),
            ("i", options.stride_w),
            ("i", options.stride_h),
            ("b", options.activation),
            ("i", options.dilation_w),
            ("i", options.dilation_h),
        ]
        if operator.opcode == "DEPTHWISE_CONV_2D":
            values.insert(3, ("i", options.depth_multiplier))
        scalars = dict(enumerate(values))
    elif isinstance(options, PoolOptions):
        values = [
            ("b", int(not options.same_padding)),
            ("i", options.stride_w),
            ("i", options.stride_h),
            ("i", options.filter_w),
            ("i", options.filter_h),
            ("b", options.activation),
        ]
        scalars = dict(enumerate(values))
    elif isinstance(options, FullyConnectedOptions):
        scalars = {
            0: ("b", options.activation),
            2: ("B", options.keep_num_dims),
            3: ("B", options.asymmetric_quantize_inputs),
        }
    elif isinstance(options, SoftmaxOptions):
        scalars = {0: ("f", options.beta)}
    elif isinstance(options, AddOptions):
        scalars = {0: ("b", options.activation)}
    else:
        assert isinstance(options, ReshapeOptions)
        scalars = {}
        children = {0: integers(options.new_shape) if options.new_shape else None}
    return TableNode(scalars=scalars, children=children)


def _signature(graph: Graph) -> TableNode:
    def names(indices: tuple[int, ...], stem: str) -> TablesNode:
        return TablesNode(
            [
                TableNode(scalars={1: ("I", index)}, children={0: f"{stem}_{number}"})
                for number, index in enumerate(indices)
            ]
        )

    return TableNode(
        children={
            0: names(graph.input_indices, "input"),
            1: names(graph.output_indices, "output"),
            2: "serving_default",
        }
    )
