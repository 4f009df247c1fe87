"""Spectra of many overlapping windows over a plane: where there are fringes, and which."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.progress import Progress
from napari_visualccc.core.runtime import map_threaded
from napari_visualccc.processing.spectrum import taper

Floats = NDArray[np.float64]
Plane = NDArray[np.float32]

OVERLAP = 4  # windows are a quarter of their edge apart
_RING_BINS = 2
_BEAM_BINS = 4.0
# Noise exceeds this in one bin of 400. Fringes this weak count only where a neighbouring window has the same.
WEAKEST_RATIO = 6.0
_LN2 = float(np.log(2))


@dataclass(frozen=True)
class LocalSpots:
    """Maxima in the spectra of all windows of a plane.

    Attributes
    ----------
    row, column
        Number of the window, shape (n,).
    frequency
        (y, x) in cycles per pixel, shape (n, 2).
    ratio
        Power over the background of its window, shape (n,).
    strongest
        Highest ratio in each window, shape (windows in y, windows in x).
    centres
        Rows and columns of the plane at which windows are centred.
    window
        Edge of a window in pixels.
    """

    row: NDArray[np.intp]
    column: NDArray[np.intp]
    frequency: Floats
    ratio: Floats
    strongest: Plane
    centres: tuple[Floats, Floats]
    window: int

    @property
    def grid(self) -> tuple[int, int]:
        """Number of windows along y and x."""
        return self.strongest.shape[0], self.strongest.shape[1]


def local_spots(plane: Plane, window: int, *, longest_px: float, shortest_px: float, progress: Progress) -> LocalSpots:
    """Spectrum of every window of a plane, and the maxima above its background.

    Parameters
    ----------
    plane
        Finite float32, shape (Y, X), at least one window in size.
    window
        Edge of the square windows in pixels, even; they are a quarter of it apart.
    longest_px, shortest_px
        Range of spacings in pixels.

    Notes
    -----
    The background is the median over rings of each window's own spectrum: thickness, focus and noise change over an
    image.
    """
    rows, columns = (window_starts(n, window) for n in plane.shape)
    rings = _Rings.of(window, longest_px, shortest_px)
    views = np.lib.stride_tricks.sliding_window_view(plane, (window, window))

    def run(number: int) -> tuple[NDArray[Any], Plane]:
        return _spots_of_row(np.ascontiguousarray(views[rows[number], columns]), rings, number)

    found: list[NDArray[Any]] = []
    strongest = np.zeros((len(rows), len(columns)), np.float32)
    for number, (spots, highest) in map_threaded(run, range(len(rows)), progress=progress, message="local spectra"):
        found.append(spots)
        strongest[number] = highest
    table = np.concatenate(found)
    table = table[np.lexsort(table.T)]  # threads end in any order; results must not depend on it
    half = np.float64((window - 1) / 2)
    return LocalSpots(
        table[:, 0].astype(np.intp), table[:, 1].astype(np.intp), table[:, 2:4] / window, table[:, 4], strongest,
        (np.asarray(rows + half, np.float64), np.asarray(columns + half, np.float64)), window,
    )  # fmt: skip


def window_starts(length: int, window: int) -> NDArray[np.intp]:
    """First pixels of windows a quarter of their edge apart, the last one at the border."""
    count = 1 + max(0, -(-(length - window) * OVERLAP // window))
    return np.rint(np.linspace(0, length - window, count)).astype(np.intp)


@dataclass(frozen=True)
class _Rings:
    """Half spectrum of a window: its rings, and where spots are sought. Rows are frequencies -w/2 … w/2 - 1."""

    members: tuple[NDArray[np.intp], ...]
    places: Plane
    searched: NDArray[np.bool_]

    @staticmethod
    @lru_cache(maxsize=8)
    def of(window: int, longest_px: float, shortest_px: float) -> _Rings:
        y = np.arange(window) - window // 2
        x = np.arange(window // 2 + 1)
        radius = np.hypot(y[:, None], x[None])
        ring = np.maximum(radius - _BEAM_BINS, 0) / _RING_BINS
        number = ring.astype(int)
        # The outermost corners are one ring: alone they would be too few for a median.
        number = np.minimum(number, int((window / 2 - _BEAM_BINS) / _RING_BINS) + 2)
        members = tuple(np.flatnonzero(number == n) for n in range(number.max() + 1))
        low, high = max(window / longest_px, _BEAM_BINS + 1), window / shortest_px
        searched = (radius >= low) & (radius <= high)
        searched[[0, -1]] = searched[:, -1] = False
        return _Rings(members, (ring - 0.5).astype(np.float32), searched)

    def background(self, logs: Plane) -> Plane:
        """Logarithm of the noise in each bin, for spectra of shape (n, w, w / 2 + 1)."""
        flat = logs.reshape(len(logs), -1)
        medians = np.stack([np.median(flat[:, member], axis=1) for member in self.members], 1)
        padded = np.pad(medians, ((0, 0), (1, 1)), mode="edge")
        smooth = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
        low = np.clip(np.floor(self.places).astype(int), 0, len(self.members) - 1)
        high = np.minimum(low + 1, len(self.members) - 1)
        share = np.clip(self.places - low, 0, 1)
        rings = smooth[:, low] * (1 - share) + smooth[:, high] * share
        return np.asarray(np.maximum(rings, _streaks(logs)) - np.log(_LN2), np.float32)


def _streaks(logs: Plane) -> Plane:
    """Median along both axes, over quarters of the spectrum: scan noise stands on lines in all of a quarter."""
    highest = np.full_like(logs, -np.inf)
    for axis in (1, 2):
        quarter = -(-logs.shape[1] // 4)
        for first in range(0, logs.shape[axis], quarter):
            part = (slice(None),) * axis + (slice(first, first + quarter),)
            np.maximum(highest[part], np.median(logs[part], axis=axis, keepdims=True), out=highest[part])
    return highest


def _spots_of_row(windows: Plane, rings: _Rings, number: int) -> tuple[NDArray[Any], Plane]:
    """Table of (window row, window column, y, x in bins, ratio), and the highest ratio of each window."""
    from scipy.fft import fftshift, rfft2
    from scipy.ndimage import maximum_filter

    edge = windows.shape[1]
    values = windows - windows.mean((1, 2), keepdims=True)
    half = rfft2(values * taper((edge, edge)))
    power = fftshift(half.real**2 + half.imag**2, axes=1)
    logs = np.log(np.maximum(power, 1e-12 * power.max() + 1e-30))
    logs -= rings.background(logs)
    # What lies left of the zero column is the mirror image of what lies right of it.
    mirror = np.roll(logs[:, ::-1, 1:2], 1, axis=1)
    wide = np.concatenate([mirror, logs], 2)
    limit = np.float32(np.log(WEAKEST_RATIO))
    peak = (logs > limit) & rings.searched & (logs == maximum_filter(wide, (1, 3, 3))[:, :, 1:])
    which, row, column = np.nonzero(peak)
    middle = wide[which, row, column + 1]
    dy = _vertex(wide[which, row - 1, column + 1], middle, wide[which, row + 1, column + 1])
    dx = _vertex(wide[which, row, column], middle, wide[which, row, np.minimum(column + 2, wide.shape[2] - 1)])
    table = np.stack([np.full(len(which), number), which, row - edge // 2 + dy, column + dx, np.exp(middle)], 1)
    highest = np.where(rings.searched, logs, -np.inf).reshape(len(logs), -1).max(1)
    return table.astype(np.float64), np.exp(highest)


def _vertex(left: Plane, middle: Plane, right: Plane) -> Plane:
    curvature = 2 * middle - left - right
    return np.asarray(np.clip((right - left) / (2 * np.maximum(curvature, 1e-6)), -0.5, 0.5), np.float32)
