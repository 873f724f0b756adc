"""Low-precision training: the formats themselves, and that each is really used."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hilbench.quantization import MAX_FLOAT8
from hilbench.quantization.float8 import float8_values
from hilbench.schemes import layers, low_precision, training
from hilbench.schemes.network import Network

NETWORK = Network("small", (6, 6, 1), (layers.Conv2D(4), layers.MaxPool((2, 2)), layers.Dense(3)))


def data(n: int, seed: int) -> training.Data:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    values = rng.normal(0, 0.4, (n, 6, 6, 1))
    values[np.arange(n), 2 * labels] += 1.5
    return training.Data(values.astype(np.float32), labels)


@given(st.floats(-7, 7, width=32), st.integers(4, 12))
def test_nearest_fixed_point(value: float, fraction: int) -> None:
    x = np.array([value], np.float32)
    rounded = float(low_precision.fixed_point(x, fraction, None)[0])
    assert abs(rounded - float(x[0])) <= 0.5 / (1 << fraction)
    assert (rounded * (1 << fraction)).is_integer()


def test_fixed_point_saturates() -> None:
    x = np.array([100.0, -100.0], np.float32)
    np.testing.assert_array_equal(
        low_precision.fixed_point(x, 12, None), np.array([32767 / 4096, -8.0], np.float32)
    )


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_stochastic_rounding_keeps_the_mean(share: float) -> None:
    """Of n draws the share that goes up is binomial: six standard deviations are allowed."""
    n, step = 20_000, 1 / 256
    x = np.full(n, (3 + share) * step, np.float32)
    rounded = low_precision.fixed_point(x, 8, np.random.default_rng(1))
    assert set(np.unique(rounded)) == {np.float32(3 * step), np.float32(4 * step)}
    went_up = np.mean(rounded > 3.5 * step)
    assert abs(went_up - share) < 6 * np.sqrt(share * (1 - share) / n)


@given(st.lists(st.floats(-1e4, 1e4, width=32), min_size=1, max_size=20), st.integers(-20, 20))
@example([8.407790785948902e-45], 0)
def test_float8_is_a_code_times_a_power_of_two(values: list[float], exponent: int) -> None:
    x = (np.array(values) * 2.0**exponent).astype(np.float32)
    rounded = low_precision.float8(x)
    largest = float(np.abs(x).max())
    if largest < 1e-30:
        return
    scale = 2.0 ** np.ceil(np.log2(largest / MAX_FLOAT8))
    codes = rounded.astype(np.float64) / scale
    assert np.isin(codes, float8_values().astype(np.float64)).all()
    # three bits after the leading one, or the subnormals' step
    assert (np.abs(rounded - x) <= np.maximum(np.abs(x) / 16, scale * 2.0**-10)).all()


@pytest.mark.parametrize("name", [n for n in low_precision.TITLES if n != "float32"])
def test_formats_train_and_repeat_themselves(name: str) -> None:
    recipe = training.Recipe(epochs=6, batch=20, seed=2)
    asked = data(80, 3)
    first, again = (
        low_precision.train_in(name, NETWORK, data(300, 1), data(80, 2), asked.values, recipe)
        for _ in range(2)
    )
    np.testing.assert_array_equal(first.outputs, again.outputs)
    assert training.top1(first.outputs, asked.labels) > 0.8
    if name.startswith("fixed16"):
        steps = 1 << int(name.split("-")[1])
        assert all(
            np.array_equal(p * steps, np.rint(p * steps)) for p in first.fitted.params.values()
        )


def test_small_updates_are_lost_to_the_nearest_step_only() -> None:
    """Steps of 2**-8 are larger than any update at this rate: nearest rounding never moves."""
    recipe = training.Recipe(epochs=1, batch=20, peak_rate=1e-3, weight_decay=0.0, seed=2)
    moved = {}
    for name in ("fixed16-8", "fixed16-8-nearest"):
        train, validation = data(300, 1), data(80, 2)
        curve = low_precision.train_in(name, NETWORK, train, validation, validation.values, recipe)
        start = low_precision.fixed_point(NETWORK.initial(2)["0/weights"], 8, None)
        moved[name] = float(np.abs(curve.fitted.params["0/weights"] - start).max())
    assert moved["fixed16-8-nearest"] == 0
    assert moved["fixed16-8"] >= 1 / 256
