"""The digits network: forward, backward and Adam, in numpy; NHWC, float32.

conv 3x3 - depthwise 3x3 - pointwise - depthwise 3x3 stride 2 - pointwise - mean - dense.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]
Params = dict[str, Array]

WIDTHS = (16, 32, 48)
CLASSES = 10


def initial(seed: int) -> Params:
    """He-initialised parameters."""
    rng = np.random.default_rng(seed)
    first, second, third = WIDTHS
    shapes = {
        "conv": ((9, first), 9),
        "dw1": ((3, 3, first), 9),
        "pw1": ((first, second), first),
        "dw2": ((3, 3, second), 9),
        "pw2": ((second, third), second),
        "fc": ((third, CLASSES), third),
    }
    params: Params = {}
    for name, (shape, fan_in) in shapes.items():
        params[name] = rng.normal(0.0, np.sqrt(2.0 / fan_in), shape).astype(np.float32)
        params[f"{name}_bias"] = np.zeros(shape[-1], np.float32)
    return params


def forward(params: Params, x: Array) -> tuple[Array, dict[str, Array]]:
    """Logits (n, 10) of images (n, 8, 8), and the activations that the backward pass needs."""
    n = len(x)
    kept: dict[str, Array] = {}
    kept["patches"] = _patches(x)
    kept["conv"] = _relu(kept["patches"] @ params["conv"] + params["conv_bias"])
    kept["dw1"] = _relu(_depthwise(kept["conv"], params["dw1"], 1) + params["dw1_bias"])
    kept["pw1"] = _relu(kept["dw1"] @ params["pw1"] + params["pw1_bias"])
    kept["dw2"] = _relu(_depthwise(kept["pw1"], params["dw2"], 2) + params["dw2_bias"])
    kept["pw2"] = _relu(kept["dw2"] @ params["pw2"] + params["pw2_bias"])
    kept["mean"] = kept["pw2"].reshape(n, -1, WIDTHS[2]).mean(axis=1)
    return kept["mean"] @ params["fc"] + params["fc_bias"], kept


def loss_and_gradients(params: Params, x: Array, labels: NDArray[np.int64]) -> tuple[float, Params]:
    """Mean cross-entropy and its gradients."""
    logits, kept = forward(params, x)
    n = len(x)
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    loss = -float(np.log(probabilities[np.arange(n), labels] + 1e-12).mean())
    error = probabilities
    error[np.arange(n), labels] -= 1.0
    error /= n

    gradients: Params = {}
    error = _dense_back(gradients, "fc", kept["mean"], params["fc"], error)
    positions = kept["pw2"].shape[1] * kept["pw2"].shape[2]
    error = np.broadcast_to(error[:, None, None, :] / positions, kept["pw2"].shape)
    error = error * (kept["pw2"] > 0)
    error = _dense_back(gradients, "pw2", kept["dw2"], params["pw2"], error)
    error = error * (kept["dw2"] > 0)
    error = _depthwise_back(gradients, "dw2", kept["pw1"], params["dw2"], error, 2)
    error = error * (kept["pw1"] > 0)
    error = _dense_back(gradients, "pw1", kept["dw1"], params["pw1"], error)
    error = error * (kept["dw1"] > 0)
    error = _depthwise_back(gradients, "dw1", kept["conv"], params["dw1"], error, 1)
    error = error * (kept["conv"] > 0)
    _dense_back(gradients, "conv", kept["patches"], params["conv"], error)
    return loss, gradients


class Adam:
    """Adam (Kingma and Ba, 2015) with decoupled weight decay."""

    def __init__(self, params: Params, weight_decay: float) -> None:
        self.params = params
        self.weight_decay = weight_decay
        self.mean = {name: np.zeros_like(p) for name, p in params.items()}
        self.square = {name: np.zeros_like(p) for name, p in params.items()}
        self.steps = 0

    def step(self, gradients: Params, rate: float) -> None:
        """One update in place."""
        self.steps += 1
        for name, param in self.params.items():
            g = gradients[name]
            self.mean[name] += np.float32(0.1) * (g - self.mean[name])
            self.square[name] += np.float32(0.001) * (g * g - self.square[name])
            mean = self.mean[name] / np.float32(1.0 - 0.9**self.steps)
            square = self.square[name] / np.float32(1.0 - 0.999**self.steps)
            update = mean / (np.sqrt(square) + np.float32(1e-8))
            if not name.endswith("_bias"):
                update = update + np.float32(self.weight_decay) * param
            param -= np.float32(rate) * update


def _relu(x: Array) -> Array:
    return np.maximum(x, np.float32(0.0))


def _patches(x: Array) -> Array:
    """3x3 neighbourhoods of (n, 8, 8): (n, 8, 8, 9)."""
    padded = np.pad(x, ((0, 0), (1, 1), (1, 1)))
    parts = [padded[:, i : i + 8, j : j + 8] for i in range(3) for j in range(3)]
    return np.stack(parts, axis=-1)


def _taps(size: int, stride: int) -> Iterator[tuple[int, int, slice, slice]]:
    """Each tap of a 3x3 filter and what it reads of the padded input (SAME padding)."""
    out = -(-size // stride)
    for i in range(3):
        for j in range(3):
            yield (
                i,
                j,
                slice(i, i + (out - 1) * stride + 1, stride),
                slice(j, j + (out - 1) * stride + 1, stride),
            )


def _padding(size: int, stride: int) -> tuple[int, int]:
    total = max((-(-size // stride) - 1) * stride + 3 - size, 0)
    return total // 2, total - total // 2


def _depthwise(x: Array, weights: Array, stride: int) -> Array:
    size = x.shape[1]
    pad = _padding(size, stride)
    padded = np.pad(x, ((0, 0), pad, pad, (0, 0)))
    out = -(-size // stride)
    total = np.zeros((len(x), out, out, x.shape[3]), np.float32)
    for i, j, rows, columns in _taps(size, stride):
        total += padded[:, rows, columns] * weights[i, j]
    return total


def _depthwise_back(
    gradients: Params, name: str, x: Array, weights: Array, error: Array, stride: int
) -> Array:
    size = x.shape[1]
    before, after = _padding(size, stride)
    padded = np.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    back = np.zeros_like(padded)
    gradient = np.zeros_like(weights)
    for i, j, rows, columns in _taps(size, stride):
        gradient[i, j] = (padded[:, rows, columns] * error).sum(axis=(0, 1, 2))
        back[:, rows, columns] += error * weights[i, j]
    gradients[name] = gradient
    gradients[f"{name}_bias"] = error.sum(axis=(0, 1, 2))
    return back[:, before : before + size, before : before + size]


def _dense_back(gradients: Params, name: str, x: Array, weights: Array, error: Array) -> Array:
    flat_x, flat_error = x.reshape(-1, x.shape[-1]), error.reshape(-1, error.shape[-1])
    gradients[name] = flat_x.T @ flat_error
    gradients[f"{name}_bias"] = flat_error.sum(axis=0)
    return (flat_error @ weights.T).reshape(x.shape)
