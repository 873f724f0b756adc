"""Area under the ROC curve: against scipy and scikit-learn, and by simulation."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.conftest import require_module

from hilbench import stats
from hilbench.stats.auc import delong_variance, placements

scores_and_kinds = st.lists(
    st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=60
).filter(lambda pairs: len({kind for _, kind in pairs}) == 2)


def arrays(pairs: list[tuple[int, bool]]) -> tuple[np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    return np.array([float(s) for s, _ in pairs]), np.array([kind for _, kind in pairs])


@given(scores_and_kinds)
@settings(deadline=None)  # scikit-learn is imported in the first
def test_area_is_that_of_scikit_learn_ties_included(pairs: list[tuple[int, bool]]) -> None:
    require_module("sklearn", "test")
    from sklearn.metrics import roc_auc_score

    scores, kinds = arrays(pairs)
    assert math.isclose(stats.auc(scores, kinds).value, roc_auc_score(kinds, scores), abs_tol=1e-12)


@given(scores_and_kinds)
@settings(deadline=None)
def test_area_is_the_mann_whitney_statistic(pairs: list[tuple[int, bool]]) -> None:
    from scipy.stats import mannwhitneyu

    scores, kinds = arrays(pairs)
    found = stats.auc(scores, kinds)
    statistic = mannwhitneyu(scores[kinds], scores[~kinds]).statistic
    assert math.isclose(found.value, statistic / (kinds.sum() * (~kinds).sum()), abs_tol=1e-12)
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0


@given(scores_and_kinds)
@settings(max_examples=50, deadline=None)
def test_variance_is_delongs_by_its_definition(pairs: list[tuple[int, bool]]) -> None:
    """The sums over all pairs, written out."""
    scores, kinds = arrays(pairs)
    high, low = scores[kinds], scores[~kinds]
    won = (high[:, None] > low).astype(float) + 0.5 * (high[:, None] == low)
    expected = sum(
        part.var(ddof=1) / len(part)
        for part in (won.mean(axis=1), won.mean(axis=0))
        if len(part) > 1
    )
    assert math.isclose(delong_variance(*placements(scores, kinds)), expected, abs_tol=1e-12)


@pytest.mark.parametrize("distance", [0.5, 1.8])
def test_the_interval_covers(distance: float) -> None:
    """Binormal scores of a known area: about 95 of 100 intervals hold it."""
    rng = np.random.default_rng(7)
    truth = NormalDist().cdf(distance / math.sqrt(2))
    kinds = np.arange(120) < 40
    runs, held = 1000, 0
    for _ in range(runs):
        found = stats.auc(rng.normal(size=120) + distance * kinds, kinds)
        held += found.low <= truth <= found.high
    assert 0.925 <= held / runs <= 0.975


def test_the_paired_test_keeps_its_level_and_sees_a_difference() -> None:
    rng = np.random.default_rng(8)
    kinds = np.arange(200) < 80
    runs, false, true = 800, 0, 0
    for _ in range(runs):
        signal = 1.2 * kinds + rng.normal(size=200)  # the examples' own part, common to both
        first, second = signal + rng.normal(0, 0.5, (2, 200))
        worse = signal + rng.normal(0, 2.0, 200)
        false += stats.paired_auc(first, second, kinds).p < 0.05
        found = stats.paired_auc(first, worse, kinds)
        true += found.p < 0.05
        assert found.low <= found.shift <= found.high
    assert 0.03 <= false / runs <= 0.07
    assert true / runs > 0.8


def test_equal_scores_do_not_differ() -> None:
    scores, kinds = np.arange(10.0), np.arange(10) > 4
    found = stats.paired_auc(scores, 2 * scores + 1, kinds)
    assert (found.shift, found.p) == (0.0, 1.0)


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_all_pairs_won_is_no_certainty(sign: float) -> None:
    kinds = np.arange(30) < 10
    found = stats.auc(sign * kinds, kinds)
    assert found.value == (1.0 if sign > 0 else 0.0)
    assert 0.2 < found.high - found.low < 0.4
    more = stats.auc(sign * np.repeat(kinds, 9), np.repeat(kinds, 9))
    assert more.high - more.low < found.high - found.low


def test_refusals() -> None:
    kinds = np.array([True, False])
    with pytest.raises(ValueError, match="positives and of negatives"):
        stats.auc(np.arange(2.0), np.array([True, True]))
    with pytest.raises(ValueError, match="finite"):
        stats.auc(np.array([0.0, np.nan]), kinds)
