"""Layers of a trainable network: frozen descriptions that know their product and its gradient.

Weights keep the output channel last: (rows, columns, I, O), depthwise (rows, columns, C), dense
(I, O).  A layer's ``forward`` is the bare product; bias and ReLU are the network's part.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.schemes import convolution
from hilbench.schemes.convolution import Geometry, geometry

Array = NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True)
class Layer:
    """What all layers share: shapes are those of one example, without the batch axis."""

    def output_shape(self, shape: Shape) -> Shape:
        """Shape of the output for an input of ``shape``."""
        raise NotImplementedError

    def weight_shape(self, shape: Shape) -> Shape:
        """Shape of the weights; empty = the layer has none."""
        return ()

    @property
    def relu(self) -> bool:
        """Whether negative outputs become 0."""
        return False

    def forward(self, x: Array, weights: Array | None) -> tuple[Array, Any]:
        """The product (n, *output shape), and what ``backward`` needs."""
        raise NotImplementedError

    def backward(
        self, context: Any, weights: Array | None, error: Array, need_input: bool
    ) -> tuple[Array | None, Array | None]:
        """Gradients of the input (None unless needed) and the weights, from the output's."""
        raise NotImplementedError


@dataclass(frozen=True)
class Conv2D(Layer):
    """CONV_2D with ``filters`` outputs; ``size`` and ``stride`` are (rows, columns)."""

    filters: int
    size: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    same: bool = True
    activation: bool = True

    @property
    def relu(self) -> bool:
        return self.activation

    def _geometry(self, shape: Shape) -> Geometry:
        return geometry((shape[0], shape[1]), self.size, self.stride, self.same)

    def output_shape(self, shape: Shape) -> Shape:
        return (*self._geometry(shape).output, self.filters)

    def weight_shape(self, shape: Shape) -> Shape:
        return (*self.size, shape[2], self.filters)

    def forward(self, x: Array, weights: Array | None) -> tuple[Array, Any]:
        assert weights is not None
        g = self._geometry(x.shape[1:])
        rows = convolution.patches(x, g)
        product = rows @ weights.reshape(-1, weights.shape[-1])
        return product.reshape(len(x), *g.output, weights.shape[-1]), (rows, g)

    def backward(
        self, context: Any, weights: Array | None, error: Array, need_input: bool
    ) -> tuple[Array | None, Array | None]:
        assert weights is not None
        rows, g = context
        flat = error.reshape(-1, error.shape[-1])
        gradient = (rows.T @ flat).reshape(weights.shape)
        if not need_input:
            return None, gradient
        back = flat @ weights.reshape(-1, weights.shape[-1]).T
        return convolution.patches_back(back, len(error), weights.shape[2], g), gradient


def pointwise(filters: int, activation: bool = True) -> Conv2D:
    """A 1 x 1 convolution."""
    return Conv2D(filters, (1, 1), (1, 1), True, activation)


@dataclass(frozen=True)
class Depthwise(Layer):
    """DEPTHWISE_CONV_2D, one filter per channel."""

    size: tuple[int, int] = (3, 3)
    stride: tuple[int, int] = (1, 1)
    same: bool = True
    activation: bool = True

    @property
    def relu(self) -> bool:
        return self.activation

    def _geometry(self, shape: Shape) -> Geometry:
        return geometry((shape[0], shape[1]), self.size, self.stride, self.same)

    def output_shape(self, shape: Shape) -> Shape:
        return (*self._geometry(shape).output, shape[2])

    def weight_shape(self, shape: Shape) -> Shape:
        return (*self.size, shape[2])

    def forward(self, x: Array, weights: Array | None) -> tuple[Array, Any]:
        assert weights is not None
        g = self._geometry(x.shape[1:])
        product, padded = convolution.depthwise(x, weights, g)
        return product, (padded, g)

    def backward(
        self, context: Any, weights: Array | None, error: Array, need_input: bool
    ) -> tuple[Array | None, Array | None]:
        assert weights is not None
        padded, g = context
        return convolution.depthwise_back(padded, weights, error, g, need_input)


