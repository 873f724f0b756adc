"""The trainer: gradients against finite differences, shapes, determinism, what it exports."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from hilbench import models
from hilbench.models import writer
from hilbench.schemes import export, layers, objectives, training
from hilbench.schemes.augmentation import shifted
from hilbench.schemes.network import Network, Params

IMAGE = Network(
    "image",
    (7, 6, 2),
    (
        layers.Conv2D(5, (3, 3), (2, 1)),
        layers.Depthwise((3, 2), (1, 2)),
        layers.pointwise(4),
        layers.MaxPool((2, 2)),
        layers.Dense(3),
    ),
)
SERIES = Network(
    "series",
    (12, 1, 3),
    (
        layers.Conv2D(4, (4, 1), (2, 1), same=False),
        layers.Depthwise((3, 1), same=False, activation=False),
        layers.AveragePool((2, 1)),
        layers.Flatten(),
        layers.Dense(5, activation=True),
        layers.Dense(3),
    ),
)
AUTOENCODER = Network("auto", (1, 1, 6), (layers.Dense(3, activation=True), layers.Dense(6)))


def double(params: Params) -> Params:
    return {name: p.astype(np.float64) for name, p in params.items()}


def loss_of(
    network: Network, params: Params, x: NDArray[Any], labels: NDArray[np.int64], objective: Any
) -> float:
    return float(objective(network.forward(params, x)[0], x, labels)[0])


def objective_of(network: Network) -> Any:
    return objectives.reconstruction if network is AUTOENCODER else objectives.cross_entropy


@pytest.mark.parametrize("network", [IMAGE, SERIES, AUTOENCODER], ids=lambda n: n.name)
def test_gradients_are_the_slopes_of_the_loss(network: Network) -> None:
    rng = np.random.default_rng(3)
    params = double(network.initial(seed=1))
    for name in params:
        params[name] += rng.normal(0, 0.1, params[name].shape)
    x, labels = rng.normal(size=(4, *network.input_shape)), np.array([0, 2, 1, 2])
    objective = objective_of(network)
    outputs, tape = network.forward(params, x)
    gradients = network.backward(params, tape, objective(outputs, x, labels)[1])
    step = 1e-6
    for name, values in params.items():
        for place in rng.integers(0, values.size, 6):
            numeric = 0.0
            for sign in (1, -1):
                moved = {**params, name: values.copy()}
                moved[name].ravel()[place] += sign * step
                numeric += sign * loss_of(network, moved, x, labels, objective) / (2 * step)
            assert gradients[name].ravel()[place] == pytest.approx(numeric, rel=1e-4, abs=1e-7)


def test_distillation_gradient() -> None:
    rng = np.random.default_rng(4)
    teacher = double(IMAGE.initial(seed=9))
    objective = objectives.Distillation(IMAGE, teacher, temperature=2.5, share=0.6)
    x, labels = rng.normal(size=(3, 7, 6, 2)), np.array([0, 1, 2])
    outputs = rng.normal(size=(3, 3))
    _, gradient = objective(outputs, x, labels)
    for place in np.ndindex(3, 3):
        moved = [outputs.copy(), outputs.copy()]
        moved[0][place] += 1e-6
        moved[1][place] -= 1e-6
        losses = [objective(o, x, labels)[0] for o in moved]
        assert gradient[place] == pytest.approx((losses[0] - losses[1]) / 2e-6, rel=1e-5, abs=1e-8)


@pytest.mark.parametrize("network", [IMAGE, SERIES, AUTOENCODER], ids=lambda n: n.name)
def test_the_exported_model_computes_what_the_network_does(network: Network) -> None:
    params = network.initial(seed=2)
    x = np.random.default_rng(5).normal(size=(9, *network.input_shape)).astype(np.float32)
    graph = models.loads(writer.write(export.float_graph(network, params)))
    got = models.run_reference(graph, x).outputs
    np.testing.assert_allclose(got, network.predict(params, x), rtol=1e-4, atol=1e-5)


def toy(n: int, seed: int) -> training.Data:
    """Two classes: a bright spot in the left or the right half."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 3, n)
    values = rng.normal(0, 0.3, (n, 7, 6, 2))
    values[np.arange(n), rng.integers(2, 5, n), 2 * labels] += 2.0
    return training.Data(values.astype(np.float32), labels)


def test_training_learns_and_repeats_itself() -> None:
    recipe = training.Recipe(epochs=4, batch=16, seed=7, augment=shifted(1, 1))
    train, validation = toy(200, 1), toy(60, 2)
    first, again = (
        training.fit(IMAGE, IMAGE.initial(7), train, validation, recipe) for _ in range(2)
    )
    assert all(first.params[k].tobytes() == again.params[k].tobytes() for k in first.params)
    losses = [epoch.validation_loss for epoch in first.history]
    assert losses[first.best] == min(losses) < losses[0]
    other = training.fit(
        IMAGE, IMAGE.initial(7), train, validation, training.Recipe(epochs=4, batch=16, seed=8)
    )
    assert any(first.params[k].tobytes() != other.params[k].tobytes() for k in first.params)


def test_parameters_are_counted() -> None:
    params = IMAGE.initial(0)
    assert IMAGE.parameter_count() == sum(p.size for p in params.values())
    assert IMAGE.parameter_count() == 95 + 35 + 24 + 27
