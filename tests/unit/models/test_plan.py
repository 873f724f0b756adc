"""The memory plan: nothing that lives overlaps, and little is wasted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from random_graphs import random_graph
from tests.conftest import require_shared

from hilbench import models, workloads
from hilbench.models import Graph
from hilbench.models.graph import AddOptions, Operator, ReshapeOptions, Tensor
from hilbench.models.lowering import Step, lower
from hilbench.models.plan import IN_PLACE, Plan, align, plan
from hilbench.schema.image import Opcode


def planned(graph: Graph) -> tuple[Plan, tuple[Step, ...]]:
    steps = lower(graph)
    return plan(graph, steps, [0] * len(steps)), steps


def lives(graph: Graph, steps: tuple[Step, ...]) -> dict[int, tuple[int, int]]:
    """First and last operator at which each tensor must keep its value."""
    spans = dict.fromkeys(graph.input_indices, (0, 0))
    for i, step in enumerate(steps):
        spans[step.output] = (spans.get(step.output, (i, i))[0], i)
        for index in step.inputs:
            if index in spans:
                spans[index] = (spans[index][0], i)
    for index in graph.output_indices:
        spans[index] = (spans[index][0], len(steps) - 1)
    return spans


def may_share(graph: Graph, steps: tuple[Step, ...], a: int, b: int) -> bool:
    """Tensors that hold the same bytes, or an element-wise result over an operand that dies."""
    root = {i: i for i in range(len(graph.tensors))}
    for step in steps:
        if step.opcode == Opcode.RESHAPE or step.opcode in IN_PLACE:
            for index in step.inputs:
                if index in (a, b) or root[index] in (root[a], root[b]):
                    root[step.output] = root[index]
    return root[a] == root[b]


@pytest.mark.parametrize("seed", range(60))
def test_tensors_that_live_together_do_not_overlap(seed: int) -> None:
    graph = random_graph(seed, operators=8)
    graph = replace(graph, output_indices=graph.output_indices[-1:])
    layout, steps = planned(graph)
    spans = lives(graph, steps)
    for a, (first_a, last_a) in spans.items():
        start, end = layout.offsets[a], layout.offsets[a] + graph.tensors[a].bytes
        assert start % 16 == 0
        assert end <= layout.arena_bytes
        for b, (first_b, last_b) in spans.items():
            other = layout.offsets[b]
            overlap = start < other + graph.tensors[b].bytes and other < end
            if a < b and overlap and first_a <= last_b and first_b <= last_a:
                assert start == other, "only the very same place may be shared"
                assert may_share(graph, steps, a, b)


@pytest.mark.parametrize("scheme", ["w8a8", "f32"])
def test_the_shipped_models_need_no_more_than_what_lives_at_once(scheme: str) -> None:
    layout, _ = planned(models.load(workloads.get("digits").model_path(scheme)))
    assert layout.arena_bytes == layout.lower_bound_bytes


@pytest.mark.parametrize(("name", "arena_bytes"), [("kws_int8", 16000), ("ic_int8", 49152)])
def test_public_models_need_no_more_than_what_lives_at_once(name: str, arena_bytes: int) -> None:
    layout, _ = planned(models.load(require_shared(f"mlperf-tiny/{name}.tflite")))
    assert layout.arena_bytes == layout.lower_bound_bytes == arena_bytes


def int8(name: str, shape: tuple[int, ...]) -> Tensor:
    return Tensor(name, shape, "int8", (0.1,), (0,))


def sum_graph(*, operand_is_read_again: bool) -> Graph:
    """y = a + b, z = y + a (or y + b): the first sum may take b's place, or a's."""
    tensors = tuple(int8(name, (1, 64)) for name in ("a", "b", "y", "z"))
    last = (2, 0) if operand_is_read_again else (2, 2)
    operators = (
        Operator("ADD", (0, 1), (2,), AddOptions()),
        Operator("ADD", last, (3,), AddOptions()),
    )
    return Graph(tensors, operators, (0, 1), (3,))


def test_a_sum_takes_the_place_of_an_operand_that_dies() -> None:
    layout, _ = planned(sum_graph(operand_is_read_again=True))
    assert layout.offsets[2] == layout.offsets[1]
    assert layout.offsets[2] != layout.offsets[0]
    assert layout.arena_bytes == 128


def test_the_last_sum_does_not_take_the_place_of_an_output() -> None:
    graph = replace(sum_graph(operand_is_read_again=False), output_indices=(2, 3))
    layout, _ = planned(graph)
    assert layout.offsets[3] != layout.offsets[2]


def test_a_reshape_shares_its_place() -> None:
    tensors = (int8("a", (1, 8, 8, 1)), int8("b", (1, 64)))
    operator = Operator("RESHAPE", (0,), (1,), ReshapeOptions((1, 64)))
    layout, _ = planned(Graph(tensors, (operator,), (0,), (1,)))
    assert layout.offsets[0] == layout.offsets[1]
    assert layout.arena_bytes == 64


def test_scratch_is_planned_beside_what_lives() -> None:
    graph = sum_graph(operand_is_read_again=False)
    layout = plan(graph, lower(graph), [0, 40])
    start, end = layout.scratch_offsets[1], layout.scratch_offsets[1] + 40
    for index in (2, 3):
        offset = layout.offsets[index]
        assert end <= offset or start >= offset + 64
    assert align(40) == 48
