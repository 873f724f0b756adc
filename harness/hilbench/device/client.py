"""Requests and replies: each request is answered exactly once, whatever the line does to it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from hilbench.errors import (
    AttestationError,
    DeviceError,
    LinkLost,
    ModelError,
    SchemaError,
    TargetFault,
    TargetLost,
)
from hilbench.link import Frame, Link
from hilbench.schema import protocol as p

Reply = TypeVar("Reply", bound=p.Message)

FIRST_TIMEOUT_S = 0.25
LONGEST_TIMEOUT_S = 2.0
DEADLINE_S = 5.0
#: A new link mode must prove itself by a ping within this time (the device gives up after 1 s).
LINK_TRIAL_S = 0.8
LINK_REVERT_S = 1.2


@dataclass(frozen=True)
class LinkMode:
    """Baud rate and receive mode in force."""

    baud: int
    rx_mode: int


class Device:
    """One agent at the other end of a link.

    Parameters
    ----------
    link : Link
        Open, at the baud rate that the agent starts with.
    symbol : callable, optional
        Address -> name of the function in the firmware's ELF, for fault messages.
    """

    def __init__(self, link: Link, symbol: Callable[[int], str] | None = None) -> None:
        self.link = link
        self.hello: p.HelloReply | None = None
        self._symbol = symbol or (lambda address: "")
        self._seq = int(time.monotonic() * 1000) & 0xFF

    # ------------------------------------------------------------ requests

    def request(
        self, message: p.Message, reply: type[Reply], deadline_s: float = DEADLINE_S
    ) -> Reply:
        """Send a request until its reply arrives.

        Raises
        ------
        LinkLost
            When no reply came before the deadline.
        TargetFault, TargetLost
            When the device faults or restarts meanwhile.
        """
        self._seq = (self._seq + 1) & 0xFF
        started = time.monotonic()
        timeout_s = FIRST_TIMEOUT_S
        attempt = 0
        while (left_s := started + deadline_s - time.monotonic()) > 0:
            self.link.send(message, self._seq)
            self.link.counters.retransmissions += attempt > 0
            attempt += 1
            answer = self._await_reply(reply, min(timeout_s, left_s))
            if answer is not None:
                return answer
            timeout_s = min(2 * timeout_s, LONGEST_TIMEOUT_S)
        name = type(message).__name__
        raise LinkLost(
            f"no answer to {name} within {deadline_s:g} s ({attempt} attempts)",
            hint="the board is silent: `hilbench doctor` looks at cable, port and firmware",
        )

    def _await_reply(self, reply: type[Reply], timeout_s: float) -> Reply | None:
        until = time.monotonic() + timeout_s
        while (left_s := until - time.monotonic()) > 0:
            frame = self.link.receive(left_s)
            if frame is None:
                continue
            if frame.type == reply.ID and frame.seq == self._seq:
                return self.parse(frame, reply)
            self.watch(frame)
        return None

    def parse(self, frame: Frame, kind: type[Reply]) -> Reply:
        """Payload of a frame as its message; raises DeviceError when it does not fit the schema."""
        try:
            message = kind.unpack(frame.payload)
        except SchemaError as error:
            raise DeviceError(
                f"the device sent a malformed {kind.__name__}: {error.message}",
                hint="host and firmware disagree on the protocol: flash the matching firmware",
            ) from error
        assert isinstance(message, kind)
        return message

    def watch(self, frame: Frame) -> None:
        """Look at a frame that nobody asked for: a fault or a restart ends the run."""
        if frame.type == p.Fault.ID:
            raise self._fault(self.parse(frame, p.Fault))
        if frame.type == p.Boot.ID and self.hello is not None:
            boot = self.parse(frame, p.Boot)
            cause = p.ResetCause(boot.reset_cause).name if boot.reset_cause < 6 else "?"
            raise TargetLost(
                f"the device restarted in mid-run (reset cause: {cause})",
                hint="what was recorded is kept; check the supply, then `hilbench resume`",
            )

    def _fault(self, fault: p.Fault) -> TargetFault:
        def place(address: int) -> str:
            name = self._symbol(address & ~1)
            return f"0x{address:08X}{f' ({name})' if name else ''}"

        return TargetFault(
            f"HardFault at PC {place(fault.pc)}, LR {place(fault.lr)}; "
            f"CFSR 0x{fault.cfsr:08X}, HFSR 0x{fault.hfsr:08X}, address 0x{fault.address:08X}",
            hint="what was recorded is kept; this is a bug of the firmware or of the image",
        )

    # ------------------------------------------------------------ typed requests

    def attest(self, deadline_s: float = DEADLINE_S) -> p.HelloReply:
        """HELLO: what the firmware says it is.  Raises AttestationError when it stays silent."""
        try:
            self.hello = self._say_hello(deadline_s)
        except LinkLost as error:
            raise AttestationError(
                f"the board does not answer on {self.link.url}: {error.message}",
                hint="flashing went well, but the agent is silent: wrong port or baud rate, a "
                "loose cable, or a firmware that does not start",
            ) from error
        return self.hello

    def _say_hello(self, deadline_s: float) -> p.HelloReply:
        self._seq = (self._seq + 1) & 0xFF
        until = time.monotonic() + deadline_s
        attempts = 0
        while time.monotonic() < until:
            self.link.send(p.Hello(), self._seq)
            attempts += 1
            frame_until = time.monotonic() + FIRST_TIMEOUT_S
            while (left_s := frame_until - time.monotonic()) > 0:
                frame = self.link.receive(left_s)
                if frame is None:
                    continue
                if frame.type == p.HelloReply.ID and frame.seq == self._seq:
                    return self._parse_hello(frame)
                self.watch(frame)
        raise LinkLost(f"no answer to Hello within {deadline_s:g} s ({attempts} attempts)")

    def _parse_hello(self, frame: Frame) -> p.HelloReply:
        """The version stands first in every version of HELLO, so that it can always be named."""
        version = int.from_bytes(frame.payload[:2], "little")
        if version != p.VERSION:
            raise AttestationError(
                f"the firmware speaks protocol {version}, this hilbench speaks {p.VERSION}",
                hint="flash the firmware that came with this hilbench: `hilbench flash`",
            )
        try:
            return p.HelloReply.unpack(frame.payload)
        except SchemaError as error:
            raise AttestationError(
                f"the firmware's HELLO does not fit protocol {p.VERSION}: {error.message}",
                hint="flash the firmware that came with this hilbench: `hilbench flash`",
            ) from error

    def load_image(self, uploaded: bool = False) -> p.ImageLoadReply:
        """Make the image in the slot (or the uploaded one) current."""
        reply = self.request(p.ImageLoad(int(uploaded)), p.ImageLoadReply, 10.0)
        status = p.Status(reply.status)
        if status is p.Status.OK:
            return reply
        if status is p.Status.ARENA_TOO_SMALL:
            raise ModelError(f"the arena needs {reply.detail} bytes more RAM than the board has")
        reason = {
            p.Status.IMAGE_MAGIC: "there is no image in the slot",
            p.Status.IMAGE_VERSION: f"the image has format version {reply.detail}",
            p.Status.IMAGE_CRC: f"its CRC is wrong (computed 0x{reply.detail:08X})",
        }.get(status, f"{status.name.lower()} (record {reply.detail})")
        raise AttestationError(
            f"the device refuses the image: {reason}",
            hint="the flash was changed since it was written, or does not hold what was written: "
            "run again; if it persists, the flash may be worn",
        )

    def counters(self) -> p.CountersReply:
        """Counters and high-water marks."""
        return self.request(p.Counters(), p.CountersReply)

    def stop(self) -> None:
        """End whatever runs on the device."""
        self.request(p.Stop(), p.StopReply)

    def negotiate(self, wanted: LinkMode, current: LinkMode) -> LinkMode:
        """Raise the baud rate and switch to DMA, and fall back when that does not work."""
        if wanted == current:
            return current
        reply = self.request(p.LinkSet(wanted.baud, wanted.rx_mode), p.LinkSetReply)
        if reply.status != p.Status.OK:
            return current
        mode = LinkMode(reply.baud, reply.rx_mode)
        self.link.set_baud(mode.baud)
        try:
            self.request(p.Ping(mode.baud), p.PingReply, LINK_TRIAL_S)
        except LinkLost:
            self.link.set_baud(current.baud)
            time.sleep(LINK_REVERT_S)
            self.request(p.Ping(0), p.PingReply)
            return current
        return mode

    def clock_check(self, wait_ticks: int, expected_s: float) -> tuple[int, float]:
        """Idle wait of about ``wait_ticks``, timed by both sides.

        Returns
        -------
        (ticks, host_s) : (int, float)
            Ticks between the two marks (modulo 2**32), and the host's time between their arrivals.
        """
        reply = self.request(p.ClockCheck(wait_ticks), p.ClockCheckReply)
        if reply.status != p.Status.OK:
            raise DeviceError(f"clock check refused: {p.Status(reply.status).name.lower()}")
        marks: dict[int, tuple[int, float]] = {}
        until = time.monotonic() + 4 * expected_s + 2.0
        while len(marks) < 2 and time.monotonic() < until:
            frame = self.link.receive(0.1)
            if frame is None:
                continue
            if frame.type == p.Mark.ID:
                mark = self.parse(frame, p.Mark)
                marks[mark.kind] = (mark.ticks, frame.arrival_s)
            else:
                self.watch(frame)
        if len(marks) < 2:
            raise LinkLost("the clock check's marks did not arrive")
        (ticks_0, host_0), (ticks_1, host_1) = marks[0], marks[1]
        return (ticks_1 - ticks_0) & 0xFFFFFFFF, host_1 - host_0
