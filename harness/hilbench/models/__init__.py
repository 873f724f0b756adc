"""Models: ``.tflite`` to graph, memory plan and image, and the reference interpreter."""

from __future__ import annotations

from pathlib import Path

from hilbench.models.fold import fold_constants
from hilbench.models.graph import Graph, Operator, Tensor
from hilbench.models.lowering import lower
from hilbench.models.packer import Image, OpReport, check_fit, pack
from hilbench.models.reference import Reference, run_reference, run_stream, run_tensors
from hilbench.models.storage import DECODE, FORMS, coding, in_form, scheme_name
from hilbench.models.tflite import parse, read

__all__ = [
    "DECODE",
    "FORMS",
    "Graph",
    "Image",
    "OpReport",
    "Operator",
    "Reference",
    "Tensor",
    "check_fit",
    "coding",
    "in_form",
    "load",
    "loads",
    "lower",
    "pack",
    "run_reference",
    "run_stream",
    "run_tensors",
    "scheme_name",
]


def load(path: Path) -> Graph:
    """Read and check a .tflite file.

    Raises
    ------
    UnsupportedOp
        The engine lacks an operator, type or option; the message names it.
    ModelError
        The file can't be read, is malformed, or contradicts itself.
    """
    graph = fold_constants(read(path))
    lower(graph)
    return graph


def loads(content: bytes, name: str = "") -> Graph:
    """:func:`load` from bytes."""
    graph = fold_constants(parse(content, name))
    lower(graph)
    return graph
