"""The command line: one file per verb; only here are errors turned into exit codes."""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType

from hilbench import __version__
from hilbench.errors import EXIT_BUG, HilbenchError

EXIT_HOST_IO, EXIT_INTERRUPTED = 74, 130

#: Verb -> one line of help.  The module is ``hilbench.cli.<verb>``, imported when it is used.
VERBS = {
    "run": "run a benchmark on a board and leave a bundle",
    "study": "compare quantization schemes of one model on one board",
    "resume": "go on with an interrupted run",
    "debug": "find the first layer that differs from the host's reference",
    "report": "show a bundle, or write its report again",
    "ls": "list the runs in a results folder",
    "boards": "list the boards of the catalogue",
    "devices": "list the devices that are connected",
    "doctor": "look for what is missing, and say how to mend it",
    "flash": "bring a board's firmware to a connected device",
    "pack": "pack a model into an image and show its costs",
    "compress": "compress a workload's model: distil, prune, quantize, code, each stage measured",
    "workloads": "list the workloads that ship",
}


def build_parser(verb: str | None) -> argparse.ArgumentParser:
    """The parser; only the given verb's module is imported, so that --help is fast."""
    parser = argparse.ArgumentParser(
        prog="hilbench",
        description="Benchmark machine learning models on microcontrollers: flash, stream, "
        "measure, report.",
        epilog="Exit codes: docs/exit-codes.md",
    )
    parser.add_argument("--version", action="version", version=f"hilbench {__version__}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for name, text in VERBS.items():
        sub = verbs.add_parser(name, help=text, description=text)
        if name == verb:
            importlib.import_module(f"hilbench.cli.{name}").add_arguments(sub)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    _prepare_streams()
    _interrupt_on_signals()
    try:
        verb = next((word for word in words if word in VERBS), None)
        options = build_parser(verb).parse_args(words)
        return int(importlib.import_module(f"hilbench.cli.{options.verb}").execute(options))
    except HilbenchError as error:
        from hilbench.cli import console

        console.show_error(error)
        return error.exit_code
    except KeyboardInterrupt:
        sys.stderr.write("hilbench: interrupted\n")
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # the reader of our output went away: nothing more to say to it, not even at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_HOST_IO
    except Exception:
        import traceback

        traceback.print_exc()
        sys.stderr.write("hilbench: this is a bug; please report it with the lines above\n")
        return EXIT_BUG


def _prepare_streams() -> None:
    """A closed stream swallows what is written; a character that one lacks is escaped."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
        elif hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")


def _interrupt_on_signals() -> None:
    """SIGTERM and a lost terminal end a run as Ctrl-C does: board reset, bundle resumable."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is signal.SIG_DFL:  # under nohup SIGHUP stays ignored
            signal.signal(number, interrupt)
