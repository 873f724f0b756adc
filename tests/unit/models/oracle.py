"""The independent oracles: TensorFlow Lite Micro's interpreter, and LiteRT's reference kernels.

``TflmProcess`` keeps TensorFlow Lite Micro in a process of its own, since a malformed model may
crash it: a crash, an error or silence is no verdict.
"""

from __future__ import annotations

import contextlib
import pickle
import select
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ARENA_BYTES = 4 << 20
RESOURCE_VARIABLES = 32
Arrays = list[NDArray[Any]]


def tflm_outputs(content: bytes, feeds: Arrays, output_count: int) -> list[Arrays]:
    """Outputs of each vector by TensorFlow Lite Micro; feeds hold (count, *shape) per input."""
    from tflite_micro.python.tflite_micro import _runtime

    # Not through runtime.Interpreter, which first reads the whole file with another parser.
    interpreter = _runtime.InterpreterWrapper(
        content,
        [],
        ARENA_BYTES,
        RESOURCE_VARIABLES,
        _runtime.PythonInterpreterConfig.kAllocationRecording,
        0,
    )
    results = []
    for vector in range(len(feeds[0])):
        for number, feed in enumerate(feeds):
            interpreter.SetInputTensor(feed[vector], number)
        interpreter.Invoke()
        outputs = [np.array(interpreter.GetOutputTensor(i)) for i in range(output_count)]
        results.append(outputs)
    return results


def litert_outputs(content: bytes, feeds: Arrays) -> list[Arrays]:
    """Outputs of each vector by LiteRT's reference kernels, in the order of the file's outputs."""
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    interpreter = Interpreter(
        model_content=content, experimental_op_resolver_type=OpResolverType.BUILTIN_REF
    )
    interpreter.allocate_tensors()
    results = []
    for vector in range(len(feeds[0])):
        for detail, feed in zip(interpreter.get_input_details(), feeds, strict=True):
            interpreter.set_tensor(detail["index"], feed[vector])
        interpreter.invoke()
        details = interpreter.get_output_details()
        results.append([interpreter.get_tensor(detail["index"]) for detail in details])
    return results


class TflmProcess:
    """TensorFlow Lite Micro behind a pipe; restarted when it dies."""

    def __init__(self, timeout_s: float = 20.0) -> None:
        self.timeout_s = timeout_s
        self._process: subprocess.Popen[bytes] | None = None

    def outputs(self, content: bytes, feeds: Arrays, output_count: int) -> list[Arrays] | None:
        """As :func:`tflm_outputs`; None when there is no verdict."""
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, str(Path(__file__))],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        message = pickle.dumps((content, feeds, output_count))
        try:
            process.stdin.write(struct.pack("<Q", len(message)) + message)
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], self.timeout_s)
            header = process.stdout.read(8) if ready else b""
            if len(header) == 8:
                answer = process.stdout.read(struct.unpack("<Q", header)[0])
                results: list[Arrays] | None = pickle.loads(answer)
                return results
        except BrokenPipeError:
            pass
        self.close()
        return None

    def close(self) -> None:
        """End the process."""
        if self._process is None:
            return
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        self._process.wait()
        self._process = None


def _serve() -> None:
    source, sink = sys.stdin.buffer, sys.stdout.buffer
    while header := source.read(8):
        arguments = pickle.loads(source.read(struct.unpack("<Q", header)[0]))
        try:
            answer: list[Arrays] | None = tflm_outputs(*arguments)
        except Exception:  # whatever the oracle says, it is no verdict
            answer = None
        message = pickle.dumps(answer)
        sink.write(struct.pack("<Q", len(message)) + message)
        sink.flush()


if __name__ == "__main__":
    _serve()
