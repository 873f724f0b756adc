"""The structured fuzzer: kept mutants, a few new ones, and a minute of them."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from hilbench.models.image_reader import read_image
from hilbench.schema import image as m
from tests.firmware import engine as e
from tests.firmware.build import SANITIZERS, make
from tests.firmware.fuzz import seeds, store
from tests.firmware.fuzz.campaign import COVERAGE, Campaign, judge
from tests.firmware.fuzz.evaluate import Originals
from tests.firmware.fuzz.process import Process, frame, run_all
from tests.firmware.images import seal

MUTANTS, SECONDS = 1000, 60.0
#: Of all mutants, at least so many are accepted and right in every byte of their outputs.
SHARE = 0.2
EXTREMES = (0x80000000, 0x7FFFFFFF, 0xFFFFFFFF)


@pytest.fixture(scope="module")
def built() -> tuple[list[seeds.Seed], Originals]:
    return seeds.build()


def test_the_seeds_have_every_operator_type_and_kernel(
    built: tuple[list[seeds.Seed], Originals],
) -> None:
    records = [read_image(seed.image) for seed in built[0]]
    ops = [op for record in records for op in record.ops]
    assert {op.opcode for op in ops} == set(m.Opcode)
    assert {op.variant for op in ops} >= set(m.Kernel) - {m.Kernel.REFERENCE}
    tensors = [tensor for record in records for tensor in record.tensors]
    assert {tensor.dtype for tensor in tensors} == set(m.Dtype)
    assert {tensor.storage for tensor in tensors} == set(m.Storage)


def test_kept_mutants_are_refused_or_right(
    fuzz_program: Path, built: tuple[list[seeds.Seed], Originals]
) -> None:
    cases = store.read()
    process = Process(fuzz_program)
    answers = process.answers([frame(case.image, case.vector) for case in cases])
    process.close()
    accepted = 0
    for case, answer in zip(cases, answers, strict=True):
        if answer.status == e.OK:
            accepted += 1
            what, _ = judge(case, answer.arena, built[1])
            assert what == "", f"{case.name}: {', '.join(case.kinds)}"
    assert accepted > len(cases) // 4


def test_no_stream_makes_a_kernel_leave_its_memory(
    fuzz_program: Path, built: tuple[list[seeds.Seed], Originals]
) -> None:
    """Packed constants of nothing but extremes: what they give is open, how is not."""
    images = []
    for seed in built[0]:
        records = read_image(seed.image)
        streams = {
            records.tensors[op.inputs[2 if op.opcode == m.Opcode.ADD else 1]]
            for op in records.ops
            if op.variant > m.Kernel.REFERENCE
            and op.opcode not in (m.Opcode.AVERAGE_POOL_2D, m.Opcode.MAX_POOL_2D)
        }
        for word in EXTREMES if streams else ():
            image = bytearray(seed.image)
            for stream in streams:
                if stream.storage == m.Storage.CONSTANT:
                    content = word.to_bytes(4, "little") * (stream.bytes // 4 + 1)
                    image[stream.offset : stream.offset + stream.bytes] = content[: stream.bytes]
            images.append(seal(bytes(image)))
    assert len(images) > 300
    assert {answer.status for answer in run_all(fuzz_program, images)} == {e.OK}


def test_new_mutants_are_refused_or_right(
    fuzz_program: Path, built: tuple[list[seeds.Seed], Originals]
) -> None:
    campaign = Campaign(fuzz_program, *built, random.Random(20261))
    campaign.batch(MUTANTS)
    check(campaign)


@pytest.mark.slow
def test_a_minute_of_mutants_is_refused_or_right(
    tmp_path: Path, built: tuple[list[seeds.Seed], Originals]
) -> None:
    seed = int(time.time())
    print(f"python -m tests.firmware.fuzz --seed {seed}")
    program = make("fuzz", tmp_path, f"{SANITIZERS} {COVERAGE}")
    campaign = Campaign(program, *built, random.Random(seed))
    campaign.run(SECONDS)
    check(campaign)


def check(campaign: Campaign) -> None:
    """Nothing failed, and enough was accepted."""
    campaign.close()
    found = [f"{f.case.name}: {', '.join(f.case.kinds)}\n{f.what}" for f in campaign.failures]
    assert found == []
    assert campaign.figures.right > SHARE * campaign.figures.executions, str(campaign.figures)
