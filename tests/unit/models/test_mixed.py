"""Networks that mix every operator, type and scheme: engine, reference, TensorFlow Lite Micro."""

from __future__ import annotations

from itertools import product

import numpy as np
import oracle
import pytest
from mixed_graphs import mixed_graph, pruned
from random_graphs import ALL_OPERATORS, as_vectors, random_inputs
from test_engine_agreement import Engine, engine  # noqa: F401 (a fixture)
from tests.conftest import require_module

from hilbench import models
from hilbench.models import Graph, writer
from hilbench.models.lowering import layers, lower

WAYS = list(product(((), ("dsp",), ("mve",), ("thumb1",), ("rv32im",)), ("", "layer", "once")))
INTEGERS = ("w8a8", "w4a8", "w8a16")
NETWORKS, MANY = 240, range(10_000, 10_400)


def assert_agrees(
    engine: Engine,  # noqa: F811
    graph: Graph,
    seed: int,
    isa: tuple[str, ...],
    coding: str,
) -> None:
    """Every layer's bytes; NaN, whose bits are open, may stand for NaN."""
    vectors = as_vectors(random_inputs(graph, seed, count=2))
    ours = models.run_tensors(graph, vectors)
    for number, vector in enumerate(vectors):
        theirs = engine.layers(graph, vector, isa, coding)
        for layer, content in zip(layers(lower(graph)), theirs, strict=True):
            expected = np.ascontiguousarray(ours[layer.output][number])
            name = f"{graph.operators[layer.index].opcode}, {seed}, {isa}, {coding}"
            got = np.frombuffer(content, expected.dtype).reshape(expected.shape)
            if got.tobytes() != expected.tobytes():
                assert np.isnan(expected.astype(np.float64)).any(), name
                np.testing.assert_array_equal(got, expected, err_msg=name)


def check(engine: Engine, seeds: range) -> None:  # noqa: F811
    """One network after the other, each in the next way to pack it."""
    for seed in seeds:
        isa, coding = WAYS[seed % len(WAYS)]
        graph = mixed_graph(seed)
        assert_agrees(engine, pruned(graph) if coding else graph, seed, isa, coding)


def test_the_networks_have_every_operator_and_type() -> None:
    graphs = [mixed_graph(seed) for seed in range(NETWORKS)]
    assert {op.opcode for graph in graphs for op in graph.operators} >= ALL_OPERATORS
    assert set().union(*map(data_types, graphs)) >= {"int8", "int16", "uint8", "float32"}
    constants = [t.dtype for graph in graphs for t in graph.tensors if t.data is not None]
    assert set(constants) >= {"int4", "int8", "float8", "float16", "float32"}
    both = [g for g in graphs if {"int8", "float32"} <= data_types(g)]
    assert len(both) > NETWORKS // 4


def data_types(graph: Graph) -> set[str]:
    """Types of what is computed."""
    return {tensor.dtype for tensor in graph.tensors if tensor.data is None}


def test_the_engine_equals_the_reference(engine: Engine) -> None:  # noqa: F811
    check(engine, range(NETWORKS))


@pytest.mark.slow
def test_the_engine_equals_the_reference_often(engine: Engine) -> None:  # noqa: F811
    check(engine, MANY)


def verdicts(seeds: range) -> int:
    """Networks of integers only that equal TensorFlow Lite Micro; how many it ran."""
    require_module("tflite_micro", "oracle")
    process, count = oracle.TflmProcess(), 0
    try:
        for seed in seeds:
            content = writer.write(mixed_graph(seed, schemes=INTEGERS))
            graph = models.loads(content)
            feeds = random_inputs(graph, seed, count=2)
            theirs = process.outputs(content, feeds, len(graph.outputs))
            if theirs is None:
                continue
            count += 1
            ours = models.run_stream(graph, as_vectors(feeds))
            for vector, outputs in enumerate(theirs):
                for index, expected in zip(graph.output_indices, outputs, strict=True):
                    np.testing.assert_array_equal(ours[index][vector], expected, err_msg=str(seed))
    finally:
        process.close()
    return count


def test_integer_networks_equal_tflm() -> None:
    assert verdicts(range(60)) > 30


@pytest.mark.slow
def test_many_integer_networks_equal_tflm() -> None:
    assert verdicts(range(5000, 5400)) > 200
