"""Edges and their matching to the device's ticks, on made-up lines with known truth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.errors import AlignmentError
from hilbench.instruments.base import LOST, Recording
from hilbench.instruments.ppk2 import CAPABILITIES
from hilbench.instruments.windows import (
    EDGE_UNCERTAINTY,
    DeviceMark,
    Edge,
    align,
    line_edges,
    pair_windows,
)

RATE_HZ, TICK_HZ = 100_000.0, 216e6


def true_edges(ticks: list[int], ppm: float, offset: float) -> list[float]:
    """Positions in samples of edges at ``ticks``, by clocks that differ by ``ppm``."""
    return [offset + t / TICK_HZ * (1 + ppm * 1e-6) * RATE_HZ for t in ticks]


def seen(positions: list[float]) -> list[Edge]:
    return [Edge(float(np.rint(p)), k % 2 == 0) for k, p in enumerate(positions)]


def marks(ticks: list[int]) -> list[DeviceMark]:
    return [DeviceMark(t, k % 2 == 0) for k, t in enumerate(ticks)]


def test_edges_of_a_line_and_in_lost_samples() -> None:
    digital = np.zeros(100, np.uint8)
    digital[20:60] = 4
    flags = np.zeros(100, np.uint8)
    flags[50:60] = LOST
    recording = Recording(RATE_HZ, np.ones(100), flags, CAPABILITIES, "synthetic", digital=digital)
    first, last = line_edges(recording, 2)
    assert (first.index, first.rising) == (20.0, True)
    assert first.uncertainty == pytest.approx(EDGE_UNCERTAINTY)
    assert (last.index, last.rising) == (55.0, False)
    assert last.uncertainty == pytest.approx(11 * EDGE_UNCERTAINTY)
    assert line_edges(recording, 0) == ()
    with pytest.raises(AlignmentError, match="line 8"):
        line_edges(recording, 8)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(5_000_000, 400_000_000), min_size=1, max_size=11).filter(
        lambda g: len(g) % 2
    ),
    st.floats(-10_000, 10_000),
    st.floats(0, 1000),
)
def test_any_drift_is_fitted(gaps: list[int], ppm: float, offset: float) -> None:
    ticks = np.cumsum([7, *gaps]).tolist()
    truth = true_edges(ticks, ppm, offset)
    result = align(seen(truth), marks(ticks), tick_hz=TICK_HZ, rate_hz=RATE_HZ)
    placed = [p for w in result.windows for p in (w.start, w.stop)]
    assert np.abs(np.array(placed) - truth).max() <= 1.5
    span = truth[-1] - truth[0]
    assert result.clock_ratio == pytest.approx(1 + ppm * 1e-6, abs=2 / span)
    assert result.spurious == ()


def test_fifty_ppm_are_seen() -> None:
    ticks = [k * 216_000_000 for k in range(10)]
    result = align(
        seen(true_edges(ticks, 50, 10.3)), marks(ticks), tick_hz=TICK_HZ, rate_hz=RATE_HZ
    )
    assert result.clock_ratio == pytest.approx(1 + 50e-6, abs=2e-6)
    assert result.residual_samples < 1


def test_a_glitch_is_named_and_left_out() -> None:
    ticks = [0, 216_000_000, 300_000_000, 500_000_000]
    edges = seen(true_edges(ticks, 20, 1000.0))
    glitch = [Edge(20_000.0, False), Edge(20_001.0, True)]
    found = sorted([*edges, *glitch], key=lambda e: e.index)
    result = align(found, marks(ticks), tick_hz=TICK_HZ, rate_hz=RATE_HZ)
    assert result.spurious == (20_000.0, 20_001.0)
    assert result.windows[0].start == pytest.approx(1000.0, abs=1)
    assert result.windows[1].stop == pytest.approx(edges[-1].index, abs=1)


def test_three_edges_instead_of_two() -> None:
    """The third is left out when ticks tell which; when two fit, nobody can say."""
    ticks = [0, 216_000_000]
    edges = [Edge(1000.0, True), Edge(50_000.0, True), Edge(101_000.0, False)]
    result = align(edges, marks(ticks), tick_hz=TICK_HZ, rate_hz=RATE_HZ)
    assert result.spurious == (50_000.0,)
    twice = [Edge(1000.0, True), Edge(1900.0, True), Edge(101_000.0, False)]
    with pytest.raises(AlignmentError, match="2 placements"):
        align(twice, marks(ticks), tick_hz=TICK_HZ, rate_hz=RATE_HZ)
    with pytest.raises(AlignmentError, match="whole windows"):
        pair_windows(edges)


def test_what_cannot_be_matched_is_refused() -> None:
    ticks = [0, 216_000_000, 300_000_000, 500_000_000]
    edges = seen(true_edges(ticks, 0, 0.0))
    with pytest.raises(AlignmentError, match="saw 3"):
        align(edges[:3], marks(ticks), tick_hz=TICK_HZ, rate_hz=RATE_HZ)
    with pytest.raises(AlignmentError, match="no placement"):
        align(edges, marks(ticks), tick_hz=1.05 * TICK_HZ, rate_hz=RATE_HZ)
    with pytest.raises(AlignmentError, match="ascend"):
        align(edges, marks([0, 5, 5, 9]), tick_hz=TICK_HZ, rate_hz=RATE_HZ)
    with pytest.raises(AlignmentError, match="noisy"):
        align([*edges, *edges * 6], marks(ticks), tick_hz=TICK_HZ, rate_hz=RATE_HZ)
