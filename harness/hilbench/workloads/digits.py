"""The shipped workload: handwritten digits, 8 x 8 pixels.

The data are the test part of the UCI "Optical Recognition of Handwritten Digits" set (E. Alpaydin
and C. Kaynak, 1998, doi:10.24432/C50P49, CC BY 4.0), as scikit-learn's ``load_digits`` has it.
Writers follow each other in the file, so the parts are cut by position: a random split would put
the same hand on both sides.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from hilbench.models import Graph
from hilbench.workloads.encoding import encode_real
from hilbench.workloads.vectors import Vectors
from hilbench.workloads.workload import Workload, single_input

GREY_MAX = 16
HELD_OUT = 450
VALIDATION = 150
TARGET_TOP1 = 0.93

CARD = """\
Handwritten digits 0-9, 8 x 8 grey values 0-16 (counts of set pixels in 4 x 4 blocks).
1797 images of 13 writers. Parts by position: 1197 training, 150 validation, 450 held out.
Source: UCI Optical Recognition of Handwritten Digits, test part, doi:10.24432/C50P49, CC BY 4.0.
"""


@dataclass(frozen=True, eq=False)
class Split:
    """One part: images (n, 8, 8) of uint8 0 to 16, labels (n,) of uint8."""

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]


def load_split(part: Literal["train", "validation", "held-out"]) -> Split:
    """One part of the data, in the order of the file."""
    with resources.as_file(_data("digits.npz")) as path, np.load(path) as stored:
        images, labels = stored["images"], stored["labels"]
    first, second = len(images) - HELD_OUT - VALIDATION, len(images) - HELD_OUT
    span = {
        "train": slice(0, first),
        "validation": slice(first, second),
        "held-out": slice(second, len(images)),
    }[part]
    return Split(images[span], labels[span])


def held_out(graph: Graph) -> Vectors:
    """The held-out part, encoded for a model."""
    tensor = single_input(graph, "digits")
    split = load_split("held-out")
    raw, text = encode_real(split.images.astype(np.float32) / np.float32(GREY_MAX), tensor)
    return Vectors(
        name="digits",
        vectors=raw,
        labels=split.labels.astype(np.int64),
        encoding=f"grey value / {GREY_MAX}; {text}",
        metric="top1",
        classes=DIGITS.classes,
        target=DIGITS.target,
        source=DIGITS.card.splitlines()[-1],
    )


def model_path(scheme: str) -> Path:
    """The shipped model of a scheme (``f32``, ``w8a8``)."""
    return Path(str(_data(f"digits_{scheme}.tflite")))


def _data(name: str) -> resources.abc.Traversable:
    return resources.files("hilbench.workloads").joinpath("data", name)


DIGITS = Workload(
    name="digits",
    task="classification",
    classes=tuple(str(digit) for digit in range(10)),
    metric="top1",
    target=TARGET_TOP1,
    card=CARD,
    schemes=("w8a8", "f32"),
    vectors=held_out,
    model_path=model_path,
)
