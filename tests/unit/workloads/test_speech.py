"""MFCC against an independent computation; synthetic speech and its cache."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tests.conftest import require_tool

from hilbench.errors import BlockedError
from hilbench.workloads import keywords_data, speech
from hilbench.workloads.keywords_data import PartRecipe
from hilbench.workloads.mfcc import Mfcc, filter_bank
from hilbench.workloads.speech import Manner, Voice


def independent(wave: np.ndarray, mfcc: Mfcc) -> np.ndarray:  # type: ignore[type-arg]
    """The same features by scipy, one frame and one band at a time."""
    from scipy.fft import dct, fft
    from scipy.signal.windows import hann

    def mel(hz: float) -> float:
        return 1127.0 * np.log1p(hz / 700.0)  # 2595 log10 = 1126.99 ln

    edges = np.linspace(mel(mfcc.low_hz), mel(mfcc.high_hz), mfcc.bands + 2)
    rows = []
    for start in range(0, len(wave) - mfcc.frame + 1, mfcc.hop):
        frame = wave[start : start + mfcc.frame] * hann(mfcc.frame, sym=False)
        power = np.abs(fft(frame, mfcc.fft)) ** 2
        energies = np.zeros(mfcc.bands)
        for band in range(mfcc.bands):
            low, centre, high = edges[band : band + 3]
            for k in range(mfcc.fft // 2 + 1):
                at = mel(k * mfcc.rate_hz / mfcc.fft)
                if low < at <= centre:
                    energies[band] += power[k] * (at - low) / (centre - low)
                elif centre < at < high:
                    energies[band] += power[k] * (high - at) / (high - centre)
        rows.append(dct(np.log(energies + 1e-6), type=2, norm="ortho")[: mfcc.coefficients])
    return np.array(rows)


@pytest.mark.parametrize(
    "mfcc", [Mfcc(), Mfcc(8000, 256, 100, 256, 20, 60.0, 3800.0, 13)], ids=["shipped", "other"]
)
def test_features_are_those_of_an_independent_computation(mfcc: Mfcc) -> None:
    rng = np.random.default_rng(1)
    t = np.arange(mfcc.frame + 3 * mfcc.hop + 17) / mfcc.rate_hz
    wave = 0.3 * np.sin(2 * np.pi * 440 * t) + rng.normal(0, 0.1, len(t))
    found = mfcc(wave[None])
    assert found.shape == (1, 4, mfcc.coefficients)
    np.testing.assert_allclose(found[0], independent(wave, mfcc), rtol=1e-4, atol=1e-3)


def test_the_shape_is_that_of_one_second() -> None:
    mfcc = Mfcc()
    assert mfcc.frames(16_000) == 49
    assert np.isfinite(mfcc(np.zeros((1, 16_000)))).all()
    assert (filter_bank(mfcc).max(axis=1) > 0).all()  # no band between two bins
    for word in ("640 samples every 320", "40 mel bands 20 to 4000 Hz", "10 coefficients"):
        assert word in mfcc.describe()


def test_resampling_keeps_a_tone() -> None:
    t = np.arange(2205) / 22050
    tone = np.sin(2 * np.pi * 1000 * t)
    found = speech.resampled(tone, 22050, 16000)
    np.testing.assert_allclose(found, np.sin(2 * np.pi * 1000 * np.arange(1600) / 16000), atol=1e-9)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Recipes of two voices and few words, and a cache of their own."""
    for program in speech.PROGRAMS:
        require_tool(program, program)
    recipe = PartRecipe((Voice("espeak-ng", "m5"), Voice("flite", "slt")), ("river",), 1, 2)
    monkeypatch.setattr(keywords_data, "RECIPES", {**keywords_data.RECIPES, "held-out": recipe})
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.mark.usefixtures("small")
def test_the_same_programs_give_the_same_examples() -> None:
    first, second = keywords_data.make("held-out"), keywords_data.make("held-out")
    assert first.values.shape == (2 * 11 + 2, 49, 10)
    assert first.values.tobytes() == second.values.tobytes()
    assert first.labels.tolist() == second.labels.tolist()
    assert sorted(first.labels) == sorted([*range(10), *range(10), 10, 10, 11, 11])


@pytest.mark.usefixtures("small")
def test_the_cache_is_used_kept_apart_and_survives_damage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = keywords_data.examples("held-out")
    (path,) = (tmp_path / "hilbench" / "kws-synthetic").iterdir()
    with monkeypatch.context() as patch:
        patch.setattr(speech, "speak", None)  # calling it would fail
        stored = keywords_data.examples("held-out")
    assert stored.values.tobytes() == made.values.tobytes()
    path.write_bytes(path.read_bytes()[:1000])
    assert keywords_data.examples("held-out").values.tobytes() == made.values.tobytes()
    before = keywords_data.cache_key()
    monkeypatch.setattr(speech, "versions", lambda: "espeak-ng 9")
    assert keywords_data.cache_key() != before


def test_a_voice_that_is_not_there_is_an_error() -> None:
    require_tool("espeak-ng", "espeak-ng")
    with pytest.raises(BlockedError, match="espeak-ng"):
        speech.speak("yes", Voice("espeak-ng", "nobody"), Manner("xx-nowhere", 1.0, 1.0))
