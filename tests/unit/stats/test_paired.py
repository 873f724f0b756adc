"""Paired accuracies: scipy as the oracle, and simulation for coverage and level."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench import stats

COUNTS = st.integers(0, 60)


@given(b=COUNTS, c=COUNTS)
def test_mcnemar_equals_the_binomial_test(b: int, c: int) -> None:
    scipy_stats = pytest.importorskip("scipy.stats")
    expected = scipy_stats.binomtest(b, b + c, 0.5).pvalue if b + c else 1.0
    assert stats.mcnemar_exact(b, c) == pytest.approx(expected, rel=1e-9)
    assert stats.mcnemar_exact(b, c) == stats.mcnemar_exact(c, b)


@given(b=COUNTS, c=COUNTS, rest=st.integers(1, 400))
def test_the_interval_holds_the_estimate_and_mirrors(b: int, c: int, rest: int) -> None:
    n = b + c + rest
    shift, low, high = stats.paired_difference_interval(b, c, n)
    assert -1 <= low <= shift <= high <= 1
    assert low < high
    assert shift == (c - b) / n
    mirrored = stats.paired_difference_interval(c, b, n)
    assert mirrored == pytest.approx((-shift, -high, -low), abs=1e-9)


@pytest.mark.parametrize(("b", "c", "n"), [(1, 12, 44), (0, 3, 50), (5, 5, 30), (40, 2, 90)])
def test_the_bounds_are_where_the_score_test_starts_to_reject(b: int, c: int, n: int) -> None:
    """The constrained maximum likelihood is searched for numerically, not by Tango's formula."""
    optimize = pytest.importorskip("scipy.optimize")

    def z_at(difference: float) -> float:
        def loss(q: float) -> float:  # q: probability of a vector that only the first gets right
            return -(
                b * np.log(q)
                + c * np.log(q + difference)
                + (n - b - c) * np.log1p(-2 * q - difference)
            )

        bounds = (max(0.0, -difference) + 1e-12, (1 - difference) / 2 - 1e-12)
        q = optimize.minimize_scalar(
            loss, bounds=bounds, method="bounded", options={"xatol": 1e-12}
        ).x
        return (c - b - n * difference) / np.sqrt(n * (2 * q + difference - difference**2))

    _, low, high = stats.paired_difference_interval(b, c, n)
    assert z_at(low) == pytest.approx(1.959964, abs=1e-3)
    assert z_at(high) == pytest.approx(-1.959964, abs=1e-3)


def test_the_intervals_cover_and_the_test_keeps_its_level() -> None:
    rng = np.random.default_rng(1)
    for n, only_first, only_second in ((200, 0.02, 0.02), (450, 0.03, 0.01), (100, 0.002, 0.002)):
        draws = rng.multinomial(n, [only_first, only_second, 1 - only_first - only_second], 2000)
        pairs, counts = np.unique(draws[:, :2], axis=0, return_counts=True)
        truth, covered, rejected = only_second - only_first, 0, 0
        for (b, c), count in zip(pairs.tolist(), counts.tolist(), strict=True):
            _, low, high = stats.paired_difference_interval(b, c, n)
            covered += count * (low <= truth <= high)
            rejected += count * (stats.mcnemar_exact(b, c) <= 0.05)
        assert covered / len(draws) > 0.93, (n, only_first, only_second)
        if truth == 0:
            assert rejected / len(draws) < 0.05 + 0.015


def test_vectors_to_decide_have_the_power_they_promise() -> None:
    rng = np.random.default_rng(2)
    n = stats.vectors_to_decide(12, 4, 400)
    assert n is not None
    draws = rng.multinomial(n, [0.03, 0.01, 0.96], 3000)
    pairs, counts = np.unique(draws[:, :2], axis=0, return_counts=True)
    seen = sum(
        count
        for (b, c), count in zip(pairs.tolist(), counts.tolist(), strict=True)
        if stats.mcnemar_exact(b, c) <= 0.05
    )
    # Connor's formula is of the asymptotic test; the exact one is a little weaker
    assert 0.70 < seen / len(draws) < 0.85
    assert stats.vectors_to_decide(3, 3, 450) is None


def test_smallest_visible_difference() -> None:
    visible = stats.smallest_visible_difference(9, 7, 400)
    assert visible is not None
    again = stats.vectors_to_decide(8, 8 + round(visible * 400), 400)
    assert again is not None
    assert visible < 16 / 400
    assert stats.smallest_visible_difference(1, 1, 450) is None


@given(st.lists(st.floats(1e-6, 1.0), min_size=1, max_size=9))
def test_holm_is_between_raw_and_bonferroni(values: list[float]) -> None:
    adjusted = stats.holm(values)
    for raw, p in zip(values, adjusted, strict=True):
        assert raw <= p <= min(1.0, len(values) * raw) + 1e-12
    assert np.array_equal(
        np.argsort(values, kind="stable"), np.argsort(adjusted, kind="stable")
    ) or (len(set(adjusted)) < len(adjusted))
