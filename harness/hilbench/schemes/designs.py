"""Networks of ``hilbench compress``: three teachers to choose from, and a student."""

from __future__ import annotations

from dataclasses import dataclass

from hilbench.schemes import layers
from hilbench.schemes.augmentation import Augment, chained, scaled, shifted
from hilbench.schemes.layers import Layer, Shape
from hilbench.schemes.network import Network

#: Images up to so many positions keep their size in the first layer.
_SMALL_IMAGE = 100
#: Taps of a filter along time.
_TIME_TAPS = 5


@dataclass(frozen=True)
class Design:
    """What a workload is compressed from and to.

    Attributes
    ----------
    teachers : tuple of Network
        The smallest first.
    student : Network
        Wider than it will be: channels are pruned after distillation.
    keep : dict of int to int
        Layer of the student -> channels that stay.
    augment : callable
    """

    teachers: tuple[Network, ...]
    student: Network
    keep: dict[int, int]
    augment: Augment


def design(workload: str, input_shape: Shape, classes: int) -> Design:
    """The design for examples of ``input_shape``: (H, W, C), or a time series (T, 1, C)."""
    positions = input_shape[0] * input_shape[1]
    is_series = input_shape[1] == 1

    def network(name: str, widths: tuple[int, ...]) -> Network:
        return convolutional(f"{workload}-{name}", input_shape, classes, widths)

    short = positions <= _SMALL_IMAGE
    student = network("student", (20, 32) if short else (12, 20, 24))
    kept = (16, 24) if short else (10, 16, 18)
    reach = max(1, input_shape[0] // 12)
    return Design(
        teachers=(
            network("teacher-s", (12, 24, 32)),
            network("teacher-m", (16, 32, 40)),
            network("teacher-l", (24, 40, 40 if short else 36)),
        ),
        student=student,
        keep=dict(enumerate(kept)),
        augment=chained((shifted(reach, 0), scaled(0.1)))
        if is_series
        else shifted(reach, reach)
        if input_shape[0] == input_shape[1]
        else shifted(reach, 0),
    )


def convolutional(name: str, input_shape: Shape, classes: int, widths: tuple[int, ...]) -> Network:
    """Convolutions that halve the image, a pool where much is left of it, and a dense layer."""
    is_series = input_shape[1] == 1
    size = (_TIME_TAPS, 1) if is_series else (3, 3)
    stride = (2, 1) if is_series else (2, 2)
    whole = input_shape[0] * input_shape[1] <= _SMALL_IMAGE
    stack: list[Layer] = [
        layers.Conv2D(width, size, (1, 1) if whole and i == 0 else stride)
        for i, width in enumerate(widths)
    ]
    shape = Network(name, input_shape, tuple(stack)).shapes()[-1]
    pool = (max(1, shape[0] // 2), max(1, shape[1] // 2))
    if pool != (1, 1):
        stack.append(layers.AveragePool(pool))
    stack.append(layers.Dense(classes))
    return Network(name, input_shape, tuple(stack))
