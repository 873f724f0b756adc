"""The engine, built for this computer, against the reference interpreter: every layer's bytes."""

from __future__ import annotations

import ctypes
import json
import subprocess
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from random_graphs import as_vectors, random_graph, random_inputs
from test_mutations import float_originals, mutants, originals
from tests.conftest import ROOT, built_once, require_shared, require_tool, require_wake_word

from hilbench import models, workloads
from hilbench.errors import ModelError
from hilbench.models import Graph, writer
from hilbench.models.graph import Operator, SoftmaxOptions, Tensor
from hilbench.models.image_reader import read_image
from hilbench.models.lowering import layers, lower

GUARD = 0xA5
GUARD_BYTES = 64


class Engine:
    """The engine's sources as a shared object."""

    def __init__(self, path: Path) -> None:
        library = ctypes.CDLL(str(path))
        self._run, self._stream = library.shim_run, library.shim_stream

    def layers(
        self,
        graph: Graph,
        vector: NDArray[np.uint8],
        isa: tuple[str, ...] = (),
        coding: str = "",
    ) -> list[bytes]:
        """Output bytes of every layer; the arena is exactly as large as planned."""
        image = models.pack(graph, isa=isa, coding=coding)
        sizes = [graph.tensors[layer.output].bytes for layer in layers(lower(graph))]
        return self.run(image.data, image.arena_bytes, sizes, vector)

    def run(
        self, image: bytes, arena_bytes: int, sizes: list[int], vector: NDArray[np.uint8]
    ) -> list[bytes]:
        """The same for a packed image whose operators' outputs have ``sizes``."""
        program = aligned(len(image), 0)
        program[:] = np.frombuffer(image, np.uint8)
        arena = aligned(arena_bytes + GUARD_BYTES, GUARD)
        out = np.zeros(sum(sizes), np.uint8)
        room, detail = ctypes.c_uint32(out.nbytes), ctypes.c_uint32(0)
        feed = np.ascontiguousarray(vector)
        status = self._run(
            ctypes.c_void_p(program.ctypes.data),
            ctypes.c_uint32(len(image)),
            ctypes.c_void_p(arena.ctypes.data),
            ctypes.c_uint32(arena_bytes),
            ctypes.c_void_p(feed.ctypes.data),
            ctypes.c_void_p(out.ctypes.data),
            ctypes.byref(room),
            ctypes.byref(detail),
        )
        assert status == 0, f"engine status {status}, detail {detail.value}"
        assert room.value == out.nbytes
        assert (arena[arena_bytes:] == GUARD).all(), "written behind the arena"
        ends = np.cumsum(sizes)
        return [out[end - size : end].tobytes() for size, end in zip(sizes, ends, strict=True)]

    def stream(self, graph: Graph, vectors: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Outputs of inferences that follow each other without a reset."""
        image = models.pack(graph)
        program, arena = aligned(len(image.data), 0), aligned(image.arena_bytes, GUARD)
        program[:] = np.frombuffer(image.data, np.uint8)
        outputs = np.zeros((len(vectors), image.output_bytes), np.uint8)
        status = self._stream(
            ctypes.c_void_p(program.ctypes.data),
            ctypes.c_uint32(program.nbytes),
            ctypes.c_void_p(arena.ctypes.data),
            ctypes.c_uint32(image.arena_bytes),
            ctypes.c_void_p(np.ascontiguousarray(vectors).ctypes.data),
            ctypes.c_uint32(len(vectors)),
            ctypes.c_void_p(outputs.ctypes.data),
        )
        assert status == 0
        return outputs


def aligned(size: int, fill: int) -> NDArray[np.uint8]:
    """An array that starts at a multiple of 16."""
    memory = np.full(size + 16, fill, np.uint8)
    start = -memory.ctypes.data % 16
    return memory[start : start + size]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    compiler = require_tool("cc", "gcc")
    sources = ROOT / "firmware" / "engine"
    files = [*sources.glob("*.c"), *sources.glob("kernels/*/*.c")]
    shim = Path(__file__).with_name("engine_shim.c")
    flags = ["-std=c11", "-O2", "-ffp-contract=off", "-fno-strict-aliasing", "-fPIC", "-shared"]
    flags += ["-DHB_KERNELS_DSP", "-DHB_DSP_MODEL", "-DHB_KERNELS_MVE", "-DHB_MVE_MODEL"]
    flags += ["-DHB_KERNELS_THUMB1"]
    includes = [f"-I{sources}", f"-I{sources / 'kernels'}"]
    with built_once(tmp_path_factory, "engine") as folder:
        target = folder / "engine.so"
        if not target.exists():
            command = [compiler, *flags, *includes, "-o", str(target), str(shim), *map(str, files)]
            built = subprocess.run(command, capture_output=True, text=True, check=False)
            assert built.returncode == 0, built.stderr
        return Engine(target)


def assert_agrees(engine: Engine, graph: Graph, vectors: NDArray[np.uint8]) -> None:
    ours = models.run_tensors(graph, vectors)
    for number, vector in enumerate(vectors):
        for isa in ((), ("dsp",), ("mve",), ("thumb1",)):
            theirs = engine.layers(graph, vector, isa)
            for layer, output in zip(layers(lower(graph)), theirs, strict=True):
                expected = ours[layer.output][number]
                name = graph.operators[layer.index].opcode
                assert output == expected.tobytes(), f"{name}, vector {number}, {isa}"


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
def test_random_networks_agree(engine: Engine, dtype: str) -> None:
    for seed in range(200):
        graph = models.loads(writer.write(random_graph(seed, dtype, operators=8)))
        assert_agrees(engine, graph, as_vectors(random_inputs(graph, seed, count=3)))


@pytest.mark.slow
@pytest.mark.parametrize("dtype", ["int8", "int16", "float32"])
def test_many_random_networks_agree(engine: Engine, dtype: str) -> None:
    for seed in range(20_000, 20_600):
        graph = random_graph(seed, dtype, operators=10)
        graph = keep_only_last_output(graph)
        assert_agrees(engine, graph, as_vectors(random_inputs(graph, seed, count=2)))


def keep_only_last_output(graph: Graph) -> Graph:
    """So that the plan may reuse memory."""
    return Graph(
        graph.tensors, graph.operators, graph.input_indices, graph.output_indices[-1:], "ab" * 32
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


@pytest.mark.parametrize("name", ["alexa", "okay_nabu"])
def test_streaming_models_agree(engine: Engine, name: str) -> None:
    graph = models.load(require_wake_word(name))
    vectors = as_vectors(random_inputs(graph, seed=6, count=30))
    assert_agrees(engine, graph, vectors[:3])
    values = models.run_stream(graph, vectors)
    outputs = engine.stream(graph, vectors)
    assert outputs.tobytes() == values[graph.output_indices[0]].tobytes()


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


@pytest.mark.slow
@pytest.mark.parametrize("files", [originals, float_originals])
def test_damaged_models_that_are_accepted_agree(
    engine: Engine, files: Callable[[], list[bytes]]
) -> None:
    """What the host lets through, the engine accepts and computes likewise."""
    accepted = 0
    for number, content in enumerate(mutants(files(), count=1500, seed=11)):
        try:
            graph = models.loads(content)
        except ModelError:
            continue
        vectors = as_vectors(random_inputs(graph, seed=number, count=1))
        values = models.run_tensors(graph, vectors)
        # A NaN has no defined bytes: float models that overflow are left out.
        if all(np.isfinite(value).all() for value in values.values()):
            assert_agrees(engine, graph, vectors)
            accepted += 1
    assert accepted > 200


def test_images_of_earlier_releases_still_run(engine: Engine) -> None:
    golden = json.loads((ROOT / "tests" / "golden" / "digits_layers.json").read_text())["w8a8"]
    graph = models.load(workloads.get("digits").model_path("w8a8"))
    vectors = workloads.get("digits").vectors(graph).vectors
    images = sorted((ROOT / "tests" / "golden" / "images").glob("digits_w8a8_*.hbim"))
    assert images
    for path in images:
        content = path.read_bytes()
        records = read_image(content)
        sizes = [records.tensors[op.output].bytes for op in records.ops]
        for vector, expected in zip(vectors, golden["first_vectors_crc32"], strict=False):
            layers = engine.run(content, records.header.arena_bytes, sizes, vector)
            assert [zlib.crc32(layer) for layer in layers] == expected
