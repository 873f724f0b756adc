"""Every error that can be raised has an exit code of the table; the docs are generated from it."""

from __future__ import annotations

from pathlib import Path

from hilbench import errors
from hilbench.records import metric
from hilbench.reports import docs

ROOT = Path(__file__).resolve().parents[2]


def leaves(kind: type[errors.HilbenchError]) -> list[type[errors.HilbenchError]]:
    children = kind.__subclasses__()
    return [leaf for child in children for leaf in leaves(child)] if children else [kind]


def test_every_leaf_has_a_code() -> None:
    for leaf in leaves(errors.HilbenchError):
        assert leaf.exit_code in errors.EXIT_CODES, leaf
        assert leaf.__doc__, f"{leaf} says nothing of when to raise it"


def test_only_bugs_exit_70() -> None:
    bugs = {leaf for leaf in leaves(errors.HilbenchError) if leaf.exit_code == errors.EXIT_BUG}
    assert bugs == {errors.SchemaError, metric.OriginError}


def test_docs_are_fresh() -> None:
    for name, text in docs.generated_pages().items():
        path = ROOT / "docs" / name
        assert path.read_text() == text, "run: python -m hilbench.reports.docs"
