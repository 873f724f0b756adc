"""One run per device: a lock file that the operating system frees when its owner dies."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import re
import tempfile
import time
from pathlib import Path

from hilbench.errors import DeviceBusy


def lock_folder() -> Path:
    """Where the locks of all users of this computer lie."""
    return Path(tempfile.gettempdir()) / "hilbench-locks"


class DeviceLock:
    """Held from construction to :meth:`release`, or to the death of the process."""

    def __init__(self, device: str) -> None:
        folder = lock_folder()
        folder.mkdir(exist_ok=True)
        with contextlib.suppress(PermissionError):  # another user made it: it is open to all
            folder.chmod(0o1777)
        self.path = folder / f"{re.sub('[^A-Za-z0-9.-]', '_', device)}.lock"
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            owner = _owner(self._file)
            os.close(self._file)
            raise DeviceBusy(
                f"device {device} is in use by another run ({owner})",
                hint="nothing was touched; wait until it ends, or end it",
            ) from error
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps(_me()).encode(), 0)

    def release(self) -> None:
        os.close(self._file)


def _me() -> dict[str, object]:
    return {"pid": os.getpid(), "user": getpass.getuser(), "since": time.time()}


def _owner(file: int) -> str:
    try:
        entry = json.loads(os.pread(file, 4096, 0))
        age_s = time.time() - float(entry["since"])
        return f"process {entry['pid']} of {entry['user']}, for {age_s:.0f} s"
    except (ValueError, KeyError, TypeError):
        return "owner unknown"
