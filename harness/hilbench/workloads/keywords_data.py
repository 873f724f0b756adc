"""A set of spoken keywords, made by speech synthesizers: synthetic, and labelled so.

Ten keywords, "unknown" (other words) and "silence" (noise alone), as the speech command sets of
the field have them.  No voice is in two parts, and the "unknown" words of one part are not those
of another.
"""

from __future__ import annotations

import hashlib
import os
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from hilbench.workloads import speech
from hilbench.workloads.mfcc import Mfcc
from hilbench.workloads.speech import Manner, Voice
from hilbench.workloads.workload import Examples, Part

KEYWORDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
CLASSES = (*KEYWORDS, "unknown", "silence")
UNKNOWN, SILENCE = CLASSES.index("unknown"), CLASSES.index("silence")
CLIP = 16_000
FEATURES = Mfcc()
#: Counts up when this file makes other sounds of the same constants.
REVISION = 1
SEED = 20261124

ACCENTS = ("en-us", "en-gb", "en-gb-x-rp", "en-gb-scotland", "en-029")


@dataclass(frozen=True)
class PartRecipe:
    """What a part is made of.

    Attributes
    ----------
    voices : tuple of Voice
    unknown : tuple of str
        Words of the class "unknown".
    renditions : int
        Of each keyword by each voice, each in another manner.
    silences : int
        Clips of noise alone.
    """

    voices: tuple[Voice, ...]
    unknown: tuple[str, ...]
    renditions: int
    silences: int


def _voices(espeak: str, flite: str) -> tuple[Voice, ...]:
    return (
        *(Voice("espeak-ng", name) for name in espeak.split()),
        *(Voice("flite", name) for name in flite.split()),
    )


RECIPES: dict[Part, PartRecipe] = {
    "train": PartRecipe(
        _voices(
            "m1 m3 m4 m6 m8 f1 f2 f4 Andrea edward linda max adam caleb steph gustave", "kal16 rms"
        ),
        ("house", "water", "seven", "bird", "happy", "tree", "three", "music", "nine", "dog",
         "marvin", "wow", "table", "one", "cat", "river", "snow", "star", "bed", "low"),
        8,
        140,
    ),
    "validation": PartRecipe(
        _voices("m2 f5 boris", "awb"),
        ("sheila", "four", "window", "green", "purple", "letter", "paper", "zero"),
        6,
        24,
    ),
    "held-out": PartRecipe(
        _voices("m5 m7 f3 belinda", "slt"),
        ("eight", "visual", "garden", "five", "six", "orange", "two", "follow", "bread", "note"),
        7,
        35,
    ),
}  # fmt: skip


def voices(part: Part) -> tuple[str, ...]:
    """Names of a part's voices, the noise of its silent clips last."""
    return (*map(str, RECIPES[part].voices), f"noise of {part}")


ALL_VOICES: tuple[str, ...] = tuple(name for part in RECIPES for name in voices(part))


def examples(part: Part) -> Examples:
    """Features (n, 49, 10) of a part, from the cache or made now (seconds).

    Raises
    ------
    ToolMissing
        A synthesizer is not installed.
    """
    path = cache_folder() / f"{part}-{cache_key()}.npz"
    stored = _read(path)
    if stored is None:
        stored = make(part)
        _write(path, stored)
    return stored


def make(part: Part) -> Examples:
    """Synthesize a part; the same programs give the same values."""
    recipe, found = RECIPES[part], list[tuple[NDArray[np.float64], int, str]]()
    for voice in recipe.voices:
        words = [*KEYWORDS * recipe.renditions, *recipe.unknown]
        for number, word in enumerate(words):
            rng = _rng(part, str(voice), str(number))
            sound = speech.speak(word, voice, _manner(rng))
            label = KEYWORDS.index(word) if word in KEYWORDS else UNKNOWN
            found.append((_clip(sound, rng), label, str(voice)))
    for number in range(recipe.silences):
        rng = _rng(part, "silence", str(number))
        found.append((_clip(np.zeros(1), rng), SILENCE, voices(part)[-1]))
    order = _rng(part, "order").permutation(len(found))
    features = FEATURES(np.stack([found[i][0] for i in order]))
    return Examples(
        values=features.astype(np.float32),
        labels=np.array([found[i][1] for i in order], np.int64),
        groups=np.array([ALL_VOICES.index(found[i][2]) for i in order], np.int64),
    )


def _rng(*names: str) -> np.random.Generator:
    words = [zlib.crc32(name.encode()) for name in names]
    return np.random.Generator(np.random.PCG64([SEED, *words]))


def _manner(rng: np.random.Generator) -> Manner:
    return Manner(str(rng.choice(ACCENTS)), rng.uniform(0.85, 1.2), rng.uniform(0.8, 1.25))


def _clip(sound: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """One second: the sound somewhere in it, at some loudness, in noise of some colour."""
    clip = np.zeros(CLIP)
    sound = sound[:CLIP]
    start = rng.integers(0, CLIP - len(sound) + 1)
    clip[start : start + len(sound)] = sound * rng.uniform(0.2, 0.9)
    spectrum = np.fft.rfft(rng.normal(size=CLIP))
    # 0 = white, 1 = falls with 1 / f in power
    spectrum *= np.maximum(np.arange(len(spectrum)), 20.0) ** (-0.5 * rng.uniform(0.0, 1.0))
    noise = np.fft.irfft(spectrum, CLIP)
    level = 10.0 ** rng.uniform(-3.5, -2.0)
    return np.asarray(np.clip(clip + noise * (level / noise.std()), -1.0, 1.0))


# ---------------------------------------------------------------- cache


def cache_folder() -> Path:
    """``$XDG_CACHE_HOME/hilbench/kws-synthetic``; ``~/.cache`` where it is not set."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base, "hilbench", "kws-synthetic")


def cache_key() -> str:
    """Of the programs' versions and everything that the sounds and features are made of."""
    recipe = (REVISION, SEED, RECIPES, CLASSES, ACCENTS, CLIP, FEATURES, speech.versions())
    return hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]


def _read(path: Path) -> Examples | None:
    """A stored part; None where there is none, or a damaged one."""
    try:
        with np.load(path, allow_pickle=False) as stored:
            return Examples(stored["values"], stored["labels"], stored["groups"])
    except (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile):
        return None


def _write(path: Path, examples: Examples) -> None:
    """Atomically; a folder that cannot be written only costs time the next time."""
    groups = examples.groups
    assert groups is not None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.tmp")
        with temporary.open("wb") as stream:
            np.savez(stream, values=examples.values, labels=examples.labels, groups=groups)
        temporary.replace(path)
    except OSError:
        return
