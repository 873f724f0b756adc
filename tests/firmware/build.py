"""Builds of the firmware for this computer."""

from __future__ import annotations

import subprocess
from pathlib import Path

from tests.conftest import ROOT, require_tool

SANITIZERS = "-g -fsanitize=address,undefined -fno-sanitize-recover=all"


def make(target: str, build: Path, flags: str = "") -> Path:
    """Build one host target; returns its path."""
    require_tool("make", "make")
    require_tool("cc", "gcc")
    path = build / "host" / target
    arguments = ["make", "-s", "-C", str(ROOT / "firmware"), f"BUILD={build}"]
    subprocess.run([*arguments, f"HOST_FLAGS={flags}", str(path)], check=True)
    return path
