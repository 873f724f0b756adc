"""A study resolved before anything is touched: every scheme's model made, packed and checked."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench import models, workloads
from hilbench.bench.auto import Budget
from hilbench.bench.plan import DEFAULT_MODES, PERFORMANCE_VECTORS, Plan, RunOptions, resolve
from hilbench.bench.study_layers import AUTO, find_auto, make_judge, sensitivity_of
from hilbench.boards import load_catalogue
from hilbench.boards.catalogue import find_board
from hilbench.errors import ImageTooLarge, ModelError, UnsupportedOp, UsageError, VectorError
from hilbench.schemes import recipes

#: What runs when no schemes are named.
DEFAULT_SCHEMES = ("f32", "w8a8", "w8a8-tensor", "w8a16", "w4a8", "dynamic8", "fp8")
MIX = "a scheme for each layer, searched for under a budget"
#: Visits of each subject to the board: there and back again (ABBA).
ROUNDS = 2


@dataclass(frozen=True)
class StudyOptions:
    """What the user asked for; None = not said.

    Attributes
    ----------
    schemes : tuple of str
        Names of ``recipes.SCHEMES``, ``auto``, or paths to .tflite files; the first is the
        reference.
    model : Path or None
        The float model that the schemes are made of; None = the workload's own.
    calibration : Path or None
        ``.npy`` of real values, (n, ...), for a model of one's own with vectors of one's own.
    rounds : int
        Visits of each subject to the board; every other round goes backwards.
    sensitivity : str or None
        A scheme by which one layer at a time is quantized, to see which one loses the accuracy.
    budget : Budget
        What ``auto`` has to hold.
    """

    board: str
    backend: str | None = None
    device: str | None = None
    workload: str | None = None
    model: Path | None = None
    inputs: Path | None = None
    labels: Path | None = None
    calibration: Path | None = None
    schemes: tuple[str, ...] = DEFAULT_SCHEMES
    vectors: int | None = None
    performance_vectors: int = PERFORMANCE_VECTORS
    rounds: int = ROUNDS
    sensitivity: str | None = None
    budget: Budget = field(default_factory=Budget)
    repeat: int = 2
    warmup: int = 1
    decode: str = "layer"
    optimize: str = "size"
    out: Path = Path("results")
    deadline_s: float = 60.0


@dataclass(frozen=True, eq=False)
class Subject:
    """One scheme of a study.

    Attributes
    ----------
    name : str
        The scheme, or the stem of the user's file.
    text : str
        How it was made.
    content : bytes
        Its .tflite.
    form : str
        Storage of its weights, of ``models.FORMS``.
    plan : Plan or None
        None when it cannot run on this board; ``refused`` says why.
    """

    name: str
    text: str
    content: bytes = field(repr=False)
    form: str
    plan: Plan | None
    refused: str = ""
    image_bytes: int | None = None
    arena_bytes: int | None = None


@dataclass(frozen=True, eq=False)
class StudyPlan:
    """A resolved study; the first subject is the reference."""

    options: StudyOptions
    subjects: tuple[Subject, ...]
    float_model: bytes = field(repr=False)
    model_name: str
    calibration: str
    sensitivity: dict[str, Any] | None = None
    auto: dict[str, Any] | None = None

    @property
    def reference(self) -> Plan:
        plan = self.subjects[0].plan
        assert plan is not None, "resolve_study refuses a reference that cannot run"
        return plan

    def orders(self) -> list[list[str]]:
        """Subjects of each round, in the order of their visits."""
        names = [subject.name for subject in self.subjects if subject.plan is not None]
        return [names if i % 2 == 0 else names[::-1] for i in range(self.options.rounds)]

    def to_json(self) -> dict[str, Any]:
        """The study as ``study.json`` and ``--dry-run`` show it."""
        plan = self.reference.to_json()
        return {
            "schema": "hilbench-study-1",
            "board": plan["board"],
            "board_title": plan["board_title"],
            "silicon_tested": plan["silicon_tested"],
            "backend": plan["backend"],
            "facts": plan["facts"],
            "workload": {k: v for k, v in plan["workload"].items() if not k.startswith("encod")},
            "workload_identity": plan["workload_identity"],
            "quality_target": plan["quality_target"],
            "model": self.model_name,
            "reference": self.subjects[0].name,
            "calibration": self.calibration,
            "rounds": self.options.rounds,
            "orders": self.orders(),
            "performance_vectors": self.reference.timed_count,
            "subjects": [
                {
                    "name": subject.name,
                    "text": subject.text,
                    "form": subject.form,
                    "scheme": subject.plan.scheme if subject.plan else None,
                    "refused": subject.refused or None,
                    "image_bytes": subject.image_bytes,
                    "arena_bytes": subject.arena_bytes,
                }
                for subject in self.subjects
            ],
            "sensitivity": self.sensitivity,
            "auto": self.auto,
        }


def resolve_study(options: StudyOptions, work: Path) -> StudyPlan:
    """Make every scheme's model and plan its run.

    Parameters
    ----------
    options : StudyOptions
    work : Path
        A folder of its own for the models while they are made.

    Raises
    ------
    UsageError
        Bad options; the reference cannot run.
    ToolMissing
        A scheme needs the quantizer and it is not installed.
    """
    _check(options)
    float_path = options.model
    if float_path is None:
        float_path = workloads.get(options.workload or "digits").model_path("f32")
    float_model = _read(float_path)
    calibration, text = _calibration(options)
    named = _named(options.schemes)
    sensitivity = auto = None
    if options.sensitivity is not None or AUTO in options.schemes:
        workload = _workload(options)
        judge = make_judge(options.board, workload, float_model, calibration, options.optimize)
        sensitivity = sensitivity_of(judge, options.sensitivity)
        if AUTO in options.schemes:
            content, auto = find_auto(judge, options.budget)
            (work / "auto.tflite").write_bytes(content)
            named = [(n, work / "auto.tflite" if n == AUTO else p) for n, p in named]
    subjects: list[Subject] = []
    for name, path in named:
        subjects.append(_subject(options, name, path, float_model, calibration, work))
    first = subjects[0]
    if first.plan is None:
        raise UsageError(
            f"the reference scheme {first.name} cannot run on {options.board}: {first.refused}",
            hint="name another scheme first; the others are compared with it",
        )
    identity = first.plan.to_json()["workload_identity"]
    for subject in subjects:
        if subject.plan and subject.plan.to_json()["workload_identity"] != identity:
            raise UsageError(
                f"{subject.name} is not asked the same as {first.name}: its vectors differ",
                hint="give --workload, or real values (float .npy) that every model can encode",
            )
    return StudyPlan(
        options, tuple(subjects), float_model, float_path.stem, text, sensitivity, auto
    )


def _check(options: StudyOptions) -> None:
    if len(options.schemes) < 2:
        raise UsageError("a study needs at least two schemes", hint="the first is the reference")
    if AUTO in options.schemes and not options.budget.limits:
        raise UsageError(
            "auto needs a budget", hint="--max-flash, --max-arena or --max-instructions"
        )
    for limit, value in options.budget.limits.items():
        if value < 1:
            raise UsageError(f"the limit on {limit} is {value}, must be at least 1")
    if options.budget.limits and AUTO not in options.schemes:
        raise UsageError("a budget is for auto", hint="name it: --schemes f32,w8a8,auto")
    if options.sensitivity is not None and not recipes.find_scheme(options.sensitivity).recipe:
        raise UsageError(f"{options.sensitivity} is not quantized layer by layer")
    if not 1 <= options.rounds <= 100:
        raise UsageError(f"--rounds is {options.rounds}, must be from 1 to 100")


def _named(schemes: Sequence[str]) -> list[tuple[str, Path | None]]:
    """(name, file or None) of each; names are unique, since they name folders and rows."""
    named: list[tuple[str, Path | None]] = []
    for text in schemes:
        is_file = text.endswith(".tflite")
        name = Path(text).stem if is_file else text
        if not is_file and text != AUTO:
            recipes.find_scheme(text)
        if name in [other for other, _ in named]:
            raise UsageError(f"two schemes are called '{name}'", hint="rename one of the files")
        named.append((name, Path(text) if is_file else None))
    return named


def _calibration(options: StudyOptions) -> tuple[NDArray[np.float32] | None, str]:
    """Vectors that show the ranges of activations, never held-out ones; and which they are."""
    if options.calibration is not None:
        try:
            values = np.load(options.calibration, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise VectorError(f"{options.calibration}: not a .npy array: {error}") from error
        if values.dtype.kind != "f" or values.ndim < 2 or not len(values):
            raise VectorError(f"{options.calibration}: float values of shape (n, ...) expected")
        return values.astype(np.float32), f"{len(values)} vectors of {options.calibration.name}"
    if options.inputs is not None or (options.model is not None and options.workload is None):
        return None, "none given"
    name = options.workload or "digits"
    part = workloads.get(name).examples("train")
    # spread over the part: neighbours in a file are often of one class or person
    count = min(recipes.CALIBRATION_VECTORS, len(part))
    chosen = np.linspace(0, len(part) - 1, count).astype(np.int64)
    return part.values[chosen], f"{count} vectors of {name}'s training part, evenly spread"


def _subject(
    options: StudyOptions,
    name: str,
    path: Path | None,
    float_model: bytes,
    calibration: NDArray[np.float32] | None,
    work: Path,
) -> Subject:
    form, text = "plain", "the user's own file"
    if path is not None:
        text = MIX if name == AUTO else text
        content = _read(path)
        models.load(path)  # a damaged file is refused, not left out
    else:
        scheme = recipes.find_scheme(name)
        form, text = scheme.form, scheme.text
        content = recipes.quantize(float_model, name, calibration)
    made = work / f"{name}.tflite"
    made.write_bytes(content)
    try:
        plan = resolve(_run_options(options, made, form))
    except UnsupportedOp as error:
        return Subject(name, text, content, form, None, error.message)
    except ImageTooLarge as error:  # its sizes are an answer, too
        image = _pack(options, made, form)
        sizes = len(image.data), image.arena_bytes
        return Subject(name, text, content, form, None, error.message, *sizes)
    sizes = len(plan.image.data), plan.image.arena_bytes
    return Subject(name, text, content, form, plan, "", *sizes)


def _pack(options: StudyOptions, path: Path, form: str) -> models.Image:
    board = find_board(load_catalogue(), options.board)
    graph = models.in_form(models.load(path), form)
    coding = models.coding(form, options.decode)
    return models.pack(graph, isa=board.isa, coding=coding, optimize=options.optimize)


def _workload(options: StudyOptions) -> str | None:
    """The workload by name; None for vectors of one's own."""
    if options.workload is None and options.inputs is None and options.model is None:
        return "digits"
    return options.workload


def _run_options(options: StudyOptions, path: Path, form: str) -> RunOptions:
    return RunOptions(
        board=options.board,
        backend=options.backend,
        device=options.device,
        workload=_workload(options),
        model=path,
        inputs=options.inputs,
        labels=options.labels,
        vectors=options.vectors,
        performance_vectors=options.performance_vectors,
        modes=DEFAULT_MODES,
        repeat=options.repeat,
        warmup=options.warmup,
        weights=form,
        decode=options.decode,
        optimize=options.optimize,
        out=options.out,
        deadline_s=options.deadline_s,
    )


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror}") from error


def in_folder(plan: Plan, out: Path) -> Plan:
    """The plan of a run whose bundle lies in ``out``."""
    return replace(plan, options=replace(plan.options, out=out))


def last_vector(total: int, round_number: int, rounds: int) -> int:
    """Timed vectors that are done when a round ends: equal shares, the last one takes the rest."""
    return math.ceil(total * (round_number + 1) / rounds)
