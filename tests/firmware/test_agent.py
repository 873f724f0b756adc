"""The agent under ASan and UBSan, over a real pseudo-terminal, one frame at a time."""

from __future__ import annotations

import os
import random
import subprocess
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from hilbench.link.frame import Frame, encode_frame
from hilbench.schema import protocol as p
from tests.firmware import corpus
from tests.firmware.engine import Engine
from tests.firmware.line import Line, ended, records

IMAGE = corpus.conv("int8")
VECTOR_BYTES, OUTPUT_BYTES = 72, 36
PING = p.Ping(0x01020304)


@pytest.fixture
def line(sanitized_agent: Path) -> Iterator[Line]:
    agent = subprocess.Popen([str(sanitized_agent)], stdout=subprocess.PIPE)
    assert agent.stdout is not None
    port = agent.stdout.readline().decode().split()[1]
    with open(port, "r+b", buffering=0) as pipe:  # noqa: PTH123
        yield Line(pipe, lambda n: os.read(pipe.fileno(), n), pipe.write)
        alive = agent.poll() is None
    agent.kill()
    agent.wait()
    agent.stdout.close()
    assert alive, "the agent died: a sanitizer's report stands above"


def vectors(count: int, size: int = VECTOR_BYTES) -> bytes:
    return np.random.default_rng(7).integers(0, 256, count * size, np.uint8).tobytes()


def run(mode: p.RunMode, count: int, size: int = VECTOR_BYTES, repeat: int = 1) -> p.Run:
    return p.Run(mode, count, size, 1, repeat)


def expected(engine: Engine, data: bytes) -> list[bytes]:
    parts = [data[i : i + VECTOR_BYTES] for i in range(0, len(data), VECTOR_BYTES)]
    return [engine.infer(IMAGE, part, OUTPUT_BYTES) for part in parts]


def results(out: bytes) -> list[tuple[p.Result, bytes]]:
    size = p.Result.STRUCT.size
    bodies = [body for kind, body in records(out) if kind == p.RecordKind.RESULT]
    return [(p.Result.unpack(body[:size]), body[size:]) for body in bodies]


def test_boots_and_attests(line: Line) -> None:
    assert line.expect(p.Boot).reset_cause == p.ResetCause.SOFTWARE
    hello = line.ask(p.Hello(), p.HelloReply)
    assert (hello.protocol_version, hello.schema_hash) == (p.VERSION, p.SCHEMA_HASH)
    assert (hello.board, hello.engine) == ("host", "hilbench")
    assert hello.counter_kind == p.CounterKind.NONE
    assert any(hello.firmware_digest)
    assert hello.temperature_mc == -(1 << 31)


def test_a_repeated_request_is_answered_again_without_being_done_again(line: Line) -> None:
    line.upload(IMAGE)
    line.send(run(p.RunMode.ACCURACY, 2), 77)
    first = line.expect_frame(p.RunReply)
    line.send(p.Data(0, vectors(1)))
    line.expect(p.Out)
    line.send(run(p.RunMode.ACCURACY, 2), 77)  # its reply was lost: not a second run
    assert line.expect_frame(p.RunReply) == first
    line.send(p.Data(VECTOR_BYTES, vectors(1)))  # the run goes on where it was
    assert line.expect(p.Out).offset > 0


def test_a_new_run_during_a_run_is_refused(line: Line) -> None:
    line.upload(IMAGE)
    assert line.ask(run(p.RunMode.ACCURACY, 2), p.RunReply).status == p.Status.OK
    assert line.ask(run(p.RunMode.ACCURACY, 2), p.RunReply).status == p.Status.BAD_STATE
    assert line.ask(p.ImageLoad(1), p.ImageLoadReply).status == p.Status.BAD_STATE
    assert line.ask(p.Stop(), p.StopReply).status == p.Status.OK
    assert line.ask(run(p.RunMode.ACCURACY, 2), p.RunReply).status == p.Status.OK


