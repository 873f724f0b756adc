"""What the client makes of devices that are silent, foreign, restarting or faulting."""

from __future__ import annotations

import dataclasses
import os
import pty
import threading
import tty
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.host_agent import HostAgent

from hilbench import models, workloads
from hilbench.device import Device, check_attestation
from hilbench.device.attest import Expectation
from hilbench.device.client import LinkMode
from hilbench.errors import (
    AttestationError,
    DeviceError,
    LinkLost,
    NoDevice,
    TargetFault,
    TargetLost,
)
from hilbench.link import Frame, FrameDecoder, encode_frame, open_link
from hilbench.schema import protocol as p

Answer = Callable[[Frame], list[bytes]]


class ScriptedAgent:
    """A device at the far end of a pty that answers each frame as a function says."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._master, self._slave = pty.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.seen: list[Frame] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        decoder = FrameDecoder()
        while True:
            try:
                data = os.read(self._master, 4096)
            except OSError:
                return
            for frame in decoder.feed(data):
                self.seen.append(frame)
                for wire in self._answer(frame):
                    os.write(self._master, wire)


def reply(message: p.Message, frame: Frame) -> bytes:
    return encode_frame(Frame(message.ID, frame.seq, 0, message.pack()))


def hello(**changes: object) -> p.HelloReply:
    values: dict[str, object] = {f.name: 0 for f in dataclasses.fields(p.HelloReply)}
    values |= {"board": "toy", "engine": "hilbench", "unique_id": bytes(12)}
    values |= {"firmware_digest": bytes(16), "protocol_version": p.VERSION}
    values |= {"schema_hash": p.SCHEMA_HASH, "core_clock_hz": 216_000_000, "wait_states": 7}
    values |= {"counter_kind": 1, "counter_hz": 216_000_000, "clock_flags": 0b11111}
    return p.HelloReply(**(values | changes))  # type: ignore[arg-type]


EXPECTED = Expectation("toy", bytes(16), 216_000_000, 0b11111, 7, "dwt_cyccnt", 216_000_000)


@pytest.fixture
def connect() -> Iterator[Callable[[Answer], Device]]:
    links = []

    def make(answer: Answer, symbol: Callable[[int], str] | None = None) -> Device:
        agent = ScriptedAgent(answer)
        link = open_link(agent.port, 115200)
        links.append(link)
        device = Device(link, symbol)
        device.agent = agent  # type: ignore[attr-defined]
        return device

    yield make
    for link in links:
        link.close()


def test_silent_device(connect: Callable[[Answer], Device]) -> None:
    with pytest.raises(AttestationError, match="does not answer"):
        connect(lambda frame: []).attest(deadline_s=0.6)


def test_foreign_protocol_is_named_whatever_its_hello_is_like(
    connect: Callable[[Answer], Device],
) -> None:
    def old(frame: Frame) -> list[bytes]:
        return [encode_frame(Frame(p.HelloReply.ID, frame.seq, 0, b"\x07\x00short"))]

    with pytest.raises(AttestationError, match="speaks protocol 7, this hilbench speaks 1"):
        connect(old).attest()


def test_lost_replies_are_asked_for_again_with_the_same_seq(
    connect: Callable[[Answer], Device],
) -> None:
    calls: list[int] = []

    def deaf_twice(frame: Frame) -> list[bytes]:
        calls.append(frame.seq)
        return [reply(p.PingReply(5), frame)] if len(calls) > 2 else []

    device = connect(deaf_twice)
    assert device.request(p.Ping(5), p.PingReply) == p.PingReply(5)
    assert len(set(calls)) == 1
    assert device.link.counters.retransmissions == 2


def test_fault_names_the_functions(connect: Callable[[Answer], Device]) -> None:
    def fault(frame: Frame) -> list[bytes]:
        return [reply(p.Fault(0x08001235, 0x08000101, 0x00010000, 0x40000000, 0), frame)]

    def symbol(address: int) -> str:
        return {0x08001234: "hb_conv+0x4", 0x08000100: "main"}[address]

    agent = ScriptedAgent(fault)
    link = open_link(agent.port, 115200)
    try:
        with pytest.raises(TargetFault) as caught:
            Device(link, symbol).request(p.Ping(1), p.PingReply)
    finally:
        link.close()
    assert "PC 0x08001235 (hb_conv+0x4), LR 0x08000101 (main)" in caught.value.message
    assert "CFSR 0x00010000" in caught.value.message


def test_restart_in_mid_run(connect: Callable[[Answer], Device]) -> None:
    def restart(frame: Frame) -> list[bytes]:
        if frame.type == p.Hello.ID:
            return [reply(hello(), frame)]
        return [reply(p.Boot(p.ResetCause.WATCHDOG), frame)]

    device = connect(restart)
    device.attest()
    with pytest.raises(TargetLost, match=r"restarted in mid-run .*WATCHDOG"):
        device.request(p.Ping(1), p.PingReply)


def test_malformed_reply(connect: Callable[[Answer], Device]) -> None:
    def short(frame: Frame) -> list[bytes]:
        return [encode_frame(Frame(p.PingReply.ID, frame.seq, 0, b"x"))]

    with pytest.raises(DeviceError, match="malformed PingReply"):
        connect(short).request(p.Ping(1), p.PingReply)


def test_silence_ends_at_the_deadline(connect: Callable[[Answer], Device]) -> None:
    with pytest.raises(LinkLost, match=r"no answer to Ping within 0.5 s"):
        connect(lambda frame: []).request(p.Ping(1), p.PingReply, deadline_s=0.5)


def test_a_link_mode_that_does_not_work_is_left_again(connect: Callable[[Answer], Device]) -> None:
    """The device agrees to a rate and is silent there, as over a bad cable; then it falls back."""

    def bad_at_speed(frame: Frame) -> list[bytes]:
        if frame.type == p.LinkSet.ID:
            wanted = p.LinkSet.unpack(frame.payload)
            return [reply(p.LinkSetReply(0, wanted.baud, wanted.rx_mode), frame)]
        token = p.Ping.unpack(frame.payload).token
        return [] if token == 921_600 else [reply(p.PingReply(token), frame)]

    slow, fast = LinkMode(115_200, 1), LinkMode(921_600, 2)
    assert connect(bad_at_speed).negotiate(fast, slow) == slow


def test_attestation_lists_every_difference() -> None:
    check_attestation(hello(), EXPECTED)
    other = hello(board="other", core_clock_hz=16_000_000, clock_flags=0b11100, wait_states=0)
    with pytest.raises(AttestationError) as caught:
        check_attestation(other, EXPECTED)
    for part in (
        "board is other, expected toy",
        "core clock is 16000000 Hz, expected 216000000 Hz",
        "icache is off",
        "dcache is off",
        "flash wait states is 0, expected 7",
    ):
        assert part in caught.value.message


def test_no_such_port() -> None:
    with pytest.raises(NoDevice, match="/dev/absent"):
        open_link("/dev/absent", 115200)


@pytest.mark.parametrize("offset", [20, 200, 3000])
def test_image_with_a_wrong_crc(host_agent: HostAgent, tmp_path: Path, offset: int) -> None:
    data = bytearray(models.pack(models.load(workloads.get("digits").default_model)).data)
    data[offset] ^= 0x40
    image = tmp_path / "image.bin"
    image.write_bytes(data)
    with (
        host_agent.device("--image", str(image)) as device,
        pytest.raises(AttestationError, match=r"CRC is wrong \(computed 0x[0-9A-F]{8}\)"),
    ):
        device.load_image()


def test_no_image(host_agent: HostAgent) -> None:
    with (
        host_agent.device() as device,
        pytest.raises(AttestationError, match="there is no image in the slot"),
    ):
        device.load_image()
