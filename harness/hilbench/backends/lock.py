"""One run per device: a lock file that the operating system frees when its owner dies."""

from __future__ import annotations

import contextlib
import fcntl
import getpass
import json
import os
import re
import time
from pathlib import Path

from hilbench.errors import DeviceBusy, HostIOError


def lock_folder() -> Path:
    """Where the locks of all users of this computer lie: never below a user's own $TMPDIR."""
    shared = Path("/run/lock")
    base = shared if shared.is_dir() and os.access(shared, os.W_OK) else Path("/tmp")
    return base / "hilbench"


class DeviceLock:
    """Held from construction to :meth:`release`, or to the death of the process."""

    def __init__(self, device: str) -> None:
        self.path = lock_folder() / f"{re.sub('[^A-Za-z0-9.-]', '_', device)}.lock"
        try:
            while not self._take(device):
                pass
        except OSError as error:
            raise HostIOError(
                f"{self.path} cannot be written: {error.strerror}",
                hint="nothing was touched; the lock of the device lies there",
            ) from error

    def _take(self, device: str) -> bool:
        """False when the file was removed by its last owner before it was ours: try again."""
        self._file = _open(self.path)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            owner = _owner(self._file)
            os.close(self._file)
            raise DeviceBusy(
                f"device {device} is in use by another run ({owner})",
                hint="nothing was touched; wait until it ends, or end it",
            ) from error
        if os.fstat(self._file).st_nlink == 0:
            os.close(self._file)
            return False
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, json.dumps(_me()).encode(), 0)
        return True

    def release(self) -> None:
        """Remove the file while it is still locked, so that none is left; then let go."""
        with contextlib.suppress(OSError):  # another user's file in a sticky folder stays
            self.path.unlink()
        os.close(self._file)


def _open(path: Path) -> int:
    path.parent.mkdir(exist_ok=True)
    with contextlib.suppress(PermissionError):  # another user made it: it is open to all
        path.parent.chmod(0o1777)
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o666)


def _me() -> dict[str, object]:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container's user without a name
        user = str(os.getuid())
    return {"pid": os.getpid(), "user": user, "since": time.time()}


def _owner(file: int) -> str:
    try:
        entry = json.loads(os.pread(file, 4096, 0))
        age_s = time.time() - float(entry["since"])
        return f"process {entry['pid']} of {entry['user']}, for {age_s:.0f} s"
    except (ValueError, KeyError, TypeError):
        return "owner unknown"
