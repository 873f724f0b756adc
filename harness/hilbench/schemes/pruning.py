"""Pruning by magnitude: single weights (masks), or whole channels (a smaller network).

Zeros among the weights make nothing faster or smaller on a dense engine; they do make the Huffman
code shorter.  Channels that are removed make everything smaller.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.schemes.layers import Conv2D, Dense, Depthwise, Layer, Shape
from hilbench.schemes.network import Network, Params, key
from hilbench.schemes.objectives import Objective, cross_entropy
from hilbench.schemes.training import Data, Fitted, Recipe, fit

Array = NDArray[Any]
#: Parameter -> which of its values stay.
Masks = dict[str, NDArray[np.bool_]]


# ---------------------------------------------------------------- single weights


def magnitude_masks(network: Network, params: Params, sparsity: float) -> Masks:
    """Masks that drop a share of the weights of each layer, the smallest.

    Magnitudes are compared in units of the largest of their output channel, which is how the
    quantizer sees them.  Depthwise filters have few weights, and keep them all.

    Parameters
    ----------
    network : Network
    params : Params
    sparsity : float
        Share that becomes 0, 0 to 1 (exclusive).
    """
    masks: Masks = {}
    for i in network.weighted():
        if isinstance(network.layers[i], Depthwise):
            continue
        weights = params[key(i, "weights")]
        peak = np.abs(weights).max(axis=tuple(range(weights.ndim - 1)), keepdims=True)
        relative = np.abs(weights) / np.maximum(peak, np.float32(1e-12))
        dropped = int(weights.size * sparsity)
        order = np.argsort(relative.ravel(), kind="stable")
        mask = np.ones(weights.size, np.bool_)
        mask[order[:dropped]] = False
        masks[key(i, "weights")] = mask.reshape(weights.shape)
    return masks


def keep_masked(masks: Masks) -> Callable[[Params], None]:
    """A hook for :func:`~hilbench.schemes.training.fit`: what was dropped stays 0."""

    def after_step(params: Params) -> None:
        for name, mask in masks.items():
            params[name] *= mask

    return after_step


def masks_of(params: Params) -> Masks:
    """Masks that keep what is 0 among the weights at 0."""
    return {name: p != 0 for name, p in params.items() if name.endswith("weights")}


def sparsity_of(params: Params) -> float:
    """Share of the weights that are 0."""
    weights = [p for name, p in params.items() if name.endswith("weights")]
    return 1.0 - sum(int(np.count_nonzero(w)) for w in weights) / sum(w.size for w in weights)


def prune_gradually(
    network: Network,
    params: Params,
    sparsity: float,
    train: Data,
    validation: Data,
    recipe: Recipe,
    objective: Objective = cross_entropy,
    rounds: int = 3,
    progress: Callable[[float], None] | None = None,
) -> tuple[Fitted, Masks]:
    """Drop weights in rounds, each followed by training with the recipe.

    The share grows along a cubic (Zhu and Gupta, 2017): most goes early, where most is redundant.
    """
    masks: Masks = {}
    fitted = Fitted(params, -1, ())
    for number in range(1, rounds + 1):
        share = sparsity * (1.0 - (1.0 - number / rounds) ** 3)
        masks = magnitude_masks(network, params, share)
        masked = {n: p * masks[n] if n in masks else p for n, p in params.items()}
        fitted = fit(
            network,
            masked,
            train,
            validation,
            replace(recipe, seed=recipe.seed + number),
            objective,
            keep_masked(masks),
            None if progress is None else _part_of(progress, number - 1, rounds),
        )
        params = fitted.params
    return fitted, masks


def _part_of(progress: Callable[[float], None], done: int, parts: int) -> Callable[[float], None]:
    return lambda share: progress((done + share) / parts)


# ---------------------------------------------------------------- whole channels


def remove_channels(
    network: Network, params: Params, keep: Mapping[int, int]
) -> tuple[Network, Params]:
    """A narrower network: layers keep the channels with the largest filters (Li et al., 2017).

    Parameters
    ----------
    network : Network
    params : Params
    keep : mapping of int to int
        Number of a convolution or dense layer (not the last) -> how many outputs it keeps.

    Raises
    ------
    ValueError
        ``keep`` names a layer without filters of its own, or the last one.
    """
    owners = [i for i in network.weighted() if not isinstance(network.layers[i], Depthwise)]
    if not set(keep) <= set(owners[:-1]):
        raise ValueError(f"channels can be removed from layers {owners[:-1]}, not {sorted(keep)}")
    shapes = network.shapes()
    kept = np.arange(network.input_shape[-1])  # of the current values' last axis
    layers: list[Layer] = []
    thinner: Params = {}
    for i, layer in enumerate(network.layers):
        if key(i, "weights") not in params:
            if len(layer.output_shape(shapes[i])) == 1:
                kept = _flat(shapes[i], kept)
            layers.append(layer)
            continue
        weights, bias = params[key(i, "weights")], params[key(i, "bias")]
        if isinstance(layer, Depthwise):
            outputs = kept
            weights = weights[..., kept]
        else:
            inputs = _flat(shapes[i], kept) if isinstance(layer, Dense) else kept
            weights = weights.take(inputs, axis=weights.ndim - 2)
            outputs = _largest(weights, keep.get(i, weights.shape[-1]))
            weights = weights[..., outputs]
            layer = _with_outputs(layer, len(outputs))
        thinner[key(i, "weights")] = np.ascontiguousarray(weights)
        thinner[key(i, "bias")] = bias[outputs].copy()
        kept = outputs
        layers.append(layer)
    return replace(network, layers=tuple(layers)), thinner


def _flat(shape: Shape, kept: Array) -> Array:
    """Positions of the kept channels among the flattened values of ``shape``."""
    positions = np.arange(int(np.prod(shape))).reshape(shape)
    return positions[..., kept].ravel()


def _largest(weights: Array, count: int) -> Array:
    """Outputs with the largest filters, in their order."""
    norms = np.sqrt((weights.astype(np.float64) ** 2).sum(axis=tuple(range(weights.ndim - 1))))
    return np.sort(np.argsort(-norms, kind="stable")[:count])


def _with_outputs(layer: Layer, count: int) -> Layer:
    if isinstance(layer, Conv2D):
        return replace(layer, filters=count)
    assert isinstance(layer, Dense)
    return replace(layer, units=count)
