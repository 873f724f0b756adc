"""What a study concludes from given answers, without a board."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench import stats
from hilbench.analysis.pareto import dominators
from hilbench.analysis.study_text import conclusion

POINTS = st.dictionaries(
    st.text("abcdef", min_size=1, max_size=2),
    st.fixed_dictionaries({"top1": st.integers(0, 4), "cost": st.integers(0, 4)}),
    min_size=1,
    max_size=7,
)
BETTER = {"top1": "higher", "cost": "lower"}


@given(POINTS)
def test_domination_is_that_of_the_definition(points: dict[str, dict[str, float]]) -> None:
    found = dominators(points, BETTER)
    assert [name for name, by in found.items() if not by], "a front is never empty"
    for name, by in found.items():
        a = points[name]
        for other, b in points.items():
            as_good = b["top1"] >= a["top1"] and b["cost"] <= a["cost"]
            assert (other in by) == (as_good and b != a)


def test_an_objective_that_one_lacks_is_not_compared() -> None:
    points = {"a": {"top1": 0.9}, "b": {"top1": 0.9, "cost": 5.0}, "c": {"top1": 0.8, "cost": 6.0}}
    assert dominators(points, BETTER) == {"a": [], "b": [], "c": ["a", "b"]}


def subject(name: str, cost: float, **versus: Any) -> dict[str, Any]:
    """A subject that differs from the reference by what is given."""
    full = {
        "vectors": 400, "flipped": 9, "gained": 3, "lost": 4, "mcnemar_p": 1.0,
        "mcnemar_p_holm": 1.0, "accuracy_shift": -0.0025, "low": -0.017, "high": 0.011,
        "vectors_to_decide": 20000, "smallest_visible_difference": 0.02, "significant": False,
        "cost": {"metric": "instructions_per_inference", "ratio": cost / 1000},
    }  # fmt: skip
    return {
        "name": name, "refused": None, "verdict": "valid", "reasons": [],
        "objectives": {"top1": 0.9, "instructions_per_inference": cost},
        "vs_reference": None if name == "f32" else full | versus,
    }  # fmt: skip


def results(*subjects: dict[str, Any]) -> dict[str, Any]:
    cost = "instructions_per_inference"
    return {"reference": "f32", "metric": "top1", "cost": cost, "subjects": list(subjects)}


def test_the_cheapest_without_a_shown_loss_is_named_with_what_is_not_ruled_out() -> None:
    worse = subject("w2", 100, significant=True, accuracy_shift=-0.1, low=-0.14, high=-0.06)
    first, *rest = conclusion(results(subject("f32", 1000), subject("w8a8", 250), worse))
    assert first == (
        "Of the schemes that showed no significant loss, w8a8 needs the least instructions per "
        "inference: 250, 0.25 times f32; a loss of more than 1.7 points is ruled out (95 %)."
    )
    assert any("w8a8 against f32: 9 of 400" in s and "no significant difference" in s for s in rest)
    assert any("about 20,000 vectors are needed" in s for s in rest)
    assert any("w2 against f32" in s and "significantly less accurate" in s for s in rest)


def test_nothing_but_losses_is_said() -> None:
    worse = subject("w2", 100, significant=True, accuracy_shift=-0.1, low=-0.14, high=-0.06)
    text = conclusion(results(subject("f32", 1000), worse))
    assert text[0] == "Every other scheme loses significantly against f32."


def test_no_difference_at_all_says_what_would_have_been_seen() -> None:
    same = {"gained": 0, "lost": 0, "flipped": 0, "accuracy_shift": 0.0, "vectors_to_decide": None}
    text = conclusion(results(subject("f32", 1000), subject("w8a8", 250, **same)))
    assert "A difference below 2.0 points would not have been seen." in text[1]


def test_significance_by_itself_is_told_from_that_among_all() -> None:
    versus = {"mcnemar_p": 0.02, "mcnemar_p_holm": 0.12, "accuracy_shift": -0.03}
    text = conclusion(results(subject("f32", 1000), subject("w4a8", 250, **versus)))
    assert "significant if it were the only comparison, not among all of them" in text[-1]


def test_invalid_and_refused_subjects_are_named_and_never_recommended() -> None:
    invalid = subject("w8a8", 1) | {"verdict": "invalid", "reasons": ["outputs: 3 differ"]}
    refused = subject("big", 2) | {"refused": "needs 9 bytes more", "vs_reference": None}
    text = conclusion(results(subject("f32", 1000), invalid, refused))
    assert text == [
        "w8a8 is left out: its measurement is invalid (outputs: 3 differ).",
        "big cannot run here: needs 9 bytes more.",
    ]


def test_paired_areas_have_the_level_and_cover() -> None:
    """Two noisy scores of one truth: the test keeps its level of 5 %, the interval covers."""
    rng = np.random.default_rng(4)
    positive = np.arange(120) < 50
    rejected = covered = 0
    trials = 400
    for _ in range(trials):
        common = rng.normal(0, 1, 120) + 1.2 * positive
        first, second = (common + rng.normal(0, 0.7, 120) for _ in range(2))
        found = stats.paired_auc(first, second, positive)
        assert found.low <= found.shift <= found.high
        rejected += found.p <= 0.05
        covered += found.low <= 0 <= found.high
    assert 0.02 < rejected / trials < 0.09
    assert covered / trials > 0.91


def test_paired_areas_shift_is_the_difference_of_the_areas() -> None:
    rng = np.random.default_rng(5)
    positive = rng.random(60) < 0.4
    first, second = rng.normal(0, 1, 60) + positive, rng.normal(0, 1, 60) + 2 * positive
    found = stats.paired_auc(first, second, positive)
    areas = [stats.auc(scores, positive).value for scores in (first, second)]
    assert found.shift == pytest.approx(areas[1] - areas[0])
    same = stats.paired_auc(first, first, positive)
    assert (same.shift, same.low, same.high, same.p) == (0.0, 0.0, 0.0, 1.0)
