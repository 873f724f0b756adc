"""The engine in a process of its own, built with sanitizers (firmware/ports/host/hb_fuzz.c)."""

from __future__ import annotations

import subprocess
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

HEAD_BYTES = 16
REPORT_BYTES = 4000


@dataclass(frozen=True)
class Answer:
    """What the engine says to an image, how many branches it took first (builds for coverage only),
    and its arena when it was run."""

    status: int
    detail: int
    new_branches: int
    arena: bytes


class Fault(Exception):
    """The process died: the sanitizers' report, and the answers before."""

    def __init__(self, answers: list[Answer], report: str) -> None:
        super().__init__(report)
        self.answers = answers


def frame(image: bytes, vector: bytes = b"") -> bytes:
    """An image and its vector as the process takes them."""
    sizes = (len(image).to_bytes(4, "little"), len(vector).to_bytes(4, "little"))
    return b"".join((*sizes, image, vector))


class Process:
    """Answers one image after the other; after a fault a new one is needed."""

    def __init__(self, program: Path) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (until close)
        self._process = subprocess.Popen(
            [str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors
        )

    def answers(self, frames: Sequence[bytes]) -> list[Answer]:
        """One answer per frame, in order.

        Raises
        ------
        Fault
            At the frame that ends the process.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        feeder = threading.Thread(target=_feed, args=(self._process.stdin, frames))
        feeder.start()
        answers: list[Answer] = []
        for _ in frames:
            head = self._process.stdout.read(HEAD_BYTES)
            if len(head) < HEAD_BYTES:
                feeder.join()
                raise Fault(answers, self._report())
            numbers = [
                int.from_bytes(head[at : at + 4], "little") for at in range(0, HEAD_BYTES, 4)
            ]
            arena = self._process.stdout.read(numbers.pop())
            answers.append(Answer(*numbers, arena))
        feeder.join()
        return answers

    def _report(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        text = self._errors.read().decode(errors="replace")
        return text[:REPORT_BYTES] or f"ended with {self._process.returncode}"

    def close(self) -> None:
        """End the process."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            try:
                pipe.close()
            except BrokenPipeError:
                continue
        self._process.wait()
        self._errors.close()


def _feed(pipe: IO[bytes], frames: Sequence[bytes]) -> None:
    try:
        for content in frames:
            pipe.write(content)
        pipe.flush()
    except BrokenPipeError:
        return  # the reader reports it


def run_all(program: Path, images: Sequence[bytes]) -> list[Answer]:
    """Answers to images without vectors."""
    process = Process(program)
    try:
        return process.answers([frame(image) for image in images])
    finally:
        process.close()
