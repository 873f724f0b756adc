"""A bundle while it grows: plan and inputs first, the journal as events come, the manifest last."""

from __future__ import annotations

import io
import json
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from hilbench.errors import BundleError
from hilbench.store.bundle import MANIFEST, PLAN, VERSION, Bundle, open_bundle
from hilbench.store.files import host_io_error, sha256, sync_folder, write_atomically
from hilbench.store.journal import Journal


def to_json_bytes(value: Any) -> bytes:
    return (json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n").encode()


def array_bytes(array: np.ndarray[Any, Any]) -> bytes:
    """The array as a ``.npy`` file."""
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=False)
    return buffer.getvalue()


class BundleWriter:
    """Writes one bundle.  Use :meth:`create` for a new run, :meth:`reopen` to resume one."""

    def __init__(self, folder: Path, plan: dict[str, Any]) -> None:
        self.folder = folder
        self.plan = plan
        self._lock = _lock_folder(folder)
        self.journal = Journal(folder)

    @classmethod
    def create(
        cls, out: Path, name: str, plan: dict[str, Any], inputs: dict[str, bytes]
    ) -> BundleWriter:
        """Make the folder ``out/<time>-<name>-<random>`` and put plan and inputs there.

        Raises
        ------
        HostIOError
            Folder read-only, disk full.
        """
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        run = f"{stamp}-{name}-{secrets.token_hex(3)}"
        folder = out / run
        try:
            folder.mkdir(parents=True)
        except OSError as error:
            raise host_io_error(folder, error) from error
        plan = {"bundle_version": VERSION, "run": run, **plan}
        for file_name, data in inputs.items():
            write_atomically(folder / file_name, data)
        write_atomically(folder / PLAN, to_json_bytes(plan))
        return cls(folder, plan)

    @classmethod
    def reopen(cls, folder: Path) -> BundleWriter:
        """Open an interrupted bundle to go on.  Raises BundleError when it is sealed or in use."""
        bundle = open_bundle(folder, verify=False)
        if bundle.sealed:
            raise BundleError(f"{folder} is complete", hint="`hilbench report` shows it")
        return cls(folder, bundle.plan)

    def write(self, name: str, data: bytes) -> None:
        write_atomically(self.folder / name, data)

    def write_array(self, name: str, array: np.ndarray[Any, Any]) -> None:
        self.write(name, array_bytes(array))

    def write_json(self, name: str, value: Any) -> None:
        self.write(name, to_json_bytes(value))

    def seal(self) -> Bundle:
        """Write the manifest: from here on the bundle is immutable."""
        self.journal.sync()
        files = {
            path.name: {"sha256": sha256(path), "bytes": path.stat().st_size}
            for path in sorted(self.folder.iterdir())
            if path.is_file() and not path.name.startswith(".") and path.name != MANIFEST
        }
        manifest = {"bundle_version": VERSION, "run": self.plan["run"], "files": files}
        self.write_json(MANIFEST, manifest)
        sync_folder(self.folder)
        self.close()
        return open_bundle(self.folder)

    def close(self) -> None:
        """Release the folder; an unsealed bundle stays as an interrupted run."""
        if self._lock is not None:
            self.journal.close()
            os.close(self._lock)
            self._lock = None


def _lock_folder(folder: Path) -> int | None:
    """Hold the folder while this process lives, so that two cannot resume the same run."""
    import fcntl

    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise host_io_error(folder, error) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(descriptor)
        raise BundleError(
            f"{folder} is being written by another process", hint="wait until that run ends"
        ) from error
    return descriptor
