"""Reading bundles: sealed ones are verified file by file, interrupted ones are told apart.

Files of a bundle::

    plan.json         what was to be done: board, backend, workload, model, modes, options
    model.tflite      the model, as given
    inputs.npy        uint8, vectors x vector bytes, as sent
    labels.npy        int64, vectors; absent without labels
    values.npy        float32, vectors x ...: real values that outputs are compared with (auc only)
    files.npy         int64, vectors: the file that each is a window of, where files are scored
    expected.npy      outputs of the host's reference interpreter
    journal.jsonl     every event as it came; the only file that grows
    provenance.json   host, versions, the firmware's attestation, link mode, link counters
    samples.csv       accuracy mode: one row per vector
    windows.csv       performance mode: one row per timed inference
    outputs.npy       vectors x output elements, in the model's type
    metrics.json      metrics and verdict
    report.html       the report
    manifest.json     SHA-256 of each file; written last
"""

from __future__ import annotations

import csv
import io
import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from hilbench.errors import BundleError
from hilbench.store.files import sha256
from hilbench.store.journal import read_journal

VERSION = 1
PLAN = "plan.json"
MANIFEST = "manifest.json"


@dataclass(frozen=True)
class Bundle:
    """One run's folder.  A damaged one is only listed; its plan may be empty."""

    folder: Path
    plan: dict[str, Any]
    sealed: bool
    damaged: bool = False

    @property
    def run(self) -> str:
        return str(self.plan.get("run", self.folder.name))

    @property
    def state(self) -> str:
        """``interrupted``, ``damaged``, or the verdict: ``valid``, ``degraded``, ``invalid``."""
        if self.damaged or not self.sealed:
            return "damaged" if self.damaged else "interrupted"
        try:
            return str(self.metrics["verdict"]["status"])
        except (BundleError, KeyError, TypeError):
            return "damaged"

    @cached_property
    def metrics(self) -> dict[str, Any]:
        """``metrics.json``: {"metrics": {...}, "verdict": {...}, ...}."""
        return self.read_json("metrics.json")

    @cached_property
    def provenance(self) -> dict[str, Any]:
        return self.read_json("provenance.json")

    def journal(self) -> list[dict[str, Any]]:
        return read_journal(self.folder)

    def read_json(self, name: str) -> dict[str, Any]:
        return read_json_object(self.folder / name)

    def array(self, name: str) -> np.ndarray[Any, Any] | None:
        """An array of the bundle, or None when the run has none of that name."""
        path = self.folder / name
        if not path.exists():
            return None
        try:
            return np.asarray(np.load(path, allow_pickle=False))
        except (OSError, ValueError) as error:
            raise BundleError(f"{path} cannot be read: {error}") from error

    def rows(self, name: str) -> list[dict[str, str]]:
        """Rows of one of the bundle's CSV files; empty when the run has none."""
        path = self.folder / name
        if not path.exists():
            return []
        return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def open_bundle(folder: Path, verify: bool = True) -> Bundle:
    """Open a run's folder.

    Parameters
    ----------
    folder : Path
        The folder.
    verify : bool
        Check every file of a sealed bundle against its manifest.

    Raises
    ------
    BundleError
        No bundle, of another version, or altered: names the file.
    """
    if not (folder / PLAN).exists():
        raise BundleError(f"{folder} is no bundle: it has no {PLAN}")
    plan = read_json_object(folder / PLAN)
    version = plan.get("bundle_version")
    if version != VERSION:
        raise BundleError(
            f"{folder} has bundle version {version}, this hilbench reads {VERSION}",
            hint="a newer hilbench wrote it: upgrade",
        )
    sealed = (folder / MANIFEST).exists()
    if sealed and verify:
        _verify(folder)
    return Bundle(folder, plan, sealed)


def list_bundles(out: Path) -> list[Bundle]:
    """All runs below a results folder, oldest first; their files are not verified."""
    if not out.is_dir():
        return []
    folders = sorted(path.parent for path in out.glob(f"*/{PLAN}"))
    return [_listed(folder) for folder in folders]


def _listed(folder: Path) -> Bundle:
    """One that cannot be read must not hide the others."""
    try:
        return open_bundle(folder, verify=False)
    except BundleError:
        return Bundle(folder, {}, sealed=False, damaged=True)


def _verify(folder: Path) -> None:
    manifest = read_json_object(folder / MANIFEST)
    files = manifest.get("files")
    if not isinstance(files, dict) or not all(isinstance(f, dict) for f in files.values()):
        raise BundleError(f"{folder / MANIFEST} is damaged")
    hint = "the bundle is not what the run left; it is refused"
    for name, entry in files.items():
        path = folder / name
        if not path.is_file():
            raise BundleError(f"{path} is missing", hint=hint)
        if sha256(path) != entry.get("sha256"):
            raise BundleError(f"{path} was altered", hint=hint)
    for path in folder.iterdir():
        if path.name != MANIFEST and path.name not in files and not path.name.startswith("."):
            raise BundleError(f"{path} was added after the run", hint=hint)


def read_json_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise BundleError(f"{path} cannot be read: {error}") from error
    if not isinstance(value, dict):
        raise BundleError(f"{path} is damaged: no JSON object")
    return value