@dataclass(frozen=True)
class Dense(Layer):
    """FULLY_CONNECTED over all values of its input."""

    units: int
    activation: bool = False

    @property
    def relu(self) -> bool:
        return self.activation

    def output_shape(self, shape: Shape) -> Shape:
        return (self.units,)

    def weight_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape), self.units)

    def forward(self, x: Array, weights: Array | None) -> tuple[Array, Any]:
        assert weights is not None
        flat = x.reshape(len(x), -1)
        return flat @ weights, (flat, x.shape)

    def backward(
        self, context: Any, weights: Array | None, error: Array, need_input: bool
    ) -> tuple[Array | None, Array | None]:
        assert weights is not None
        flat, shape = context
        back = (error @ weights.T).reshape(shape) if need_input else None
        return back, flat.T @ error


@dataclass(frozen=True)
class AveragePool(Layer):
    """AVERAGE_POOL_2D without overlap; ``size`` None = over the whole image."""

    size: tuple[int, int] | None = None

    def _size(self, shape: Shape) -> tuple[int, int]:
        return self.size or (shape[0], shape[1])

    def output_shape(self, shape: Shape) -> Shape:
        rows, columns = self._size(shape)
        return (shape[0] // rows, shape[1] // columns, shape[2])

    def forward(self, x: Array, weights: Array | None) -> tuple[Array, Any]:
        blocks = _blocks(x, self._size(x.shape[1:]))
        return blocks.mean(axis=3, dtype=x.dtype), x.shape

    def backward(
        self, context: Any, weights: Array | None, error: Array, need_input: bool
    ) -> tuple[Array | None, Array | None]:
        size = self._size(context[1:])
        spread = error / error.dtype.type(size[0] * size[1])
        return _unblock(np.repeat(spread[:, :, :, None], size[0] * size[1], 3), context, size), None


@dataclass(frozen=True)
class MaxPool(Layer):
    """MAX_POOL_2D without overlap."""

    size: tuple[int, int] = (2, 2)

    def output_shape(self, shape: Shape) -> Shape:
        return (shape[0] // self.size[0], shape[1] // self.size[1], shape[2])

    def forward(self, x: Array, weights: Array | None) -> tuple[Array, Any]:
        blocks = _blocks(x, self.size)
        return blocks.max(axis=3), (blocks.argmax(axis=3), x.shape)

    def backward(
        self, context: Any, weights: Array | None, error: Array, need_input: bool
    ) -> tuple[Array | None, Array | None]:
        best, shape = context
        count = self.size[0] * self.size[1]
        spread = np.zeros((*error.shape[:3], count, error.shape[3]), error.dtype)
        np.put_along_axis(spread, best[:, :, :, None], error[:, :, :, None], axis=3)
        return _unblock(spread, shape, self.size), None


@dataclass(frozen=True)
class Flatten(Layer):
    """RESHAPE to a row.  ``Dense`` flattens by itself: this one costs an operator of its own."""

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)

    def forward(self, x: Array, weights: Array | None) -> tuple[Array, Any]:
        return x.reshape(len(x), -1), x.shape

    def backward(
        self, context: Any, weights: Array | None, error: Array, need_input: bool
    ) -> tuple[Array | None, Array | None]:
        return error.reshape(context), None


def _blocks(x: Array, size: tuple[int, int]) -> Array:
    """(n, H, W, C) as (n, rows, columns, positions of a block, C); what is left over is cut."""
    rows, columns = x.shape[1] // size[0], x.shape[2] // size[1]
    cut = x[:, : rows * size[0], : columns * size[1]]
    parts = cut.reshape(len(x), rows, size[0], columns, size[1], x.shape[3])
    ordered = parts.transpose(0, 1, 3, 2, 4, 5)
    return ordered.reshape(len(x), rows, columns, size[0] * size[1], x.shape[3])


def _unblock(blocks: Array, shape: Shape, size: tuple[int, int]) -> Array:
    """The inverse of :func:`_blocks`; what was cut becomes 0."""
    n, rows, columns, _, channels = blocks.shape
    parts = blocks.reshape(n, rows, columns, *size, channels).transpose(0, 1, 3, 2, 4, 5)
    whole = np.zeros(shape, blocks.dtype)
    filled = parts.reshape(n, rows * size[0], columns * size[1], channels)
    whole[:, : rows * size[0], : columns * size[1]] = filled
    return whole
