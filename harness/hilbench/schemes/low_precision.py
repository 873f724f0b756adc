"""Training in few bits, as an experiment: what the number format does to the curve.

Every tensor of a step is rounded to the format as it comes into being: weights, activations, and
the gradients of both.  Sums of products are kept in float32, as accumulators of such hardware are.

``fixed16-12``, ``fixed16-8``, each also ``-nearest``
    16-bit fixed point, 12 or 8 bits of them after the point; the weights are stored so too.
    Rounded stochastically, or to the nearest step (S. Gupta et al., "Deep learning with limited
    numerical precision", 2015).
``fp8``
    8-bit float E4M3 with a power-of-two scale per tensor, and float32 weights behind the rounded
    ones (P. Micikevicius et al., "FP8 formats for deep learning", 2022).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.quantization import MAX_FLOAT8, from_float8, to_float8
from hilbench.schemes.network import Network, Params, Tape, key
from hilbench.schemes.training import Data, Fitted, Recipe, fit

Array = NDArray[Any]
Rounding = Callable[[Array], Array]

FIXED_BITS = 16
_CHUNK = 512

#: Format -> its name in words.
TITLES = {
    "float32": "float32",
    "fixed16-12": "16-bit fixed point, 12 after the point, stochastic",
    "fixed16-12-nearest": "16-bit fixed point, 12 after the point, nearest",
    "fixed16-8": "16-bit fixed point, 8 after the point, stochastic",
    "fixed16-8-nearest": "16-bit fixed point, 8 after the point, nearest",
    "fp8": "8-bit float E4M3, float32 weights behind",
}


def fixed_point(
    x: Array, fraction_bits: int, rng: np.random.Generator | None, bits: int = FIXED_BITS
) -> Array:
    """``x`` in steps of ``2**-fraction_bits``, saturated to ``bits``.

    Parameters
    ----------
    x : ndarray
    fraction_bits : int
    rng : Generator or None
        Round up with a probability equal to the part that is cut, so that the mean is kept; None:
        to the nearest step, ties to even.
    bits : int
    """
    steps = x.astype(np.float64) * (1 << fraction_bits)
    rounded = np.rint(steps) if rng is None else np.floor(steps + rng.random(x.shape))
    most = (1 << (bits - 1)) - 1
    result: Array = np.clip(rounded, -most - 1, most) / (1 << fraction_bits)
    return result.astype(np.float32)


def float8(x: Array) -> Array:
    """``x`` as E4M3 times the power of two that brings the largest magnitude just below 448."""
    largest = float(np.abs(x).max(initial=0.0))
    if largest == 0.0:
        return x
    # a scale below float32's smallest normal number would be 0 for the smallest tensors
    exponent = max(-126.0, np.ceil(np.log2(largest / MAX_FLOAT8)))
    scale = np.float32(2.0**exponent)
    rounded: Array = from_float8(to_float8(x.astype(np.float32) / scale)) * scale
    return rounded


@dataclass(frozen=True, eq=False)
class LowPrecision:
    """A network whose every tensor is rounded; trainable as the network itself.

    Attributes
    ----------
    network : Network
    rounding : callable
        In training.
    settled : callable
        In prediction: the same without chance.
    """

    network: Network
    rounding: Rounding
    settled: Rounding

    def forward(self, params: Params, x: Array) -> tuple[Array, Tape]:
        """Outputs (float32, for the loss) and the tape."""
        last = len(self.network.layers) - 1
        x = self.rounding(x)
        tape: Tape = []
        for i, layer in enumerate(self.network.layers):
            weights = params.get(key(i, "weights"))
            x, context = layer.forward(x, None if weights is None else self.rounding(weights))
            if weights is not None:
                x = x + self.rounding(params[key(i, "bias")])
            passed = x > 0 if layer.relu else None
            if passed is not None:
                x = np.maximum(x, np.float32(0))
            if i != last:
                x = self.rounding(x)
            tape.append((context, passed))
        return x, tape

    def backward(self, params: Params, tape: Tape, error: Array) -> Params:
        """Gradients, rounded as all else."""
        gradients: Params = {}
        first = min(self.network.weighted())
        error = self.rounding(error)
        for i in range(len(tape) - 1, first - 1, -1):
            context, passed = tape[i]
            if passed is not None:
                error = error * passed
            weights = params.get(key(i, "weights"))
            rounded = None if weights is None else self.rounding(weights)
            back, gradient = self.network.layers[i].backward(context, rounded, error, i > first)
            if gradient is not None:
                gradients[key(i, "weights")] = self.rounding(gradient)
                bias = error.sum(axis=tuple(range(error.ndim - 1)))
                gradients[key(i, "bias")] = self.rounding(bias)
            if back is not None:
                error = self.rounding(back)
        return gradients

    def predict(self, params: Params, x: Array) -> Array:
        """Outputs of any number of examples."""
        still = LowPrecision(self.network, self.settled, self.settled)
        parts = [still.forward(params, x[i : i + _CHUNK])[0] for i in range(0, len(x), _CHUNK)]
        return np.concatenate(parts)


@dataclass(frozen=True, eq=False)
class Curve:
    """One format's training; ``outputs`` are those on the data it was asked about at the end."""

    name: str
    title: str
    fitted: Fitted = field(repr=False)
    outputs: Array = field(repr=False)


def train_in(
    name: str, network: Network, train: Data, validation: Data, asked: Array, recipe: Recipe
) -> Curve:
    """Train a network in a format of :data:`TITLES`; all see the same examples in one order."""
    start = network.initial(recipe.seed)
    if name == "float32":
        fitted = fit(network, start, train, validation, recipe)
        return Curve(name, TITLES[name], fitted, network.predict(fitted.params, asked))
    if name == "fp8":
        simulated = LowPrecision(network, float8, float8)
        fitted = fit(simulated, start, train, validation, recipe)
    else:
        fraction = int(name.split("-")[1])
        rng = None if name.endswith("nearest") else np.random.default_rng([recipe.seed, 16])

        def rounding(x: Array) -> Array:
            return fixed_point(x, fraction, rng)

        def stored(params: Params) -> None:
            for values in params.values():
                values[...] = rounding(values)

        simulated = LowPrecision(network, rounding, lambda x: fixed_point(x, fraction, None))
        start = {name: fixed_point(values, fraction, None) for name, values in start.items()}
        fitted = fit(simulated, start, train, validation, recipe, after_step=stored)
    return Curve(name, TITLES[name], fitted, simulated.predict(fitted.params, asked))
