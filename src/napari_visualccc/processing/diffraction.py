"""Diffraction patterns: images whose axes are in 1/nm already, measured like spectra (d = 1 / q)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import RECIPROCAL, PixelSize
from napari_visualccc.processing.bragg import finite
from napari_visualccc.processing.peaks import Peaks, none_found
from napari_visualccc.processing.spectral_background import Rings, spread
from napari_visualccc.processing.spectrum import PATTERN, SMALLEST, Spectrum

_SMOOTH_BINS = 1.0
_BEAM_BINS = 5.0
# Detectors count in clumps and beams have halos: a pattern's noise has longer tails than a normal distribution.
_TAIL = 1.5
_MAD_TO_SIGMA = 1.4826
_PAIR_BINS = 2.0


def pattern_spectrum(plane: NDArray[Any], pixel_size: PixelSize) -> Spectrum:
    """Diffraction pattern as a `Spectrum`, its centre found.

    Raises
    ------
    InputError
        If the pixel size is not in 1/nm, or the plane has fewer than 16 × 16 pixels.

    Notes
    -----
    A pattern is its own mirror image about the centre: the pattern convolved with itself is highest at twice the
    centre. The square root of the intensity is taken, lest the direct beam alone decides.
    """
    if pixel_size.unit != RECIPROCAL:
        raise InputError(f"a diffraction pattern has pixels in 1/nm, not {pixel_size.unit}")
    if min(plane.shape) < SMALLEST:
        raise InputError(f"a pattern needs at least {SMALLEST} × {SMALLEST} pixels, not {plane.shape}")
    values = np.asarray(plane, np.float32)
    known = np.isfinite(values)
    if not known.any():
        raise InputError("nothing in this region is finite: choose another")
    values = np.where(known, values, np.float32(np.median(values[known])))
    return Spectrum(values, (pixel_size.y, pixel_size.x), RECIPROCAL, _centre(values), PATTERN)


def _centre(values: NDArray[np.float32]) -> tuple[float, float]:
    from scipy.fft import irfft2, rfft2

    rows, columns = values.shape
    raised = finite(np.sqrt(np.maximum(values - np.quantile(values, 0.01), 0)))
    shape = (2 * rows, 2 * columns)
    once = rfft2(raised, shape)
    # Overlaps near the border are small sums of few pixels; they cannot win because the mean is taken away.
    folded = irfft2(once * once, shape)
    row, column = np.unravel_index(folded.argmax(), folded.shape)
    place = []
    for axis, index in enumerate((int(row), int(column))):
        line = folded[:, column] if axis == 0 else folded[row]
        left, middle, right = (float(line[(index + i) % len(line)]) for i in (-1, 0, 1))
        curvature = 2 * middle - left - right
        place.append(
            (index + (float(np.clip((right - left) / (2 * curvature), -0.5, 0.5)) if curvature > 0 else 0)) / 2
        )
    return place[0], place[1]


def pattern_peaks(
    spectrum: Spectrum, *, false_alarms: float = 0.01, longest: float | None = None, shortest: float | None = None,
    most: int = 200,
) -> Peaks:  # fmt: skip
    """Find the spots of a diffraction pattern, one of each Friedel pair, the brightest first.

    Notes
    -----
    Intensity less its median over rings, in standard deviations (from the median absolute deviation over the ring);
    the limit is what a normal distribution exceeds nowhere, with room for the tails of detectors.
    """
    from scipy.ndimage import maximum_filter
    from scipy.special import ndtri

    rows, columns = spectrum.power.shape
    rings = Rings.of((rows, columns), spectrum.centre)
    level = spread(spectrum.power, _SMOOTH_BINS)
    excess = level - rings.medians(level)
    noise = _MAD_TO_SIGMA * rings.medians(np.abs(excess))
    noise = np.maximum(noise, max(1e-6 * float(np.abs(excess).max()), 1e-30))
    score = excess / noise
    moduli = spectrum.moduli()
    searched = (rings.radius >= _BEAM_BINS) & (moduli >= (1 / longest if longest else 0))
    searched &= moduli <= (1 / shortest if shortest else np.inf)
    searched[[0, -1]] = searched[:, [0, -1]] = False
    if not searched.any():
        return none_found()
    limit = _TAIL * float(-ndtri(false_alarms / searched.sum()))
    row, column = np.nonzero(searched & (score > limit) & (score == maximum_filter(score, 5)))
    order = np.argsort(-score[row, column], kind="stable")[: 2 * most]
    row, column = row[order], column[order]
    if not len(row):
        return none_found()
    place = np.stack([_vertex(excess, row, column, axis) for axis in (0, 1)], 1)
    kept, place = _paired(place, np.array(spectrum.centre))
    frequency = np.stack(spectrum.frequency(*place.T), 1)
    snr = score[row[kept], column[kept]].astype(np.float64)
    error = np.sqrt(spectrum.step[0] * spectrum.step[1]) * np.hypot(1 / snr, 0.05)
    return Peaks(frequency, error, snr, level[row[kept], column[kept]].astype(np.float64), place,
                 np.full(len(kept), _SMOOTH_BINS)).take(slice(most))  # fmt: skip


def _vertex(values: NDArray[np.float32], row: NDArray[np.intp], column: NDArray[np.intp], axis: int) -> NDArray[Any]:
    step = (1, 0) if axis == 0 else (0, 1)
    left, middle, right = (values[row + i * step[0], column + i * step[1]].astype(np.float64) for i in (-1, 0, 1))
    curvature = np.maximum(2 * middle - left - right, 1e-30)
    return np.asarray((row if axis == 0 else column) + np.clip((right - left) / (2 * curvature), -0.5, 0.5))


def _paired(place: NDArray[np.float64], centre: NDArray[np.float64]) -> tuple[list[int], NDArray[np.float64]]:
    """One of each Friedel pair, in the half x ≥ 0, at the mean of both: the error of the centre cancels."""
    away = place - centre
    taken = np.zeros(len(place), bool)
    kept, places = [], []
    for i in range(len(place)):
        if taken[i]:
            continue
        apart = np.hypot(*(away + away[i]).T)
        partner = int(apart.argmin())
        vector = away[i]
        if apart[partner] < _PAIR_BINS and not taken[partner] and partner != i:
            taken[partner] = True
            vector = (away[i] - away[partner]) / 2
        taken[i] = True
        kept.append(i)
        places.append(centre + (vector if vector[1] >= 0 else -vector))
    return kept, np.array(places)
