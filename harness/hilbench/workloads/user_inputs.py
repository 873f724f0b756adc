"""A user's own vectors: an array, or raw files in the order of a CSV of labels."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import VectorError
from hilbench.models import Graph
from hilbench.workloads.encoding import as_bytes, encode_real
from hilbench.workloads.vectors import Vectors

#: Vectors as bytes, how they were encoded, and the real values behind them, where there are.
Encoded = tuple[NDArray[np.uint8], str, NDArray[np.float32] | None]


@dataclass(frozen=True)
class LabelRow:
    """One line of a label file.

    Attributes
    ----------
    file : str
    classes : int or None
        None in the two-column form.
    label : int
    window, stride : int or None
        Bytes of the windows that slide over the file, and between two; the five-column form.
    """

    file: str
    classes: int | None
    label: int
    window: int | None = None
    stride: int | None = None


def user_vectors(inputs: Path, labels: Path | None, graph: Graph) -> Vectors:
    """Read a user's vectors.

    Parameters
    ----------
    inputs : Path
        A ``.npy`` array of shape (n, ...), or a folder of raw little-endian files, one per vector.
    labels : Path, optional
        CSV ``file,label`` or ``file,classes,label``, header optional.  With a folder it gives the
        files and their order (without it: all files, by name); with an array its lines follow the
        array's order and the file column is not read.
    graph : Graph
        The model: sizes and types must fit its inputs.

    Raises
    ------
    VectorError
        Sizes, types, values or the CSV don't fit; the message names the file.
    """
    rows = None if labels is None else read_labels(labels)
    if inputs.is_dir():
        vectors, encoding = _from_folder(inputs, rows, graph)
        values = None
    elif inputs.suffix == ".npy" and inputs.is_file():
        vectors, encoding, values = _from_array(inputs, graph)
    else:
        raise VectorError(f"{inputs}: neither a folder nor a .npy file")
    if len(vectors) == 0:
        raise VectorError(f"{inputs}: no vectors")
    if rows is not None and len(rows) != len(vectors):
        raise VectorError(f"{labels}: {len(rows)} labels for {len(vectors)} vectors of {inputs}")
    if rows is not None:
        _check_labels(labels, rows, graph)
    classes = rows[0].classes if rows else None
    return Vectors(
        name=inputs.stem,
        vectors=vectors,
        labels=None if rows is None else np.array([row.label for row in rows], np.int64),
        encoding=encoding,
        values=values,
        task="user" if rows is None else "classification",
        metric="" if rows is None else "top1",
        classes=() if classes is None else tuple(str(i) for i in range(classes)),
        source=str(inputs),
    )


#: Last cell of a header line; anything else that is no number is a mistake in the first line.
_HEADERS = ("label", "labels", "class", "class_id", "class_index", "category")


def read_labels(path: Path) -> list[LabelRow]:
    """Lines of a label file; see :func:`user_vectors`."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            lines = [
                (n, [cell.strip() for cell in line]) for n, line in enumerate(csv.reader(stream), 1)
            ]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise VectorError(f"{path}: cannot be read as CSV: {error}") from error
    lines = [(number, cells) for number, cells in lines if any(cells)]
    if lines and lines[0][1][-1].lower() in _HEADERS:
        lines = lines[1:]
    if not lines:
        raise VectorError(f"{path}: no labels")
    return [_label_row(path, number, cells) for number, cells in lines]


def _label_row(path: Path, number: int, cells: list[str]) -> LabelRow:
    numbers = cells[1:]
    if len(cells) not in (2, 3, 5) or not all(_is_integer(cell) for cell in numbers):
        raise VectorError(
            f"{path}:{number}: '{','.join(cells)}' is neither file,label nor file,classes,label "
            "(nor file,classes,label,window,stride)"
        )
    classes = int(numbers[0]) if len(numbers) > 1 else None
    label = int(numbers[0 if len(numbers) == 1 else 1])
    window, stride = (int(cell) for cell in numbers[2:]) if len(numbers) == 4 else (None, None)
    if label < 0:
        raise VectorError(f"{path}:{number}: label {label} is negative")
    if classes is not None and label >= classes:
        raise VectorError(f"{path}:{number}: label {label} is not one of {classes} classes")
    if window is not None and stride is not None and min(window, stride) < 1:
        raise VectorError(f"{path}:{number}: windows of {window} bytes every {stride}")
    return LabelRow(cells[0], classes, label, window, stride)


