"""The choice of a teacher, and the designs of networks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from hilbench.schemes.compression import choose_teacher
from hilbench.schemes.designs import design
from hilbench.schemes.training import Data

N = 100


@dataclass(frozen=True)
class Answers:
    """A network of a given size that is wrong on given vectors."""

    name: str
    size: int
    wrong: frozenset[int]

    def parameter_count(self) -> int:
        return self.size

    def predict(self, params: Any, values: np.ndarray) -> np.ndarray:
        return np.array([[i in self.wrong, i not in self.wrong] for i in range(N)], float)


def chosen(*networks: Answers) -> str:
    data = Data(np.zeros((N, 1), np.float32), np.ones(N, np.int64))
    candidates = choose_teacher([(network, {}) for network in networks], data)  # type: ignore[misc]
    assert [c.name for c in candidates] == [n.name for n in networks]
    for candidate, network in zip(candidates, networks, strict=True):
        assert candidate.validation_top1 == pytest.approx(1 - len(network.wrong) / N)
    (name,) = (c.name for c in candidates if c.chosen)
    return name


def answers(name: str, size: int, *wrong: int) -> Answers:
    return Answers(name, size, frozenset(wrong))


def test_the_smallest_that_is_not_significantly_worse() -> None:
    large, middle = answers("l", 300, 0), answers("m", 200, 0, 1, 2, 3)
    assert chosen(answers("s", 100, *range(6)), middle, large) == "s"  # 5 to 0: p = 0.0625
    assert chosen(answers("s", 100, *range(7)), middle, large) == "m"  # 6 to 0: p = 0.03125
    assert chosen(answers("s", 100, *range(50)), answers("m", 200, *range(40)), large) == "l"


def test_of_equal_ones_the_smallest() -> None:
    assert chosen(answers("a", 300, 5), answers("b", 100, 7), answers("c", 200, 6)) == "b"


def test_pairs_decide_not_totals() -> None:
    """6 errors against 1, but on other vectors: 6 to 1 is p = 0.125."""
    assert chosen(answers("s", 100, *range(1, 7)), answers("l", 300, 0)) == "s"


@pytest.mark.parametrize(
    ("shape", "classes"), [((8, 8, 1), 10), ((28, 28, 1), 10), ((49, 10, 1), 12), ((100, 1, 6), 7)]
)
def test_designs_fit_their_data(shape: tuple[int, ...], classes: int) -> None:
    plan = design("any", shape, classes)
    sizes = [network.parameter_count() for network in plan.teachers]
    assert sizes == sorted(sizes)
    assert sizes[-1] <= 25_000
    assert plan.student.parameter_count() < sizes[0]
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, *shape)).astype(np.float32)
    for network in (*plan.teachers, plan.student):
        assert network.predict(network.initial(0), x).shape == (3, classes)
    moved = plan.augment(x, rng)
    assert moved.shape == x.shape
    assert not np.array_equal(moved, x)
