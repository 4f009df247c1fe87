"""Bragg filtering: the part of an image that some spots of its spectrum make, and its strength from place to place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Plane = NDArray[np.float32]
Complex = NDArray[np.complex64]
Places = NDArray[np.float64]


def bragg_filter(plane: NDArray[np.floating], frequencies: Sequence[tuple[float, float]], width: float) -> Plane:
    """Image made by some spots alone: Gaussian masks around them, inverse FFT.

    Parameters
    ----------
    plane
        Shape (Y, X); what is not finite counts as the mean.
    frequencies
        (y, x) of each spot in cycles per pixel; its mirror image is taken along.
    width
        Standard deviation of the masks in cycles per pixel.

    Returns
    -------
    ndarray of float32, shape (Y, X)
        Filtered image about zero.

    Examples
    --------
    >>> x = np.arange(64)
    >>> both = np.ones((64, 1)) * (np.cos(2 * np.pi * x / 8) + np.cos(2 * np.pi * x / 4))
    >>> alone = bragg_filter(both, [(0, 1 / 8)], 0.01)
    >>> bool(np.allclose(alone, np.cos(2 * np.pi * x / 8), atol=1e-3))
    True
    """
    from scipy.fft import irfft2, rfft2, rfftfreq

    values = finite(plane)
    rows, columns = values.shape
    fy, fx = np.fft.fftfreq(rows)[:, None], rfftfreq(columns)[None]
    mask = np.zeros((rows, fx.shape[1]), np.float32)
    for y, x in frequencies:
        for sign in (1, -1):
            # Frequencies 1 apart are the same: the nearest of them counts.
            dy, dx = (f - sign * k - np.rint(f - sign * k) for f, k in ((fy, y), (fx, x)))
            mask = np.maximum(mask, np.exp(-0.5 * (dy**2 + dx**2) / width**2).astype(np.float32))
    return np.asarray(irfft2(rfft2(values) * mask, (rows, columns)), np.float32)


def finite(plane: NDArray[np.floating]) -> Plane:
    """Plane less its mean, 0 where it is not finite."""
    values = np.asarray(plane, np.float32)
    known = np.isfinite(values)
    mean = values[known].mean(dtype=np.float64) if known.any() else 0.0
    return np.where(known, values - np.float32(mean), np.float32(0))


@dataclass(frozen=True)
class Fringes:
    """Complex amplitude of one spot: its masked inverse FFT, shifted to zero frequency, at points of a grid.

    Attributes
    ----------
    amplitude
        ``|amplitude|`` is half the height of the fringes, complex64, shape (rows, columns).
    places
        Rows and columns of the plane at which it is known.
    frequency
        (y, x) in cycles per pixel.
    """

    amplitude: Complex
    places: tuple[Places, Places]
    frequency: tuple[float, float]

    def refined(self, inside: NDArray[np.bool_]) -> tuple[float, float]:
        """Frequency from the drift of the phase between grid points that are `inside`."""
        shifts = []
        for axis in (0, 1):
            count = self.amplitude.shape[axis]
            if count < 2:
                shifts.append(0.0)
                continue
            ahead, behind = (np.take(self.amplitude, range(i, count - 1 + i), axis) for i in (1, 0))
            both = np.take(inside, range(1, count), axis) & np.take(inside, range(count - 1), axis)
            total = (ahead * behind.conj())[both].sum(dtype=np.complex128)
            step = self.places[axis][1] - self.places[axis][0]
            shifts.append(float(np.angle(total) / (2 * np.pi * step)) if abs(total) > 0 else 0.0)
        return self.frequency[0] + shifts[0], self.frequency[1] + shifts[1]


def demodulate(plane: Plane, frequency: tuple[float, float], sigma: float) -> Fringes:
    r"""Local complex amplitude of fringes.

    Parameters
    ----------
    plane
        Finite, about zero, shape (Y, X).
    frequency
        (y, x) in cycles per pixel.
    sigma
        Standard deviation in pixels of the Gaussian over which the amplitude is averaged: in the spectrum a Gaussian
        mask of width :math:`1 / 2\pi\sigma` around the spot.

    Notes
    -----
    Averaged so, it needs to be known only every σ / 2: with Gaussian times wave in the rows of two matrices, all of it
    is :math:`G_y f G_x^T`.
    """
    places = [grid_places(length, sigma) for length in plane.shape]
    left, right = (_waves(length, at, sigma, k) for length, at, k in zip(plane.shape, places, frequency, strict=True))
    amplitude = left @ plane @ right.T
    return Fringes(np.asarray(amplitude, np.complex64), (places[0], places[1]), frequency)


def grid_places(length: int, sigma: float) -> Places:
    """Points along an axis at which a Gaussian average is known, half a standard deviation apart."""
    return np.linspace(0, length - 1, max(2, int(np.ceil(2 * length / max(sigma, 1)))))


def _waves(length: int, places: Places, sigma: float, frequency: float) -> Complex:
    pixels = np.arange(length)
    weights = np.exp(-0.5 * ((pixels[None] - places[:, None]) / max(sigma, 1e-6)) ** 2)
    # At a border only what lies inside is averaged.
    weights /= weights.sum(1, keepdims=True)
    return np.asarray(weights * np.exp(-2j * np.pi * (frequency * pixels % 1)), np.complex64)
