"""``hilbench compress``: every stage of the pipeline trained, packed, run on the board, compared.

The folder keeps what is finished: parameters (``params/``), models, the bundle of each run
(``runs/``) and each stage's result (``stages/``).  The same command goes on where it was stopped.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench import __version__, models, workloads
from hilbench.backends.base import Progress, find_device
from hilbench.bench.plan import RunOptions, check_device, choose_backend, resolve
from hilbench.bench.run import run
from hilbench.boards import Board, load_catalogue
from hilbench.boards.catalogue import find_board
from hilbench.errors import MeasurementError, UsageError
from hilbench.schemes import pruning
from hilbench.schemes.compression import Compressor, ParamStore, Settings, Stage
from hilbench.schemes.designs import design
from hilbench.schemes.training import data_of
from hilbench.stats import wilson_interval
from hilbench.stats.paired import paired_accuracy
from hilbench.store.files import host_io_error, write_atomically

SCHEMA = "hilbench-compress-1"
#: Timed vectors of each stage's run.
PERFORMANCE_VECTORS = 10
#: What a stage costs on the device, by the metrics that a bundle may have.
DEVICE_METRICS = (
    "instructions_per_inference",
    "cycles_per_inference",
    "latency_s",
    "stack_bytes",
    "output_mismatches",
)
Say = Callable[[str], None]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class CompressOptions:
    """What the user asked for.

    Attributes
    ----------
    workload : str
    settings : Settings
    board, backend, device : str or None
        Without a board nothing is run on one: sizes are those of an image for any board.
    decode : str
        When Huffman-coded weights are decoded (``models.DECODE``).
    out : Path
        Folder of this compression.
    """

    workload: str = "digits"
    settings: Settings = field(default_factory=Settings)
    board: str | None = None
    backend: str | None = None
    device: str | None = None
    decode: str = "layer"
    out: Path = Path("results/compress")

    def to_json(self) -> dict[str, Any]:
        """What must be equal for finished stages to be taken over."""
        return {
            "schema": SCHEMA,
            "hilbench": __version__,
            "workload": self.workload,
            "board": self.board,
            "backend": self.backend,
            "decode": self.decode,
            "settings": asdict(self.settings),
        }


@dataclass(frozen=True)
class Seen:
    """A stage's outputs on the held-out part: where it is right, and what the device said."""

    right: Flags
    image: models.Image
    device: dict[str, Any] | None


def compress(options: CompressOptions, progress: Progress, say: Say) -> dict[str, Any]:
    """Run the pipeline; returns what ``compress.json`` holds.

    Raises
    ------
    UsageError
        A workload without classes, or a folder of another compression.
    HilbenchError
        The first cause of a run that failed; finished stages are kept.
    """
    workload = workloads.get(options.workload)
    if workload.task != "classification":
        raise UsageError(
            f"workload {workload.name} is no classification ({workload.task}), which compress needs"
        )
    board = _board(options)
    folder = _prepare_folder(options)
    train, validation = workload.examples("train"), workload.examples("validation")
    plan = design(workload.name, input_shape(train.values), len(workload.classes))
    shape = plan.student.input_shape
    compressor = Compressor(
        plan,
        data_of(train, shape),
        data_of(validation, shape),
        options.settings,
        ParamStore(folder / "params"),
        progress,
    )
    rows: list[dict[str, Any]] = []
    for number, stage in enumerate(compressor.stages()):
        say(f"{stage.title}: {len(stage.content):,} bytes")
        rows.append(_stage_result(options, board, number, stage, rows, progress, say))
    result = {
        **options.to_json(),
        "board_title": None if board is None else board.title,
        "card": workload.card,
        "synthetic": workload.synthetic,
        "held_out": len(workload.examples("held-out")),
        "validation": len(validation),
        "teachers": [asdict(candidate) for candidate in compressor.candidates],
        "stages": [{k: v for k, v in row.items() if k != "right"} for row in rows],
        "summary": _summary(rows),
    }
    write_atomically(folder / "compress.json", json.dumps(result, indent=2).encode())
    return result


