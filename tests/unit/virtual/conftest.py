"""Fixtures of the virtual board's unit tests."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import require_module, require_tool

sys.path.insert(0, str(Path(__file__).parent))

if TYPE_CHECKING:
    from bench import Bench

MakeBench = Callable[..., "Bench"]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    """``make_bench(c_source, **settings)``: a machine with that program in flash."""
    require_module("unicorn", "virtual")
    require_tool("arm-none-eabi-gcc", "gcc-arm-none-eabi")
    from bench import Bench

    made: list[Bench] = []

    def make(source: str, **settings: Any) -> Bench:
        folder = tmp_path / str(len(made))
        folder.mkdir()
        made.append(Bench(source, folder, **settings))
        return made[-1]

    yield make
    for bench in made:
        bench.close()
