"""The shipped workload: handwritten digits, 8 x 8 pixels.

The data are the test part of the UCI "Optical Recognition of Handwritten Digits" set (E. Alpaydin
and C. Kaynak, 1998, doi:10.24432/C50P49, CC BY 4.0), as scikit-learn's ``load_digits`` has it.
Writers follow each other in the file, so the parts are cut by position: a random split would put
the same hand on both sides.
"""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import numpy as np

from hilbench.workloads.workload import Examples, Part, Workload

GREY_MAX = 16
HELD_OUT = 450
VALIDATION = 150
TARGET_TOP1 = 0.93

CARD = """\
Handwritten digits 0-9, 8 x 8 grey values 0-16 (counts of set pixels in 4 x 4 blocks).
1797 images of 13 writers. Parts by position: 1197 training, 150 validation, 450 held out.
Source: UCI Optical Recognition of Handwritten Digits, test part, doi:10.24432/C50P49, CC BY 4.0.
"""


def examples(part: Part) -> Examples:
    """One part of the data, in the order of the file; values (n, 8, 8) from 0 to 1."""
    with resources.as_file(_data("digits.npz")) as path, np.load(path) as stored:
        images, labels = stored["images"], stored["labels"]
    first, second = len(images) - HELD_OUT - VALIDATION, len(images) - HELD_OUT
    span = {
        "train": slice(0, first),
        "validation": slice(first, second),
        "held-out": slice(second, len(images)),
    }[part]
    values = images[span].astype(np.float32) / np.float32(GREY_MAX)
    return Examples(values, labels[span].astype(np.int64))


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
    preprocessing=f"grey value / {GREY_MAX}",
    view="image",
    schemes=("w8a8", "f32"),
    count=HELD_OUT,
    examples=examples,
    model_path=model_path,
)
