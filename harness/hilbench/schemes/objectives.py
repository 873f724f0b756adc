"""What is minimised: each objective gives the mean loss of a batch and the outputs' gradient."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from hilbench.schemes.network import Network, Params

Array = NDArray[Any]


class Objective(Protocol):
    """``objective(outputs, inputs, labels) -> (loss, gradient of the outputs)``."""

    def __call__(
        self, outputs: Array, inputs: Array, labels: NDArray[np.int64]
    ) -> tuple[float, Array]: ...


def softmax(logits: Array) -> Array:
    """Probabilities of (n, classes) logits."""
    probabilities: Array = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    return probabilities


def cross_entropy(outputs: Array, inputs: Array, labels: NDArray[np.int64]) -> tuple[float, Array]:
    """Cross-entropy of logits against class numbers."""
    n = len(outputs)
    error = softmax(outputs)
    loss = -float(np.log(error[np.arange(n), labels] + 1e-12).mean())
    error[np.arange(n), labels] -= 1.0
    error /= n
    return loss, error


def reconstruction(outputs: Array, inputs: Array, labels: NDArray[np.int64]) -> tuple[float, Array]:
    """Mean squared error of an autoencoder: the target is the input itself."""
    difference = outputs - inputs.reshape(outputs.shape)
    scale = outputs.dtype.type(2.0 / difference.size)
    return float(np.mean(difference * difference)), difference * scale


@dataclass(frozen=True, eq=False)
class Distillation:
    """Soft targets of a teacher beside the labels (Hinton, Vinyals and Dean, 2015).

    ``(1 - share) * cross-entropy + share * T**2 * cross-entropy of the softened outputs``; the
    teacher sees the same augmented inputs.

    Attributes
    ----------
    teacher, params : Network, Params
    temperature : float
    share : float
        Weight of the soft targets, 0 to 1.
    """

    teacher: Network
    params: Params
    temperature: float = 3.0
    share: float = 0.7

    def __call__(
        self, outputs: Array, inputs: Array, labels: NDArray[np.int64]
    ) -> tuple[float, Array]:
        hard_loss, hard = cross_entropy(outputs, inputs, labels)
        kind = outputs.dtype.type
        targets = softmax(self.teacher.predict(self.params, inputs) / kind(self.temperature))
        soft = softmax(outputs / kind(self.temperature))
        soft_loss = -float((targets * np.log(soft + 1e-12)).sum(axis=1).mean())
        # d/dlogit of T**2 * loss is T * (soft - targets)
        gradient = (soft - targets) * kind(self.temperature / len(outputs))
        loss = (1 - self.share) * hard_loss + self.share * self.temperature**2 * soft_loss
        return loss, kind(1 - self.share) * hard + kind(self.share) * gradient
