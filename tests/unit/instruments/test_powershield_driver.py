"""The PowerShield driver against a simulated instrument on a pty."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from tests.simulated_powershield import SimulatedPowerShield, Stream

from hilbench.errors import InstrumentLost, NoDevice, ProbeUnusable, UsageError
from hilbench.instruments.base import Mark, Setup
from hilbench.instruments.powershield import PowerShield
from hilbench.instruments.record import record

SAMPLES = b"".join(b"%04d-06\r\n" % (1000 + k) for k in range(500))
EVENTS = SAMPLES + b"event 01 ris\r\n" + SAMPLES + b"event 02 ris\r\n" + SAMPLES


@contextmanager
def opened(stream: Stream) -> Iterator[tuple[PowerShield, SimulatedPowerShield]]:
    far = SimulatedPowerShield(stream)
    try:
        shield = PowerShield(far.url)
        try:
            yield shield, far
        finally:
            shield.close()
    finally:
        far.close()


@pytest.mark.parametrize("chunk_bytes", [4, 1024])
def test_records_samples_and_events(chunk_bytes: int) -> None:
    with opened(Stream(EVENTS, chunk_bytes=chunk_bytes)) as (shield, far):
        setup = Setup(3.0, rate_hz=1000.0)
        recording = record(shield, setup, stop=lambda n: n >= 1500, origin="synthetic")
        for command in ("htc", "volt 3000m", "format ascii_dec", "freq 1000", "eventsrc d7 ris"):
            assert command in far.log
    assert len(recording) == 1500
    assert recording.values[[0, 499, 500]] == pytest.approx([1e-3, 1.499e-3, 1e-3])
    assert recording.marks == (Mark(500, "d7", True), Mark(1000, "d7", True))
    assert (recording.rate_hz, recording.supply_v, recording.notes) == (1000.0, 3.0, ())


def test_binary_above_five_kilohertz() -> None:
    data = bytes.fromhex("52a0 3145") * 400 + b"\xf0\xf5\x00\x00\x00\x00\xff\xff"
    stream = Stream(data, end=b"\xf0\xf4\xff\xff", name="STLINK-V3PWR 1.0")
    with opened(stream) as (shield, far):
        recording = record(shield, Setup(3.3, rate_hz=100_000.0), stop=lambda n: n >= 800)
        assert {"power_monitor", "format bin_hexa", "freq 100000"} <= set(far.log)
        assert not any(command.startswith("eventsrc") for command in far.log)
    assert len(recording) == 800
    assert recording.values[[0, 1]] == pytest.approx([640.9e-6, 79.35e-3], rel=1e-4)
    assert recording.notes == ("stream: the instrument reported overcurrent",)


def test_unplugging_and_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hilbench.instruments.powershield.SILENCE_DEADLINE_S", 0.3)
    with (
        opened(Stream(SAMPLES, vanish=True)) as (shield, _),
        pytest.raises(InstrumentLost, match="gone"),
    ):
        record(shield, Setup(3.0), stop=lambda n: False)
    with (
        opened(Stream(SAMPLES)) as (shield, _),
        pytest.raises(InstrumentLost, match="sent nothing"),
    ):
        record(shield, Setup(3.0), stop=lambda n: False)


def test_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(Stream(b"")) as (shield, _):
        for setup in (Setup(3.6), Setup(3.0, rate_hz=3.0), Setup(3.0, source=False)):
            with pytest.raises(UsageError):
                shield.configure(setup)
        with pytest.raises(UsageError, match="configured"):
            shield.arm()
    with (
        opened(Stream(b"", refuse="freq 5000")) as (shield, _),
        pytest.raises(ProbeUnusable, match="freq 5000"),
    ):
        shield.configure(Setup(3.0))
    monkeypatch.setattr("hilbench.instruments.powershield.ACK_DEADLINE_S", 0.3)
    with pytest.raises(ProbeUnusable), opened(Stream(b"", refuse="powershield")):
        pass
    with pytest.raises(NoDevice):
        PowerShield("/dev/hilbench-no-such-port")