def test_hello_forgets_the_last_reply(line: Line) -> None:
    line.send(PING, 5)
    assert line.expect(p.PingReply).token == PING.token
    line.send(p.Hello(), 9)
    line.expect(p.HelloReply)
    line.send(p.Ping(99), 5)  # a new host begins with the same seq
    assert line.expect(p.PingReply).token == 99


def test_accuracy_and_timed_and_layers_agree_with_the_engine(line: Line, engine: Engine) -> None:
    data = vectors(5)
    line.upload(IMAGE)
    wanted = expected(engine, data)
    line.ask(run(p.RunMode.ACCURACY, 5), p.RunReply)
    line.send(p.Data(0, data))
    out = line.collect()
    assert [(r.vector, r.ticks, output) for r, output in results(out)] == [
        (i, 0, output) for i, output in enumerate(wanted)
    ]
    end = p.End.unpack(records(out)[-1][1])
    assert (end.status, end.vectors) == (p.Status.OK, 5)


@pytest.mark.parametrize("mode", [p.RunMode.TIMED, p.RunMode.LAYERS])
def test_silent_modes(line: Line, engine: Engine, mode: p.RunMode) -> None:
    """One vector's credit at a time; a window is announced when everything is acknowledged."""
    data, count, repeat = vectors(3), 3, 2 if mode is p.RunMode.TIMED else 1
    line.upload(IMAGE)
    reply = line.ask(run(mode, count, repeat=repeat), p.RunReply)
    assert reply.limit == VECTOR_BYTES
    out, limit, sent, announced = b"", reply.limit, 0, 0
    while not ended(out):
        if sent < min(limit, len(data)):
            line.send(p.Data(sent, data[sent:limit]))
            sent = limit
        frame = line.receive(20)
        assert frame is not None
        if frame.type == p.Credit.ID:
            credit = p.Credit.unpack(frame.payload)
            limit = max(limit, credit.limit)
            assert limit <= credit.offset + VECTOR_BYTES
            if credit.flags & p.CreditFlag.WINDOW:
                announced += 1
                assert credit.offset == credit.limit == announced * VECTOR_BYTES
        elif frame.type == p.Out.ID:
            part = p.Out.unpack(frame.payload)
            out += part.data
            line.send(p.Ack(len(out), 0))
    assert announced == count
    wanted = expected(engine, data)
    got = [(r.vector, r.repeat, output) for r, output in results(out)]
    assert got == [(v, r, wanted[v]) for v in range(count) for r in range(repeat)]
    kinds = [kind for kind, _ in records(out)]
    assert kinds[0] == p.RecordKind.OVERHEAD
    if mode is p.RunMode.LAYERS:
        layers = [p.Layer.unpack(b) for k, b in records(out) if k == p.RecordKind.LAYER]
        crcs = [zlib.crc32(output) for output in wanted]
        assert [(layer.op, layer.crc) for layer in layers] == [(0, crc) for crc in crcs]


def test_sink_counts_every_byte(line: Line) -> None:
    data = vectors(200, 490)
    reply = line.ask(run(p.RunMode.SINK, 200, 490), p.RunReply)
    sent, limit, done = 0, reply.limit, 0
    while done < len(data):
        assert limit - done <= 16 << 10
        while sent < min(limit, len(data)):
            end = min(sent + 1096, limit, len(data))
            line.send(p.Data(sent, data[sent:end]))
            sent = end
        credit = line.expect(p.Credit)
        limit, done = max(limit, credit.limit), max(done, credit.offset)
    end_record = p.End.unpack(records(line.collect())[-1][1])
    assert end_record.in_crc == zlib.crc32(data)


def test_source_sends_the_pattern(line: Line) -> None:
    line.ask(run(p.RunMode.SOURCE, 40, 490), p.RunReply)
    out = line.collect(40 * 490 + p.Record.STRUCT.size + p.End.STRUCT.size)
    pattern = bytes((v + i) & 0xFF for v in range(40) for i in range(490))
    assert out[: len(pattern)] == pattern
    assert ended(out[len(pattern) :])


