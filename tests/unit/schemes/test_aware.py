"""Quantization-aware training simulates the engine: to the last bit, and learns through it."""

from __future__ import annotations

import numpy as np
import pytest
from tests.conftest import require_module

from hilbench import models
from hilbench.models import writer
from hilbench.schemes import aware, export, layers, post_training, training
from hilbench.schemes.network import Network
from hilbench.workloads.encoding import encode_real

NETWORK = Network(
    "mixed",
    (9, 8, 3),
    (
        layers.Conv2D(6, (3, 3), (2, 1)),
        layers.Depthwise((3, 3), (1, 2)),
        layers.pointwise(8),
        layers.AveragePool((2, 2)),
        layers.Conv2D(7, (2, 2), same=False, activation=False),
        layers.Dense(12, activation=True),
        layers.Dense(4),
    ),
)
POOLED = Network(
    "pooled",
    (20, 1, 2),
    (
        layers.Conv2D(5, (5, 1), (2, 1)),
        layers.MaxPool((2, 1)),
        layers.AveragePool(),
        layers.Flatten(),
        layers.Dense(3),
    ),
)


def values(network: Network, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(0.2, 1.0, (n, *network.input_shape)).astype(np.float32)


@pytest.mark.parametrize("network", [NETWORK, POOLED], ids=lambda n: n.name)
@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_simulation_is_the_integer_model(network: Network, bits: int, seed: int) -> None:
    """Values beyond the calibrated range too: clamps are part of it."""
    params = network.initial(seed)
    rng = np.random.default_rng(seed)
    for name in params:
        if name.endswith("bias"):
            params[name] += rng.normal(0, 0.3, params[name].shape).astype(np.float32)
    simulated = aware.QuantizedNetwork(
        network, aware.calibrate(network, params, values(network, 30, seed)), bits
    )
    graph = models.loads(writer.write(simulated.graph(params)))
    assert graph.scheme == f"w{bits}a8"
    x = 1.5 * values(network, 40, seed + 10)
    raw, _ = encode_real(x, graph.inputs[0])
    integers = models.run_reference(graph, raw).outputs
    output = graph.outputs[0]
    expected = (integers.astype(np.float32) - output.zero_point) * np.float32(output.scale)
    np.testing.assert_array_equal(simulated.predict(params, x), expected)
    assert len(np.unique(integers)) > 10


def test_post_training_and_aware_start_from_the_same_model() -> None:
    params = NETWORK.initial(4)
    x = values(NETWORK, 50, 4)
    aware_graph = aware.QuantizedNetwork(NETWORK, aware.calibrate(NETWORK, params, x), 8).graph(
        params
    )
    calibrated = post_training.quantize(export.float_graph(NETWORK, params), x)
    for one, other in zip(aware_graph.tensors, calibrated.tensors, strict=True):
        assert one.zero_points == other.zero_points
        np.testing.assert_allclose(one.scales, other.scales, rtol=1e-5)


def test_gradients_point_where_those_of_the_float_network_do() -> None:
    """Through 8-bit rounding the gradient has the direction of the float network's."""
    params = NETWORK.initial(5)
    x, labels = values(NETWORK, 64, 5), np.arange(64) % 4
    simulated = aware.QuantizedNetwork(NETWORK, aware.calibrate(NETWORK, params, x), 8)
    gradients = []
    for network in (NETWORK, simulated):
        outputs, tape = network.forward(params, x)
        error = training.cross_entropy(outputs, x, labels)[1]
        gradients.append(network.backward(params, tape, error))
    for name, straight in gradients[1].items():
        exact = gradients[0][name].ravel()
        cosine = straight.ravel() @ exact / np.linalg.norm(straight) / np.linalg.norm(exact)
        assert cosine > 0.9, name
        assert np.linalg.norm(straight) == pytest.approx(np.linalg.norm(exact), rel=0.2)


def test_training_recovers_what_four_bits_lose() -> None:
    rng = np.random.default_rng(6)
    centres = rng.normal(size=(4, *NETWORK.input_shape))

    def data(n: int) -> training.Data:
        labels = rng.integers(0, 4, n)
        noise = rng.normal(0, 2.0, (n, *NETWORK.input_shape))
        return training.Data((centres[labels] + noise).astype(np.float32), labels)

    train, validation = data(400), data(400)
    recipe = training.Recipe(epochs=6, seed=1)
    fitted = training.fit(NETWORK, NETWORK.initial(6), train, validation, recipe)
    simulated = aware.QuantizedNetwork(
        NETWORK, aware.calibrate(NETWORK, fitted.params, train.values), 4
    )
    tuned = training.fit(simulated, fitted.params, train, validation, recipe)

    def loss(params: dict[str, np.ndarray]) -> float:
        outputs = simulated.predict(params, validation.values)
        return training.cross_entropy(outputs, validation.values, validation.labels)[0]

    assert loss(tuned.params) < loss(fitted.params)


@pytest.mark.parametrize("network", [NETWORK, POOLED], ids=lambda n: n.name)
@pytest.mark.parametrize("bits", [8, 4])
def test_tensorflow_lite_micro_computes_what_was_simulated(network: Network, bits: int) -> None:
    require_module("tflite_micro", "oracle")
    from tflite_micro.python.tflite_micro import runtime

    params = network.initial(8)
    x = values(network, 20, 8)
    simulated = aware.QuantizedNetwork(network, aware.calibrate(network, params, x), bits)
    content = writer.write(simulated.graph(params))
    graph = models.loads(content)
    raw, _ = encode_real(x, graph.inputs[0])
    interpreter = runtime.Interpreter.from_bytes(content, arena_size=1 << 20)
    output = graph.outputs[0]
    for vector, expected in zip(raw, simulated.predict(params, x), strict=True):
        interpreter.set_input(vector.view(np.int8).reshape(graph.inputs[0].shape), 0)
        interpreter.invoke()
        integers = interpreter.get_output(0).ravel().astype(np.float32)
        np.testing.assert_array_equal(
            (integers - output.zero_point) * np.float32(output.scale), expected
        )
