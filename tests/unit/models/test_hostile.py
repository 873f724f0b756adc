"""Files made to waste memory or time: each is refused, or done in an instant."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from hilbench import models
from hilbench.errors import ModelError
from hilbench.models import Graph, Operator, Tensor, writer
from hilbench.models.flatbuffer_builder import TableNode, TablesNode, VectorNode, build, integers
from hilbench.models.graph import AddOptions, ConvOptions, PoolOptions

#: More than any of these files may make the reader allocate.
PEAK_BYTES = 64 << 20


@pytest.fixture(autouse=True)
def _bounded_memory() -> Iterator[None]:
    tracemalloc.start()
    yield
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < PEAK_BYTES


def int8(shape: tuple[int, ...], data: Any = None) -> Tensor:
    return Tensor("t", shape, "int8", (0.1,), (0,), data=data)


def shared(node: Any, count: int) -> TablesNode:
    """``count`` references, which the builder writes out; only for small nodes."""
    return TablesNode([node] * count)


def model_with(subgraph: TableNode, buffers: list[TableNode]) -> bytes:
    root = TableNode(
        scalars={0: ("I", 3)},
        children={
            1: TablesNode([TableNode(scalars={0: ("b", 0), 3: ("i", 0)})]),
            2: TablesNode([subgraph]),
            4: TablesNode(buffers),
        },
    )
    return build(root, b"TFL3")


def test_a_pool_window_of_billions_of_positions_is_walked_only_inside_the_input() -> None:
    options = PoolOptions(True, 65535, 65535, 1, 1)
    tensors = (int8((1, 3, 3, 1)), int8((1, 3, 3, 1)))
    for opcode in ("MAX_POOL_2D", "AVERAGE_POOL_2D"):
        graph = Graph(tensors, (Operator(opcode, (0,), (1,), options),), (0,), (1,))
        vector = np.arange(9, dtype=np.int8).reshape(1, 1, 3, 3, 1)
        output = models.run_reference(models.loads(writer.write(graph)), vector).outputs[0]
        assert set(output.tolist()) == ({8} if opcode == "MAX_POOL_2D" else {4})


@pytest.mark.parametrize("filter_h", [65536, 1 << 30, -1, 0])
def test_a_filter_that_no_record_can_hold_is_refused(filter_h: int) -> None:
    operator = Operator("MAX_POOL_2D", (0,), (1,), PoolOptions(True, filter_h, 1))
    graph = Graph((int8((1, 3, 3, 1)), int8((1, 3, 3, 1))), (operator,), (0,), (1,))
    with pytest.raises(ModelError):
        models.loads(writer.write(graph))


@pytest.mark.parametrize("shape", [(1, 1 << 25), (1, 65536, 65536, 65536), (1, 1 << 30, 4)])
def test_a_giant_tensor_is_refused(shape: tuple[int, ...]) -> None:
    operator = Operator("ADD", (0, 0), (1,), AddOptions())
    graph = Graph((int8(shape), int8(shape)), (operator,), (0,), (1,))
    with pytest.raises(ModelError, match="too large"):
        models.loads(writer.write(graph))


def test_a_convolution_of_billions_of_products_is_refused() -> None:
    weights = np.ones((1024, 1, 1, 8192), np.int8)
    tensors = (int8((1, 44, 44, 8192)), int8(weights.shape, weights), int8((1, 44, 44, 1024)))
    options = ConvOptions(same_padding=True)
    graph = Graph(tensors, (Operator("CONV_2D", (0, 1), (2,), options),), (0,), (2,))
    with pytest.raises(ModelError, match="16240345088 multiply-accumulates"):
        models.loads(writer.write(graph))


def test_thousands_of_operators_are_refused() -> None:
    count = 2000
    tensors = tuple(int8((1, 1)) for _ in range(count + 1))
    operators = tuple(Operator("ADD", (i, i), (i + 1,), AddOptions()) for i in range(count))
    with pytest.raises(ModelError, match="2000 operators"):
        models.loads(writer.write(Graph(tensors, operators, (0,), (count,))))


def test_the_longest_chain_that_is_allowed_is_planned() -> None:
    count = 1024
    tensors = tuple(int8((1, 4)) for _ in range(count + 1))
    operators = tuple(Operator("ADD", (i, i // 2), (i + 1,), AddOptions()) for i in range(count))
    graph = models.loads(writer.write(Graph(tensors, operators, (0,), (count,))))
    assert len(models.pack(graph).ops) == count


def test_tensors_that_share_one_large_buffer_are_not_copied() -> None:
    megabytes = 8
    buffers = [
        TableNode(),
        TableNode(children={0: VectorNode(np.zeros(megabytes << 20, np.uint8))}),
    ]
    tensor = TableNode(
        scalars={1: ("b", 9), 2: ("I", 1)},
        children={0: integers((megabytes << 10, 1 << 10))},
    )
    with pytest.raises(ModelError, match="needs inputs, outputs and operators"):
        models.loads(model_with(TableNode(children={0: shared(tensor, 500)}), buffers))


def test_constants_that_share_a_buffer_cannot_exceed_any_flash() -> None:
    data = np.zeros((1, 1 << 20), np.int8)
    constants = [int8(data.shape, data) for _ in range(70)]
    tensors = (int8(data.shape), *constants, *(int8(data.shape) for _ in constants))
    count = len(constants)
    operators = tuple(
        Operator("ADD", (0 if i == 0 else count + i, 1 + i), (count + 1 + i,), AddOptions())
        for i in range(count)
    )
    graph = Graph(tensors, operators, (0,), (2 * count,))
    with pytest.raises(ModelError, match="bytes of constants"):
        models.lower(graph)


def test_a_shape_of_thousands_of_dimensions_is_refused() -> None:
    tensor = TableNode(scalars={1: ("b", 9)}, children={0: integers((1,) * 5000)})
    with pytest.raises(ModelError, match="5000 integers"):
        models.loads(model_with(TableNode(children={0: TablesNode([tensor])}), [TableNode()]))


def test_a_name_of_megabytes_is_cut() -> None:
    graph = Graph(
        (replace(int8((1, 4)), name="n" * (4 << 20)), int8((1, 4))),
        (Operator("ADD", (0, 0), (1,), AddOptions()),),
        (0,),
        (1,),
    )
    assert len(models.loads(writer.write(graph)).tensors[0].name) == 256


def test_more_tables_than_can_be_numbered_are_refused() -> None:
    """70,000 references to one table, appended by hand: the builder would write each."""
    count = 70_000
    content = bytearray(build(TableNode({0: ("I", 3)}, {2: TablesNode([])}), b"TFL3"))
    root = int.from_bytes(content[0:4], "little")
    vtable = root - int.from_bytes(content[root : root + 4], "little", signed=True)
    slot_2 = vtable + 4 + 2 * 2
    field = root + int.from_bytes(content[slot_2 : slot_2 + 2], "little")
    vector = len(content)
    content[field : field + 4] = (vector - field).to_bytes(4, "little")
    content += count.to_bytes(4, "little") + bytes(4 * count)
    with pytest.raises(ModelError, match="vector of 70000 tables"):
        models.loads(bytes(content))
