"""Energy per inference from a trace and its windows, with an interval that says what it contains.

Standard uncertainties are combined as the Guide to the Expression of Uncertainty in Measurement
has it (JCGM 100:2008, 5.1.2, and G.4 for the effective degrees of freedom): repeat windows, the
position of the windows' ends, the instrument's calibration, and for net values the idle power.
Alignment and calibration count as common to all windows: repeating does not diminish them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import MeasurementError
from hilbench.instruments.base import RANGE_SWITCH, SATURATED, Recording
from hilbench.instruments.windows import Window
from hilbench.stats import student_quantile

#: A window with fewer samples is refused: its ends alone are then 0.1 % or more of it.
MIN_SAMPLES = 1000
#: Part of a window that may be lost; EEMBC's runner has the same limit (emon-drop-thresh-pct 0.1).
MAX_LOST = 0.001
#: Part of a window that may be taken while ranges switch before the result is degraded.
MAX_SWITCHING = 0.01
#: Relative distance of the supply from what was asked that makes a run invalid, and a brown-out.
VOLTAGE_TOLERANCE, BROWN_OUT = 0.02, 0.10
#: Without a sampled voltage: current below this part of idle, for so many samples, is no activity.
DEAD_PART, DEAD_SAMPLES = 0.2, 10
#: Samples left out on both sides of a window when idle is taken from between windows.
IDLE_GUARD_SAMPLES = 50
MIN_IDLE_S = 1.0
IDLE_BATCHES = 10
#: Host's clock against the sample count: what scheduling may hide, and the clocks' difference.
ELAPSED_TOLERANCE_S, ELAPSED_TOLERANCE = 0.1, 0.001

LEVELS = ("note", "degraded", "invalid")


@dataclass(frozen=True)
class Finding:
    """Something that the verdict should name.

    Attributes
    ----------
    level : str
        ``note``, ``degraded`` or ``invalid``.
    name : str
        ``few_samples``, ``lost_samples``, ``saturated``, ``range_switches``, ``brown_out``,
        ``wrong_voltage``, ``idle_above_active``, ``short_idle``, ``sample_count``,
        ``calibration_unstated`` or ``one_window``.
    text : str
    """

    level: str
    name: str
    text: str


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval and what the standard uncertainty is made of.

    Attributes
    ----------
    value, low, high : float
    n : int
        Windows behind it.
    parts : tuple of (str, float)
        Standard uncertainties by cause, in the value's unit.
    """

    value: float
    low: float
    high: float
    n: int
    parts: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class WindowEnergy:
    """One window: its span by the instrument's clock, and what was drawn in it."""

    start_s: float
    stop_s: float
    energy_j: float
    charge_c: float | None
    alignment_j: float  #: standard uncertainty for the position of its ends
    lost_j: float  #: standard uncertainty for its lost samples

    @property
    def mean_power_w(self) -> float:
        return self.energy_j / (self.stop_s - self.start_s)


@dataclass(frozen=True)
class Idle:
    """Power while the device waits: mean, its standard uncertainty, and how long it was seen."""

    power_w: float
    uncertainty_w: float
    duration_s: float


@dataclass(frozen=True)
class EnergyResult:
    """What a recording says of the energy of an inference.

    Attributes
    ----------
    per_inference_j : Estimate
        Gross: everything that the supply gave.
    net_per_inference_j : Estimate or None
        Less idle power; None when idle was not seen, or was above active.
    mean_power_w : Estimate
    median_per_inference_j : float
        As MLPerf Tiny reports it.
    idle : Idle or None
    windows : tuple of WindowEnergy
    findings : tuple of Finding
    origin : str
        That of the recording.
    """

    per_inference_j: Estimate
    net_per_inference_j: Estimate | None
    mean_power_w: Estimate
    median_per_inference_j: float
    idle: Idle | None
    windows: tuple[WindowEnergy, ...]
    findings: tuple[Finding, ...]
    origin: str

    @property
    def status(self) -> str:
        """``valid``, ``degraded`` or ``invalid``."""
        worst = max((LEVELS.index(f.level) for f in self.findings), default=0)
        return ("valid", "degraded", "invalid")[worst]


