"""Pruning: masks that hold through training, and channels that are gone without a trace."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hilbench.schemes import layers, pruning, training
from hilbench.schemes.network import Network, key

NETWORK = Network(
    "prunable",
    (8, 8, 2),
    (
        layers.Conv2D(10),
        layers.Depthwise(stride=(2, 2)),
        layers.Conv2D(12),
        layers.MaxPool((2, 2)),
        layers.Dense(9, activation=True),
        layers.Dense(3),
    ),
)


def data(n: int, seed: int) -> training.Data:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    values = rng.normal(0, 0.5, (n, 8, 8, 2))
    values[np.arange(n), labels * 2, labels] += 3
    return training.Data(values.astype(np.float32), labels)


def test_masks_drop_the_smallest_share_of_each_layer() -> None:
    params = NETWORK.initial(1)
    masks = pruning.magnitude_masks(NETWORK, params, 0.6)
    assert set(masks) == {key(i, "weights") for i in (0, 2, 4, 5)}  # not the depthwise filters
    for name, mask in masks.items():
        assert np.count_nonzero(~mask) == int(0.6 * mask.size)
        relative = np.abs(params[name])
        relative = relative / relative.max(axis=tuple(range(relative.ndim - 1)), keepdims=True)
        assert relative[~mask].max() <= relative[mask].min()


def test_what_was_dropped_stays_dropped() -> None:
    recipe = training.Recipe(epochs=2, batch=16)
    fitted, masks = pruning.prune_gradually(
        NETWORK, NETWORK.initial(2), 0.7, data(120, 1), data(60, 2), recipe, rounds=2
    )
    for name, mask in masks.items():
        np.testing.assert_array_equal(fitted.params[name] != 0, mask)
        assert np.count_nonzero(~mask) == int(0.7 * mask.size)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 10), st.integers(1, 12), st.integers(1, 9), st.integers(0, 1000))
def test_removing_silent_channels_changes_nothing(a: int, b: int, c: int, seed: int) -> None:
    """Channels whose filters and biases are 0 give 0: without them the outputs are the same."""
    rng = np.random.default_rng(seed)
    params = NETWORK.initial(seed)
    for layer, keep in ((0, a), (2, b), (4, c)):
        weights, bias = params[key(layer, "weights")], params[key(layer, "bias")]
        silent = rng.permutation(weights.shape[-1])[keep:]
        weights[..., silent] = 0
        bias += rng.uniform(0.1, 0.2, bias.shape).astype(np.float32)
        bias[silent] = 0
        if layer == 0:
            params[key(1, "bias")][silent] = 0
    smaller, kept = pruning.remove_channels(NETWORK, params, {0: a, 2: b, 4: c})
    assert smaller.parameter_count() == sum(p.size for p in kept.values())
    assert [smaller.shapes()[i][-1] for i in (1, 2, 3, 5)] == [a, a, b, c]
    x = rng.normal(size=(5, 8, 8, 2)).astype(np.float32)
    np.testing.assert_allclose(
        smaller.predict(kept, x), NETWORK.predict(params, x), rtol=1e-4, atol=1e-5
    )


def test_the_outputs_of_a_model_cannot_be_removed() -> None:
    for layer in (1, 3, 5):
        with pytest.raises(ValueError, match="channels can be removed from layers"):
            pruning.remove_channels(NETWORK, NETWORK.initial(0), {layer: 1})