def _board(options: CompressOptions) -> Board | None:
    """The board, found and free, before anything is trained."""
    if options.board is None:
        if options.backend is not None or options.device is not None:
            raise UsageError("--backend and --device go with --board")
        return None
    board = find_board(load_catalogue(), options.board)
    spec = choose_backend(board, options.backend)
    check_device(spec, options.device)
    find_device(board, spec.name, options.device)
    return board


def _prepare_folder(options: CompressOptions) -> Path:
    """The folder, new or of the same compression."""
    folder, wanted = options.out, options.to_json()
    path = folder / "options.json"
    try:
        for part in (folder, folder / "params", folder / "stages"):
            part.mkdir(parents=True, exist_ok=True)
        stored = json.loads(path.read_text()) if path.exists() else None
    except OSError as error:
        raise host_io_error(folder, error) from error
    except ValueError:
        stored = {}
    if stored is None:
        write_atomically(path, json.dumps(wanted, indent=2).encode())
    elif stored != json.loads(json.dumps(wanted)):
        raise UsageError(
            f"{folder} holds another compression (other options or another version)",
            hint="choose another folder with --out, or remove that one",
        )
    return folder


def input_shape(values: NDArray[np.float32]) -> tuple[int, ...]:
    """(H, W, C) of examples; a picture without channels has one, a series (T, C) one column."""
    shape = values.shape[1:]
    if len(shape) == 3:
        return shape
    if len(shape) != 2:
        raise UsageError(f"examples of shape {list(shape)} are neither images nor series")
    # the shorter side tells channels of a series from columns of a picture
    return (shape[0], 1, shape[1]) if shape[1] * 4 <= shape[0] else (*shape, 1)


# ---------------------------------------------------------------- one stage


def _stage_result(
    options: CompressOptions,
    board: Board | None,
    number: int,
    stage: Stage,
    before: list[dict[str, Any]],
    progress: Progress,
    say: Say,
) -> dict[str, Any]:
    """Result of a stage, from its folder when it is there."""
    path = options.out / "stages" / f"{number:02d}-{stage.key}.json"
    digest = hashlib.sha256(stage.content).hexdigest()
    if path.exists():
        stored: dict[str, Any] = json.loads(path.read_text())
        if stored["tflite_sha256"] == digest:
            return stored
    model = options.out / f"{number:02d}-{stage.key}.tflite"
    write_atomically(model, stage.content)
    seen = _see(options, board, stage, model, progress, say)
    write_atomically(model.with_suffix(".image"), seen.image.data)
    result = _describe(stage, seen, board, model, before)
    write_atomically(path, json.dumps(result, indent=2).encode())
    return result


def _see(
    options: CompressOptions,
    board: Board | None,
    stage: Stage,
    model: Path,
    progress: Progress,
    say: Say,
) -> Seen:
    if board is None:
        graph = models.load(model)
        coding = models.coding(stage.weights, options.decode)
        image = models.pack(graph, coding=coding)
        vectors = workloads.get(options.workload).vectors(graph)
        expected = models.run_reference(graph, vectors.vectors).outputs
        return Seen(_right(expected, vectors.labels), image, None)
    plan = resolve(
        RunOptions(
            board=board.id,
            backend=options.backend,
            device=options.device,
            workload=options.workload,
            model=model,
            weights=stage.weights,
            decode=options.decode,
            performance_vectors=PERFORMANCE_VECTORS,
            out=options.out / "runs",
        )
    )
    bundle = run(plan, lambda what, share: progress(f"{stage.key} {what}", share), say)
    verdict = bundle.metrics["verdict"]
    if verdict["status"] == "invalid":
        raise MeasurementError(
            f"stage '{stage.title}' is invalid: {'; '.join(verdict['reasons'])}",
            hint=f"the bundle is kept for looking into it: {bundle.folder}",
        )
    outputs = bundle.array("outputs.npy")
    metrics = bundle.metrics["metrics"]
    device = {key: metrics[key] for key in DEVICE_METRICS if key in metrics}
    device["bundle"] = str(bundle.folder.relative_to(options.out))
    device["origin"] = metrics["top1"]["origin"]
    if outputs is None:
        raise MeasurementError(f"stage '{stage.title}': the run recorded no outputs")
    return Seen(_right(outputs, plan.workload.labels), plan.image, device)


