"""The prebuilt firmware on emulated cores: same bytes as the host build, exact counts, faults."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from hilbench.models.image_reader import read_image
from hilbench.schema import protocol as p
from hilbench.schema.image import Dtype
from tests.conftest import ROOT, require_tool
from tests.firmware import corpus
from tests.firmware.engine import Engine
from tests.firmware.line import Line, records
from tests.firmware.qemu import MACHINES, running

pytestmark = pytest.mark.emulated
RISCV = "riscv64-unknown-elf"
CFSR_UNALIGNED = 1 << 24
TURNS = (1, 2, 3, 4, 5, 7, 100, 1000, 1001, 1_000_000)
RUNNABLE = {
    name: image
    for name, image in corpus.seeds().items()
    if name not in ("chain", "float chain")
    and not name.startswith(("dsp", "mve", "thumb1", "winograd"))
}


#: Of vectors in a frame; every port takes as many.
FRAME_BYTES = 512
#: One board often, the others where there is time.
BOARDS = [
    board if board == "mps2-an386" else pytest.param(board, marks=pytest.mark.slow)
    for board in MACHINES
]


def accuracy(line: Line, data: bytes, size: int) -> list[bytes]:
    line.ask(p.Run(p.RunMode.ACCURACY, len(data) // size, size, 0, 1), p.RunReply)
    for start in range(0, len(data), FRAME_BYTES):
        line.send(p.Data(start, data[start : start + FRAME_BYTES]))
    head = p.Result.STRUCT.size
    return [body[head:] for kind, body in records(line.collect()) if kind == p.RecordKind.RESULT]


@pytest.mark.parametrize("board", BOARDS)
def test_every_operator_gives_the_bytes_of_the_host_build(board: str, engine: Engine) -> None:
    chance = np.random.default_rng(5)
    with running(board) as target:
        hello = target.line.ask(p.Hello(), p.HelloReply)
        assert (hello.board, hello.schema_hash) == (board, p.SCHEMA_HASH)
        for name, image in RUNNABLE.items():
            loaded = target.line.upload(image)
            assert loaded.status == p.Status.OK, name
            size = loaded.vector_bytes
            records_of = read_image(image)
            if records_of.tensors[records_of.inputs[0]].dtype == Dtype.FLOAT32:
                data = chance.normal(size=3 * size // 4).astype("<f4").tobytes()
            else:
                data = chance.integers(0, 256, 3 * size, np.uint8).tobytes()
            wanted = [
                engine.infer(image, data[i : i + size], loaded.output_bytes)
                for i in range(0, len(data), size)
            ]
            assert accuracy(target.line, data, size) == wanted, name


def timed(board: str) -> tuple[int, list[tuple[int, int]]]:
    """(overhead, [(ticks, interrupts), ...]) of a timed run."""
    image = corpus.conv("int8")
    with running(board) as target:
        line = target.line
        size = line.upload(image).vector_bytes
        line.ask(p.Run(p.RunMode.TIMED, 2, size, 1, 3), p.RunReply)
        line.send(p.Data(0, bytes(size)))
        out, sent = b"", size
        while not records(out) or records(out)[-1][0] != p.RecordKind.END:
            frame = line.receive(30)
            assert frame is not None
            if frame.type == p.Out.ID:
                out += p.Out.unpack(frame.payload).data
                line.send(p.Ack(len(out), 0))
            elif frame.type == p.Credit.ID and p.Credit.unpack(frame.payload).limit > sent:
                line.send(p.Data(sent, bytes(size)))
                sent += size
    found = records(out)
    overhead = next(p.Overhead.unpack(b).ticks for k, b in found if k == p.RecordKind.OVERHEAD)
    head = p.Result.STRUCT.size
    results = [p.Result.unpack(b[:head]) for k, b in found if k == p.RecordKind.RESULT]
    return overhead, [(result.ticks, result.interrupts) for result in results]


@pytest.mark.parametrize("board", MACHINES)
def test_counts_are_the_same_in_every_run_and_in_parallel(board: str) -> None:
    with ThreadPoolExecutor(3) as pool:
        first, *others = pool.map(timed, [board] * 3)
    assert others == [first, first]
    overhead, results = first
    assert len(set(results)) == 1  # the same input six times
    assert results[0][1] == 0
    assert 0 < overhead < 40 < results[0][0]


def build(board: str, main: str, folder: Path) -> Path:
    """A firmware with another program on top of the port."""
    compiler = RISCV if board == "rv32-virt" else "arm-none-eabi"
    require_tool(f"{compiler}-gcc", f"gcc-{compiler}")
    program = f"MAIN=ports/common/selftest/{main}"
    elf = folder / board / "firmware.elf"
    command = ["make", "-s", "-C", str(ROOT / "firmware"), f"BUILD={folder}", program, str(elf)]
    subprocess.run(command, check=True)
    return elf


@pytest.mark.parametrize("board", BOARDS)
def test_the_counter_counts_instructions(board: str, tmp_path: Path) -> None:
    """Loops of known length: two instructions a turn, and one constant for all of them."""
    elf = build(board, "hb_count_loop.c", tmp_path)
    machine = MACHINES[board]
    with running(board, elf) as target:
        for _ in range(2):
            target.line.send_raw(b"g")
            text = b""
            while text.count(b"\n") < len(TURNS):
                text += target.line.read(4096)
            counts = [machine.instructions(int(line, 16)) for line in text.split()]
            assert len({count - 2 * n for count, n in zip(counts, TURNS, strict=True)}) == 1


def test_code_for_a_cortex_m0_makes_no_unaligned_access(tmp_path: Path) -> None:
    """One that it made would have ended the other tests, as this one ends."""
    elf = build("mps2-an385-m0", "hb_unaligned.c", tmp_path)
    with running("mps2-an385-m0", elf) as target:
        fault = target.line.expect(p.Fault)
        assert fault.cfsr == CFSR_UNALIGNED


@pytest.mark.parametrize("board", MACHINES)
def test_a_fault_is_reported_before_the_core_stops(board: str) -> None:
    nowhere = 0xF0000000
    with running(board) as target:
        target.line.ask(p.Hello(), p.HelloReply)
        target.jump(nowhere)
        fault = target.line.expect(p.Fault)
        assert fault.pc == nowhere
        assert fault.cfsr != 0 or board == "rv32-virt"
        target.line.send(p.Ping(1), 1)
        target.line.quiet(p.PingReply)


@pytest.mark.parametrize("board", MACHINES)
def test_clock_check_marks_and_reset(board: str) -> None:
    with running(board) as target:
        line = target.line
        assert line.ask(p.ClockCheck(20_000), p.ClockCheckReply).status == p.Status.OK
        start, end = line.expect(p.Mark), line.expect(p.Mark)
        assert (start.kind, end.kind) == (0, 1)
        assert (end.ticks - start.ticks) & 0xFFFFFFFF >= 20_000
        line.ask(p.Reset(), p.ResetReply)
        line.expect(p.Boot)
        assert line.ask(p.Counters(), p.CountersReply).rx_frames == 1


@pytest.mark.parametrize("board", MACHINES)
def test_stack_and_arena_have_high_water_marks(board: str) -> None:
    image = corpus.conv("int8")
    with running(board) as target:
        line = target.line
        loaded = line.upload(image)
        assert line.ask(p.Counters(), p.CountersReply).arena_bytes == 0
        accuracy(line, bytes(loaded.vector_bytes), loaded.vector_bytes)
        counters = line.ask(p.Counters(), p.CountersReply)
        # paint sees the last byte that was written; the plan is rounded up to 16
        assert loaded.arena_bytes - 16 < counters.arena_bytes <= loaded.arena_bytes
        assert 256 < counters.stack_bytes < counters.stack_capacity
