"""The only printer.  Tables and bars for people on a terminal, plain lines elsewhere.

Results go to stdout, everything else (progress, notes, errors) to stderr, so that ``--json`` leaves
one object on stdout.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.console import RenderableType

    from hilbench.errors import HilbenchError


def show(renderable: RenderableType) -> None:
    """A table or a text on stdout."""
    from rich.console import Console

    class Output(Console):
        def on_broken_pipe(self) -> None:  # rich would exit 1, which means a regression
            raise BrokenPipeError

    width = None if sys.stdout.isatty() else 110
    with _host_io():
        Output(width=width, highlight=False).print(renderable)
        sys.stdout.flush()


def show_json(value: Any) -> None:
    """One JSON object on stdout."""
    with _host_io():
        sys.stdout.write(json.dumps(value, indent=2, allow_nan=False) + "\n")
        sys.stdout.flush()


@contextmanager
def _host_io() -> Iterator[None]:
    """Output that cannot be written is the host's trouble; a reader that left is not."""
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        from hilbench.errors import HostIOError

        raise HostIOError(f"stdout cannot be written: {error.strerror or error}") from error


def note(text: str) -> None:
    """A line for people, on stderr."""
    sys.stderr.write(f"{text}\n")


def show_error(error: HilbenchError) -> None:
    """What happened, then what to do next."""
    sys.stderr.write(f"hilbench: {error.message}\n")
    if error.hint:
        sys.stderr.write(f"  {error.hint}\n")


@contextmanager
def progress_bars() -> Iterator[Callable[[str, float], None]]:
    """A callback (stage, fraction): a bar per stage on a terminal, nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda stage, fraction: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TimeElapsedColumn(),
    )
    tasks: dict[str, Any] = {}
    with Progress(*columns, console=Console(stderr=True)) as progress:

        def update(stage: str, fraction: float) -> None:
            if stage not in tasks:
                tasks[stage] = progress.add_task(stage, total=1.0)
            progress.update(tasks[stage], completed=fraction)

        yield update
