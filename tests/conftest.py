"""Shared by all tests: what to do when a tool or a folder is absent, and how to run hilbench."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared" / "data"
REQUIRE_ALL = "all" in os.environ.get("HILBENCH_REQUIRE", "").split(",")


def _absent(text: str) -> None:
    """Skip, or fail where HILBENCH_REQUIRE=all says that nothing may be missing."""
    if REQUIRE_ALL:
        pytest.fail(f"HILBENCH_REQUIRE=all, and {text}")
    pytest.skip(text)


def require_tool(name: str, package: str) -> str:
    """Path of a program, or skip with the line that installs it."""
    path = shutil.which(name)
    if path is None:
        _absent(f"{name} is missing: apt-get install {package}")
    assert path is not None
    return path


def require_module(name: str, extra: str) -> None:
    """Skip unless a Python package of an extra is there."""
    if find_spec(name) is None:
        _absent(f"{name} is missing: pip install 'hilbench[{extra}]'")


def require_wake_word(name: str) -> Path:
    """A streaming model of the package pymicro-wakeword, which is not imported."""
    require_module("pymicro_wakeword", "test")
    spec = find_spec("pymicro_wakeword")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "models" / f"{name}.tflite"


def require_shared(name: str) -> Path:
    """A file of the data folder beside the clone; its absence is never a failure."""
    path = SHARED / name
    if not path.exists():
        pytest.skip(f"{name} needs the data folder beside the clone")
    return path


@dataclass(frozen=True)
class Outcome:
    """How a hilbench process ended."""

    code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        return json.loads(self.stdout)


def hilbench(
    *arguments: str | Path,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    timeout_s: float = 120,
) -> Outcome:
    """Run the command as a user would, in a process of its own."""
    process = subprocess.run(
        [sys.executable, "-m", "hilbench", *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return Outcome(process.returncode, process.stdout, process.stderr)


def hear_interrupts() -> None:
    """For ``preexec_fn``: a child of a background job starts with SIGINT ignored."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A developer's own lab and catalogue must not leak into tests."""
    for name in ("HILBENCH_BOARDS", "HILBENCH_LAB", "HILBENCH_VIRTUAL_FAULTS"):
        monkeypatch.delenv(name, raising=False)


@contextmanager
def built_once(factory: pytest.TempPathFactory, name: str) -> Iterator[Path]:
    """A folder that this session's workers share: the first in builds, the others find it built."""
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = base / f"built-{name}"
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


@pytest.fixture(scope="session")
def host_agent(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The agent built for this computer; needs a C compiler and make."""
    require_tool("cc", "gcc")
    require_tool("make", "make")
    from tests.host_agent import build

    with built_once(tmp_path_factory, "host-agent") as folder:
        return build(folder)
