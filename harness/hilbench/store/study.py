"""The folder of a study: what was asked, its models, a bundle per subject, results, a manifest.

Files of a study::

    study.json        what was to be done: board, workload, subjects, order of visits
    float.tflite      the float model
    models/           the .tflite of each subject
    subjects/         a bundle per subject that can run on the board
    results.json      comparisons, Pareto front, conclusion
    report.html       the report
    manifest.json     SHA-256 of each file above and of each bundle's manifest; written last
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hilbench.errors import BundleError
from hilbench.store.bundle import MANIFEST, Bundle, open_bundle, read_json_object
from hilbench.store.files import host_io_error, sha256, sync_folder, write_atomically
from hilbench.store.writer import to_json_bytes

STUDY = "study.json"
RESULTS = "results.json"


@dataclass(frozen=True)
class StudyFolder:
    """A study on disk; ``plan`` is its study.json."""

    folder: Path
    plan: dict[str, Any]

    @property
    def sealed(self) -> bool:
        return (self.folder / MANIFEST).exists()

    @property
    def subjects_folder(self) -> Path:
        return self.folder / "subjects"

    def results(self) -> dict[str, Any]:
        return read_json_object(self.folder / RESULTS)

    def bundle(self, name: str, verify: bool = True) -> Bundle:
        """The bundle of a subject."""
        return open_bundle(self.folder / self._entry(name)["bundle"], verify)

    def names(self) -> list[str]:
        """Subjects that run on the board."""
        return [s["name"] for s in self.plan["subjects"] if s.get("bundle")]

    def _entry(self, name: str) -> dict[str, Any]:
        return next(dict(s) for s in self.plan["subjects"] if s["name"] == name)

    def write(self, name: str, data: bytes) -> None:
        write_atomically(self.folder / name, data)

    def write_json(self, name: str, value: Any) -> None:
        self.write(name, to_json_bytes(value))

    def seal(self) -> None:
        """Write the manifest: from here on the study is immutable."""
        files = {str(path.relative_to(self.folder)): sha256(path) for path in _files(self.folder)}
        self.write_json(MANIFEST, {"study": self.plan["study"], "files": files})
        sync_folder(self.folder)


def create_study(out: Path, name: str, models: dict[str, bytes]) -> Path:
    """Make the folder ``out/<time>-study-<name>-<random>`` with its models.

    Raises
    ------
    HostIOError
        Folder read-only, disk full.
    """
    stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
    folder = out / f"{stamp}-study-{name}-{secrets.token_hex(3)}"
    try:
        (folder / "models").mkdir(parents=True)
        (folder / "subjects").mkdir()
    except OSError as error:
        raise host_io_error(folder, error) from error
    for file_name, content in models.items():
        write_atomically(folder / file_name, content)
    return folder


def is_study(folder: Path) -> bool:
    return (folder / STUDY).exists()


def open_study(folder: Path, verify: bool = True) -> StudyFolder:
    """Open a study; a sealed one is checked against its manifest.

    Raises
    ------
    BundleError
        No study, or altered: names the file.
    """
    study = StudyFolder(folder, read_json_object(folder / STUDY))
    if verify and study.sealed:
        files = read_json_object(folder / MANIFEST).get("files")
        if not isinstance(files, dict):
            raise BundleError(f"{folder / MANIFEST} is damaged")
        seen = {str(path.relative_to(folder)): path for path in _files(folder)}
        for name in sorted(set(files) | set(seen)):
            if name not in seen:
                raise BundleError(f"{folder / name} is missing")
            if name not in files:
                raise BundleError(f"{folder / name} was added after the study")
            if sha256(seen[name]) != files[name]:
                raise BundleError(f"{folder / name} was altered")
    return study


def list_studies(out: Path) -> list[StudyFolder]:
    """All studies below a results folder, oldest first."""
    if not out.is_dir():
        return []
    return [open_study(path.parent, verify=False) for path in sorted(out.glob(f"*/{STUDY}"))]


def _files(folder: Path) -> list[Path]:
    """What the manifest covers: own files, models, and the manifest of each bundle."""
    found = [
        path
        for path in [*folder.iterdir(), *(folder / "models").iterdir()]
        if path.is_file() and not path.name.startswith(".") and path.name != MANIFEST
    ]
    return sorted([*found, *(folder / "subjects").glob(f"*/{MANIFEST}")])
