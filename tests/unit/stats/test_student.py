"""Student's quantiles against scipy."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats as oracle

from hilbench.stats import student_quantile


@settings(max_examples=60, deadline=None)
@given(st.floats(0.001, 0.999), st.floats(0.6, 1e5))
def test_as_scipy_has_it(p: float, dof: float) -> None:
    assert student_quantile(p, dof) == pytest.approx(oracle.t.ppf(p, dof), rel=1e-7, abs=1e-7)


@pytest.mark.parametrize("p", [0.5, 0.5 + 1e-6, 0.500_01, 0.499_99, 0.999])
def test_close_to_the_median(p: float) -> None:
    for dof in (0.6, 1.0, 4.0, 1e5):
        assert student_quantile(p, dof) == pytest.approx(oracle.t.ppf(p, dof), rel=1e-6, abs=1e-7)


def test_ends() -> None:
    assert student_quantile(0.975, float("inf")) == pytest.approx(1.959964, abs=1e-6)
    for p, dof in ((0.0, 3.0), (1.0, 3.0), (0.5, 0.0)):
        with pytest.raises(ValueError):
            student_quantile(p, dof)


def test_next_to_the_median_it_is_linear() -> None:
    """With 4 degrees of freedom the density at 0 is 3/8; scipy gives 0 here."""
    assert student_quantile(0.5 + 1e-9, 4.0) == pytest.approx(1e-9 / 0.375, rel=1e-6)
