"""The serial port of an instrument: what goes wrong on it names the instrument."""

from __future__ import annotations

import serial

from hilbench.errors import InstrumentLost
from hilbench.link.link import port_error

READ_TIMEOUT_S = 0.05
WRITE_TIMEOUT_S = 2.0
MAX_READ_BYTES = 1 << 16


class InstrumentPort:
    """An open port.

    Parameters
    ----------
    url : str
        Any URL of pyserial.
    baud : int
    name : str
        Of the instrument, for messages.

    Raises
    ------
    NoDevice, DeviceBusy
        When it cannot be opened.
    """

    def __init__(self, url: str, baud: int, name: str) -> None:
        self.url, self._name = url, name
        try:
            self._port = serial.serial_for_url(
                url,
                baudrate=baud,
                timeout=READ_TIMEOUT_S,
                write_timeout=WRITE_TIMEOUT_S,
                exclusive=True,
            )
        except (serial.SerialException, OSError, ValueError) as error:
            raise port_error(url, error) from error

    def write(self, data: bytes) -> None:
        """Send bytes; raises InstrumentLost."""
        try:
            self._port.write(data)
        except (serial.SerialException, OSError) as error:
            raise InstrumentLost(f"the {self._name} at {self.url} is gone: {error}") from error

    def read(self) -> bytes:
        """What has arrived, at least one byte unless the timeout passes; raises InstrumentLost."""
        try:
            waiting = min(max(1, self._port.in_waiting), MAX_READ_BYTES)
            return bytes(self._port.read(waiting))
        except (serial.SerialException, OSError) as error:
            raise InstrumentLost(
                f"the {self._name} at {self.url} is gone: {error}",
                hint="what was recorded is kept; reconnect it and repeat the run",
            ) from error

    def close(self) -> None:
        self._port.close()
