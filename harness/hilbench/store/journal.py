"""The journal: one line per event, written as it happens.

A line is ``crc32-in-hex space JSON newline``.  It goes to the operating system in one write, so a
killed process loses nothing that it has recorded; a torn last line (power lost, disk full) fails
its CRC and is dropped by the reader.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hilbench.errors import BundleError
from hilbench.store.files import host_io_error

NAME = "journal.jsonl"


def encode_line(event: dict[str, Any]) -> bytes:
    text = json.dumps(event, separators=(",", ":"), sort_keys=True).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def decode_line(line: bytes) -> dict[str, Any] | None:
    """The event, or None when the line is torn or altered."""
    crc, _, text = line.rstrip(b"\n").partition(b" ")
    try:
        if len(crc) != 8 or int(crc, 16) != zlib.crc32(text):
            return None
        event = json.loads(text)
    except ValueError:
        return None
    return event if isinstance(event, dict) else None


class Journal:
    """Append-only; opened again after an interruption, it first cuts off a torn last line."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        try:
            keep = (
                sum(len(line) for line, _ in _valid_lines(self.path)) if self.path.exists() else 0
            )
            self._file = os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o644)
            os.ftruncate(self._file, keep)
            os.lseek(self._file, 0, os.SEEK_END)
        except OSError as error:
            raise host_io_error(self.path, error) from error

    def append(self, event: str, **fields: Any) -> None:
        """Record one event; raises HostIOError when the disk does not take it."""
        line = encode_line({"event": event, **fields})
        start = os.lseek(self._file, 0, os.SEEK_CUR)
        try:
            while line:  # a disk that fills up takes a part, and says why at the next attempt
                line = line[os.write(self._file, line) :]
        except OSError as error:
            os.ftruncate(self._file, start)
            os.lseek(self._file, start, os.SEEK_SET)
            raise host_io_error(self.path, error) from error

    def sync(self) -> None:
        """Wait until everything is on the disk."""
        try:
            os.fsync(self._file)
        except OSError as error:
            raise host_io_error(self.path, error) from error

    def close(self) -> None:
        os.close(self._file)


def _valid_lines(path: Path) -> Iterator[tuple[bytes, dict[str, Any]]]:
    """Lines up to the first one that is torn; a torn line in the middle is an error."""
    lines = path.read_bytes().splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        event = decode_line(line) if line.endswith(b"\n") else None
        if event is None:
            if number < len(lines):
                raise BundleError(
                    f"{path}: line {number} is damaged",
                    hint="it was altered or the disk is failing; the run cannot be trusted",
                )
            return
        yield line, event


def read_journal(folder: Path) -> list[dict[str, Any]]:
    """All events recorded, in order.

    Raises
    ------
    BundleError
        When the journal is missing, or damaged before its last line.
    """
    path = folder / NAME
    if not path.exists():
        raise BundleError(f"{folder} has no journal", hint="it is not a run of hilbench")
    return [event for _, event in _valid_lines(path)]
