"""Shifts of location: scipy as the oracle of the tests, simulation for coverage."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench import stats
from hilbench.stats.shift import LARGEST

SMALL = st.lists(st.integers(-30, 30).map(float), min_size=1, max_size=18)


@given(SMALL, SMALL)
def test_mann_whitney_equals_scipy(first: list[float], second: list[float]) -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    tied = len(set(first + second)) < len(first + second)
    method = "asymptotic" if tied or len(first) * len(second) > 400 else "exact"
    with np.errstate(divide="ignore", invalid="ignore"):
        expected = scipy_stats.mannwhitneyu(first, second, method=method).pvalue
    if np.isnan(expected):  # all values equal
        expected = 1.0
    assert stats.mann_whitney_p(first, second) == pytest.approx(expected, rel=1e-9)


@given(st.lists(st.floats(-5, 5).map(lambda v: round(v, 1)), min_size=1, max_size=70))
def test_wilcoxon_equals_scipy(values: list[float]) -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    difference = np.array([v for v in values if v != 0])
    if not difference.size:
        assert stats.wilcoxon_p(values) == 1.0
        return
    tied = len(set(np.abs(difference))) < len(difference)
    method = "asymptotic" if tied or len(difference) > 50 else "exact"
    expected = scipy_stats.wilcoxon(difference, method=method, correction=True).pvalue
    assert stats.wilcoxon_p(values) == pytest.approx(expected, rel=1e-9)


@given(SMALL, SMALL)
def test_the_shift_lies_in_its_interval(first: list[float], second: list[float]) -> None:
    result = stats.unpaired_shift(first, second)
    assert result.low <= result.shift <= result.high
    n = min(len(first), len(second))
    paired = stats.paired_shift(first[:n], second[:n])
    assert paired.low <= paired.shift <= paired.high
    moved = stats.unpaired_shift(first, [value + 7 for value in second])
    assert moved.shift == pytest.approx(result.shift + 7)


@pytest.mark.parametrize("n", [10, 30, 80])
def test_intervals_cover_the_truth(n: int) -> None:
    rng = np.random.default_rng(n)
    paired = unpaired = 0
    trials = 300
    for _ in range(trials):
        base = rng.exponential(1.0, n)
        other = base + 0.3 + rng.laplace(0.0, 0.5, n)
        result = stats.paired_shift(base, other)
        paired += result.low <= 0.3 <= result.high
        result = stats.unpaired_shift(rng.exponential(1.0, n), rng.exponential(1.0, n + 5) + 0.3)
        unpaired += result.low <= 0.3 <= result.high
    assert paired / trials > 0.91
    assert unpaired / trials > 0.91


def test_large_samples_are_thinned_and_stay_near() -> None:
    rng = np.random.default_rng(3)
    first = rng.normal(0.0, 1.0, LARGEST + 500)
    assert stats.paired_shift(first, first + 1.0).shift == pytest.approx(1.0)
    assert stats.unpaired_shift(first, first[::-1] + 1.0).shift == pytest.approx(1.0, abs=0.1)


def test_empty_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        stats.paired_shift([], [])
    with pytest.raises(ValueError, match="shapes"):
        stats.unpaired_shift([1.0], [])
