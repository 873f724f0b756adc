"""Writes a graph as a .tflite file: tensors and operators keep their indices.

The file has a signature, since other quantizers ask for one.  Slots are those of
:mod:`hilbench.models.tflite`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from hilbench.models import tflite
from hilbench.models.flatbuffer_builder import (
    TableNode,
    TablesNode,
    VectorNode,
    build,
    integers,
)
from hilbench.models.graph import Graph, NoOptions, Operator, Tensor, constant_bytes
from hilbench.models.tflite_options import CODES, OPERATORS, write_options


def write(graph: Graph, description: str = "hilbench") -> bytes:
    """The bytes of a .tflite file; :func:`hilbench.models.loads` reads the same graph back."""
    parts = [graph, *_first_values(graph)]
    opcodes = sorted({operator.opcode for part in parts for operator in part.operators})
    buffers = [TableNode()]
    subgraphs = [_subgraph(part, opcodes, buffers) for part in parts]
    quantized = any(tensor.dtype == "int8" for tensor in graph.outputs)
    model = TableNode(
        scalars={0: ("I", tflite.SCHEMA_VERSION)},
        children={
            1: TablesNode([_operator_code(name, quantized) for name in opcodes]),
            2: TablesNode(subgraphs),
            3: description,
            4: TablesNode(buffers),
            7: TablesNode([_signature(graph)]),
        },
    )
    return build(model, tflite.FILE_IDENTIFIER)


def _first_values(graph: Graph) -> list[Graph]:
    """The subgraph that CALL_ONCE runs: it assigns the variables their first values."""
    handles = [op for op in graph.operators if op.opcode == "VAR_HANDLE"]
    variables = {op.outputs[0]: op for op in handles}
    tensors: list[Tensor] = []
    operators: list[Operator] = []
    for index, handle in variables.items():
        variable, number = graph.tensors[index], len(tensors)
        value = replace(variable, is_variable=False, data=variable.initial)
        tensors += [variable, value]
        operators.append(replace(handle, outputs=(number,)))
        operators.append(Operator("ASSIGN_VARIABLE", (number, number + 1), (), NoOptions()))
    return [Graph(tuple(tensors), tuple(operators), (), ())] if variables else []


def _subgraph(graph: Graph, opcodes: list[str], buffers: list[TableNode]) -> TableNode:
    """A subgraph, its constants appended to ``buffers``."""
    handles = {op.outputs[0] for op in graph.operators if op.opcode == "VAR_HANDLE"}
    tensors = []
    for index, tensor in enumerate(graph.tensors):
        number = 0
        if tensor.data is not None:
            number = len(buffers)
            raw = np.frombuffer(constant_bytes(tensor), np.uint8)
            buffers.append(TableNode(children={0: VectorNode(raw, align=16)}))
        tensors.append(_handle(tensor) if index in handles else _tensor(tensor, number))
    return TableNode(
        children={
            0: TablesNode(tensors),
            1: integers(graph.input_indices),
            2: integers(graph.output_indices),
            3: TablesNode([_operator(op, opcodes.index(op.opcode)) for op in graph.operators]),
            4: "main" if graph.input_indices else "first_values",
        }
    )


def _handle(tensor: Tensor) -> TableNode:
    resource = tflite.TENSOR_TYPES.index("resource")
    return TableNode(
        scalars={1: ("b", resource), 2: ("I", 0)},
        children={0: integers(()), 3: tensor.name},
    )


def _tensor(tensor: Tensor, buffer: int) -> TableNode:
    return TableNode(
        scalars={
            1: ("b", tflite.TENSOR_TYPES.index(tensor.dtype)),
            2: ("I", buffer),
            5: ("B", tensor.is_variable),
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
    code = CODES[name]
    version = OPERATORS[code].versions[int(quantized)]
    # The old field is a signed byte: codes from 127 on are in the new one only.
    return TableNode(scalars={0: ("b", min(code, 127)), 2: ("i", version), 3: ("i", code)})


def _operator(operator: Operator, code_index: int) -> TableNode:
    form = OPERATORS[CODES[operator.opcode]]
    has_options = form.union != 0
    return TableNode(
        scalars={0: ("I", code_index), 3: ("B", form.union)},
        children={
            1: integers(operator.inputs),
            2: integers(operator.outputs),
            4: write_options(form, operator.options) if has_options else None,
        },
    )


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
