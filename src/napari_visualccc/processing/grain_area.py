"""The part of a plane that some fringes cover, and how strong they are in it from place to place."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.resample import interpolate
from napari_visualccc.processing.bragg import demodulate, grid_places
from napari_visualccc.processing.domains import Domain
from napari_visualccc.processing.windows import LocalSpots

Floats = NDArray[np.float64]
Plane = NDArray[np.float32]

# Standard deviation of the Gaussian over which fringes are averaged, as a share of the window: as narrow as keeps the
# spots of one crystal apart.
_BLUR = 0.1
_FEWEST_POINTS = 20
_FULL_WEIGHT = 100.0  # spots stronger than this against noise count alike
_MOST = 1.2


class Area:
    """The part of a plane that a group of domains covers, and the strength of their fringes in it.

    Attributes
    ----------
    region
        Slices (y, x) of the plane.
    refined
        The domains with frequencies from the drift of the phase of their fringes.
    """

    def __init__(self, group: list[Domain], spots: LocalSpots, values: Plane) -> None:
        from scipy.ndimage import maximum_filter

        windows = np.any([domain.ratio > 0 for domain in group], axis=0)
        self.region = region_of_windows(windows, spots, values.shape)
        part = values[self.region]
        sigma = _BLUR * spots.window
        self._shape = part.shape
        self._places = (grid_places(part.shape[0], sigma), grid_places(part.shape[1], sigma))
        self._near = between(maximum_filter(windows, 3), spots, self.region, self._places) > 0.05
        self.refined: list[Domain] = []
        self._heights: list[Plane] = []
        for domain in group:
            fringes = demodulate(part, domain.frequency, sigma)
            core = between(domain.core, spots, self.region, self._places) > 0.5
            self.refined.append(Domain(fringes.refined(core), domain.ratio))
            power = fringes.amplitude.real**2 + fringes.amplitude.imag**2
            outside = between(domain.ratio > 0, spots, self.region, self._places) < 0.1
            noise = float(np.median(power[outside]) / np.log(2)) if outside.sum() > _FEWEST_POINTS else 0.0
            # Weighted by itself: of a grain smaller than a window, little of the core lies inside.
            within = power[core] if core.any() else power
            inside = float((within * within).sum() / max(float(within.sum()), 1e-30))
            # No spot alone may carry the grain beyond its border, where it belongs to a neighbour with like spacings.
            self._heights.append(np.clip((power - noise) / max(inside - noise, 1e-30), 0, _MOST))

    def score(self, which: list[int]) -> Plane:
        """Height of some of the fringes over their height inside, at every pixel of the region."""
        weights = [np.float32(min(float(self.refined[i].ratio.max()), _FULL_WEIGHT)) for i in which]
        total = sum(w * self._heights[i] for w, i in zip(weights, which, strict=True))
        score = np.sqrt(total / sum(weights)) * self._near
        return _at_pixels(np.asarray(score, np.float32), self._places, self._shape)


def region_of_windows(windows: NDArray[np.bool_], spots: LocalSpots, shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Slices (y, x) of the plane that some windows cover."""
    slices = []
    for axis in (0, 1):
        used = np.flatnonzero(windows.any(1 - axis))
        low = int(spots.centres[axis][used[0]] - spots.window / 2)
        high = int(np.ceil(spots.centres[axis][used[-1]] + spots.window / 2)) + 1
        slices.append(slice(max(low, 0), min(high, shape[axis])))
    return slices[0], slices[1]


def between(grid: NDArray[Any], spots: LocalSpots, region: tuple[slice, slice], places: tuple[Floats, Floats]) -> Plane:
    """Values of windows between their centres, at places of a region; beyond the outermost centres as at them."""
    values = grid.astype(np.float32)
    for axis in (0, 1):
        at = places[axis] + region[axis].start
        index = np.interp(at, spots.centres[axis], np.arange(len(spots.centres[axis])))
        values = interpolate(values, index, axis)
    return values


def _at_pixels(values: Plane, places: tuple[Floats, Floats], shape: tuple[int, ...]) -> Plane:
    """Values known at evenly spaced places, at every pixel."""
    for axis in (0, 1):
        index = np.interp(np.arange(shape[axis]), places[axis], np.arange(len(places[axis])))
        values = interpolate(values, index, axis)
    return values
