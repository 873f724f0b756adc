"""Hostile and damaged .tflite files: refused, or run with the oracle's result; never a crash."""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import oracle
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_graphs import as_vectors, random_graph, random_inputs
from tests.conftest import require_module

from hilbench import models, workloads
from hilbench.errors import HilbenchError, ModelError
from hilbench.models import writer

MUTANTS = 1000
#: No single file may keep the host busy for longer.
SLOWEST_S = 10.0


def originals() -> list[bytes]:
    """The shipped int8 model and small random ones: every operator is among them."""
    files = [workloads.get("digits").model_path("w8a8").read_bytes()]
    files += [writer.write(random_graph(seed, operators=6)) for seed in range(15)]
    return files


def float_originals() -> list[bytes]:
    """Likewise for float32."""
    files = [workloads.get("digits").model_path("f32").read_bytes()]
    files += [writer.write(random_graph(seed, "float32", operators=6)) for seed in range(15)]
    return files


def mutants(files: list[bytes], count: int, seed: int) -> Iterator[bytes]:
    """Damaged files: bits, bytes, words, runs and lengths."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        number = 0 if rng.random() < 0.5 else int(rng.integers(len(files)))
        data = bytearray(files[number])
        for _ in range(int(rng.choice([1, 1, 2, 3]))):
            damage(data, rng)
        yield bytes(data)


def damage(data: bytearray, rng: np.random.Generator) -> None:
    """One fault, in place."""
    at = int(rng.integers(0, len(data)))
    kind = int(rng.integers(0, 6))
    if kind == 0:
        data[at] ^= 1 << int(rng.integers(8))
    elif kind == 1:
        data[at] = int(rng.integers(256))
    elif kind == 2:
        word = int(
            rng.choice([0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, int(rng.integers(1 << 16))])
        )
        at -= at % 4
        data[at : at + 4] = word.to_bytes(4, "little")
    elif kind == 3:
        run = int(rng.integers(1, 33))
        data[at : at + run] = bytes(len(data[at : at + run]))
    elif kind == 4 and rng.random() < 0.3:
        del data[max(at, 8) :]
    else:
        other = int(rng.integers(0, len(data)))
        data[at], data[other] = data[other], data[at]


def test_mutated_models_are_refused_or_give_the_oracles_result() -> None:
    require_module("tflite_micro", "oracle")
    refused = equal = no_verdict = 0
    process = oracle.TflmProcess()
    try:
        for number, content in enumerate(mutants(originals(), MUTANTS, seed=2026)):
            began = time.monotonic()
            try:
                graph = models.loads(content)
                feeds = random_inputs(graph, seed=number, count=2)
                models.pack(graph)
                values = models.run_stream(graph, as_vectors(feeds))
            except ModelError:
                refused += 1
                continue
            finally:
                assert time.monotonic() - began < SLOWEST_S
            theirs = process.outputs(content, feeds, len(graph.outputs))
            if theirs is None:
                no_verdict += 1
                continue
            for vector, outputs in enumerate(theirs):
                for index, output in zip(graph.output_indices, outputs, strict=True):
                    ours = values[index][vector].tobytes()
                    assert ours == output.tobytes(), f"mutant {number}"
            equal += 1
    finally:
        process.close()
    # The mutants must test both sides, and the oracle must have spoken.
    assert refused > MUTANTS // 20
    assert equal > MUTANTS // 5
    assert no_verdict < equal // 2


def test_mutated_float_models_are_refused_or_run() -> None:
    ran = 0
    for number, content in enumerate(mutants(float_originals(), MUTANTS, seed=2027)):
        try:
            graph = models.loads(content)
            models.pack(graph)
            models.run_reference(graph, as_vectors(random_inputs(graph, number, count=2)))
        except ModelError:
            continue
        ran += 1
    assert MUTANTS // 5 < ran < MUTANTS


@given(st.binary(max_size=400))
@settings(max_examples=300, deadline=None)
def test_random_bytes_behind_the_identifier_are_refused(tail: bytes) -> None:
    with pytest.raises(HilbenchError):
        models.loads(b"\x10\0\0\0TFL3" + tail)


@pytest.mark.parametrize("cut", [0, 3, 7, 8, 20, 100, 1000])
def test_truncated_models_are_refused(cut: int) -> None:
    content = originals()[0]
    with pytest.raises(ModelError):
        models.loads(content[:cut])


def test_a_huge_number_anywhere_is_refused_or_harmless() -> None:
    content = originals()[1]
    accepted = 0
    for at in range(8, len(content) - 4, 4):
        for word in (b"\xff\xff\xff\x7f", b"\xff\xff\xff\xff", b"\0\0\0\x10"):
            try:
                models.pack(models.loads(content[:at] + word + content[at + 4 :]))
            except ModelError:
                continue
            accepted += 1
    assert accepted > 0