def measure_energy(
    recording: Recording,
    windows: Sequence[Window],
    inferences: int,
    *,
    expected_v: float | None = None,
    gain_error: float | None = None,
    idle_spans: Sequence[tuple[int, int]] | None = None,
    confidence: float = 0.95,
) -> EnergyResult:
    """Energy per inference, gross and net, of windows that hold ``inferences`` each.

    Parameters
    ----------
    recording : Recording
    windows : sequence of Window
        Ascending, not overlapping.
    inferences : int
        In each window, at least 1.
    expected_v : float or None
        What the supply should be.
    gain_error : float or None
        Largest relative error of the instrument, where its driver states none.
    idle_spans : sequence of (start, stop) in samples, or None
        Where the device idles.  None: between the windows.  Empty: no net value.
    confidence : float
        Of the intervals.

    Raises
    ------
    MeasurementError
        When there is no window, one lies outside the recording, or holds no known sample.
    """
    if inferences < 1 or not windows:
        raise MeasurementError(f"{len(windows)} windows of {inferences} inferences: no energy")
    findings: list[Finding] = []
    spans = _between(recording, windows) if idle_spans is None else list(idle_spans)
    idle = _idle(recording, spans, findings)
    measured = []
    for number, window in enumerate(windows):
        measured.append(_window_energy(recording, window, number))
        _inspect(recording, window, number, idle, expected_v, findings)
    _inspect_recording(recording, expected_v, findings)

    gain = recording.instrument.gain_error if gain_error is None else gain_error
    if gain is None:
        text = "no source states the instrument's gain error: the interval leaves it out"
        findings.append(Finding("note", "calibration_unstated", text))
    if len(windows) == 1:
        text = "one window: the interval knows nothing of repeating"
        findings.append(Finding("degraded", "one_window", text))
    combine = _Combiner(recording, measured, gain or 0.0, confidence)
    durations = np.array([w.stop_s - w.start_s for w in measured])
    energies = np.array([w.energy_j for w in measured])
    net = None
    if idle is not None:
        if idle.power_w >= energies.sum() / durations.sum():
            text = f"idle {idle.power_w:.4g} W, active {energies.sum() / durations.sum():.4g} W"
            findings.append(Finding("degraded", "idle_above_active", text))
        else:
            net = combine.estimate(
                (energies - idle.power_w * durations) / inferences,
                1 / inferences,
                idle=idle.uncertainty_w * float(durations.mean()) / inferences,
            )
    return EnergyResult(
        per_inference_j=combine.estimate(energies / inferences, 1 / inferences),
        net_per_inference_j=net,
        mean_power_w=combine.estimate(energies / durations, 1 / float(durations.mean())),
        median_per_inference_j=float(np.median(energies)) / inferences,
        idle=idle,
        windows=tuple(measured),
        findings=tuple(findings),
        origin=recording.origin,
    )


