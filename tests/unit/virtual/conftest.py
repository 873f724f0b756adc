"""Fixtures of the virtual board's unit tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import require_module, require_tool
from tests.unit.virtual.bench import Bench, MakeBench


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    """``make_bench(c_source, **settings)``: a machine with that program in flash."""
    require_module("unicorn", "virtual")
    require_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi")
    made: list[Bench] = []

    def make(source: str, **settings: Any) -> Bench:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Bench(source, folder, **settings))
        return made[-1]

    yield make
    for bench in made:
        bench.close()
