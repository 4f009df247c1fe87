"""Random fields that microstructures and textures are made from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, ndimage

Field = NDArray[np.float32]
Generator = np.random.Generator


def frequencies(shape: tuple[int, int]) -> tuple[Field, Field]:
    """Frequencies in cycles per pixel along y and x, for `numpy.fft.rfft2` of the shape."""
    fy = fft.fftfreq(shape[0]).astype(np.float32)[:, None]
    fx = fft.rfftfreq(shape[1]).astype(np.float32)[None]
    return fy, fx


def smooth_noise(rng: Generator, shape: tuple[int, int], scale: float, stretch: float = 1.0, angle: float = 0) -> Field:
    """Gaussian noise blurred with σ = `scale` pixels, `stretch` times as much along `angle`; mean 0, deviation 1."""
    fy, fx = frequencies(shape)
    along = fx * np.cos(angle) + fy * np.sin(angle)
    across = fy * np.cos(angle) - fx * np.sin(angle)
    falloff = np.exp(-2 * (np.pi * scale) ** 2 * ((along * stretch) ** 2 + across**2))
    return _filtered(rng, shape, falloff)


def band_noise(rng: Generator, shape: tuple[int, int], period: float, width: float = 0.25) -> Field:
    """Noise whose structures have about one period in pixels; thresholded it is a bicontinuous network."""
    fy, fx = frequencies(shape)
    frequency = np.hypot(fy, fx)
    falloff = np.exp(-0.5 * ((frequency * period - 1) / width) ** 2)
    return _filtered(rng, shape, falloff)


def fractal_noise(rng: Generator, shape: tuple[int, int], slope: float) -> Field:
    """Noise with a power spectrum falling like frequency^-slope: clouds and rough surfaces."""
    fy, fx = frequencies(shape)
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = 1
    falloff = frequency ** (-slope / 2)
    falloff[0, 0] = 0
    return _filtered(rng, shape, falloff)


def _filtered(rng: Generator, shape: tuple[int, int], falloff: Field) -> Field:
    white = rng.standard_normal(shape, np.float32)
    field = fft.irfft2(fft.rfft2(white) * falloff, s=shape)
    field -= field.mean()
    return np.asarray(field / max(float(field.std()), 1e-9), np.float32)


def log_uniform(rng: Generator, low: float, high: float) -> float:
    """Random number whose logarithm is uniform."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def warped(rng: Generator, labels: NDArray[np.int32], scale: float, amount: float) -> NDArray[np.int32]:
    """Labels displaced by a smooth field of `amount` pixels: straight outlines become wavy."""
    dy, dx = (smooth_noise(rng, labels.shape, scale) * amount for _ in range(2))
    y, x = np.indices(labels.shape, np.float32)
    return np.asarray(ndimage.map_coordinates(labels, [y + dy, x + dx], order=0, mode="reflect"), np.int32)