def _is_integer(cell: str) -> bool:
    return cell.lstrip("-").isdecimal() and cell.isascii()


def _check_labels(path: Path | None, rows: list[LabelRow], graph: Graph) -> None:
    """Labels must be outputs of the model, and all lines must agree on the classes."""
    if any(row.window for row in rows):
        raise VectorError(f"{path}: windows over files are for --workload mlperf-ad")
    if len({row.classes for row in rows}) > 1:
        raise VectorError(f"{path}: lines differ in the number of classes")
    outputs = sum(tensor.elements for tensor in graph.outputs)
    worst = max(row.label for row in rows)
    if worst >= outputs:
        raise VectorError(f"{path}: label {worst}, but the model has {outputs} outputs")
    if rows[0].classes is not None and rows[0].classes != outputs:
        raise VectorError(f"{path}: {rows[0].classes} classes, the model has {outputs} outputs")


def _from_folder(
    folder: Path, rows: list[LabelRow] | None, graph: Graph
) -> tuple[NDArray[np.uint8], str]:
    if rows is None:
        paths = sorted(
            path for path in folder.iterdir() if path.is_file() and path.suffix != ".csv"
        )
    else:
        paths = [folder / row.file for row in rows]
    vectors = [np.frombuffer(read_raw(path, graph.vector_bytes), np.uint8) for path in paths]
    _check_floats(vectors, paths, graph)
    types = ", ".join(f"{t.dtype}{list(t.shape)}" for t in graph.inputs)
    return (
        np.stack(vectors) if vectors else np.zeros((0, graph.vector_bytes), np.uint8),
        f"raw little-endian files, taken as the model's input ({types})",
    )


def read_raw(path: Path, size: int | None) -> bytes:
    """A file's content, of ``size`` bytes; None = of any size.

    Raises
    ------
    VectorError
        It cannot be read, or is of another size.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise VectorError(f"{path}: {error.strerror}") from error
    if size is not None and len(content) != size:
        raise VectorError(f"{path}: {len(content)} bytes, the model takes {size}")
    return content


def _check_floats(vectors: list[NDArray[np.uint8]], paths: list[Path], graph: Graph) -> None:
    if graph.inputs[0].dtype != "float32":
        return
    for vector, path in zip(vectors, paths, strict=True):
        if not np.isfinite(vector.view("<f4")).all():
            raise VectorError(f"{path}: a value that is not finite")


def _from_array(path: Path, graph: Graph) -> Encoded:
    try:
        array: NDArray[Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise VectorError(f"{path}: not a .npy array: {error}") from error
    if array.ndim < 2:
        raise VectorError(f"{path}: shape {list(array.shape)}, expected (vectors, ...)")
    try:
        with np.errstate(over="ignore", invalid="ignore"):  # refused as not finite
            return _encode_array(array, graph)
    except VectorError as error:
        raise VectorError(f"{path}: {error.message}") from error


def _encode_array(array: NDArray[Any], graph: Graph) -> Encoded:
    """An array in the model's type is taken as it is; a float array is encoded as real values."""
    if len(graph.inputs) != 1:
        raise VectorError(f"an array for one input, the model has {len(graph.inputs)}")
    tensor = graph.inputs[0]
    size = int(np.prod(array.shape[1:]))
    if size != tensor.elements:
        raise VectorError(
            f"vectors of {size} elements {list(array.shape[1:])}, the model takes "
            f"{tensor.elements} {list(tensor.shape)}"
        )
    if array.dtype.kind == "f":
        raw, text = encode_real(array.astype(np.float32), tensor)
        values = array.astype(np.float32).reshape(len(array), size)
        return raw, f"real values of a {array.dtype} array; {text}", values
    if array.dtype == tensor.dtype:
        raw = as_bytes(array.reshape(len(array), size))
        return raw, f"{array.dtype} array, unchanged", None
    if array.dtype.kind in "ui" and tensor.dtype == "float32":
        raw, text = encode_real(array.astype(np.float32), tensor)
        values = array.astype(np.float32).reshape(len(array), size)
        return raw, f"integers of a {array.dtype} array as real values; {text}", values
    raise VectorError(
        f"an array of {array.dtype}, the model takes {tensor.dtype}: give {tensor.dtype}, "
        "or real values as float32"
    )