def test_a_gap_is_reported_once_and_mended(line: Line, engine: Engine) -> None:
    data = vectors(4)
    line.upload(IMAGE)
    line.ask(run(p.RunMode.ACCURACY, 4), p.RunReply)
    line.send(p.Data(0, data[:50]))
    line.send(p.Data(100, data[100:150]))  # 50 to 100 was lost
    line.send(p.Data(150, data[150:200]))
    credit = line.expect(p.Credit)
    while not credit.flags & p.CreditFlag.RESEND:
        credit = line.expect(p.Credit)
    assert credit.offset == 50
    line.quiet(p.Credit)
    line.send(p.Data(50, data[50:]))
    assert [output for _, output in results(line.collect())] == expected(engine, data)
    assert line.ask(p.Counters(), p.CountersReply).out_of_order == 2


def test_out_frames_are_kept_until_acknowledged(line: Line, engine: Engine) -> None:
    data = vectors(2)
    line.upload(IMAGE)
    line.ask(run(p.RunMode.ACCURACY, 2), p.RunReply)
    line.send(p.Data(0, data))
    lost = b""
    while not ended(lost):  # seen, but never acknowledged
        lost += line.expect(p.Out).data
    line.send(p.Ack(0, p.AckFlag.RESEND))
    again = line.expect(p.Out)
    assert (again.offset, again.data) == (0, lost)
    line.send(p.Ack(30, p.AckFlag.RESEND))
    again = line.expect(p.Out)
    assert (again.offset, again.data) == (30, lost[30:])
    credit = line.expect(p.Credit) if line.waiting else None
    assert credit is None or credit.offset == len(data)
    assert line.ask(p.Counters(), p.CountersReply).resent_bytes == 2 * len(lost) - 30


def test_stop_ends_a_run_and_the_next_starts_at_zero(line: Line, engine: Engine) -> None:
    data = vectors(2)
    line.upload(IMAGE)
    line.ask(run(p.RunMode.ACCURACY, 1000), p.RunReply)
    line.send(p.Data(0, data + data[:10]))
    line.expect(p.Out)
    assert line.ask(p.Stop(), p.StopReply).status == p.Status.OK
    line.ask(run(p.RunMode.ACCURACY, 2), p.RunReply)
    line.send(p.Data(0, data))
    assert [output for _, output in results(line.collect())] == expected(engine, data)


def test_stop_is_obeyed_between_two_windows(line: Line) -> None:
    """65,535 repeats of one vector: nobody waits for the last one."""
    line.upload(IMAGE)
    line.ask(run(p.RunMode.TIMED, 1, repeat=0xFFFF), p.RunReply)
    line.send(p.Data(0, vectors(1)))
    received = 0
    while received < 2000:
        received += len(line.expect(p.Out).data)
        line.send(p.Ack(received, 0))
    assert line.ask(p.Stop(), p.StopReply).status == p.Status.OK
    assert line.ask(run(p.RunMode.ACCURACY, 1), p.RunReply).status == p.Status.OK


REFUSALS = [
    (run(p.RunMode.ACCURACY, 0), p.Status.BAD_REQUEST, 0),
    (p.Run(9, 1, VECTOR_BYTES, 0, 1), p.Status.BAD_REQUEST, 0),
    (p.Run(p.RunMode.TIMED, 1, VECTOR_BYTES, 0, 0), p.Status.BAD_REQUEST, 0),
    (run(p.RunMode.SINK, 1 << 20, 1 << 20), p.Status.BAD_REQUEST, 0),
    (run(p.RunMode.ACCURACY, 1, 71), p.Status.VECTOR_SIZE, VECTOR_BYTES),
]


@pytest.mark.parametrize(("request_", "status", "detail"), REFUSALS)
def test_runs_that_cannot_be(line: Line, request_: p.Run, status: int, detail: int) -> None:
    line.upload(IMAGE)
    reply = line.ask(request_, p.RunReply)
    assert (reply.status, reply.detail) == (status, detail)


