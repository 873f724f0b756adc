"""Driver of Nordic's Power Profiler Kit II over any serial URL."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from hilbench.errors import InstrumentLost, ProbeUnusable, UsageError
from hilbench.instruments import ppk2_protocol as wire
from hilbench.instruments.base import Block, Capabilities, Mark, Setup
from hilbench.instruments.port import InstrumentPort

METADATA_DEADLINE_S = 2.0
SILENCE_DEADLINE_S = 2.0
#: After STOP the instrument may still send what its USB buffers hold.
DRAIN_QUIET_S = 0.1
DRAIN_DEADLINE_S = 2.0

CAPABILITIES = Capabilities(
    name="Nordic PPK2",
    rates_hz=(wire.RATE_HZ,),
    current_range_a=(200e-9, wire.MAX_CURRENT_A),
    voltage_range_v=(wire.MIN_VOLTAGE_MV / 1000, wire.MAX_VOLTAGE_MV / 1000),
    gain_error=None,
    offset_error_a=0.2e-6,
    measures_voltage=False,
    digital_lines=8,
    source=(
        "rate, voltage and logic port: pc-nrfconnect-ppk 8da7626e; below 0.2 uA its application "
        "reads 0; Nordic's pages that were at hand state no gain error"
    ),
)


class Ppk2:
    """A PPK2 as source or as ampere meter.

    Parameters
    ----------
    url : str
        Any URL of pyserial; the baud rate has no meaning to it.
    spike_filter : bool
        See :class:`~hilbench.instruments.ppk2_protocol.StreamDecoder`.

    Raises
    ------
    NoDevice, DeviceBusy, ProbeUnusable
        When the port cannot be opened, or no PPK2 answers behind it.
    """

    capabilities = CAPABILITIES
    rate_hz = wire.RATE_HZ

    def __init__(self, url: str, *, spike_filter: bool = False) -> None:
        self.url = url
        self._spike_filter = spike_filter
        self._supply_v: float | None = None
        self.decoder: wire.StreamDecoder | None = None
        self._port = InstrumentPort(url, 115200, "PPK2")
        try:
            self._port.write(wire.STOP)  # it may still be streaming for a program that was killed
            self._drain()
            self.calibration = wire.parse_metadata(self._metadata())
        except (InstrumentLost, ProbeUnusable) as error:
            self._port.close()
            raise ProbeUnusable(
                f"no PPK2 answers at {url}: {error.message}",
                hint="nothing was measured; unplug and replug the PPK2, and check the port",
            ) from error

    def configure(self, setup: Setup) -> None:
        """Set mode and voltage.  Raises UsageError for a voltage or rate that it cannot do."""
        if setup.rate_hz not in (None, wire.RATE_HZ):
            raise UsageError(f"the PPK2 samples at {wire.RATE_HZ:g} Hz, not {setup.rate_hz:g} Hz")
        self._port.write(wire.DUT_OFF)
        self._port.write(wire.SOURCE_METER if setup.source else wire.AMPERE_METER)
        millivolts = round(setup.voltage_v * 1000)
        if not wire.MIN_VOLTAGE_MV <= millivolts <= wire.MAX_VOLTAGE_MV:
            raise UsageError(f"the PPK2 takes 0.8 to 5.0 V, not {setup.voltage_v:g} V")
        # In ampere mode the regulator's value still enters the conversion of currents.
        self._port.write(wire.regulator(millivolts))
        self._supply_v = setup.voltage_v

    def arm(self) -> None:
        """Switch the DUT on.  Raises UsageError before :meth:`configure`."""
        if self._supply_v is None:
            raise UsageError("the PPK2 was not configured: its voltage is unknown")
        self.decoder = wire.StreamDecoder(
            self.calibration, self._supply_v, spike_filter=self._spike_filter
        )
        self._port.write(wire.DUT_ON)

    def stream(self, stop: Callable[[], bool]) -> Iterator[Block]:
        """Blocks of samples until ``stop()`` is true; raises InstrumentLost when it is gone."""
        decoder = self.decoder
        if decoder is None:
            raise UsageError("the PPK2 was not armed")
        self._port.write(wire.START)
        heard_s = time.monotonic()
        while not stop():
            data = self._port.read()
            now_s = time.monotonic()
            if data:
                heard_s = now_s
                yield decoder.feed(data)
            elif now_s - heard_s > SILENCE_DEADLINE_S:
                raise InstrumentLost(
                    f"the PPK2 at {self.url} sent nothing for {SILENCE_DEADLINE_S:g} s",
                    hint="what was recorded is kept; the DUT may have lost its power",
                )
        self._port.write(wire.STOP)
        yield decoder.finish()
        self._drain()

    def marks(self) -> tuple[Mark, ...]:
        """None: its logic port is sampled with the current."""
        return ()

    def notes(self) -> tuple[str, ...]:
        """Calibration that was missing, bytes that were lost."""
        notes = []
        if self.calibration.defaulted:
            keys = ", ".join(self.calibration.defaulted)
            notes.append(f"calibration: defaults stand for {keys}")
        if not self.calibration.calibrated:
            notes.append("calibration: the PPK2 says that it is not calibrated")
        if self.decoder is not None and self.decoder.framing_slips:
            notes.append(f"stream: single bytes lost {self.decoder.framing_slips} times")
        return tuple(notes)

    def close(self) -> None:
        """Stop, switch the DUT off and close the port; never raises."""
        try:
            self._port.write(wire.STOP)
            self._port.write(wire.DUT_OFF)
        except InstrumentLost:
            pass
        finally:
            self._port.close()

    def _metadata(self) -> bytes:
        self._port.write(wire.GET_METADATA)
        deadline_s = time.monotonic() + METADATA_DEADLINE_S
        answer = b""
        while time.monotonic() < deadline_s:
            answer += self._port.read()
            if b"END" in answer:
                return answer[: answer.index(b"END")]
        raise ProbeUnusable(f"no calibration within {METADATA_DEADLINE_S:g} s")

    def _drain(self) -> None:
        """Drop what still comes until the line is quiet, or the deadline."""
        deadline_s = time.monotonic() + DRAIN_DEADLINE_S
        quiet_since_s = time.monotonic()
        while time.monotonic() < deadline_s:
            if self._port.read():
                quiet_since_s = time.monotonic()
            elif time.monotonic() - quiet_since_s > DRAIN_QUIET_S:
                return
