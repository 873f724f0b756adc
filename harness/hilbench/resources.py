"""Files that ship with the package, whether installed from a wheel or run from a clone."""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
CLONE = PACKAGE.parents[1]


def data_path(name: str) -> Path:
    """Path of a shipped file or folder: ``boards.yaml`` or ``prebuilt``.

    In a wheel it lies in ``hilbench/data/``; in a clone where the source keeps it.
    """
    shipped = PACKAGE / "data" / name
    if shipped.exists():
        return shipped
    return CLONE / {"prebuilt": "firmware/prebuilt"}.get(name, name)