class _Combiner:
    """Turns values per window into an estimate; knows what is common to all windows."""

    def __init__(
        self,
        recording: Recording,
        windows: Sequence[WindowEnergy],
        gain_error: float,
        confidence: float,
    ) -> None:
        voltage = 0.0
        if recording.quantity == "current":
            sampled = recording.voltage_v
            voltage = recording.supply_v or 0.0 if sampled is None else float(np.nanmean(sampled))
        duration_s = float(np.mean([w.stop_s - w.start_s for w in windows]))
        self._offset_j = recording.instrument.offset_error_a * voltage * duration_s
        self._alignment_j = float(np.mean([w.alignment_j for w in windows]))
        self._lost_j = float(np.mean([w.lost_j for w in windows]))
        self._gain_error, self._confidence = gain_error, confidence

    def estimate(
        self, values: NDArray[np.float64], per_joule: float, *, idle: float = 0.0
    ) -> Estimate:
        """Mean of ``values`` with its interval; ``per_joule`` turns J of a window into its unit."""
        n, mean = len(values), float(values.mean())
        repeat = float(values.std(ddof=1)) / math.sqrt(n) if n > 1 else 0.0
        parts = {
            "repeat": repeat,
            "alignment": self._alignment_j * per_joule,
            # Bounds of a uniform distribution: JCGM 100:2008, 4.3.7.
            "gain": self._gain_error / math.sqrt(3) * abs(mean),
            "offset": self._offset_j / math.sqrt(3) * per_joule,
            "lost": self._lost_j * per_joule,
            "idle": idle,
        }
        total = math.sqrt(sum(u * u for u in parts.values()))
        dof = (n - 1) * (total / repeat) ** 4 if repeat > 0 else math.inf
        half = student_quantile(0.5 + self._confidence / 2, dof) * total
        known = tuple((name, u) for name, u in parts.items() if u > 0)
        return Estimate(mean, mean - half, mean + half, n, known)


def _window_energy(recording: Recording, window: Window, number: int) -> WindowEnergy:
    """Integral between the window's ends, parts of samples included."""
    first, last = math.floor(window.start), math.ceil(window.stop)
    if not 0 <= first < last <= len(recording):
        raise MeasurementError(f"window {number} is not within the recording")
    power = recording.power_w(first, last)
    known = ~np.isnan(power)
    if not known.any():
        raise MeasurementError(f"window {number} holds no sample that arrived")
    weight = np.ones(last - first)
    weight[0] -= window.start - first
    weight[-1] -= last - window.stop
    # Lost samples count as the mean of the others, anywhere within what these range over.
    mean = float(np.average(power[known], weights=weight[known]))
    energy = float(np.where(known, power, mean) @ weight) / recording.rate_hz
    lost_s = float(weight[~known].sum()) / recording.rate_hz
    spread_w = float(np.ptp(power[known])) if lost_s else 0.0
    charge = None
    if recording.quantity == "current":
        current = np.asarray(recording.values[first:last], np.float64)
        inside = float(np.average(current[known], weights=weight[known]))
        charge = float(np.where(known, current, inside) @ weight) / recording.rate_hz
    ends = [_level(recording, round(edge)) for edge in (window.start, window.stop)]
    shift_s = window.uncertainty / recording.rate_hz
    return WindowEnergy(
        start_s=window.start / recording.rate_hz,
        stop_s=window.stop / recording.rate_hz,
        energy_j=energy,
        charge_c=charge,
        alignment_j=shift_s * math.hypot(*ends),
        lost_j=lost_s * spread_w / math.sqrt(12),
    )


def _level(recording: Recording, edge: int, reach: int = 5) -> float:
    """Larger of the mean powers just before and just after an edge, W."""
    levels = []
    for start, stop in ((max(0, edge - reach), edge), (edge, min(len(recording), edge + reach))):
        power = recording.power_w(start, stop)
        power = power[~np.isnan(power)]
        levels.append(float(np.abs(power).mean()) if len(power) else 0.0)
    return max(levels)


def _between(recording: Recording, windows: Sequence[Window]) -> list[tuple[int, int]]:
    """Spans before, between and after the windows, less a guard at each window."""
    starts = [0, *(math.ceil(w.stop) + IDLE_GUARD_SAMPLES for w in windows)]
    stops = [*(math.floor(w.start) - IDLE_GUARD_SAMPLES for w in windows), len(recording)]
    # What comes before the first window may be the start-up, after the last one anything.
    inner = list(zip(starts, stops, strict=True))[1:-1]
    return [(a, b) for a, b in inner if b > a]


