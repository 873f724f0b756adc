"""Child processes that never outlive a run: own process group, SIGTERM, then SIGKILL.

A run that is itself killed takes its child along: the kernel ends the child with its parent.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
from typing import IO, Any

TERMINATE_S = 1.0
#: prctl(2): the signal that a child gets when its parent dies.
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None, use_errno=True)


def start_process(command: list[str], **options: Any) -> subprocess.Popen[bytes]:
    """Start a child in a process group of its own, that dies with this process."""
    parent = os.getpid()

    def die_with_parent() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it died before the call
            os._exit(1)

    return subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=die_with_parent,  # two system calls, nothing that takes a lock
        **options,
    )


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


def tail(log: IO[bytes], lines: int = 5) -> str:
    """Last lines of a log, for messages."""
    log.seek(0)
    return "\n".join(log.read().decode("utf-8", "replace").splitlines()[-lines:])
