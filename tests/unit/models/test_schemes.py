"""Operators with weights in every scheme: the engine, the reference and the oracles agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import oracle
import pytest
from numpy.typing import NDArray
from random_graphs import as_vectors
from scheme_graphs import FLOAT_SCHEMES, INTEGER_SCHEMES, SCHEMES, scheme_graph, scheme_inputs
from test_engine_agreement import Engine, engine  # noqa: F401 (a fixture)
from tests.conftest import require_module

from hilbench import models
from hilbench.models import Graph, writer
from hilbench.models.fold import dequantized
from hilbench.quantization import from_float8, pack_int4, to_float8, unpack_int4

#: Dynamic ranges: a value on the edge between two int8 steps may fall to either side, since LiteRT
#: multiplies and adds at once; measured 2.1e-3 of a layer's largest value in one of 900 layers,
#: 2.4e-7 in the others.
DYNAMIC_TOLERANCE = 1e-2
#: Measured: equal to the byte.
STORED_TOLERANCE = 0.0


@pytest.fixture(scope="module")
def tflm() -> Iterator[oracle.TflmProcess]:
    require_module("tflite_micro", "oracle")
    process = oracle.TflmProcess()
    yield process
    process.close()


def check_engine(
    engine: Engine,  # noqa: F811
    graph: Graph,
    seed: int,
    isa: tuple[str, ...] = (),
    coding: str = "",
) -> None:
    """Every layer's bytes, host build against numpy."""
    feed = scheme_inputs(graph, seed, 3)
    ours = models.run_tensors(graph, as_vectors([feed]))
    for vector, raw in enumerate(as_vectors([feed])):
        layers = engine.layers(graph, raw, isa, coding)
        for operator, content in zip(graph.operators, layers, strict=True):
            expected = ours[operator.outputs[0]][vector]
            got: NDArray[np.generic] = np.frombuffer(content, expected.dtype)
            np.testing.assert_array_equal(
                got.reshape(expected.shape), expected, err_msg=operator.opcode
            )


@pytest.mark.parametrize("scheme", SCHEMES)
def test_engine_equals_the_reference(engine: Engine, scheme: str) -> None:  # noqa: F811
    for seed in range(60):
        check_engine(engine, scheme_graph(seed, scheme), seed)


@pytest.mark.parametrize("scheme", ["w4a8", "w8a16"])
def test_packed_kernels_equal_the_reference(engine: Engine, scheme: str) -> None:  # noqa: F811
    kernels = []
    for seed in range(150):
        graph = scheme_graph(seed, scheme, plain=True)
        kernels += [op.kernel for op in models.pack(graph, isa=("dsp",)).ops]
        check_engine(engine, graph, seed, ("dsp",))
    assert kernels.count("dsp") > 100


@pytest.mark.parametrize("scheme", ["dynamic4", "weight4", "dynamic8"])
def test_engine_equals_the_reference_in_blocks(engine: Engine, scheme: str) -> None:  # noqa: F811
    for seed in range(40):
        check_engine(engine, scheme_graph(seed, scheme, blocks=True), seed)


@pytest.mark.parametrize("coding", ["layer", "once"])
@pytest.mark.parametrize("scheme", ["w8a8", "w4a8", "w8a16", "dynamic8", "fp8"])
def test_coded_weights_change_nothing(engine: Engine, scheme: str, coding: str) -> None:  # noqa: F811
    smaller = 0
    for seed in range(25):
        graph = pruned(scheme_graph(seed, scheme, plain=True))
        for isa in ((), ("dsp",)):
            check_engine(engine, graph, seed, isa, coding)
            plain, coded = models.pack(graph, isa=isa), models.pack(graph, isa=isa, coding=coding)
            assert len(coded.data) <= len(plain.data)
            smaller += len(coded.data) < len(plain.data)
    assert smaller >= 5


def pruned(graph: Graph) -> Graph:
    """The model with most of its weights at one value, as pruning leaves them."""
    tensors = []
    for tensor in graph.tensors:
        if tensor.data is not None and tensor.dtype in ("int8", "int4", "float8"):
            keep = np.random.default_rng(0).random(tensor.shape) < 0.2
            tensor = replace(tensor, data=np.where(keep, tensor.data, 0).astype(tensor.data.dtype))
        tensors.append(tensor)
    return replace(graph, tensors=tuple(tensors))