def _idle(
    recording: Recording, spans: Sequence[tuple[int, int]], findings: list[Finding]
) -> Idle | None:
    power = [recording.power_w(a, b) for a, b in spans]
    joined = np.concatenate(power) if power else np.empty(0)
    joined = joined[~np.isnan(joined)]
    if len(joined) < MIN_SAMPLES:
        text = f"{len(joined)} samples of idle, fewer than {MIN_SAMPLES}: no net value"
        findings.append(Finding("note", "short_idle", text))
        return None
    duration_s = len(joined) / recording.rate_hz
    if duration_s < MIN_IDLE_S:
        text = f"idle was seen for {duration_s:.3g} s, less than {MIN_IDLE_S:g} s"
        findings.append(Finding("degraded", "short_idle", text))
    # Means of consecutive batches, since neighbouring samples are not independent.
    batches = np.array([b.mean() for b in np.array_split(joined, IDLE_BATCHES)])
    uncertainty = float(batches.std(ddof=1)) / math.sqrt(IDLE_BATCHES)
    return Idle(float(joined.mean()), uncertainty, duration_s)


def _inspect(
    recording: Recording,
    window: Window,
    number: int,
    idle: Idle | None,
    expected_v: float | None,
    findings: list[Finding],
) -> None:
    """What makes one window doubtful."""

    def found(level: str, name: str, text: str) -> None:
        findings.append(Finding(level, name, f"window {number}: {text}"))

    first, last = math.floor(window.start), math.ceil(window.stop)
    count = last - first
    if window.samples < MIN_SAMPLES:
        found("invalid", "few_samples", f"{window.samples:.0f} samples, at least {MIN_SAMPLES}")
    flags = recording.flags[first:last]
    if lost := recording.lost_samples(first, last):
        level = "invalid" if lost / count > MAX_LOST else "degraded"
        found(level, "lost_samples", f"{lost} of {count} samples lost")
    if saturated := int(np.count_nonzero(flags & SATURATED)):
        found("invalid", "saturated", f"{saturated} samples at the end of the range")
    if switching := int(np.count_nonzero(flags & RANGE_SWITCH)):
        level = "degraded" if switching / count > MAX_SWITCHING else "note"
        found(level, "range_switches", f"{switching} samples while ranges switched")
    if recording.voltage_v is not None and expected_v is not None:
        lowest = float(np.nanmin(recording.voltage_v[first:last]))
        if lowest < (1 - BROWN_OUT) * expected_v:
            found("invalid", "brown_out", f"{lowest:.3g} V of {expected_v:.3g} V")
    elif idle is not None:
        dead = np.nan_to_num(recording.power_w(first, last), nan=np.inf) < DEAD_PART * idle.power_w
        if (run := _longest_run(dead)) >= DEAD_SAMPLES:
            found("invalid", "brown_out", f"almost no current in {run} samples on end")


def _longest_run(mask: NDArray[np.bool_]) -> int:
    """Length of the longest run of True."""
    padded = np.concatenate(([False], mask, [False])).astype(np.int8)
    change = np.flatnonzero(np.diff(padded))
    return int((change[1::2] - change[::2]).max(initial=0))


def _inspect_recording(
    recording: Recording, expected_v: float | None, findings: list[Finding]
) -> None:
    """What makes the whole recording doubtful."""
    seen_v = recording.supply_v
    if recording.voltage_v is not None:
        seen_v = float(np.nanmedian(recording.voltage_v))
    if expected_v is None or seen_v is None:
        distance = 0.0
    else:
        distance = abs(seen_v / expected_v - 1)
    if distance > VOLTAGE_TOLERANCE:
        text = f"{seen_v:.4g} V, {expected_v:.4g} V was asked"
        findings.append(Finding("invalid", "wrong_voltage", text))
    if recording.elapsed_s is not None:
        missing_s = recording.elapsed_s - recording.duration_s
        if abs(missing_s) > ELAPSED_TOLERANCE_S + ELAPSED_TOLERANCE * recording.elapsed_s:
            text = (
                f"{recording.duration_s:.3f} s of samples in {recording.elapsed_s:.3f} s: more "
                "were lost than the counter can tell"
            )
            findings.append(Finding("invalid", "sample_count", text))
