"""The integer softmax against real arithmetic, and the ranges of activations."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.quantization import (
    Activation,
    activation_range_float,
    activation_range_int,
    softmax_int8,
    softmax_scaling,
)
from hilbench.quantization.softmax import exp_on_negative_values, reciprocal_of_one_plus


@given(st.integers(-(2**31) + 1, 0))
def test_exponential_has_the_error_of_its_polynomial(raw: int) -> None:
    """The first term that Taylor's series leaves out is (1/8)**5 / 5!, 2.5e-7."""
    result = int(exp_on_negative_values(raw)) / 2**31
    assert result == pytest.approx(np.exp(raw / 2**26), abs=3e-7)


@given(st.integers(0, 2**31 - 1))
def test_reciprocal_is_accurate_to_2_to_minus_24(raw: int) -> None:
    result = int(reciprocal_of_one_plus(raw)) / 2**31
    assert result == pytest.approx(1.0 / (1.0 + raw / 2**31), abs=2.0**-24)


@given(
    st.lists(st.integers(-128, 127), min_size=1, max_size=40),
    st.floats(1e-3, 1.0),
    st.sampled_from([0.5, 1.0, 2.0]),
)
def test_softmax_is_within_one_step_of_the_real_one(
    values: list[int], scale: float, beta: float
) -> None:
    q = np.array([values])
    result = softmax_int8(q, *softmax_scaling(beta, scale))
    exponentials = np.exp(beta * scale * (q - q.max()))
    real = exponentials / exponentials.sum()
    expected = np.clip(real * 256 - 128, -128, 127)
    assert np.abs(result - expected).max() <= 1.0


def test_softmax_of_equal_values_shares_equally() -> None:
    result = softmax_int8(np.zeros((1, 4), int), *softmax_scaling(1.0, 0.1))
    assert result.tolist() == [[-64, -64, -64, -64]]


@pytest.mark.parametrize(("beta", "scale"), [(1.0, 1e-9), (-1.0, 0.1), (0.0, 0.1)])
def test_softmax_that_cannot_be_rescaled_is_refused(beta: float, scale: float) -> None:
    with pytest.raises(ValueError, match="cannot be rescaled"):
        softmax_scaling(beta, scale)


@pytest.mark.parametrize(
    ("activation", "expected"),
    [
        (Activation.NONE, (-128, 127)),
        (Activation.RELU, (-28, 127)),
        (Activation.RELU6, (-28, 32)),
        (Activation.RELU_N1_TO_1, (-38, -18)),
    ],
)
def test_activation_range(activation: Activation, expected: tuple[int, int]) -> None:
    assert activation_range_int(activation, scale=0.1, zero_point=-28) == expected


def test_activation_bounds_round_half_away_from_zero() -> None:
    # -1 / 0.4 = -2.5 and 1 / 0.4 = 2.5 in float32
    assert activation_range_int(Activation.RELU_N1_TO_1, 0.4, 0) == (-3, 3)


def test_float_range_uses_the_largest_float_for_none() -> None:
    low, high = activation_range_float(Activation.RELU)
    assert (low, high) == (0.0, float(np.finfo(np.float32).max))
    assert activation_range_float(Activation.RELU6) == (0.0, 6.0)


def test_a_scale_too_small_for_its_bound_is_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        activation_range_int(Activation.RELU6, 1e-12, 0)
