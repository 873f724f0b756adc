"""From a simulated PPK2 on a pty to energy per inference: the truth, or a named finding."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from tests.simulated_ppk2 import SimulatedPpk2, Waveform, encode

from hilbench.instruments.base import Setup
from hilbench.instruments.energy import EnergyResult, measure_energy
from hilbench.instruments.ppk2 import Ppk2
from hilbench.instruments.record import record
from hilbench.instruments.windows import DeviceMark, align, line_edges

RATE_HZ, TICK_HZ, DRIFT = 100_000, 216_000_000, 50e-6
WINDOWS_S = ((0.2, 1.2), (1.8, 2.8), (3.4, 4.4))
#: Currents that the simulated ADC represents exactly (range 3, range 1).
STEP_V = 4 * 1.8 / 163840
ACTIVE_A, IDLE_A = 200 * STEP_V / 0.94, 300 * STEP_V / 101.65


def run(*, drop: tuple[slice, ...] = ()) -> EnergyResult:
    """The device's clock is 50 ppm slow: its seconds are longer than the instrument's."""
    gate = np.zeros(460_000, np.bool_)
    for start_s, stop_s in WINDOWS_S:
        start, stop = (round(t * (1 + DRIFT) * RATE_HZ) for t in (start_s, stop_s))
        gate[start:stop] = True
    words = encode(np.where(gate, ACTIVE_A, IDLE_A), gate.astype(np.uint8))
    far = SimulatedPpk2(Waveform(words, drop=drop, chunk_bytes=(4093,)))
    try:
        ppk2 = Ppk2(far.url)
        recording = record(ppk2, Setup(3.3), stop=lambda n: n >= 450_000, origin="synthetic")
        ppk2.close()
    finally:
        far.close()
    # The simulated instrument sends as fast as it is read: the host's clock says nothing here.
    recording = dataclasses.replace(recording, elapsed_s=None)
    ticks = [round(t * TICK_HZ) for window in WINDOWS_S for t in window]
    marks = [DeviceMark(t, k % 2 == 0) for k, t in enumerate(ticks)]
    aligned = align(line_edges(recording, 0), marks, tick_hz=TICK_HZ, rate_hz=RATE_HZ)
    assert aligned.clock_ratio == pytest.approx(1 + DRIFT, abs=5e-6)
    return measure_energy(recording, aligned.windows, 50, expected_v=3.3)


def test_within_a_thousandth_despite_drift() -> None:
    result = run()
    truth_j = ACTIVE_A * 3.3 * (1 + DRIFT) / 50
    assert result.per_inference_j.value == pytest.approx(truth_j, rel=1e-3)
    assert result.per_inference_j.low < truth_j < result.per_inference_j.high
    assert result.net_per_inference_j is not None
    net_j = (ACTIVE_A - IDLE_A) * 3.3 * (1 + DRIFT) / 50
    assert result.net_per_inference_j.value == pytest.approx(net_j, rel=1e-3)
    assert (result.status, result.origin) == ("valid", "synthetic")


def test_dropped_samples_are_named_and_do_not_shrink_the_window() -> None:
    result = run(drop=(slice(200_000, 200_050),))
    truth_j = ACTIVE_A * 3.3 * (1 + DRIFT) / 50
    assert result.per_inference_j.value == pytest.approx(truth_j, rel=1e-3)
    assert result.status == "degraded"
    assert "lost_samples" in {f.name for f in result.findings}
