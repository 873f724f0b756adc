"""Child processes that never outlive a run: own process group, SIGTERM, then SIGKILL."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

TERMINATE_S = 1.0


def stop_process(process: subprocess.Popen[bytes]) -> None:
    """End a child and its group, whatever state it is in."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            break
        try:
            os.killpg(process.pid, sign)
            process.wait(TERMINATE_S)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue
    process.wait()


def tail(path: Path, lines: int = 5) -> str:
    """Last lines of a log, for messages."""
    if not path.exists():
        return ""
    return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])
