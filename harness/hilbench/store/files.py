"""Writing files so that a crash leaves the old file or the new one, never a half."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from pathlib import Path

from hilbench.errors import HostIOError

HASH_CHUNK_BYTES = 1 << 20


def host_io_error(path: Path, error: OSError) -> HostIOError:
    """The error of the tree for what the operating system said about ``path``."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        what = f"the disk is full: {path} cannot be written"
    elif error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        what = f"the results folder is read-only: {path} cannot be written"
    else:
        what = f"{path} cannot be written: {error.strerror or error}"
    return HostIOError(
        what,
        hint="what was recorded before is kept; make room (or choose another folder with --out), "
        "then `hilbench resume`",
    )


def write_atomically(path: Path, data: bytes) -> None:
    """Write a file through a temporary one beside it, synced to the disk before it is renamed.

    Raises
    ------
    HostIOError
        Disk full, folder read-only; the temporary file is gone.
    """
    temporary = path.with_name(f".{path.name}.part")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):  # the first cause is the one to report
            temporary.unlink(missing_ok=True)
        raise host_io_error(path, error) from error


def sync_folder(path: Path) -> None:
    """Make a rename in the folder durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(path: Path) -> str:
    """Hex digest of a file's contents."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
