"""Driver of ST's X-NUCLEO-LPM01A and STLINK-V3PWR over any serial URL.

The dialogue is lines of text: a command, then ``ack <command>`` or ``err``.  Samples come in
ASCII up to 5 kHz and in binary above, where edges on D7 are not reported: a recording that needs
them stays at 5 kHz.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator

from hilbench.errors import InstrumentLost, ProbeUnusable, UsageError
from hilbench.instruments import powershield_protocol as wire
from hilbench.instruments.base import Block, Capabilities, Mark, Setup
from hilbench.instruments.port import InstrumentPort

BAUD = 3_686_400
ACK_DEADLINE_S = 2.0
SILENCE_DEADLINE_S = 3.0
END_DEADLINE_S = 2.0
#: UM2269: an acquisition without end goes up to 5 kHz in ASCII.
ASCII_MAX_RATE_HZ = 5000.0
RATES_HZ = tuple(m * 10.0**e for e in range(6) for m in (1, 2, 5) if m * 10**e <= 100_000)

LPM01A = Capabilities(
    name="ST X-NUCLEO-LPM01A",
    rates_hz=RATES_HZ,
    current_range_a=(100e-9, 10e-3),
    voltage_range_v=(1.8, 3.3),
    gain_error=None,
    offset_error_a=0.0,
    measures_voltage=False,
    digital_lines=1,
    source=(
        "UM2269 rev. 6: dynamic mode, nominal range; UM2243 rev. 2, section 9, states better "
        "than 2 % for the static mode only"
    ),
)
V3PWR = Capabilities(
    name="ST STLINK-V3PWR",
    rates_hz=RATES_HZ,
    current_range_a=None,
    voltage_range_v=(1.6, 3.6),
    gain_error=None,
    offset_error_a=0.0,
    measures_voltage=False,
    digital_lines=0,
    source="ST's command line tool; its trigger input has no command in the sources at hand",
)


class PowerShield:
    """One of the family; the model is what it answers to ``powershield``.

    Parameters
    ----------
    url : str
        Any URL of pyserial.

    Raises
    ------
    NoDevice, DeviceBusy, ProbeUnusable
        When the port cannot be opened, or nothing of the family answers.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.rate_hz = ASCII_MAX_RATE_HZ
        self._configured = self._binary = False
        self._decoder: wire.AsciiDecoder | wire.BinaryDecoder | None = None
        self._text = b""
        self._port = InstrumentPort(url, BAUD, "PowerShield")
        try:
            self._send("stop")  # it may still be measuring for a program that was killed
            name = self._identify()
        except (InstrumentLost, ProbeUnusable) as error:
            self._port.close()
            raise ProbeUnusable(
                f"no PowerShield answers at {url}: {error.message}",
                hint="nothing was measured; replug it, and check the port",
            ) from error
        self._v3pwr = "V3PWR" in name
        self.capabilities = V3PWR if self._v3pwr else LPM01A

    def configure(self, setup: Setup) -> None:
        """Set voltage, rate and format.  Raises UsageError for what the model cannot do."""
        low_v, high_v = self.capabilities.voltage_range_v or (math.nan, math.nan)
        if not low_v <= setup.voltage_v <= high_v:
            raise UsageError(
                f"{self.capabilities.name} gives {low_v} to {high_v} V, not {setup.voltage_v:g} V"
            )
        if not setup.source:
            raise UsageError(f"{self.capabilities.name} always feeds the board")
        rate_hz = ASCII_MAX_RATE_HZ if setup.rate_hz is None else setup.rate_hz
        if rate_hz not in RATES_HZ:
            raise UsageError(f"{rate_hz:g} Hz is not 1, 2 or 5 times a power of ten up to 100 kHz")
        self.rate_hz, self._binary = rate_hz, rate_hz > ASCII_MAX_RATE_HZ
        for command in ("htc", *(["power_monitor"] if self._v3pwr else [])):
            self._command(command)
        millivolts = round(setup.voltage_v * 1000)
        self._command(f"volt {millivolts}m")
        got_v = _decimal(self._command("volt get"))
        if got_v is None or abs(got_v - setup.voltage_v) > 0.002:
            raise ProbeUnusable(f"{setup.voltage_v:g} V was set, {got_v} V is read back")
        self._command("format bin_hexa" if self._binary else "format ascii_dec")
        self._command(f"freq {round(rate_hz)}")
        for command in ("acqtime inf", "output current", "trigsrc sw", "pwr on"):
            self._command(command)
        if not self._v3pwr and not self._binary:
            self._command("eventsrc d7 ris")
        self._configured = True

    def arm(self) -> None:
        """Get ready; the board has power since :meth:`configure`."""
        if not self._configured:
            raise UsageError(f"{self.capabilities.name} was not configured")
        frames = wire.V3PWR_FRAMES if self._v3pwr else wire.LPM01A_FRAMES
        self._decoder = wire.BinaryDecoder(frames) if self._binary else wire.AsciiDecoder()

    def stream(self, stop: Callable[[], bool]) -> Iterator[Block]:
        """Blocks until ``stop()`` is true; raises InstrumentLost when it is gone."""
        decoder = self._decoder
        if decoder is None:
            raise UsageError(f"{self.capabilities.name} was not armed")
        self._command("start")
        # What follows the answer's line is already of the stream.
        rest, self._text = self._text, b""
        yield decoder.feed(rest)
        heard_s = time.monotonic()
        stop_s: float | None = None
        while not decoder.state.ended:
            if stop_s is None and stop():
                self._send("stop")
                stop_s = time.monotonic()
            data = self._port.read()
            now_s = time.monotonic()
            if data:
                heard_s = now_s
                yield decoder.feed(data)
            if stop_s is not None and now_s - stop_s > END_DEADLINE_S:
                raise InstrumentLost(f"{self.capabilities.name} at {self.url} does not stop")
            if stop_s is None and now_s - heard_s > SILENCE_DEADLINE_S:
                raise InstrumentLost(
                    f"{self.capabilities.name} at {self.url} sent nothing for "
                    f"{SILENCE_DEADLINE_S:g} s",
                    hint="what was recorded is kept; the board may have lost its power",
                )

    def marks(self) -> tuple[Mark, ...]:
        """Edges on D7, to one sample."""
        return () if self._decoder is None else tuple(self._decoder.state.marks)

    def notes(self) -> tuple[str, ...]:
        """Overcurrent, lost samples by its own time stamps, messages."""
        if self._decoder is None:
            return ()
        state = self._decoder.state
        notes = [f"instrument: {text}" for text in state.messages]
        if state.overcurrent:
            notes.append("stream: the instrument reported overcurrent")
        if missing := state.missing_samples(self.rate_hz):
            notes.append(f"stream: {missing} samples lost by its own time stamps")
        if state.malformed:
            notes.append(f"stream: {state.malformed} malformed pieces")
        return tuple(notes)

    def close(self) -> None:
        """Stop, cut the board's power, hand control back; never raises."""
        try:
            for command in ("stop", "pwr off", "hrc"):
                self._send(command)
        except InstrumentLost:
            pass
        finally:
            self._port.close()

    def _identify(self) -> str:
        return self._command("powershield")

    def _command(self, command: str) -> str:
        """Send a command; what follows ``ack`` and the command's first word.

        Lines of other content are passed over: what a stream that was just stopped left.
        """
        self._send(command)
        word = command.split()[0]
        deadline_s = time.monotonic() + ACK_DEADLINE_S
        while time.monotonic() < deadline_s:
            while b"\n" in self._text:
                line, _, self._text = self._text.partition(b"\n")
                text = line.decode("ascii", "replace").strip().removeprefix("PowerShield > ")
                if text.startswith("ack "):
                    answer = text.removeprefix("ack ")
                    if answer.startswith(word) or word == "powershield":
                        return answer.removeprefix(command).strip()
                elif text.startswith(("err", "error")):
                    raise ProbeUnusable(f"{command!r} was refused: {text}")
            self._text += self._port.read()
        raise ProbeUnusable(f"{command!r} was not acknowledged within {ACK_DEADLINE_S:g} s")

    def _send(self, command: str) -> None:
        self._port.write(command.encode() + b"\n")


def _decimal(text: str) -> float | None:
    """Value of ``3300-03``, or None when it is none."""
    mantissa, sign, exponent = text.partition("-")
    if not (mantissa.isdigit() and sign and exponent.isdigit()):
        return None
    return int(mantissa) * 10.0 ** -int(exponent)
