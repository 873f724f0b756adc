"""Builds of the firmware for this computer, once per session."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import ROOT, require_tool
from tests.firmware.engine import Engine

SANITIZERS = "-g -fsanitize=address,undefined -fno-sanitize-recover=all"


def make(target: str, build: Path, flags: str = "") -> Path:
    """Build one host target; returns its path."""
    require_tool("make", "make")
    require_tool("cc", "gcc")
    path = build / "host" / target
    arguments = ["make", "-s", "-C", str(ROOT / "firmware"), f"BUILD={build}"]
    subprocess.run([*arguments, f"HOST_FLAGS={flags}", str(path)], check=True)
    return path


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Frames and engine, callable from here."""
    return ctypes.CDLL(str(make("libhilbench.so", tmp_path_factory.mktemp("library"))))


@pytest.fixture(scope="session")
def engine(library: ctypes.CDLL) -> Engine:
    return Engine(library)


@pytest.fixture(scope="session")
def fuzz(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[list[bytes]], list[tuple[int, int]]]:
    """The engine under ASan and UBSan: images in, (status, detail) out; a fault fails the test."""
    program = make("fuzz", tmp_path_factory.mktemp("fuzz"), SANITIZERS)
    return lambda images: run_fuzz(program, images)


def run_fuzz(program: Path, images: list[bytes]) -> list[tuple[int, int]]:
    feed = b"".join(len(image).to_bytes(4, "little") + image for image in images)
    process = subprocess.run([str(program)], input=feed, capture_output=True, check=False)
    assert process.returncode == 0, process.stderr.decode()[-4000:]
    lines = process.stdout.decode().split("\n")[:-1]
    assert len(lines) == len(images)
    return [(int(status), int(detail)) for status, detail in (line.split() for line in lines)]


@pytest.fixture(scope="session")
def sanitized_agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """agent-host under ASan and UBSan."""
    return make("agent-host", tmp_path_factory.mktemp("agent"), SANITIZERS)
