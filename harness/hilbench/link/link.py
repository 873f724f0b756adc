"""A serial port that carries frames: opened by URL, read by a thread of its own.

Any URL of pyserial works: a device path, ``socket://``, ``rfc2217://``, ``spy://``, ``loop://``.
The thread drains the port at once, so that the operating system's buffer never overflows while the
host computes; the frames wait in a queue.
"""

from __future__ import annotations

import errno
import queue
import threading
from dataclasses import asdict, dataclass

import serial

from hilbench.errors import DeviceBusy, LinkLost, NoDevice, ProbeUnusable
from hilbench.link.frame import Frame, FrameDecoder, encode_frame
from hilbench.schema.protocol import Message

READ_TIMEOUT_S = 0.1
WRITE_TIMEOUT_S = 10.0


@dataclass
class LinkCounters:
    """What went over the line since it was opened, as the host saw it."""

    bytes_sent: int = 0
    bytes_received: int = 0
    frames_sent: int = 0
    frames_received: int = 0
    cobs_errors: int = 0
    crc_errors: int = 0
    #: Frames sent again by the host, and requests for a repeat that it made of the device.
    retransmissions: int = 0

    def to_json(self) -> dict[str, int]:
        return asdict(self)


def open_link(url: str, baud: int) -> Link:
    """Open a port by URL.

    Raises
    ------
    NoDevice
        When there is no such port.
    DeviceBusy
        When another program holds it.
    ProbeUnusable
        When the port cannot be used (no permission).
    """
    try:
        port = serial.serial_for_url(
            url,
            baudrate=baud,
            timeout=READ_TIMEOUT_S,
            write_timeout=WRITE_TIMEOUT_S,
            exclusive=True,
        )
    except (serial.SerialException, OSError, ValueError) as error:
        raise port_error(url, error) from error
    return Link(port, url)


def port_error(url: str, error: Exception) -> NoDevice | DeviceBusy | ProbeUnusable:
    """What a failure to open a serial port means to the user."""
    code = getattr(error, "errno", None)
    text = str(error)
    if code in (errno.EBUSY, errno.EAGAIN) or "exclusively lock" in text:
        return DeviceBusy(
            f"serial port {url} is held by another program",
            hint="nothing was touched; close that program (`hilbench doctor` names it) and repeat",
        )
    if code == errno.EACCES:
        return ProbeUnusable(
            f"no permission to open serial port {url}",
            hint="add yourself to the group that owns it (often `dialout`) and log in again",
        )
    return NoDevice(
        f"serial port {url} cannot be opened: {text}",
        hint="nothing was touched; `hilbench devices` lists the ports that are there",
    )


class Link:
    """Frames over one open port."""

    def __init__(self, port: serial.Serial, url: str) -> None:
        self.url = url
        self.counters = LinkCounters()
        self._port = port
        self._decoder = FrameDecoder()
        self._frames: queue.Queue[Frame] = queue.Queue()
        self._lost: str | None = None
        self._closing = False
        self._thread = threading.Thread(target=self._read, name=f"link {url}", daemon=True)
        self._thread.start()

    def send(self, message: Message, seq: int = 0, flags: int = 0) -> None:
        """Write one frame; raises LinkLost when the port is gone or takes no bytes."""
        wire = encode_frame(Frame(message.ID, seq & 0xFF, flags, message.pack()))
        try:
            self._port.write(wire)
        except (serial.SerialException, OSError) as error:
            raise LinkLost(
                f"serial port {self.url} is gone: {error}",
                hint="what was recorded is kept; reconnect the board, then `hilbench resume`",
            ) from error
        self.counters.bytes_sent += len(wire)
        self.counters.frames_sent += 1

    def receive(self, timeout_s: float) -> Frame | None:
        """The next frame, or None when none came in time; raises LinkLost when the port is gone."""
        try:
            return self._frames.get(
                block=timeout_s > 0, timeout=timeout_s if timeout_s > 0 else None
            )
        except queue.Empty:
            if self._lost is not None:
                raise LinkLost(
                    f"serial port {self.url} is gone: {self._lost}",
                    hint="what was recorded is kept; reconnect the board, then `hilbench resume`",
                ) from None
            return None

    def set_baud(self, baud: int) -> None:
        """Change the host's side of the baud rate."""
        try:
            self._port.flush()
            self._port.baudrate = baud
        except (serial.SerialException, OSError) as error:
            raise LinkLost(f"serial port {self.url} is gone: {error}") from error

    def drain(self, quiet_s: float) -> None:
        """Drop what arrives until the line has been quiet for so long."""
        while self.receive(quiet_s) is not None:
            pass

    def close(self) -> None:
        """Stop the thread and close the port; never raises."""
        self._closing = True
        self._thread.join(2.0)
        try:
            self._port.close()
        except (serial.SerialException, OSError):
            return

    def _read(self) -> None:
        while not self._closing:
            try:
                data = self._port.read(1)
                waiting = self._port.in_waiting if data else 0
                if waiting:
                    data += self._port.read(waiting)
            except (serial.SerialException, OSError, TypeError) as error:
                # pyserial raises TypeError when the port is closed under a blocked read
                self._lost = str(error)
                return
            if data:
                self._take(data)

    def _take(self, data: bytes) -> None:
        self.counters.bytes_received += len(data)
        for frame in self._decoder.feed(data):
            self.counters.frames_received += 1
            self._frames.put(frame)
        self.counters.cobs_errors = self._decoder.cobs_errors
        self.counters.crc_errors = self._decoder.crc_errors