def _right(outputs: NDArray[Any], labels: NDArray[np.int64] | None) -> Flags:
    assert labels is not None
    right: Flags = workloads.predictions(outputs) == labels
    return right


def _describe(
    stage: Stage, seen: Seen, board: Board | None, model: Path, before: list[dict[str, Any]]
) -> dict[str, Any]:
    graph = models.load(model)
    isa = () if board is None else board.isa
    sizes = {
        form: len(models.pack(graph, isa=isa, coding=models.coding(form, "layer")).data)
        for form in ("plain", "huffman")
    }
    right, n = int(seen.right.sum()), len(seen.right)
    low, high = wilson_interval(right, n)
    earlier = {row["key"]: row for row in before}
    return {
        "key": stage.key,
        "title": stage.title,
        "parent": stage.parent,
        "lineage": list(stage.lineage),
        "scheme": models.scheme_name(graph, stage.weights),
        "weights": stage.weights,
        "parameters": stage.network.parameter_count(),
        "zeros": pruning.sparsity_of(stage.params),
        "macs": seen.image.macs,
        "model": model.name,
        "tflite_bytes": len(stage.content),
        "tflite_sha256": hashlib.sha256(stage.content).hexdigest(),
        "image_bytes": len(seen.image.data),
        "image_sha256": hashlib.sha256(seen.image.data).hexdigest(),
        "image_plain_bytes": sizes["plain"],
        "image_huffman_bytes": sizes["huffman"],
        "arena_bytes": seen.image.arena_bytes,
        "top1": {"value": right / n, "low": low, "high": high, "n": n},
        "vs_teacher": _paired(earlier.get("teacher"), seen.right),
        "vs_parent": _paired(earlier.get(stage.parent or ""), seen.right),
        "device": seen.device,
        "right": "".join("1" if flag else "0" for flag in seen.right),
    }


def _paired(first: dict[str, Any] | None, second: Flags) -> dict[str, Any] | None:
    """A stage against an earlier one; None where there is none."""
    if first is None:
        return None
    return paired(first["key"], np.array([flag == "1" for flag in first["right"]]), second)


def paired(reference: str, first: Flags, second: Flags) -> dict[str, Any]:
    """McNemar's test and the interval of the difference (second - first) on the same vectors."""
    found = paired_accuracy(first, second)
    return {
        "reference": reference,
        "mcnemar_p": found.p,
        "lost": found.lost,
        "won": found.gained,
        "accuracy_shift": found.shift,
        "low": found.low,
        "high": found.high,
    }


# ---------------------------------------------------------------- in all


def _summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What each lineage came to, and quantization-aware against post-training."""
    stages = {row["key"]: row for row in rows}
    return {
        "small": _outcome(stages["teacher"], stages["huffman"]),
        "same": _outcome(stages["teacher"], stages["same-huffman"]),
        "aware_vs_post_training": list(_aware(stages)),
    }


def _outcome(teacher: dict[str, Any], final: dict[str, Any]) -> dict[str, Any]:
    return {
        "final": final["key"],
        "teacher_tflite_bytes": teacher["tflite_bytes"],
        "image_bytes": final["image_bytes"],
        "factor": teacher["tflite_bytes"] / final["image_bytes"],
        **final["vs_teacher"],
    }


def _aware(stages: dict[str, dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for prefix in ("", "same-"):
        after, tuned = stages[f"{prefix}ptq"], stages.get(f"{prefix}qat")
        if tuned is not None:
            right = np.array([flag == "1" for flag in tuned["right"]])
            before = np.array([flag == "1" for flag in after["right"]])
            yield {"stage": tuned["key"], **paired(after["key"], before, right)}
