"""The plan: everything that will be done, resolved before anything is touched."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench import models, workloads
from hilbench.boards import BackendSpec, Board, load_catalogue
from hilbench.boards.catalogue import find_board
from hilbench.boards.firmware import Firmware, check_board, load_firmware
from hilbench.errors import BundleError, ToolMissing, UsageError
from hilbench.store import Bundle

#: What `hilbench run --mode` takes.
MODES = ("accuracy", "performance", "energy")
#: With the further ones of an acceptance run: every layer, each baud rate, the probe's own codes.
ACCEPTANCE_MODES = ("accuracy", "performance", "layers", "link", "probe")
DEFAULT_MODES = ("accuracy", "performance")
#: Vectors timed in performance mode unless asked otherwise; accuracy mode takes all.
PERFORMANCE_VECTORS = 50
#: Of a plan, between a run and its resumption: the board may have passed its acceptance meanwhile.
MAY_CHANGE = ("silicon_tested",)
#: Of one vector, timed or before: a u16 in the protocol's `run`.
MOST_INFERENCES = 0xFFFF


@dataclass(frozen=True)
class RunOptions:
    """What the user asked for; None = not said.

    Attributes
    ----------
    board : str
    backend, device, workload : str or None
    model, inputs, labels : Path or None
    vectors : int or None
        How many vectors at most; 10 for random ones.
    modes : tuple of str
        Of :data:`MODES`; empty = the default ones.
    repeat, warmup : int
        Timed and untimed inferences per vector in performance mode.
    seed : int
        Of random vectors.
    weights : str
        How the image stores them, of ``models.FORMS``.
    decode : str
        When Huffman-coded ones are decoded, of ``models.DECODE``.
    optimize : str
        What the image may spend: ``size`` or ``speed`` (``models.pack``).
    out : Path
        Results folder.
    deadline_s : float
        Longest silence of the device.
    """

    board: str
    backend: str | None = None
    device: str | None = None
    workload: str | None = None
    model: Path | None = None
    inputs: Path | None = None
    labels: Path | None = None
    vectors: int | None = None
    performance_vectors: int = PERFORMANCE_VECTORS
    modes: tuple[str, ...] = ()
    repeat: int = 2
    warmup: int = 1
    seed: int = 0
    weights: str = "plain"
    decode: str = "layer"
    optimize: str = "size"
    out: Path = Path("results")
    deadline_s: float = 60.0


@dataclass(frozen=True, eq=False)
class Plan:
    """A resolved run.

    Attributes
    ----------
    expected : ndarray, shape (n, output elements), the model's output type
        From the host's reference interpreter.
    """

    options: RunOptions
    board: Board
    spec: BackendSpec
    firmware: Firmware
    model_file: bytes
    graph: models.Graph
    image: models.Image
    workload: workloads.Vectors
    modes: tuple[str, ...]
    expected: NDArray[Any] = field(repr=False)

    @property
    def vectors(self) -> NDArray[np.uint8]:
        """Vectors as sent, shape (n, vector bytes)."""
        return self.workload.vectors

    @property
    def timed_count(self) -> int:
        """Vectors of performance mode: the first ones."""
        return min(len(self.vectors), self.options.performance_vectors)

    @property
    def scheme(self) -> str:
        """How the model computes, and how its weights are stored."""
        return models.scheme_name(self.graph, self.options.weights)

    @property
    def subject(self) -> str:
        return f"{self.graph.name} ({self.scheme})"

    def to_json(self) -> dict[str, Any]:
        """The plan as ``plan.json`` and ``--dry-run`` show it."""
        options = self.options
        subject = {
            "model": self.graph.name,
            "model_digest": self.graph.digest,
            "scheme": self.scheme,
            "weights": options.weights,
            "decode": options.decode if models.coding(options.weights, options.decode) else None,
            "optimize": options.optimize,
            "engine": "hilbench",
            "board": self.board.id,
            "backend": self.spec.name,
            "firmware_digest": self.firmware.digest.hex(),
            "firmware_sha256": self.firmware.sha256,
            "compiler": self.firmware.manifest.get("compiler"),
            "kernel_level": self.firmware.manifest.get("kernel_level"),
            "image_crc": self.image.crc,
            "clock_hz": self.board.clock_hz,
            "clock_flags": list(self.board.clock_flags),
        }
        workload = {
            "name": self.workload.name,
            "digest": self.workload.asked,
            "vectors": len(self.vectors),
            "preprocessing": self.workload.preprocessing,
            "metric": self.workload.metric,
            "task": self.workload.task,
        }
        return {
            "schema": "hilbench-plan-1",
            "board": self.board.id,
            "board_title": self.board.title,
            "silicon_tested": self.board.silicon_tested,
            "backend": self.spec.name,
            "facts": self.spec.facts.to_json(),
            "ticks_to_instructions": self.spec.ticks_to_instructions,
            "device": options.device,
            "workload": {
                **workload,
                "encoding": self.workload.encoding,
                "encoded_digest": self.workload.digest,
                "vector_bytes": int(self.vectors.shape[1]),
                "synthetic": self.workload.synthetic,
                "view": self.workload.view,
                "classes": list(self.workload.classes),
                "source": self.workload.source,
            },
            "workload_identity": _digest(workload),
            "subject": subject,
            "subject_identity": _digest(subject),
            "quality_target": self.workload.target,
            "modes": list(self.modes),
            "performance_vectors": self.timed_count,
            "repeat": options.repeat,
            "warmup": options.warmup,
            "seed": options.seed,
            "deadline_s": options.deadline_s,
            "image": {
                "bytes": len(self.image.data),
                "crc": self.image.crc,
                "arena_bytes": self.image.arena_bytes,
                "macs": self.image.macs,
                "ops": [
                    {
                        "name": op.name,
                        "kernel": op.kernel,
                        "macs": op.macs,
                        "weight_bytes": op.weight_bytes,
                    }
                    for op in self.image.ops
                ],
                "inputs": [{"shape": list(t.shape), "dtype": t.dtype} for t in self.graph.inputs],
                "output_dtype": str(self.expected.dtype),
                "output_elements": int(self.expected.shape[1]),
                "output_affine": output_affine(self.graph),
            },
            "engine_flash_bytes": self.firmware.engine_flash_bytes,
            "engine_min_flash_bytes": self.firmware.min_flash(self.image.kernels),
            "output_check": output_check(self.graph.scheme),
        }


def output_affine(graph: models.Graph) -> dict[str, float] | None:
    """``real = scale * (output - zero_point)``; None for float outputs, or several."""
    if len(graph.outputs) != 1 or graph.outputs[0].dtype == "float32":
        return None
    output = graph.outputs[0]
    return {"scale": output.scale, "zero_point": output.zero_point}


def output_check(scheme: str) -> str:
    """How outputs are compared with the reference, in words for the report."""
    kind = "float32, the same order of operations" if scheme == "f32" else "integer"
    return f"every output of every inference, byte for byte ({kind})"


def resolve(options: RunOptions) -> Plan:
    """Turn options into a plan.

    Raises
    ------
    UsageError
        Unknown board, backend, workload; bad model or vectors; the model does not fit.
    ToolMissing
        Energy mode without an instrument.
    """
    check_options(options)
    model_path = options.model or _shipped_model(options)
    graph = models.in_form(models.load(model_path), options.weights)
    data = _vectors(options, graph)
    if options.vectors is not None:
        data = data.first(options.vectors)
    return _build(options, model_path, graph, data)


def _shipped_model(options: RunOptions) -> Path:
    """The workload's default model, or its float one where weights are made 8-bit floats."""
    workload = workloads.get(options.workload or "digits")
    return (
        workload.model_path("f32")
        if options.weights.startswith("fp8")
        else (workload.default_model)
    )


