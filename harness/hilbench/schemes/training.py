"""Training: Adam, cosine rate, augmentation, and the epoch chosen on the validation part.

Seeded: the same machine with one BLAS thread (:mod:`hilbench.schemes.threads`) gives the same
bytes; sums of several threads would round differently.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hilbench.schemes.layers import Shape
from hilbench.schemes.network import Params
from hilbench.schemes.objectives import Objective, cross_entropy
from hilbench.workloads import Examples

Array = NDArray[Any]
#: ``augment(values, rng) -> values`` of the same shape.
Augment = Callable[[Array, np.random.Generator], Array]


@dataclass(frozen=True, eq=False)
class Data:
    """Examples: values (n, *input shape) float32, labels (n,) int64."""

    values: Array
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.values)


def data_of(examples: Examples, input_shape: Shape) -> Data:
    """A part of a workload for a network: each example in ``input_shape``."""
    return Data(examples.values.reshape(-1, *input_shape), examples.labels)


@dataclass(frozen=True)
class Recipe:
    """How to train.

    Attributes
    ----------
    epochs, batch : int
    peak_rate : float
        Adam's rate at the start; it falls to 0 along a half cosine.
    weight_decay : float
        Decoupled, of the weights (Loshchilov and Hutter, 2019).
    seed : int
        Of the order of the examples and the augmentation.
    augment : callable or None
    """

    epochs: int = 60
    batch: int = 32
    peak_rate: float = 4e-3
    weight_decay: float = 2e-3
    seed: int = 0
    augment: Augment | None = None


@dataclass(frozen=True)
class Epoch:
    """What an epoch came to: mean losses, and top-1 on the validation part (classifiers)."""

    number: int
    train_loss: float
    validation_loss: float
    validation_top1: float | None


@dataclass(frozen=True, eq=False)
class Fitted:
    """Parameters of the best epoch on the validation part, and all epochs."""

    params: Params
    best: int
    history: tuple[Epoch, ...] = field(repr=False)


class Trainable(Protocol):
    """A network, or one that simulates another arithmetic."""

    def forward(self, params: Params, x: Array) -> tuple[Array, Any]: ...

    def backward(self, params: Params, tape: Any, error: Array) -> Params: ...

    def predict(self, params: Params, x: Array) -> Array: ...


class Adam:
    """Adam (Kingma and Ba, 2015) with decoupled weight decay; updates in place."""

    def __init__(self, params: Params, weight_decay: float) -> None:
        self.params = params
        self.weight_decay = weight_decay
        self.mean = {name: np.zeros_like(p) for name, p in params.items()}
        self.square = {name: np.zeros_like(p) for name, p in params.items()}
        self.steps = 0

    def step(self, gradients: Params, rate: float) -> None:
        """One update."""
        self.steps += 1
        for name, param in self.params.items():
            g = gradients[name]
            self.mean[name] += np.float32(0.1) * (g - self.mean[name])
            self.square[name] += np.float32(0.001) * (g * g - self.square[name])
            mean = self.mean[name] / np.float32(1.0 - 0.9**self.steps)
            square = self.square[name] / np.float32(1.0 - 0.999**self.steps)
            update = mean / (np.sqrt(square) + np.float32(1e-8))
            if name.endswith("weights"):
                update = update + np.float32(self.weight_decay) * param
            param -= np.float32(rate) * update


def fit(
    network: Trainable,
    params: Params,
    train: Data,
    validation: Data,
    recipe: Recipe,
    objective: Objective = cross_entropy,
    after_step: Callable[[Params], None] | None = None,
    progress: Callable[[float], None] | None = None,
) -> Fitted:
    """Train and keep the epoch with the lowest loss on the validation part, the last of equals.

    Parameters
    ----------
    network : Trainable
    params : Params
        Where training starts; not changed.
    train, validation : Data
    recipe : Recipe
    objective : Objective
    after_step : callable, optional
        Called with the parameters after each update; may change them (a pruning mask).
    progress : callable, optional
        Called with the share done, 0 to 1.
    """
    params = {name: p.copy() for name, p in params.items()}
    optimizer = Adam(params, recipe.weight_decay)
    rng = np.random.default_rng(recipe.seed)
    batches = max(1, len(train) // recipe.batch)
    best, best_loss, best_epoch = params, math.inf, -1
    history = []
    for epoch in range(recipe.epochs):
        order = rng.permutation(len(train))
        total = 0.0
        for b in range(batches):
            phase = (epoch + b / batches) / recipe.epochs
            rate = recipe.peak_rate * 0.5 * (1 + math.cos(math.pi * phase))
            chosen = order[b * recipe.batch : (b + 1) * recipe.batch]
            x, labels = train.values[chosen], train.labels[chosen]
            if recipe.augment is not None:
                x = recipe.augment(x, rng)
            outputs, tape = network.forward(params, x)
            loss, error = objective(outputs, x, labels)
            optimizer.step(network.backward(params, tape, error), rate)
            if after_step is not None:
                after_step(params)
            total += loss
        outputs = network.predict(params, validation.values)
        loss, _ = objective(outputs, validation.values, validation.labels)
        history.append(Epoch(epoch, total / batches, loss, _top1(outputs, validation, objective)))
        if loss <= best_loss:
            best_loss, best_epoch = loss, epoch
            best = {name: p.copy() for name, p in params.items()}
        if progress is not None:
            progress((epoch + 1) / recipe.epochs)
    return Fitted(best, best_epoch, tuple(history))


def top1(outputs: Array, labels: NDArray[np.int64]) -> float:
    """Share of rows whose largest output is the label."""
    return float(np.mean(outputs.reshape(len(outputs), -1).argmax(axis=1) == labels))


def _top1(outputs: Array, data: Data, objective: Objective) -> float | None:
    is_classifier = outputs.ndim == 2 and outputs.shape[1] > int(data.labels.max(initial=0))
    return top1(outputs, data.labels) if is_classifier else None
