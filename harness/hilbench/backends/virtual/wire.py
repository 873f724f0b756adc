"""Messages between the host process and the board's process, over a Unix socket.

A request is ``op:u8 length:u32 payload``, its reply ``status:u8 length:u32 payload``.
"""

from __future__ import annotations

import json
import socket
import struct
from enum import IntEnum
from typing import Any

_HEAD = struct.Struct("<BI")
#: Nothing on this socket takes longer, unless the board's process hangs; seconds.
TIMEOUT_S = 10.0
MAX_MESSAGE_BYTES = 1 << 24


class Op(IntEnum):
    """Requests."""

    CONTROL = 0  # JSON -> JSON
    USB_WRITE = 1  # bytes for the OUT endpoint
    USB_READ = 2  # u32, most bytes wanted


class Status(IntEnum):
    """Outcomes."""

    OK = 0
    USB_LOST = 1
    USB_TIMEOUT = 2
    ERROR = 3  # payload: text


def send(sock: socket.socket, head: int, payload: bytes) -> None:
    """Send one message."""
    sock.sendall(_HEAD.pack(head, len(payload)) + payload)


def receive(sock: socket.socket) -> tuple[int, bytes] | None:
    """One message; None when the other side has gone."""
    head = _exactly(sock, _HEAD.size)
    if head is None:
        return None
    kind, length = _HEAD.unpack(head)
    if length > MAX_MESSAGE_BYTES:
        return None
    payload = _exactly(sock, length)
    return None if payload is None else (kind, payload)


def _exactly(sock: socket.socket, size: int) -> bytes | None:
    data = bytearray()
    while len(data) < size:
        chunk = sock.recv(size - len(data))
        if not chunk:
            return None
        data += chunk
    return bytes(data)


class BoardGone(ConnectionError):
    """The board's process does not answer any more."""


class Client:
    """The host's end of the socket."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._sock: socket.socket | None = None

    def request(self, op: Op, payload: bytes) -> tuple[Status, bytes]:
        """Send a request and wait for its reply.

        Raises
        ------
        BoardGone
            When the board's process is not there or hangs.
        """
        try:
            if self._sock is None:
                self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
                self._sock.settimeout(TIMEOUT_S)
                self._sock.connect(self._path)
            send(self._sock, op, payload)
            reply = receive(self._sock)
        except OSError as error:
            self.close()
            raise BoardGone(f"virtual board at {self._path}: {error}") from error
        if reply is None:
            self.close()
            raise BoardGone(f"virtual board at {self._path} has closed")
        return Status(reply[0]), reply[1]

    def control(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Ask the board something as JSON; see ``server.py`` for the commands."""
        body = json.dumps({"command": command, **arguments}).encode()
        status, payload = self.request(Op.CONTROL, body)
        if status is not Status.OK:
            raise ValueError(payload.decode())
        answer: dict[str, Any] = json.loads(payload)
        return answer

    def close(self) -> None:
        """Close the socket."""
        if self._sock is not None:
            self._sock.close()
            self._sock = None
