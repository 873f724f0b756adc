"""Builds of the firmware for this computer, once per session."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import built_once
from tests.firmware.build import SANITIZERS, make
from tests.firmware.engine import Engine
from tests.firmware.fuzz.process import run_all


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """Frames and engine, callable from here."""
    with built_once(tmp_path_factory, "library") as folder:
        return ctypes.CDLL(str(make("libhilbench.so", folder)))


@pytest.fixture(scope="session")
def engine(library: ctypes.CDLL) -> Engine:
    return Engine(library)


@pytest.fixture(scope="session")
def fuzz_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine under ASan and UBSan, which takes images (fuzz/process.py)."""
    with built_once(tmp_path_factory, "sanitized") as folder:
        return make("fuzz", folder, SANITIZERS)


@pytest.fixture(scope="session")
def fuzz(fuzz_program: Path) -> Callable[[list[bytes]], list[tuple[int, int]]]:
    """Images in, (status, detail) out; a fault fails the test."""
    return lambda images: run_fuzz(fuzz_program, images)


def run_fuzz(program: Path, images: list[bytes]) -> list[tuple[int, int]]:
    """Status and detail of each image; a fault fails the test."""
    return [(answer.status, answer.detail) for answer in run_all(program, images)]


@pytest.fixture(scope="session")
def sanitized_agent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """agent-host under ASan and UBSan."""
    with built_once(tmp_path_factory, "sanitized") as folder:
        return make("agent-host", folder, SANITIZERS)
