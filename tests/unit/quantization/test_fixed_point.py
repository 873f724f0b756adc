"""Fixed-point arithmetic against exact rationals and against the textbook 32-bit formulations."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hilbench.quantization import (
    multiply_by_quantized_multiplier,
    quantize_multiplier,
    quantize_multipliers,
    rounding_right_shift,
    saturating_rounding_doubling_high_mul,
    wrap_int32,
)

INT32 = st.integers(-(2**31), 2**31 - 1)
EDGES = [-(2**31), -(2**31) + 1, -(2**30), -1, 0, 1, 2**30, 2**31 - 1]


def truncated(numerator: int, denominator: int) -> int:
    """Division as C does it."""
    quotient = abs(numerator) // abs(denominator)
    return quotient if (numerator < 0) == (denominator < 0) else -quotient


def high_mul_in_c(a: int, b: int) -> int:
    """gemmlowp's formulation: a nudge by sign, then a truncating division."""
    if a == b == -(2**31):
        return 2**31 - 1
    product = a * b
    nudge = 2**30 if product >= 0 else 1 - 2**30
    return truncated(product + nudge, 2**31)


def half_away(value: Fraction) -> int:
    """Nearest integer, ties away from zero."""
    magnitude = math.floor(abs(value) + Fraction(1, 2))
    return magnitude if value >= 0 else -magnitude


@given(INT32, INT32)
def test_high_mul_equals_the_c_formulation(a: int, b: int) -> None:
    assert int(saturating_rounding_doubling_high_mul(a, b)) == high_mul_in_c(a, b)


@pytest.mark.parametrize("a", EDGES)
@pytest.mark.parametrize("b", EDGES)
def test_high_mul_at_the_edges(a: int, b: int) -> None:
    assert int(saturating_rounding_doubling_high_mul(a, b)) == high_mul_in_c(a, b)


@given(INT32, st.integers(0, 31))
def test_right_shift_rounds_half_away_from_zero(x: int, exponent: int) -> None:
    assert int(rounding_right_shift(x, exponent)) == half_away(Fraction(x, 2**exponent))


@given(st.integers(-(2**40), 2**40))
def test_wrap_is_what_32_bits_keep(x: int) -> None:
    assert int(wrap_int32(x)) == int(np.array(x & 0xFFFFFFFF, np.uint32).view(np.int32))


@given(st.lists(INT32, min_size=1, max_size=5), st.integers(0, 2**31 - 1), st.integers(-31, 10))
def test_requantization_rounds_twice(values: list[int], multiplier: int, shift: int) -> None:
    expected = []
    for value in values:
        shifted = int(wrap_int32(value << max(shift, 0)))
        high = high_mul_in_c(shifted, multiplier)
        expected.append(half_away(Fraction(high, 2 ** max(-shift, 0))))
    result = multiply_by_quantized_multiplier(np.array(values), multiplier, shift)
    assert result.tolist() == expected


def test_requantization_takes_one_pair_per_channel() -> None:
    multipliers, shifts = quantize_multipliers([0.5, 0.25, 3.0])
    result = multiply_by_quantized_multiplier(np.array([[100, 100, 100]]), multipliers, shifts)
    assert result.tolist() == [[50, 25, 300]]


@given(st.floats(2.0**-31, 2.0**30))
def test_a_multiplier_is_represented_to_31_bits(real: float) -> None:
    multiplier, shift = quantize_multiplier(real)
    assert 2**30 <= multiplier < 2**31
    assert multiplier * 2.0 ** (shift - 31) == pytest.approx(real, rel=2.0**-31)


def test_a_significand_that_rounds_up_to_one_is_renormalised() -> None:
    assert quantize_multiplier(math.nextafter(1.0, 0.0)) == (2**30, 1)


@pytest.mark.parametrize("real", [0.0, 1e-30, 2.0**-40])
def test_a_vanishing_multiplier_is_zero(real: float) -> None:
    assert quantize_multiplier(real) == (0, 0)


@pytest.mark.parametrize("real", [-1.0, math.nan, math.inf])
def test_a_multiplier_that_is_no_multiplier_is_refused(real: float) -> None:
    with pytest.raises(ValueError, match="not a finite number"):
        quantize_multiplier(real)
