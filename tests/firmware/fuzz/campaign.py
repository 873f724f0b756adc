"""Runs mutants and judges the answers: what every accepted image computed must be right."""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tests.firmware.engine import OK
from tests.firmware.fuzz.evaluate import KNOWN, NAN, UNKNOWN, Evaluator, Memory, Originals
from tests.firmware.fuzz.mutate import mutant
from tests.firmware.fuzz.process import Answer, Fault, Process, frame
from tests.firmware.fuzz.seeds import Seed

#: Mutants that are run before they are judged.
BATCH = 200
#: Share of mutants made from one that reached something new; so many of those are kept.
DEEPER_SHARE, MOST_DEEPER = 0.3, 2000
COVERAGE = "-fsanitize-coverage=trace-pc -DHB_COVERAGE"


@dataclass(frozen=True)
class Case:
    """A mutant: where it comes from, and how it was changed."""

    name: str
    image: bytes
    vector: bytes
    kinds: tuple[str, ...]


@dataclass(frozen=True)
class Failure:
    """A case and what is wrong with it."""

    case: Case
    what: str


@dataclass
class Figures:
    """Counts of a campaign.

    ``accepted`` by the validator; of those ``right``: every byte of the outputs is what the records
    say, ``partly``: some bytes are unknown to the reference (packed streams that it cannot read),
    the others right.
    """

    executions: int = 0
    accepted: int = 0
    right: int = 0
    partly: int = 0
    branches: int = 0
    accepted_by_kind: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        share = 100 / max(self.executions, 1)
        return (
            f"{self.executions} executions, {self.accepted} accepted ({self.accepted * share:.1f} "
            f"%); {self.right} right in every byte of the outputs ({self.right * share:.1f} % of "
            f"all), {self.partly} in those that the reference knows; {self.branches} branches"
        )


def judge(case: Case, arena: bytes, originals: Originals) -> tuple[str, bool]:
    """What is wrong ("" = nothing), and whether all bytes of the outputs are known."""
    evaluator = Evaluator(case.image, originals)
    expected = evaluator.run(case.vector)
    what = difference(expected, arena)
    places = [evaluator.records.tensors[i] for i in evaluator.records.outputs]
    whole = all((expected.state[t.offset : t.offset + t.bytes] != UNKNOWN).all() for t in places)
    return what, whole


def difference(expected: Memory, arena: bytes) -> str:
    """The first byte of the arena that is wrong."""
    got = np.frombuffer(arena, np.uint8)
    if got.size != expected.size:
        return f"an arena of {got.size} bytes instead of {expected.size}"
    wrong = (got != expected.data) & (expected.state == KNOWN)
    nans = expected.state == NAN
    if nans.any():
        words = np.pad(got, (0, -got.size % 4)).view("<u4")
        is_nan = (words & 0x7FFFFFFF) > 0x7F800000
        wrong |= nans & ~np.repeat(is_nan, 4)[: got.size]
    if not wrong.any():
        return ""
    at = int(np.flatnonzero(wrong)[0])
    return f"byte {at} of the arena is {got[at]}, not {expected.data[at]}; {wrong.sum()} differ"


class Campaign:
    """Mutants of seeds, from one source of chance."""

    def __init__(
        self, program: Path, seeds: list[Seed], originals: Originals, chance: random.Random
    ) -> None:
        self.program, self.seeds, self.originals = program, seeds, originals
        self.chance = chance
        self.figures = Figures()
        self.failures: list[Failure] = []
        #: The first of each sort, and those that reached something new; of these the accepted ones.
        self.kept: list[Case] = []
        self.deeper: list[Case] = []
        self._sorts: set[tuple[tuple[str, ...], str, bool]] = set()
        self._process = Process(program)
        self._answers([frame(seed.image, seed.vector) for seed in seeds])

    def run(self, seconds: float) -> None:
        """Batches until the time is over."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.batch(BATCH)

    def batch(self, count: int) -> None:
        """So many mutants."""
        cases = [self.case() for _ in range(count)]
        while cases:
            answers, report = self._answers([frame(case.image, case.vector) for case in cases])
            for case, answer in zip(cases, answers, strict=False):
                self._take(case, answer)
            if report:
                self.figures.executions += 1
                self.failures.append(Failure(cases[len(answers)], report))
            cases = cases[len(answers) + bool(report) :]

    def case(self) -> Case:
        """A mutant of a seed, or of a mutant that reached something new."""
        if self.deeper and self.chance.random() < DEEPER_SHARE:
            origin = self.chance.choice(self.deeper)
            name, image, vector, before = origin.name, origin.image, origin.vector, origin.kinds
        else:
            seed = self.chance.choice(self.seeds)
            name, image, vector, before = seed.name, seed.image, seed.vector, ()
        changed, kinds = mutant(image, self.chance)
        turn = 4 * self.chance.randrange(len(vector) // 4)
        return Case(name, changed, vector[turn:] + vector[:turn], (*before, *kinds))

    def _answers(self, frames: list[bytes]) -> tuple[list[Answer], str]:
        """Answers, and the sanitizers' report at the frame behind the last of them."""
        try:
            return self._process.answers(frames), ""
        except Fault as fault:
            self._process.close()
            self._process = Process(self.program)
            known = [*self.seeds, *self.deeper]  # so that their branches are not counted again
            self._process.answers([frame(seed.image, seed.vector) for seed in known])
            return fault.answers, str(fault)

    def _take(self, case: Case, answer: Answer) -> None:
        self.figures.executions += 1
        self.figures.kinds.update(set(case.kinds))
        self.figures.branches += answer.new_branches
        wrong = ""
        if answer.status == OK:
            self.figures.accepted += 1
            self.figures.accepted_by_kind.update(set(case.kinds))
            try:
                wrong, whole = judge(case, answer.arena, self.originals)
            except Exception as error:
                wrong, whole = f"the reference fails: {error!r}", False
            self.figures.right += whole and not wrong
            self.figures.partly += not whole and not wrong
        if wrong:
            self.failures.append(Failure(case, wrong))
            return
        family = tuple(case.name.split("-")[1:])  # instruction set, storage
        sort = (family, case.kinds[-1] if case.kinds else "", answer.status == OK)
        if answer.new_branches or sort not in self._sorts:
            self._sorts.add(sort)
            self.kept.append(case)
        if answer.new_branches and answer.status == OK and len(self.deeper) < MOST_DEEPER:
            self.deeper.append(case)

    def close(self) -> None:
        """End the process."""
        self._process.close()
