"""The engine, built for this computer, against the reference interpreter: every layer's bytes."""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from random_graphs import as_vectors, random_graph, random_inputs
from tests.conftest import ROOT, require_shared, require_tool

from hilbench import models, workloads
from hilbench.models import Graph, writer
from hilbench.models.graph import Operator, SoftmaxOptions, Tensor

GUARD = 0xA5
GUARD_BYTES = 64


class Engine:
    """The engine's sources as a shared object."""

    def __init__(self, path: Path) -> None:
        self._run = ctypes.CDLL(str(path)).shim_run

    def layers(self, graph: Graph, vector: NDArray[np.uint8]) -> list[bytes]:
        """Output bytes of every operator; the arena is exactly as large as planned."""
        image = models.pack(graph)
        program = aligned(len(image.data), 0)
        program[:] = np.frombuffer(image.data, np.uint8)
        arena = aligned(image.arena_bytes + GUARD_BYTES, GUARD)
        sizes = [graph.tensors[op.outputs[0]].bytes for op in graph.operators]
        out = np.zeros(sum(sizes), np.uint8)
        room, detail = ctypes.c_uint32(out.nbytes), ctypes.c_uint32(0)
        feed = np.ascontiguousarray(vector)
        status = self._run(
            ctypes.c_void_p(program.ctypes.data),
            ctypes.c_uint32(len(image.data)),
            ctypes.c_void_p(arena.ctypes.data),
            ctypes.c_uint32(image.arena_bytes),
            ctypes.c_void_p(feed.ctypes.data),
            ctypes.c_void_p(out.ctypes.data),
            ctypes.byref(room),
            ctypes.byref(detail),
        )
        assert status == 0, f"engine status {status}, detail {detail.value}"
        assert room.value == out.nbytes
        assert (arena[image.arena_bytes :] == GUARD).all(), "written behind the arena"
        ends = np.cumsum(sizes)
        return [out[end - size : end].tobytes() for size, end in zip(sizes, ends, strict=True)]


def aligned(size: int, fill: int) -> NDArray[np.uint8]:
    """An array that starts at a multiple of 16."""
    memory = np.full(size + 16, fill, np.uint8)
    start = -memory.ctypes.data % 16
    return memory[start : start + size]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    compiler = require_tool("cc", "gcc")
    sources = ROOT / "firmware" / "engine"
    target = tmp_path_factory.mktemp("engine") / "engine.so"
    files = [*sources.glob("*.c"), *(sources / "kernels" / "ref").glob("*.c")]
    shim = Path(__file__).with_name("engine_shim.c")
    flags = ["-std=c11", "-O2", "-ffp-contract=off", "-fno-strict-aliasing", "-fPIC", "-shared"]
    includes = [f"-I{sources}", f"-I{sources / 'kernels'}"]
    command = [compiler, *flags, *includes, "-o", str(target), str(shim), *map(str, files)]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    return Engine(target)


def assert_agrees(engine: Engine, graph: Graph, vectors: NDArray[np.uint8]) -> None:
    ours = models.run_tensors(graph, vectors)
    for number, vector in enumerate(vectors):
        theirs = engine.layers(graph, vector)
        for operator, output in zip(graph.operators, theirs, strict=True):
            expected = ours[operator.outputs[0]][number]
            assert output == expected.tobytes(), f"{operator.opcode}, vector {number}"


@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_random_networks_agree(engine: Engine, dtype: str) -> None:
    for seed in range(300):
        graph = models.loads(writer.write(random_graph(seed, dtype, operators=8)))
        assert_agrees(engine, graph, as_vectors(random_inputs(graph, seed, count=3)))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["int8", "float32"])
def test_many_random_networks_agree(engine: Engine, dtype: str) -> None:
    for seed in range(20_000, 23_000):
        graph = random_graph(seed, dtype, operators=10)
        graph = keep_only_last_output(graph)
        assert_agrees(engine, graph, as_vectors(random_inputs(graph, seed, count=2)))


def keep_only_last_output(graph: Graph) -> Graph:
    """So that the plan may reuse memory."""
    return Graph(
        graph.tensors, graph.operators, graph.input_indices, graph.operators[-1].outputs, "ab" * 32
    )


@pytest.mark.parametrize("scheme", ["w8a8", "f32"])
def test_digits_agree(engine: Engine, scheme: str) -> None:
    workload = workloads.get("digits")
    graph = models.load(workload.model_path(scheme))
    assert_agrees(engine, graph, workload.vectors(graph).vectors[:100])


@pytest.mark.parametrize("name", ["kws_int8", "ic_int8", "ic_float"])
def test_public_models_agree(engine: Engine, name: str) -> None:
    graph = models.load(require_shared(f"mlperf-tiny/{name}.tflite"))
    assert_agrees(engine, graph, as_vectors(random_inputs(graph, seed=3, count=2)))


@pytest.mark.parametrize("classes", [2, 511, 512, 1080, 4095])
def test_wide_softmax_agrees(engine: Engine, classes: int) -> None:
    graph = Graph(
        (
            Tensor("x", (1, classes), "int8", (0.02,), (0,)),
            Tensor("y", (1, classes), "int8", (1 / 256,), (-128,)),
        ),
        (Operator("SOFTMAX", (0,), (1,), SoftmaxOptions(1.0)),),
        (0,),
        (1,),
    )
    rng = np.random.default_rng(classes)
    vectors = rng.integers(-128, 128, (4, classes)).astype(np.int8)
    vectors[0] = 0
    assert_agrees(engine, graph, vectors.view(np.uint8))