def check_options(options: RunOptions) -> None:
    """Raise UsageError for a number that is out of range."""
    most = MOST_INFERENCES
    for name, value, low, high in (
        ("--vectors", options.vectors, 1, None),
        ("--performance-vectors", options.performance_vectors, 1, None),
        ("--repeat", options.repeat, 1, most),
        ("--warmup", options.warmup, 0, most),
        ("--seed", options.seed, 0, None),
    ):
        if value is not None and (value < low or (high is not None and value > high)):
            bound = f"at least {low}" if high is None else f"from {low} to {high}"
            raise UsageError(f"{name} is {value}, must be {bound}")
    if not (options.deadline_s > 0 and math.isfinite(options.deadline_s)):
        raise UsageError(f"--deadline is {options.deadline_s:g}, must be seconds, more than 0")


def restore(bundle: Bundle) -> Plan:
    """The plan of an interrupted run, rebuilt from the model and the vectors in its folder.

    Raises
    ------
    BundleError
        When inputs are missing, or board, firmware or packer changed since.
    """
    stored = bundle.plan
    vectors, expected = bundle.array("inputs.npy"), bundle.array("expected.npy")
    if vectors is None or expected is None:
        raise BundleError(f"{bundle.folder} lost its inputs; it cannot be resumed")
    try:
        options = _stored_options(stored, bundle.folder.parent)
        data = _stored_workload(stored, vectors, bundle)
        name = stored["subject"]["model"]
    except (KeyError, TypeError, ValueError) as error:
        raise BundleError(f"{bundle.folder / 'plan.json'} is damaged: {error!r}") from error
    model_path = bundle.folder / "model.tflite"
    graph = replace(models.in_form(models.load(model_path), options.weights), name=name)
    plan = _build(options, model_path, graph, data)
    if plan.expected.tobytes() != expected.tobytes():
        raise BundleError(f"{bundle.folder} cannot be resumed: its expected outputs were altered")
    fresh = json.loads(json.dumps(plan.to_json()))
    if fresh["workload"] != stored.get("workload"):
        raise BundleError(f"{bundle.folder} cannot be resumed: its vectors or labels were altered")
    changed = [key for key in fresh if key not in MAY_CHANGE and fresh[key] != stored.get(key)]
    if changed:
        raise BundleError(
            f"{bundle.folder} cannot be resumed: firmware, board or packer changed since "
            f"({', '.join(changed)})",
            hint="start a new run; what the old one recorded stays in its folder",
        )
    return plan