def test_what_needs_an_image_says_so(line: Line) -> None:
    assert line.ask(run(p.RunMode.ACCURACY, 1), p.RunReply).status == p.Status.BAD_STATE
    assert line.ask(p.ImageLoad(0), p.ImageLoadReply).status == p.Status.IMAGE_MAGIC
    assert line.ask(p.ImageLoad(1), p.ImageLoadReply).status == p.Status.BAD_STATE
    too_large = line.ask(p.Upload((4 << 20) + 5), p.UploadReply)
    assert (too_large.status, too_large.detail) == (p.Status.TOO_LARGE, 5)
    assert line.ask(p.ClockCheck(1), p.ClockCheckReply).status == p.Status.UNSUPPORTED


def test_a_broken_image_is_refused_by_name(line: Line) -> None:
    reply = line.upload(IMAGE[:100] + bytes([IMAGE[100] ^ 1]) + IMAGE[101:])
    assert reply.status == p.Status.IMAGE_CRC
    assert line.upload(IMAGE).status == p.Status.OK


def test_link_set_and_its_refusals(line: Line) -> None:
    assert line.ask(p.LinkSet(921600, p.RxMode.DMA), p.LinkSetReply).status == p.Status.OK
    assert line.ask(PING, p.PingReply).token == PING.token
    hello = line.ask(p.Hello(), p.HelloReply)
    assert (hello.baud, hello.rx_mode) == (921600, p.RxMode.DMA)
    assert line.ask(p.LinkSet(3000000, 1), p.LinkSetReply).status == p.Status.BAD_REQUEST
    assert line.ask(p.LinkSet(115200, 3), p.LinkSetReply).status == p.Status.UNSUPPORTED


def test_a_link_mode_that_nobody_confirms_is_taken_back(line: Line) -> None:
    line.ask(p.LinkSet(921600, p.RxMode.DMA), p.LinkSetReply)
    line.quiet(p.HelloReply, 1.5)
    hello = line.ask(p.Hello(), p.HelloReply)
    assert (hello.baud, hello.rx_mode) == (115200, p.RxMode.IRQ)


def test_reset_answers_first_and_boots_again(line: Line) -> None:
    line.expect(p.Boot)
    line.ask(p.Reset(), p.ResetReply)
    line.expect(p.Boot)
    assert line.ask(p.Counters(), p.CountersReply).rx_frames == 1


def test_malformed_requests_are_refused_or_dropped(line: Line) -> None:
    """Every request with every wrong length up to a few bytes: the agent stays well."""
    for kind in range(0x01, 0x12):
        if kind == p.Reset.ID:
            continue
        for length in range(8):
            line.send_raw(encode_frame(Frame(kind, length, 0, b"\xee" * length)))
    line.send_raw(encode_frame(Frame(p.Stop.ID, 200, 0, b"")))
    line.expect(p.StopReply)
    assert line.ask(PING, p.PingReply).token == PING.token


def test_noise_is_counted_and_survived(line: Line) -> None:
    chance = random.Random(3)
    for _ in range(60):
        noise = bytearray(encode_frame(Frame(p.Data.ID, 0, 0, bytes(4) + chance.randbytes(300))))
        for _ in range(3):
            noise[chance.randrange(len(noise))] = chance.randrange(256)
        line.send_raw(bytes(noise) + chance.randbytes(50))
    line.send_raw(b"\0")
    assert line.ask(PING, p.PingReply).token == PING.token
    counters = line.ask(p.Counters(), p.CountersReply)
    assert counters.cobs_errors + counters.crc_errors >= 60


def test_bad_images_uploaded_one_after_the_other(line: Line) -> None:
    chance = random.Random(11)
    seeds = list(corpus.seeds().values())
    for _ in range(40):
        reply = line.upload(corpus.mutate(chance.choice(seeds), chance) or b"\0")
        assert reply.status in {int(status) for status in p.Status}
        if reply.status == p.Status.OK and reply.vector_bytes <= 4096:
            line.ask(run(p.RunMode.ACCURACY, 1, reply.vector_bytes), p.RunReply)
            line.send(p.Data(0, bytes(min(reply.vector_bytes, 1000))))
            line.ask(p.Stop(), p.StopReply)
