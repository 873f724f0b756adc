"""Images: what is packed can be read back, and equals the graph."""

from __future__ import annotations

import zlib
from dataclasses import replace

import numpy as np
import pytest
from random_graphs import random_graph

from hilbench import models, workloads
from hilbench.errors import ImageTooLarge, ModelError
from hilbench.models import writer
from hilbench.models.image_reader import read_image
from hilbench.models.lowering import lower
from hilbench.schema import image as schema


def digits(scheme: str = "w8a8") -> models.Graph:
    return models.load(workloads.get("digits").model_path(scheme))


def test_header_describes_the_image() -> None:
    graph = digits()
    packed = models.pack(graph)
    header = read_image(packed.data).header
    assert header.image_bytes == len(packed.data)
    assert len(packed.data) % 16 == 0
    assert header.crc == packed.crc == zlib.crc32(packed.data[16:])
    assert header.model_digest.hex() == graph.digest[:32]
    assert header.op_count == len(graph.operators) == len(packed.ops)
    assert header.arena_bytes == packed.arena_bytes
    assert (packed.vector_bytes, packed.output_bytes) == (64, 10)


@pytest.mark.parametrize("dtype", ["int8", "float32"])
@pytest.mark.parametrize("seed", range(20))
def test_records_hold_what_was_lowered(dtype: str, seed: int) -> None:
    graph = models.loads(writer.write(random_graph(seed, dtype)))
    records = read_image(models.pack(graph).data)
    steps = lower(graph)
    assert len(records.ops) == len(steps)
    for op, params, step in zip(records.ops, records.params, steps, strict=True):
        assert op.opcode == step.opcode
        assert params is None or params.pack() == (step.params and step.params.pack())
        for slot, index in enumerate(step.inputs):
            if index == -1:
                assert op.inputs[slot] == schema.NO_TENSOR
                continue
            tensor, packed = graph.tensors[index], records.tensors[op.inputs[slot]]
            assert packed.dims[4 - len(tensor.shape) :] == tensor.shape
            assert packed.rank == len(tensor.shape)
            assert packed.bytes == tensor.bytes
            if tensor.data is not None:
                stored = records.constants[op.inputs[slot]]
                np.testing.assert_array_equal(stored.ravel(), tensor.data.ravel())
                assert packed.offset % 16 == 0
        if step.multiplier is not None:
            assert step.shift is not None
            np.testing.assert_array_equal(records.constants[op.inputs[3]].ravel(), step.multiplier)
            np.testing.assert_array_equal(records.constants[op.inputs[4]].ravel(), step.shift)
            assert len(step.multiplier) == graph.tensors[step.output].shape[-1]


def test_inputs_and_outputs_are_listed_in_order() -> None:
    graph = random_graph(4)
    records = read_image(models.pack(graph).data)
    sizes = [records.tensors[i].bytes for i in (*records.inputs, *records.outputs)]
    assert sizes == [tensor.bytes for tensor in (*graph.inputs, *graph.outputs)]


def test_the_reference_kernels_can_be_asked_for() -> None:
    best, plain = (
        read_image(models.pack(digits(), reference_kernels=flag).data) for flag in (False, True)
    )
    assert {op.variant for op in best.ops} == {schema.Kernel.CANONICAL}
    assert {op.variant for op in plain.ops} == {schema.Kernel.REFERENCE}


def test_packing_is_deterministic() -> None:
    assert models.pack(digits()).data == models.pack(digits()).data


@pytest.mark.parametrize("at", [0, 4, 8, 12, 40, 200, -1])
def test_a_damaged_image_is_not_read(at: int) -> None:
    content = bytearray(models.pack(digits()).data)
    content[at] ^= 8
    with pytest.raises(ModelError):
        read_image(bytes(content))


def test_costs_are_those_of_the_architecture() -> None:
    ops = models.pack(digits()).ops
    assert [op.macs for op in ops] == [9216, 9216, 32768, 4608, 24576, 0, 0, 480, 0]
    assert ops[0].weight_bytes == 3 * 3 * 16 + 4 * 16


def test_what_does_not_fit_is_refused_with_the_missing_bytes() -> None:
    packed = models.pack(digits())
    models.check_fit(packed, slot_bytes=len(packed.data), arena_capacity=packed.arena_bytes)
    with pytest.raises(ImageTooLarge, match=r"100 bytes of flash for the image"):
        models.check_fit(packed, slot_bytes=len(packed.data) - 100)
    with pytest.raises(ImageTooLarge, match=r"16 bytes of RAM for the arena"):
        models.check_fit(packed, arena_capacity=packed.arena_bytes - 16)
    with pytest.raises(ImageTooLarge, match=r"4 bytes of RAM for one vector"):
        models.check_fit(packed, vector_buffer_bytes=60)


def test_a_graph_without_a_file_can_be_packed() -> None:
    graph = replace(random_graph(1), digest="")
    assert read_image(models.pack(graph).data).header.model_digest == bytes(16)
