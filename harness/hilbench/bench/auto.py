"""A mix of schemes under a budget: the search behind ``--schemes auto``.

Layers are moved down a ladder of schemes, those first that lose least on the validation part for
what they save.  A search starts from each uniform scheme, the most accurate first: from the start
every single move is judged, then the moves are made one after the other in the order of loss by
saving, and each prefix of that path is a candidate.  From the best candidate that holds the budget
layers are moved up again where there is room.  All is deterministic, and bounded.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hilbench.bench.candidates import Candidate, Judge, layer_rows
from hilbench.errors import UsageError
from hilbench.schemes.mixed import LAYER_SCHEMES, Layer

#: Most models that a search makes.
MOST_CANDIDATES = 96
#: Keeps a ratio finite where a move loses or saves nothing.
_LEAST = 1e-12


@dataclass(frozen=True)
class Budget:
    """Upper limits; None = no limit.  ``instructions`` is held against an estimate."""

    flash_bytes: int | None = None
    arena_bytes: int | None = None
    instructions: int | None = None

    @property
    def limits(self) -> dict[str, int]:
        named = {
            "flash_bytes": self.flash_bytes,
            "arena_bytes": self.arena_bytes,
            "instructions": self.instructions,
        }
        return {name: limit for name, limit in named.items() if limit is not None}

    def excess(self, costs: dict[str, int | None]) -> float:
        """By how much costs exceed the limits, each as a share of its limit; 0 = within.

        A cost that is not known is infinite.
        """
        over = 0.0
        for name, limit in self.limits.items():
            cost = costs[name]
            over += math.inf if cost is None else max(0.0, cost / limit - 1)
        return over


@dataclass(frozen=True, eq=False)
class Found:
    """The mix that a search ends with, and how many models it made."""

    candidate: Candidate
    judged: int


def search_mix(judge: Judge, budget: Budget) -> Found:
    """The best mix within a budget, by the validation part.

    Raises
    ------
    UsageError
        A limit that is not known here; no mix holds the budget (the hint has the
        closest).
    """
    return _Search(judge, budget).run()


class _Search:
    def __init__(self, judge: Judge, budget: Budget) -> None:
        self._judge, self._budget = judge, budget
        self._all: list[Candidate] = []
        self._uniform: dict[str, Candidate] = {}

    def run(self) -> Found:
        starts = self._try([self._judge.uniform(scheme) for scheme in LAYER_SCHEMES])
        self._uniform = {
            scheme: candidate
            for scheme, candidate in zip(LAYER_SCHEMES, starts, strict=True)
            if candidate is not None
        }
        self._check_limits()
        for scheme in LAYER_SCHEMES[:-1]:
            start = self._uniform.get(scheme)
            if start is None:
                continue
            if self._budget.excess(start.costs) == 0:
                break  # what comes further down is less accurate, and not needed
            self._descend(start)
        best = self._best()
        if best is None:
            raise self._unmet()
        self._climb(best)
        final = self._best()
        assert final is not None
        return Found(final, self._judge.judged)

    def _try(self, mixes: list[dict[str, str]]) -> list[Candidate | None]:
        """Judge what the bound still allows."""
        room = max(0, MOST_CANDIDATES - self._judge.judged)
        found = self._judge.judge(mixes[:room])
        self._all += [candidate for candidate in found if candidate is not None]
        return found + [None] * (len(mixes) - len(found))

    def _check_limits(self) -> None:
        for name in self._budget.limits:
            if all(c.costs[name] is None for c in self._uniform.values()):
                raise UsageError(
                    f"a limit on {name.replace('_bytes', '')} cannot be held here: this board's "
                    "firmware or table of costs does not tell it",
                )

    # ------------------------------------------------------------ down

    def _descend(self, start: Candidate) -> None:
        """Single moves from a start, then the path of moves in the order of loss by saving."""
        moves = [
            (layer, scheme)
            for layer in self._judge.layers
            for scheme in _below(layer, start.mix[layer.output])
        ]
        tried = self._try([{**start.mix, layer.output: scheme} for layer, scheme in moves])
        loss = {
            (layer.output, scheme): max(0.0, one.answers.change - start.answers.change)
            for (layer, scheme), one in zip(moves, tried, strict=True)
            if one is not None
        }
        self._try(list(self._path(start, loss)))

    def _path(
        self, start: Candidate, loss: dict[tuple[str, str], float]
    ) -> Iterator[dict[str, str]]:
        mix = dict(start.mix)
        while True:
            steps = [
                (self._price(layer, mix[layer.output], scheme, loss), number, layer.output, scheme)
                for number, layer in enumerate(self._judge.layers)
                for scheme in _below(layer, mix[layer.output])
                if (layer.output, scheme) in loss
            ]
            if not steps:
                return
            _, _, output, scheme = min(steps)
            mix = {**mix, output: scheme}
            yield mix

    def _price(
        self, layer: Layer, before: str, after: str, loss: dict[tuple[str, str], float]
    ) -> float:
        """Loss of a move by what it saves of the limits, in shares of them."""
        lost = loss[layer.output, after] - loss.get((layer.output, before), 0.0)
        saved = 0.0
        for name, limit in self._budget.limits.items():
            saved += (self._cost(layer, before, name) - self._cost(layer, after, name)) / limit
        if saved <= 0:
            return float("inf")
        return max(lost, _LEAST) / max(saved, _LEAST)

    def _cost(self, layer: Layer, scheme: str, name: str) -> float:
        """A layer's part of a cost where all layers have this scheme."""
        bits = {"f32": (32, 4), "w8a16": (8, 2), "w8a8": (8, 1), "w4a8": (4, 1)}[scheme]
        if name == "flash_bytes":
            return layer.weights * bits[0] / 8
        if name == "arena_bytes":
            return bits[1]
        uniform = self._uniform.get(scheme)
        if uniform is None:
            return 0.0
        return uniform.instructions_of(layer)

    # ------------------------------------------------------------ up

    def _climb(self, best: Candidate) -> None:
        """Layers moved up where the budget has room, each move kept that is better."""
        mixes = [
            {**best.mix, layer.output: scheme}
            for layer in self._judge.layers
            for scheme in layer.schemes[: layer.schemes.index(best.mix[layer.output])]
        ]
        self._try(mixes)

    # ------------------------------------------------------------ the end

    def _best(self) -> Candidate | None:
        """Of those within the budget the most accurate, then the one nearest to the float model."""
        able = [c for c in self._all if self._budget.excess(c.costs) == 0]
        return max(able, key=lambda c: (c.answers.quality, -c.answers.change), default=None)

    def _unmet(self) -> UsageError:
        closest = min(self._all, key=lambda c: (self._budget.excess(c.costs), c.answers.change))
        reached = ", ".join(
            f"{name.replace('_bytes', '')} {closest.costs[name] or 0:,} of {limit:,}"
            for name, limit in self._budget.limits.items()
        )
        mix = ", ".join(f"{name} {scheme}" for name, scheme in closest.mix.items())
        return UsageError(
            f"no mix of schemes holds the budget; the closest of {self._judge.judged}: {reached}",
            hint=f"nothing was touched; the closest is {mix}",
        )


def _below(layer: Layer, scheme: str) -> tuple[str, ...]:
    """Schemes that are cheaper than a layer's."""
    return layer.schemes[layer.schemes.index(scheme) + 1 :]


def describe(judge: Judge, budget: Budget, found: Found) -> dict[str, Any]:
    """A found mix as the study's JSON has it."""
    candidate = found.candidate
    return {
        "budget": budget.limits,
        "candidates": found.judged,
        "vectors": len(judge.chosen),
        "validation_quality": candidate.answers.quality,
        "float_quality": judge.answers(judge.graph).quality,
        "flash_bytes": candidate.flash_bytes,
        "arena_bytes": candidate.arena_bytes,
        "estimated_instructions": candidate.instructions,
        "layers": layer_rows(judge, candidate.mix),
    }