def integer_networks(scheme: str, seeds: range, tflm: oracle.TflmProcess) -> int:
    """Compare with TensorFlow Lite Micro; how many networks it gave a verdict on."""
    verdicts = 0
    for seed in seeds:
        content = writer.write(scheme_graph(seed, scheme))
        graph = models.loads(content)
        feed = scheme_inputs(graph, seed, 3)
        theirs = tflm.outputs(content, [feed], len(graph.outputs))
        if theirs is None:
            continue
        verdicts += 1
        ours = models.run_tensors(graph, as_vectors([feed]))
        for vector, outputs in enumerate(theirs):
            for index, expected in zip(graph.output_indices, outputs, strict=True):
                np.testing.assert_array_equal(ours[index][vector], expected)
    return verdicts


@pytest.mark.parametrize("scheme", INTEGER_SCHEMES)
def test_integer_schemes_equal_tflm(scheme: str, tflm: oracle.TflmProcess) -> None:
    verdicts = integer_networks(scheme, range(60), tflm)
    if scheme == "w4a16":  # it has no kernel: the reference is written from w8a16's definition
        assert verdicts == 0
    else:
        assert verdicts >= 30


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["w8a8", "w4a8", "w8a16"])
def test_many_integer_networks_equal_tflm(scheme: str, tflm: oracle.TflmProcess) -> None:
    assert integer_networks(scheme, range(1000, 1300), tflm) > 150


@pytest.mark.parametrize("scheme", FLOAT_SCHEMES)
def test_float_schemes_agree_with_litert(scheme: str) -> None:
    require_module("ai_edge_litert", "oracle")
    verdicts = 0
    for seed in range(40):
        graph = scheme_graph(seed, scheme)
        dynamic = scheme.startswith("dynamic")
        content = writer.write(graph if dynamic else in_float32(graph))
        feed = scheme_inputs(graph, seed, 2)
        try:
            theirs = oracle.litert_outputs(content, [feed])
        except RuntimeError:
            continue  # no kernel for depthwise int4
        verdicts += 1
        ours = models.run_tensors(graph, as_vectors([feed]))
        tolerance = DYNAMIC_TOLERANCE if dynamic else STORED_TOLERANCE
        for vector, outputs in enumerate(theirs):
            for index, expected in zip(graph.output_indices, outputs, strict=True):
                scale = max(1.0, float(np.abs(expected).max()))
                difference = float(np.abs(ours[index][vector] - expected).max()) / scale
                assert difference <= tolerance, (seed, difference)
    assert verdicts >= 20


def in_float32(graph: Graph) -> Graph:
    """The model with its stored weights made float32: what storage alone must equal."""

    tensors = tuple(
        replace(
            t, dtype="float32", scales=(), zero_points=(), storage_only=False, data=dequantized(t)
        )
        if t.storage_only
        else t
        for t in graph.tensors
    )
    return replace(graph, tensors=tensors)


def test_float8_is_e4m3() -> None:
    """Limits of table 1 of the paper, and rounding to nearest even."""
    values = from_float8(np.arange(256, dtype=np.uint8))
    assert values[0x7E] == 448.0
    assert np.isnan(values[[0x7F, 0xFF]]).all()
    assert values[0x08] == 2.0**-6
    assert values[0x01] == 2.0**-9
    finite = np.delete(np.arange(256, dtype=np.uint8), [0x7F, 0xFF])
    np.testing.assert_array_equal(to_float8(from_float8(finite)), finite)
    between = np.array([17.0, 19.0, 1000.0, -1e9, 2.0**-10, 3 * 2.0**-10], np.float32)
    expected = [16.0, 20.0, 448.0, -448.0, 0.0, 2.0**-8]
    np.testing.assert_array_equal(from_float8(to_float8(between)), np.float32(expected))


def test_int4_is_packed_low_half_first() -> None:
    values = np.array([-8, 7, 3], np.int8)
    packed = pack_int4(values)
    assert packed.tolist() == [0x78, 0x03]
    np.testing.assert_array_equal(unpack_int4(packed, 3), values)
