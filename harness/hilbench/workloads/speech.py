"""Synthetic speech by espeak-ng and flite: programs of the host, looked up on PATH."""

from __future__ import annotations

import io
import shutil
import subprocess
import tempfile
import wave
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilbench.errors import BlockedError, ToolMissing

PROGRAMS = ("espeak-ng", "flite")
REMEDY = "apt-get install espeak-ng flite"
RATE_HZ = 16_000
_TIMEOUT_S = 30.0
#: Of the loudest sample: what is below it at the ends of a word is cut off.
_SILENCE = 0.02


@dataclass(frozen=True)
class Voice:
    """A synthesizer's voice; of espeak-ng a timbre (variant), which speaks several accents."""

    program: str
    name: str

    def __str__(self) -> str:
        return f"{self.program}:{self.name}"


@dataclass(frozen=True)
class Manner:
    """How a word is spoken.

    Attributes
    ----------
    accent : str
        espeak-ng's language, for example ``en-us``; flite has one per voice.
    speed : float
        1 = the synthesizer's own.
    pitch : float
        1 = the voice's own.
    """

    accent: str
    speed: float
    pitch: float


def missing() -> str | None:
    """What has to be installed; None = nothing."""
    return None if all(shutil.which(program) for program in PROGRAMS) else REMEDY


@cache
def versions() -> str:
    """Versions of the programs, as they state them.

    Raises
    ------
    ToolMissing
        One is not installed.
    """
    espeak = _run("espeak-ng", "--version").decode(errors="replace").split("Data at")[0]
    flite = _run("flite", "--version", accept=(0, 1)).decode(errors="replace")
    named = [line for line in flite.splitlines() if "version" in line]
    lines = [espeak.strip().rstrip(":"), "flite " + (named or ["version unknown"])[0].strip()]
    return ", ".join(" ".join(line.split()) for line in lines)


def speak(word: str, voice: Voice, manner: Manner) -> NDArray[np.float64]:
    """A word as a waveform at 16 kHz, its loudest sample 1, without silence at its ends.

    Raises
    ------
    ToolMissing
        The program is not installed.
    BlockedError
        It fails, for example because it lacks the voice.
    """
    with tempfile.TemporaryDirectory(prefix="hilbench-speech-") as folder:
        path = Path(folder, "word.wav")
        if voice.program == "espeak-ng":
            speed, pitch = round(175 * manner.speed), round(50 * manner.pitch)
            _run(
                "espeak-ng", "-v", f"{manner.accent}+{voice.name}", "-s", str(speed),
                "-p", str(pitch), "-w", str(path), word,
            )  # fmt: skip
        else:
            _run(
                "flite", "-voice", voice.name, "--setf", f"duration_stretch={1 / manner.speed:.3f}",
                "--setf", f"f0_shift={manner.pitch:.3f}", "-t", word, "-o", str(path),
            )  # fmt: skip
        if not path.is_file():
            raise BlockedError(f"{voice} made no sound of {word!r}", hint=REMEDY)
        samples, rate_hz = read_wave(path.read_bytes())
    return trimmed(resampled(samples, rate_hz, RATE_HZ))


def read_wave(content: bytes) -> tuple[NDArray[np.float64], int]:
    """Samples (n,), -1 to 1, and the rate in Hz, of a mono 16-bit WAV file."""
    with wave.open(io.BytesIO(content)) as stream:
        if (stream.getnchannels(), stream.getsampwidth()) != (1, 2):
            raise BlockedError("the synthesizer's sound is not mono with 16 bits")
        raw = stream.readframes(stream.getnframes())
        return np.frombuffer(raw, "<i2").astype(np.float64) / 32768, stream.getframerate()


def resampled(samples: NDArray[np.float64], rate_hz: int, to_hz: int) -> NDArray[np.float64]:
    """Another sampling rate, by cutting (or padding) the spectrum: ideal for a word in silence."""
    if rate_hz == to_hz:
        return samples
    n = round(len(samples) * to_hz / rate_hz)
    return np.fft.irfft(np.fft.rfft(samples), n) * (n / len(samples))


def trimmed(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scaled to 1, without what is almost silent at both ends."""
    peak = np.abs(samples).max(initial=0.0)
    if peak == 0:
        raise BlockedError("the synthesizer's sound is silent")
    loud = np.flatnonzero(np.abs(samples) > _SILENCE * peak)
    return np.asarray(samples[loud[0] : loud[-1] + 1] / peak)


def _run(program: str, *arguments: str, accept: tuple[int, ...] = (0,)) -> bytes:
    path = shutil.which(program)
    if path is None:
        raise ToolMissing(f"synthetic speech needs {program}, which is not on PATH", hint=REMEDY)
    try:
        done = subprocess.run(
            [path, *arguments], capture_output=True, timeout=_TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BlockedError(f"{program} {' '.join(arguments)}: {error}") from error
    if done.returncode not in accept:
        text = done.stderr.decode(errors="replace").strip()
        raise BlockedError(f"{program} {' '.join(arguments)} failed: {text}")
    return done.stdout + done.stderr
