"""Mel-frequency cepstral coefficients, in numpy.

S. B. Davis and P. Mermelstein, IEEE Trans. ASSP 28 (1980) 357-366; the mel scale is
O'Shaughnessy's, 2595 log10(1 + f / 700 Hz).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

#: Added to mel energies before the logarithm: silence stays finite.
FLOOR = 1e-6


@dataclass(frozen=True)
class Mfcc:
    """Feature extraction of a waveform.

    Attributes
    ----------
    rate_hz : int
    frame, hop, fft : int
        Samples of a frame, between frames, and of the (zero-padded) transform.
    bands : int
        Triangular mel bands from ``low_hz`` to ``high_hz``.
    coefficients : int
        The first ones of the orthonormal DCT-II of the logarithms.
    """

    rate_hz: int = 16_000
    frame: int = 640
    hop: int = 320
    fft: int = 1024
    bands: int = 40
    low_hz: float = 20.0
    high_hz: float = 4000.0
    coefficients: int = 10

    def frames(self, samples: int) -> int:
        """Frames of a waveform; what is left at its end is dropped."""
        return 1 + (samples - self.frame) // self.hop

    def __call__(self, waves: NDArray[np.float64]) -> NDArray[np.float64]:
        """Features (n, frames, coefficients) of waveforms (n, samples), -1 to 1."""
        starts = np.arange(self.frames(waves.shape[1])) * self.hop
        cut = waves[:, starts[:, None] + np.arange(self.frame)]
        power = np.abs(np.fft.rfft(cut * _hann(self.frame), self.fft)) ** 2
        energies = np.log(power @ filter_bank(self).T + FLOOR)
        return energies @ dct_matrix(self.bands, self.coefficients).T

    def describe(self) -> str:
        """The extraction in words, for provenance."""
        return (
            f"MFCC: {self.rate_hz / 1000:g} kHz, Hann frames of {self.frame} samples every "
            f"{self.hop}, FFT {self.fft}, power, {self.bands} mel bands {self.low_hz:g} to "
            f"{self.high_hz:g} Hz, ln(energy + {FLOOR:g}), DCT-II, {self.coefficients} coefficients"
        )


def mel(hz: NDArray[np.float64] | float) -> NDArray[np.float64]:
    """Frequency in mel."""
    return np.asarray(2595.0 * np.log10(1.0 + np.asarray(hz) / 700.0))


@cache
def filter_bank(mfcc: Mfcc) -> NDArray[np.float64]:
    """Triangular filters (bands, fft / 2 + 1), peak 1, linear in mel."""
    bins = mel(np.arange(mfcc.fft // 2 + 1) * mfcc.rate_hz / mfcc.fft)
    edges = np.linspace(mel(mfcc.low_hz), mel(mfcc.high_hz), mfcc.bands + 2)
    low, centre, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    rising, falling = (bins - low) / (centre - low), (high - bins) / (high - centre)
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))


@cache
def dct_matrix(bands: int, coefficients: int) -> NDArray[np.float64]:
    """Orthonormal DCT-II: (coefficients, bands)."""
    k, n = np.arange(coefficients)[:, None], np.arange(bands)[None]
    matrix = np.sqrt(2.0 / bands) * np.cos(np.pi * k * (2 * n + 1) / (2 * bands))
    matrix[0] /= np.sqrt(2.0)
    return np.asarray(matrix)


@cache
def _hann(length: int) -> NDArray[np.float64]:
    """Periodic Hann window."""
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length))
