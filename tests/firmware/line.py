"""The wire, driven frame by frame: what a test sends is exactly what it says."""

from __future__ import annotations

import select
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol, TypeVar

from hilbench.link.frame import Frame, FrameDecoder, encode_frame
from hilbench.schema import protocol as p

Reply = TypeVar("Reply", bound=p.Message)
PATIENCE_S = 20.0


class Pipe(Protocol):
    """A socket, or a file opened unbuffered."""

    def fileno(self) -> int: ...


@dataclass
class Line:
    """One agent at the other end of a pipe."""

    pipe: Pipe
    read: Callable[[int], bytes]
    write: Callable[[bytes], object]
    decoder: FrameDecoder = field(default_factory=FrameDecoder)
    waiting: deque[Frame] = field(default_factory=deque)
    seq: int = 0

    def send_raw(self, data: bytes) -> None:
        while data:
            done = self.write(data)
            data = data[done if isinstance(done, int) else len(data) :]

    def send(self, message: p.Message, seq: int = 0) -> None:
        self.send_raw(encode_frame(Frame(message.ID, seq, 0, message.pack())))

    def receive(self, timeout_s: float) -> Frame | None:
        """The next frame, or None when none came in time."""
        until = time.monotonic() + timeout_s
        while not self.waiting:
            left_s = until - time.monotonic()
            if left_s <= 0 or not select.select([self.pipe], [], [], left_s)[0]:
                return None
            self.waiting += self.decoder.feed(self.read(4096))
        return self.waiting.popleft()

    def expect(self, kind: type[Reply], timeout_s: float = PATIENCE_S) -> Reply:
        """The next message of a kind; others are dropped."""
        frame = self.expect_frame(kind, timeout_s)
        message = kind.unpack(frame.payload)
        assert isinstance(message, kind)
        return message

    def expect_frame(self, kind: type[p.Message], timeout_s: float = PATIENCE_S) -> Frame:
        until = time.monotonic() + timeout_s
        while (left_s := until - time.monotonic()) > 0:
            frame = self.receive(left_s)
            if frame is not None and frame.type == kind.ID:
                return frame
        raise AssertionError(f"no {kind.__name__} within {timeout_s} s")

    def quiet(self, kind: type[p.Message], for_s: float = 0.3) -> None:
        """No message of a kind arrives for a while."""
        until = time.monotonic() + for_s
        while (left_s := until - time.monotonic()) > 0:
            frame = self.receive(left_s)
            assert frame is None or frame.type != kind.ID, frame

    def ask(self, message: p.Message, kind: type[Reply]) -> Reply:
        """One request, its reply."""
        self.seq = (self.seq + 1) & 0xFF
        self.send(message, self.seq)
        return self.expect(kind)

    def upload(self, image: bytes) -> p.ImageLoadReply:
        """Upload an image and make it current."""
        reply = self.ask(p.Upload(len(image)), p.UploadReply)
        assert reply.status == p.Status.OK, reply
        sent, limit = 0, reply.limit
        while True:
            while sent < min(limit, len(image)):
                end = min(sent + 1000, limit, len(image))
                self.send(p.Data(sent, image[sent:end]))
                sent = end
            credit = self.expect(p.Credit)
            limit = max(limit, credit.limit)
            if credit.offset == len(image):
                return self.ask(p.ImageLoad(1), p.ImageLoadReply)

    def stream(self, mode: p.RunMode, data: bytes, vector_bytes: int) -> bytes:
        """A run over these vectors, fed as the device gives credit; the whole out stream."""
        count = len(data) // vector_bytes
        reply = self.ask(p.Run(mode, count, vector_bytes, 0, 1), p.RunReply)
        assert reply.status == p.Status.OK, reply
        sent, limit, out = 0, reply.limit, b""
        while not ended(out):
            while sent < min(limit, len(data)):
                end = min(sent + 1000, limit, len(data))
                self.send(p.Data(sent, data[sent:end]))
                sent = end
            frame = self.receive(PATIENCE_S)
            assert frame is not None, f"nothing within {PATIENCE_S} s"
            if frame.type == p.Credit.ID:
                limit = max(limit, p.Credit.unpack(frame.payload).limit)
            elif frame.type == p.Out.ID:
                part = p.Out.unpack(frame.payload)
                assert part.offset == len(out)
                out += part.data
                self.send(p.Ack(len(out), 0))
        return out

    def collect(self, total: int | None = None) -> bytes:
        """The out stream, acknowledged as it comes, up to `total` bytes or the `end` record."""
        out = b""
        while True:
            part = self.expect(p.Out)
            assert part.offset == len(out)
            out += part.data
            self.send(p.Ack(len(out), 0))
            if len(out) == total or (total is None and ended(out)):
                return out


def records(out: bytes) -> list[tuple[int, bytes]]:
    """(kind, body) of every complete record."""
    found, at = [], 0
    size = p.Record.STRUCT.size
    while at + size <= len(out):
        head = p.Record.unpack(out[at : at + size])
        body = out[at + size : at + size + head.body_bytes]
        if len(body) < head.body_bytes:
            break
        found.append((head.kind, body))
        at += size + head.body_bytes
    return found


def ended(out: bytes) -> bool:
    found = records(out)
    return bool(found) and found[-1][0] == p.RecordKind.END