def _stored_options(stored: dict[str, Any], out: Path) -> RunOptions:
    return RunOptions(
        board=stored["board"],
        backend=stored["backend"],
        device=stored["device"],
        performance_vectors=stored["performance_vectors"],
        modes=tuple(stored["modes"]),
        repeat=stored["repeat"],
        warmup=stored["warmup"],
        seed=stored["seed"],
        weights=stored["subject"].get("weights", "plain"),
        decode=stored["subject"].get("decode") or "layer",
        optimize=stored["subject"].get("optimize", "size"),
        out=out,
        deadline_s=stored["deadline_s"],
    )


def _stored_workload(
    stored: dict[str, Any], vectors: NDArray[np.uint8], bundle: Bundle
) -> workloads.Vectors:
    workload, values = stored["workload"], bundle.array("values.npy")
    return workloads.Vectors(
        name=workload["name"],
        vectors=vectors,
        labels=bundle.array("labels.npy"),
        encoding=workload["encoding"],
        task=workload["task"],
        metric=workload["metric"],
        classes=tuple(workload["classes"]),
        target=stored["quality_target"],
        source=workload["source"],
        preprocessing=workload["preprocessing"],
        synthetic=workload["synthetic"],
        view=workload["view"],
        values=values,
        files=bundle.array("files.npy"),
        asked=workload["digest"] if values is None else "",
    )


