"""Runs an instrument from configuration to recording."""

from __future__ import annotations

import time
from collections.abc import Callable

from hilbench.instruments.base import Collector, Instrument, Recording, Setup


def record(
    instrument: Instrument,
    setup: Setup,
    *,
    stop: Callable[[int], bool],
    origin: str = "measured",
) -> Recording:
    """Record until ``stop(samples so far)`` is true; the instrument is left open.

    Parameters
    ----------
    instrument : Instrument
    setup : Setup
    stop : callable
        Called between blocks with the number of samples so far, lost ones included.
    origin : str
        ``synthetic`` when the instrument is a simulated one.

    Raises
    ------
    InstrumentLost
        When the instrument is gone or silent.
    """
    instrument.configure(setup)
    instrument.arm()
    collector = Collector()
    first_s = last_s = time.monotonic()
    for block in instrument.stream(lambda: stop(len(collector))):
        last_s = time.monotonic()
        if not len(collector) and len(block):
            first_s = last_s - len(block) / instrument.rate_hz
        collector.add(block)
    return collector.build(
        rate_hz=instrument.rate_hz,
        instrument=instrument.capabilities,
        origin=origin,
        supply_v=setup.voltage_v,
        marks=instrument.marks(),
        elapsed_s=last_s - first_s,
        notes=instrument.notes(),
    )
