"""Intervals against scipy, and by simulation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as oracle

from hilbench.stats import median_interval, quantile_interval, wilson_interval


@given(st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_equals_scipy(case: tuple[int, int]) -> None:
    successes, n = case
    expected = oracle.binomtest(successes, n).proportion_ci(0.95, "wilson")
    assert wilson_interval(successes, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("n", [5, 50, 400])
def test_order_statistics_have_at_least_the_stated_coverage(q: float, n: int) -> None:
    """The ranks that are chosen, read off with values 0..n-1, against scipy's binomial."""
    estimate, low, high = quantile_interval(list(range(n)), q)
    assert estimate == pytest.approx(np.quantile(np.arange(n), q))
    below = oracle.binom.cdf(low - 1, n, q) if low > 0 else 0.0
    above = oracle.binom.sf(high, n, q) if high < n - 1 else 0.0
    missed_low = oracle.binom.cdf(low, n, q) if low > 0 else 0.0
    assert below <= 0.025
    assert above <= 0.025
    if low > 0:
        assert missed_low <= 0.025
        assert oracle.binom.cdf(low + 1, n, q) > 0.025  # one rank further would break the level


def test_median_interval_covers_a_skewed_distribution() -> None:
    generator = np.random.default_rng(1)
    hits = 0
    for _ in range(1000):
        _, low, high = median_interval(list(generator.lognormal(0, 1, 40)))
        hits += low <= 1.0 <= high
    assert hits >= 940


def test_one_value_is_its_own_interval() -> None:
    assert median_interval([7.0]) == (7.0, 7.0, 7.0)


def test_empty_and_impossible_are_refused() -> None:
    with pytest.raises(ValueError, match="no values"):
        median_interval([])
    with pytest.raises(ValueError, match="3 of 2"):
        wilson_interval(3, 2)