def _build(
    options: RunOptions,
    model_path: Path,
    graph: models.Graph,
    data: workloads.Vectors,
) -> Plan:
    board = find_board(load_catalogue(), options.board)
    spec = choose_backend(board, options.backend)
    modes = options.modes or DEFAULT_MODES
    if "energy" in modes:
        raise ToolMissing(
            "energy mode needs an instrument, and no instrument is configured",
            hint="nothing was touched; run --mode accuracy --mode performance",
        )
    check_device(spec, options.device)
    if data.labels is not None and len(graph.outputs) != 1:
        raise UsageError(
            f"labels go with one output, the model has {len(graph.outputs)}: which one holds the "
            "classes?"
        )
    _check_outputs(data, graph)
    firmware = load_firmware(board.firmware)
    check_board(firmware, board.id)
    coding = models.coding(options.weights, options.decode)
    image = models.pack(graph, isa=board.isa, coding=coding, optimize=options.optimize)
    check_fit(board, firmware, image)
    return Plan(
        options=options,
        board=board,
        spec=spec,
        firmware=firmware,
        model_file=model_path.read_bytes(),
        graph=graph,
        image=image,
        workload=data,
        modes=tuple(dict.fromkeys(modes)),
        expected=models.run_reference(graph, data.vectors).outputs,
    )


def _check_outputs(data: workloads.Vectors, graph: models.Graph) -> None:
    """Raise UsageError when the model's outputs cannot be what the metric is made of."""
    if data.labels is None:
        return
    elements = sum(tensor.elements for tensor in graph.outputs)
    if data.metric == "auc":
        if data.values is None or data.values[0].size != elements:
            raise UsageError(
                f"{data.name} compares each output with its input, and the model has {elements} "
                f"outputs of {graph.inputs[0].elements} inputs: it is no autoencoder"
            )
    elif data.classes and len(data.classes) != elements:
        raise UsageError(
            f"{data.name} has {len(data.classes)} classes, the model {elements} outputs"
        )


def choose_backend(board: Board, name: str | None) -> BackendSpec:
    """The backend asked for; silicon where a board has it; else the only one."""
    if name is None:
        if "silicon" in board.backends:
            return board.backends["silicon"]
        if len(board.backends) == 1:
            return next(iter(board.backends.values()))
    if name not in board.backends:
        raise UsageError(
            f"board {board.id} has no backend {name!r}" if name else "which backend?",
            hint=f"it has: {', '.join(board.backends)}",
        )
    return board.backends[name]


def check_device(spec: BackendSpec, device: str | None) -> None:
    """Raise UsageError when a device is named where there is none to choose."""
    if device is not None and not spec.facts.silicon:
        raise UsageError(
            f"--device chooses among connected boards, and backend {spec.name} starts its own"
        )


def check_fit(board: Board, firmware: Firmware, image: models.Image) -> None:
    """Raise ImageTooLarge when the image or its arena exceeds the board."""
    models.check_fit(
        image,
        slot_bytes=board.image_slot.bytes,
        arena_capacity=firmware.limit("arena_capacity_bytes"),
        vector_buffer_bytes=firmware.limit("vector_buffer_bytes"),
    )


def _vectors(options: RunOptions, graph: models.Graph) -> workloads.Vectors:
    brings = workloads.get(options.workload).with_data if options.workload else None
    if brings is not None and options.inputs is not None and options.labels is not None:
        return brings(options.inputs, options.labels).vectors(graph)
    if options.inputs is not None and brings is None:
        return workloads.user_vectors(options.inputs, options.labels, graph)
    if options.labels is not None and brings is None:
        raise UsageError("--labels goes with --inputs")
    if options.workload is None and options.model is not None:
        return workloads.random_vectors(graph, options.vectors or 10, options.seed)
    return workloads.get(options.workload or "digits").vectors(graph)


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
