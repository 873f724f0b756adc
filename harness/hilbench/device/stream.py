"""A run's two byte streams: vectors in, records out, with recovery driven by the host.

The device never retransmits by itself.  When nothing valid arrives for a while the host *polls*:
it sends its `ack` with the flag `resend`; the device answers with a `credit` and repeats the out
stream from there, and the host goes back to the offset that the credit names.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from hilbench.device.client import Device
from hilbench.errors import DeviceError, LinkLost, ModelError, SchemaError
from hilbench.link import Frame
from hilbench.schema import protocol as p

#: The device may have up to 250 ms of line time on its way.
POLL_FIRST_S = 0.5
POLL_LONGEST_S = 2.0
#: A window's length is unknown before the first one: a poll inside it would cost an interrupt.
WINDOW_POLL_FIRST_S = 10.0
WINDOW_HINT = (
    "; it was silent for timed windows: where an inference takes long, raise --deadline "
    "or lower --repeat"
)
#: Offsets are compared modulo 2**32 on the device: a run's vectors stay below half of it.
RUN_LIMIT_BYTES = 1 << 31


@dataclass(frozen=True)
class RunRequest:
    """What the device is asked to do.

    Attributes
    ----------
    mode : RunMode
    vectors : bytes
        All vectors one behind the other; empty in mode source.
    vector_bytes : int
        Size of one.
    count : int
        Number of vectors.
    warmup, repeat : int
        Per vector, mode timed only.
    """

    mode: p.RunMode
    vectors: bytes
    vector_bytes: int
    count: int
    warmup: int = 0
    repeat: int = 1


@dataclass
class StreamStatistics:
    """How the transfer went.

    Attributes
    ----------
    retransmissions : int
        Frames sent again by the host, and repeats that it asked for.
    first_sent_s, last_acked_s : float
        Host time of the first vector byte sent and of the last one acknowledged.
    first_out_s, last_out_s : float
        Host time of the first and of the last byte of the out stream.
    in_bytes : int
        Vector bytes acknowledged.
    out_bytes, first_out_bytes : int
        Bytes of the out stream received in order; those of its first frame.
    longest_window_s : float
        Host time of the longest silence for timed windows.
    """

    retransmissions: int = 0
    first_sent_s: float = 0.0
    last_acked_s: float = 0.0
    first_out_s: float = 0.0
    last_out_s: float = 0.0
    in_bytes: int = 0
    out_bytes: int = 0
    first_out_bytes: int = 0
    longest_window_s: float = 0.0

    @property
    def goodput_Bps(self) -> float:
        """Vector bytes acknowledged per second, from the first byte sent to the last one acked."""
        span_s = self.last_acked_s - self.first_sent_s
        return self.in_bytes / span_s if span_s > 0 else 0.0

    @property
    def out_goodput_Bps(self) -> float:
        """Out stream bytes per second, from the first frame's arrival to the last one's."""
        span_s = self.last_out_s - self.first_out_s
        return (self.out_bytes - self.first_out_bytes) / span_s if span_s > 0 else 0.0


@dataclass(frozen=True)
class Record:
    """One record of the out stream: its kind, its body, retransmissions since the one before."""

    kind: p.RecordKind
    body: bytes
    retransmissions: int


@dataclass
class _Streams:
    """State of both streams, the host's side."""

    device: Device
    request: RunRequest
    statistics: StreamStatistics
    limit: int
    max_data: int
    ack_every: int
    sent: int = 0
    acked: int = 0
    received: int = 0
    confirmed: int = 0
    gap_reported: bool = False
    rewind: bool = False
    in_window: bool = False
    window_started_s: float = 0.0
    buffer: bytearray = field(default_factory=bytearray)
    noted: int = 0
    #: Mode source: bytes of the pattern that are still to come, before the records.
    pattern_left: int = 0

    # ------------------------------------------------------------ in stream

    def send_data(self) -> None:
        """Send what the device has granted."""
        vectors = self.request.vectors
        while self.sent < min(self.limit, len(vectors)):
            end = min(self.sent + self.max_data, self.limit, len(vectors))
            if self.statistics.first_sent_s == 0.0:
                self.statistics.first_sent_s = time.monotonic()
            self.device.link.send(p.Data(self.sent, vectors[self.sent : end]))
            self.sent = end

    def on_credit(self, credit: p.Credit) -> None:
        if credit.offset > len(self.request.vectors):
            raise DeviceError(f"the device acknowledges {credit.offset} bytes, more than were sent")
        if credit.offset > self.acked:
            self.acked = credit.offset
            self.statistics.in_bytes = credit.offset
            self.statistics.last_acked_s = time.monotonic()
        self.limit = max(self.limit, credit.limit)
        self.sent = max(self.sent, self.acked)
        if (credit.flags & p.CreditFlag.RESEND or self.rewind) and credit.offset == self.acked:
            if self.sent > self.acked:
                frames = -(-(self.sent - self.acked) // self.max_data)
                self._count_retransmissions(frames)
                self.sent = self.acked
            self.rewind = False
        if credit.flags & p.CreditFlag.WINDOW:
            self.in_window = True
            self.window_started_s = time.monotonic()

    # ------------------------------------------------------------ out stream

    def on_out(self, out: p.Out) -> None:
        end = out.offset + len(out.data)
        if out.offset > self.received:
            if not self.gap_reported:
                self._count_retransmissions(1)
                self.acknowledge(resend=True)
                self.gap_reported = True
            return
        if end <= self.received:
            self.acknowledge()
            return
        self._leave_window()
        self.gap_reported = False
        self.buffer += out.data[self.received - out.offset :]
        self.received = end
        self.statistics.out_bytes = end
        self.statistics.last_out_s = time.monotonic()
        if self.statistics.first_out_bytes == 0:
            self.statistics.first_out_bytes = end
            self.statistics.first_out_s = self.statistics.last_out_s
        timed = self.request.mode is p.RunMode.TIMED
        if timed or self.received - self.confirmed >= self.ack_every:
            self.acknowledge()

    def acknowledge(self, resend: bool = False) -> None:
        self.device.link.send(p.Ack(self.received, p.AckFlag.RESEND if resend else 0))
        self.confirmed = self.received

    def _leave_window(self) -> None:
        if self.in_window:
            length_s = time.monotonic() - self.window_started_s
            statistics = self.statistics
            statistics.longest_window_s = max(statistics.longest_window_s, length_s)
            self.in_window = False

    def records(self) -> Iterator[Record]:
        """Complete records in the buffer; raises DeviceError for one that cannot be."""
        if self.pattern_left:
            self._take_pattern()
        head_bytes = 0 if self.pattern_left else p.Record.STRUCT.size
        while head_bytes and len(self.buffer) >= head_bytes:
            head = p.Record.unpack(bytes(self.buffer[:head_bytes]))
            if len(self.buffer) < head_bytes + head.body_bytes:
                return
            body = bytes(self.buffer[head_bytes : head_bytes + head.body_bytes])
            del self.buffer[: head_bytes + head.body_bytes]
            try:
                kind = p.RecordKind(head.kind)
            except ValueError as error:
                raise DeviceError(
                    f"the device sent a record of unknown kind {head.kind}"
                ) from error
            new = self.statistics.retransmissions - self.noted
            self.noted = self.statistics.retransmissions
            yield Record(kind, body, new)

    def _take_pattern(self) -> None:
        """Check and drop the bytes that mode source sends."""
        size = self.request.vector_bytes
        start = size * self.request.count - self.pattern_left
        count = min(self.pattern_left, len(self.buffer))
        expected = bytes((i // size + i % size) & 0xFF for i in range(start, start + count))
        if self.buffer[:count] != expected:
            raise DeviceError("the bytes that the device sent are not the agreed pattern")
        del self.buffer[:count]
        self.pattern_left -= count

    # ------------------------------------------------------------ silence

    def poll(self) -> None:
        """Ask the device where it stands; the next credit rewinds the in stream."""
        self._count_retransmissions(1)
        self.rewind = True
        self.gap_reported = False
        self.acknowledge(resend=True)

    def poll_after_s(self, polls: int) -> float:
        if self.in_window:
            seen_s = self.statistics.longest_window_s
            first_s = 2 * seen_s + POLL_FIRST_S if seen_s else WINDOW_POLL_FIRST_S
            return float(first_s * 2.0**polls)
        return float(min(POLL_FIRST_S * 2.0**polls, POLL_LONGEST_S))

    def _count_retransmissions(self, frames: int) -> None:
        self.statistics.retransmissions += frames
        self.device.link.counters.retransmissions += frames


def run_stream(
    device: Device,
    request: RunRequest,
    statistics: StreamStatistics,
    deadline_s: float,
    on_acked: Callable[[int], None] | None = None,
) -> Iterator[Record]:
    """Start a run and yield its records, ``end`` last.

    Parameters
    ----------
    device : Device
        Attested.
    request : RunRequest
        What to do.
    statistics : StreamStatistics
        Filled while the run goes on.
    deadline_s : float
        Longest time without progress: no vector byte acknowledged, no record byte received.
    on_acked : callable, optional
        Called with the number of vector bytes acknowledged, for progress bars.

    Raises
    ------
    LinkLost
        Silent past the deadline, or the port is gone.
    DeviceError
        The device refuses the run or ends it early.
    """
    if request.vector_bytes * request.count >= RUN_LIMIT_BYTES:
        raise ModelError(
            f"{request.count} vectors of {request.vector_bytes} bytes exceed 2 GiB a run"
        )
    streams = _start(device, request, statistics)
    last_progress_s = last_poll_s = time.monotonic()
    polls = progress = 0
    while True:
        streams.send_data()
        frame = device.link.receive(0 if streams.received > streams.confirmed else 0.02)
        now_s = time.monotonic()
        if frame is None:
            if streams.received > streams.confirmed:
                streams.acknowledge()
                continue
            if now_s - last_progress_s > deadline_s:
                raise LinkLost(
                    f"the device has made no progress for {deadline_s:g} s in mid-run",
                    hint="what was recorded is kept; `hilbench resume` goes on from there"
                    + (WINDOW_HINT if streams.in_window else ""),
                )
            if now_s - last_poll_s > streams.poll_after_s(polls):
                streams.poll()
                last_poll_s, polls = now_s, polls + 1
            continue
        _dispatch(device, streams, frame)
        if streams.acked + streams.received > progress:
            progress = streams.acked + streams.received
            last_progress_s = last_poll_s = now_s
            polls = 0
        if on_acked is not None:
            on_acked(streams.acked)
        for record in streams.records():
            yield record
            if record.kind is p.RecordKind.END:
                streams.acknowledge()
                return


def _start(device: Device, request: RunRequest, statistics: StreamStatistics) -> _Streams:
    hello = device.hello
    assert hello is not None, "attest before a run"
    reply = device.request(
        p.Run(request.mode, request.count, request.vector_bytes, request.warmup, request.repeat),
        p.RunReply,
    )
    status = p.Status(reply.status)
    if status is p.Status.TOO_LARGE:
        what, where = (
            ("vector exceeds", "vector buffer")
            if request.vector_bytes > hello.vector_buffer_bytes
            else ("vector's outputs exceed", "out buffer")
        )
        raise ModelError(f"one {what} the device's {where} by {reply.detail} bytes of RAM")
    if status is not p.Status.OK:
        raise DeviceError(f"the device refuses the run: {status.name.lower()} ({reply.detail})")
    return _Streams(
        device,
        request,
        statistics,
        limit=reply.limit,
        max_data=min(hello.max_payload, p.MAX_PAYLOAD) - p.Data.STRUCT.size,
        ack_every=max(1, hello.out_buffer_bytes // 4),
        pattern_left=request.vector_bytes * request.count * (request.mode is p.RunMode.SOURCE),
    )


def _dispatch(device: Device, streams: _Streams, frame: Frame) -> None:
    if frame.type == p.Credit.ID:
        streams.on_credit(device.parse(frame, p.Credit))
    elif frame.type == p.Out.ID:
        streams.on_out(device.parse(frame, p.Out))
    elif frame.type == p.Error.ID:
        error = device.parse(frame, p.Error)
        try:
            name = p.Status(error.status).name.lower()
        except ValueError:
            name = str(error.status)
        raise DeviceError(
            f"the device ended the run: {name} ({error.detail})",
            hint="what was recorded is kept",
        )
    else:
        device.watch(frame)


def unpack_result(body: bytes) -> tuple[p.Result, bytes]:
    """A `result` record: its head and the output's bytes."""
    size = p.Result.STRUCT.size
    try:
        return p.Result.unpack(body[:size]), body[size:]
    except SchemaError as error:
        raise DeviceError(f"the device sent a malformed result: {error.message}") from error
