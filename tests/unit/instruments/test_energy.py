"""Energy from made-up traces whose truth is known, and from a real one."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.conftest import require_shared

from hilbench.errors import MeasurementError
from hilbench.instruments.base import LOST, RANGE_SWITCH, SATURATED, Capabilities, Recording
from hilbench.instruments.energy import EnergyResult, measure_energy
from hilbench.instruments.trace_file import read_mlperf
from hilbench.instruments.windows import Edge, Window, line_edges, marked_edges, pair_windows

RATE_HZ = 10_000.0
METER = Capabilities("a meter", (RATE_HZ,), (0, 1), (1, 5), 0.01, 0.0, False, 8, "made up")


def trace(
    edges: list[float],
    *,
    active_a: float | list[float] = 20e-3,
    idle_a: float = 2e-3,
    noise_a: float = 0.0,
    n: int = 60_000,
    seed: int = 0,
    meter: Capabilities = METER,
) -> Recording:
    """Windows at true positions (samples, fractional); a sample is the mean over its time."""
    grid = np.arange(n + 1.0)
    levels = np.broadcast_to(active_a, len(edges) // 2)
    integral = idle_a * grid
    digital = np.zeros(n, np.uint8)
    for (start, stop), level in zip(np.reshape(edges, (-1, 2)), levels, strict=True):
        integral = integral + (level - idle_a) * (np.clip(grid, start, stop) - start)
        digital |= (grid[:-1] + 0.5 >= start) & (grid[:-1] + 0.5 < stop)
    noise = np.random.default_rng(seed).normal(0, noise_a, n) if noise_a else np.zeros(n)
    flags = np.zeros(n, np.uint8)
    return Recording(
        RATE_HZ, np.diff(integral) + noise, flags, meter, "synthetic", supply_v=3.0, digital=digital
    )


EDGES = [5000.3, 15_000.3, 25_000.7, 35_000.7, 45_000.2, 55_000.2]


def result_of(recording: Recording, **options: float) -> EnergyResult:
    windows = pair_windows(line_edges(recording, 0))
    return measure_energy(recording, windows, 100, **options)


def names(result: EnergyResult) -> set[str]:
    return {f.name for f in result.findings}


def test_gross_net_and_power() -> None:
    result = result_of(trace(EDGES), expected_v=3.0)
    assert result.per_inference_j.value == pytest.approx(60e-3 / 100, rel=1e-4)
    assert result.net_per_inference_j is not None
    assert result.net_per_inference_j.value == pytest.approx(54e-3 / 100, rel=1e-4)
    assert result.mean_power_w.value == pytest.approx(60e-3, rel=1e-4)
    assert result.windows[0].charge_c == pytest.approx(20e-3, rel=1e-4)
    assert result.idle is not None
    assert result.idle.power_w == pytest.approx(6e-3, rel=1e-9)
    assert (result.status, result.findings, result.origin) == ("valid", (), "synthetic")


def test_calibration_and_alignment_are_in_the_interval() -> None:
    parts = dict(result_of(trace(EDGES)).per_inference_j.parts)
    assert parts["gain"] == pytest.approx(0.01 / 3**0.5 * 6e-4, rel=1e-3)
    # Two ends, each 1/sqrt(12) samples, at 60 mW.
    expected_j = (2 / 12) ** 0.5 / RATE_HZ * 60e-3 / 100
    assert parts["alignment"] == pytest.approx(expected_j, rel=0.05)


def simulated_coverage(runs: int, seed: int, gain_error: float) -> tuple[float, float]:
    """Parts of the intervals that contain the truth, gross and net.

    In each run the meter has a gain of its own within its bounds, the windows lie anywhere, and the
    device's power differs from window to window.
    """
    rng = np.random.default_rng(seed)
    meter = dataclasses.replace(METER, gain_error=gain_error)
    hits = np.zeros(2)
    for run in range(runs):
        starts = np.array([500, 2700, 4900, 7100, 9300]) + rng.uniform(0, 50, 5)
        edges = np.stack((starts, starts + 1200), axis=1).ravel().tolist()
        levels = 20e-3 * (1 + rng.normal(0, 2e-3, 5))
        made = trace(
            edges, active_a=levels.tolist(), noise_a=1e-4, n=12_000, seed=seed + run, meter=meter
        )
        gain = 1 + rng.uniform(-gain_error, gain_error)
        made = dataclasses.replace(made, values=made.values * gain)
        result = measure_energy(made, pair_windows(line_edges(made, 0)), 10)
        assert result.net_per_inference_j is not None
        for k, (estimate, level_a) in enumerate(
            ((result.per_inference_j, 20e-3), (result.net_per_inference_j, 18e-3))
        ):
            truth = level_a * 3.0 * 1200 / RATE_HZ / 10
            hits[k] += estimate.low <= truth <= estimate.high
    return float(hits[0]) / runs, float(hits[1]) / runs


@pytest.mark.parametrize("gain_error", [0.0, 0.004])
def test_intervals_cover_the_truth(gain_error: float) -> None:
    """At least 95 % of 300 simulated runs, less three standard errors of that count."""
    gross, net = simulated_coverage(300, 1, gain_error)
    assert min(gross, net) >= 0.95 - 3 * (0.95 * 0.05 / 300) ** 0.5


def spoilt(flag: int, where: slice, values: float | None = None) -> Recording:
    recording = trace(EDGES)
    flags, samples = recording.flags.copy(), np.array(recording.values)
    flags[where] |= flag
    if values is not None:
        samples[where] = values
    return dataclasses.replace(recording, flags=flags, values=samples)


def test_few_lost_samples_degrade_and_many_refuse() -> None:
    few = result_of(spoilt(LOST, slice(7000, 7005), np.nan))
    assert (few.status, names(few)) == ("degraded", {"lost_samples"})
    assert few.per_inference_j.value == pytest.approx(6e-4, rel=1e-4)
    many = result_of(spoilt(LOST, slice(7000, 7100), np.nan))
    assert (many.status, names(many)) == ("invalid", {"lost_samples"})


@pytest.mark.parametrize(
    ("recording", "name", "status"),
    [
        (spoilt(SATURATED, slice(7000, 7001)), "saturated", "invalid"),
        (spoilt(RANGE_SWITCH, slice(7000, 7003)), "range_switches", "valid"),
        (spoilt(RANGE_SWITCH, slice(7000, 7300)), "range_switches", "degraded"),
        (spoilt(0, slice(7000, 7020), 0.0), "brown_out", "invalid"),
        (dataclasses.replace(trace(EDGES), supply_v=1.8), "wrong_voltage", "invalid"),
        (dataclasses.replace(trace(EDGES), elapsed_s=6.5), "sample_count", "invalid"),
        (trace(EDGES, idle_a=30e-3), "idle_above_active", "degraded"),
        (trace([5000.0, 15_000.0]), "one_window", "degraded"),
        (trace([5000.0, 5900.0, 25_000.0, 25_900.0]), "few_samples", "invalid"),
        (trace([5000.0, 15_000.0, 19_000.0, 29_000.0]), "short_idle", "degraded"),
    ],
)
def test_what_is_wrong_is_named(recording: Recording, name: str, status: str) -> None:
    result = result_of(recording, expected_v=3.0)
    assert name in names(result)
    assert result.status == status
    if name == "idle_above_active":
        assert result.net_per_inference_j is None
        assert result.per_inference_j.value == pytest.approx(6e-4, rel=1e-3)


def test_a_sampled_voltage_is_used_and_watched() -> None:
    recording = trace(EDGES)
    voltage: NDArray[np.float64] = np.full(len(recording), 3.0)
    sampled = dataclasses.replace(recording, voltage_v=voltage, supply_v=None)
    assert result_of(sampled, expected_v=3.0).status == "valid"
    sagging = voltage.copy()
    sagging[8000:8100] = 2.2
    result = result_of(dataclasses.replace(sampled, voltage_v=sagging), expected_v=3.0)
    assert names(result) == {"brown_out"}


def test_unstated_calibration_is_said() -> None:
    unknown = dataclasses.replace(METER, gain_error=None)
    recording = trace(EDGES, meter=unknown)
    assert names(result_of(recording)) == {"calibration_unstated"}
    assert names(result_of(recording, gain_error=0.05)) == set()


def test_windows_that_are_not_there() -> None:
    recording = trace(EDGES)
    for windows in ([], [Window(59_000, 61_000)]):
        with pytest.raises(MeasurementError):
            measure_energy(recording, windows, 1)
    lost = spoilt(LOST, slice(5000, 15_001), np.nan)
    with pytest.raises(MeasurementError, match="no sample"):
        measure_energy(lost, [Window(5000, 15_000)], 1)


def test_the_real_trace() -> None:
    """Published: 7373.704 uJ per inference (median of 5 windows of 100), 40.84 mW."""
    folder = require_shared("power-traces/l4r5zi-kws")
    recording = read_mlperf(folder / "trace1-energy.bin", folder / "trace1-timestamps.json")
    stamps = marked_edges(recording, "timestamp")[1:]  # the first is the start-up's
    edges = [Edge(e.index, k % 2 == 0) for k, e in enumerate(stamps)]
    result = measure_energy(recording, pair_windows(edges), 100, gain_error=0.02)
    assert result.status == "valid"
    assert result.median_per_inference_j * 1e6 == pytest.approx(7373.704, abs=0.41)
    assert result.mean_power_w.value * 1e3 == pytest.approx(40.84, abs=0.01)
    assert result.per_inference_j.low * 1e6 < 7373.704 < result.per_inference_j.high * 1e6
    assert result.net_per_inference_j is not None
    assert result.idle is not None
    expected = result.per_inference_j.value - result.idle.power_w * 0.18055
    assert result.net_per_inference_j.value == pytest.approx(expected, rel=1e-3)
