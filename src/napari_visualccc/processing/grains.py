"""Crystalline grains of one plane: fringes linked over windows, indexed, and drawn to the pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.crystals import Crystal
from napari_visualccc.core.pixel_size import NANOMETRE, PixelSize
from napari_visualccc.core.progress import Progress
from napari_visualccc.core.resample import interpolate
from napari_visualccc.processing.bragg import demodulate, finite, grid_places
from napari_visualccc.processing.domains import Domain, fringe_domains, group_domains
from napari_visualccc.processing.lattice_options import LatticeOptions
from napari_visualccc.processing.matching import NAMED_ODDS, PhaseMatch, rank_phases
from napari_visualccc.processing.peaks import Peaks
from napari_visualccc.processing.windows import OVERLAP, LocalSpots, local_spots

Floats = NDArray[np.float64]
Plane = NDArray[np.float32]

# Standard deviation of the Gaussian over which fringes are averaged, as a share of the window: as narrow as keeps the
# spots of one crystal apart.
_BLUR = 0.1
_EDGE = 0.5  # a grain ends where its fringes have half their height: there the Gaussian lies half in it
_FREQUENCY_BINS = 0.1  # accuracy of a domain's frequency in bins of a window, measured on simulated grains
_INSIDE_QUANTILE = 0.7
_FEWEST_POINTS = 20
_FULL_WEIGHT = 100.0  # spots stronger than this against noise count alike
_MOST = 1.2
_FEWEST_SPOTS = 2
_FINEST_NM = 0.1  # few lenses carry more, and no phase needs it; scan noise has much there
_UNKNOWN = 0.8
_UNKNOWN_AREA = 3  # and must be so many times larger


@dataclass(frozen=True)
class Grain:
    """One crystal, or a part of one plane in which the same fringes are seen.

    Attributes
    ----------
    peaks
        Its spots, strongest first, in the units of the pixel size.
    match
        Crystal that explains them; None if none does better than chance.
    probability
        Of the match, against all other candidates and chance.
    region
        Slices (y, x) of the plane that hold it.
    score
        Height of its fringes over their height inside the grain, float32, shape of the region.
    """

    peaks: Peaks
    match: PhaseMatch | None
    probability: float
    region: tuple[slice, slice]
    score: Plane


@dataclass(frozen=True)
class PlaneGrains:
    """What was found in one plane.

    Attributes
    ----------
    labels
        Number of the grain at each pixel, 0 where there is none, shape (Y, X).
    certainty
        Share of the fringes that belongs to that grain rather than to another or to noise, 0 … 1, shape (Y, X).
    prominence
        Power of the strongest fringes over noise in decibel, shape (Y, X).
    grains
        Grain of each label from 1 on.
    """

    labels: NDArray[np.int32]
    certainty: Plane
    prominence: Plane
    grains: list[Grain]


def find_grains(
    plane: NDArray[Any],
    pixel_size: PixelSize,
    options: LatticeOptions,
    crystals: Sequence[Crystal],
    window: int,
    progress: Progress,
) -> PlaneGrains:
    """Find, index and outline the crystalline grains of a plane.

    Parameters
    ----------
    plane
        Shape (Y, X), at least one window in size; not finite values count as the mean.
    pixel_size
        Of the plane; phases are matched if it is in nm.
    options
        Limits of spacings, tolerances.
    crystals
        Candidates.
    window
        Edge of the local windows in pixels.
    """
    values = finite(plane)
    pixel = np.sqrt(pixel_size.y * pixel_size.x)
    spots = local_spots(
        values, window, longest_px=longest(options, pixel_size) / pixel,
        shortest_px=shortest(options, pixel_size) / pixel, progress=progress.part(0, 0.5),
    )  # fmt: skip
    groups = group_domains(fringe_domains(spots, false_alarms=options.false_alarms))
    grains: list[Grain] = []
    for group in progress.part(0.5, 0.95).steps(groups, message="outlining grains"):
        grains += _grains_of(group, spots, values, pixel_size, options, crystals)
    labels, certainty = _drawn(grains, values.shape, options.smallest_grain * window**2)
    kept = np.unique(labels[labels > 0])
    number = np.zeros(len(grains) + 1, np.int32)
    number[kept] = np.arange(1, len(kept) + 1)
    return PlaneGrains(number[labels], certainty, _wide(spots, values.shape), [grains[i - 1] for i in kept])


def longest(options: LatticeOptions, pixel_size: PixelSize) -> float:
    """Largest spacing looked for, in the unit of the pixel size."""
    if options.longest_nm != "auto":
        return float(options.longest_nm)
    return 1.0 if pixel_size.unit == NANOMETRE else 1e9


def shortest(options: LatticeOptions, pixel_size: PixelSize) -> float:
    """Smallest spacing looked for, in the unit of the pixel size."""
    if options.shortest_nm != "auto":
        return float(options.shortest_nm)
    return max(2 * min(pixel_size.y, pixel_size.x), _FINEST_NM if pixel_size.unit == NANOMETRE else 0.0)


def _grains_of(
    group: list[Domain],
    spots: LocalSpots,
    values: Plane,
    pixel_size: PixelSize,
    options: LatticeOptions,
    crystals: Sequence[Crystal],
) -> list[Grain]:
    """The crystal that explains the fringes of a group best, and what lies over it."""
    area = _Area(group, spots, values)
    group = area.refined
    left = list(range(len(group)))
    found: list[Grain] = []
    while left:
        peaks = _peaks([group[i] for i in left], spots, pixel_size)
        ranked = _ranked(peaks, crystals, pixel_size, options)
        named = bool(ranked) and ranked[0].log_odds >= NAMED_ODDS
        own = sorted(ranked[0].spots) if named else list(range(len(left)))
        if len(left) - len(own) < _FEWEST_SPOTS:  # what is left is another crystal's only if it is more than a stray
            own = list(range(len(left)))
        match, probability = None, 0.0
        if named:
            best = ranked[0]
            match = replace(best, spots=tuple(own.index(i) for i in best.spots))
            probability = _probability(ranked)
        found.append(
            Grain(peaks.take(np.array(own)), match, probability, area.region, area.score([left[i] for i in own]))
        )
        left = [left[i] for i in range(len(left)) if i not in own]
    return found


def _ranked(
    peaks: Peaks, crystals: Sequence[Crystal], pixel_size: PixelSize, options: LatticeOptions
) -> list[PhaseMatch]:
    if pixel_size.unit != NANOMETRE or not crystals:
        return []
    return rank_phases(
        peaks, crystals, calibration=options.calibration / 100, distortion=options.distortion / 100
    )  # fmt: skip


def _peaks(group: list[Domain], spots: LocalSpots, pixel_size: PixelSize) -> Peaks:
    frequency = np.array([domain.frequency for domain in group]) / [pixel_size.y, pixel_size.x]
    frequency *= np.where(frequency[:, 1] < 0, -1, 1)[:, None]
    ratio = np.array([domain.ratio.max() for domain in group])
    strength = np.array([domain.strength for domain in group])
    error = np.full(len(group), _FREQUENCY_BINS / spots.window / np.sqrt(pixel_size.y * pixel_size.x))
    error = error / np.sqrt([max(1.0, (d.ratio > 0).sum() * (2 / OVERLAP) ** 2) for d in group])
    return Peaks(frequency, error, ratio, strength, np.zeros((len(group), 2)), np.ones(len(group)))


class _Area:
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
        self.region = _region(windows, spots, values.shape)
        part = values[self.region]
        sigma = _BLUR * spots.window
        self._shape = part.shape
        self._places = (grid_places(part.shape[0], sigma), grid_places(part.shape[1], sigma))
        self._near = _between(maximum_filter(windows, 3), spots, self.region, self._places) > 0.05
        self.refined: list[Domain] = []
        self._heights: list[Plane] = []
        for domain in group:
            fringes = demodulate(part, domain.frequency, sigma)
            core = _between(domain.core, spots, self.region, self._places) > 0.5
            self.refined.append(Domain(fringes.refined(core), domain.ratio))
            power = fringes.amplitude.real**2 + fringes.amplitude.imag**2
            outside = _between(domain.ratio > 0, spots, self.region, self._places) < 0.1
            noise = float(np.median(power[outside]) / np.log(2)) if outside.sum() > _FEWEST_POINTS else 0.0
            inside = float(np.quantile(power[core], _INSIDE_QUANTILE)) if core.any() else float(power.max())
            # No spot alone may carry the grain beyond its border, where it belongs to a neighbour with like spacings.
            self._heights.append(np.clip((power - noise) / max(inside - noise, 1e-30), 0, _MOST))

    def score(self, which: list[int]) -> Plane:
        """Height of some of the fringes over their height inside, at every pixel of the region."""
        weights = [np.float32(min(float(self.refined[i].ratio.max()), _FULL_WEIGHT)) for i in which]
        total = sum(w * self._heights[i] for w, i in zip(weights, which, strict=True))
        score = np.sqrt(total / sum(weights)) * self._near
        return _at_pixels(np.asarray(score, np.float32), self._places, self._shape)


def _probability(ranked: list[PhaseMatch]) -> float:
    """Of the best candidate among all and chance (odds 1), all equally likely beforehand."""
    odds = np.array([match.log_odds for match in ranked] + [0.0])
    share = np.exp(odds - odds.max())
    return float(share[0] / share.sum())


def _region(windows: NDArray[np.bool_], spots: LocalSpots, shape: tuple[int, ...]) -> tuple[slice, slice]:
    slices = []
    for axis in (0, 1):
        used = np.flatnonzero(windows.any(1 - axis))
        low = int(spots.centres[axis][used[0]] - spots.window / 2)
        high = int(np.ceil(spots.centres[axis][used[-1]] + spots.window / 2)) + 1
        slices.append(slice(max(low, 0), min(high, shape[axis])))
    return slices[0], slices[1]


def _between(
    grid: NDArray[Any], spots: LocalSpots, region: tuple[slice, slice], places: tuple[Floats, Floats]
) -> Plane:
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


def _wide(spots: LocalSpots, shape: tuple[int, ...]) -> Plane:
    rows, columns = (np.arange(length, dtype=np.float64) for length in shape)
    decibel = 10 * np.log10(np.maximum(spots.strongest, 1))
    return _between(decibel, spots, (slice(0, shape[0]), slice(0, shape[1])), (rows, columns))


def _drawn(grains: list[Grain], shape: tuple[int, ...], smallest: float) -> tuple[NDArray[np.int32], Plane]:
    """Label of the grain with the highest score at each pixel, and how far it leads."""
    from scipy import ndimage

    first, second = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    labels = np.zeros(shape, np.int32)
    for number, grain in enumerate(grains, start=1):
        best, next_best, own = first[grain.region], second[grain.region], labels[grain.region]
        # Where a known crystal is seen, stray fringes are no grain of their own.
        score = grain.score if grain.match else grain.score * np.float32(_UNKNOWN)
        leads = score > best
        np.copyto(next_best, np.where(leads, best, np.maximum(next_best, score)))
        np.copyto(own, number, where=leads)
        np.copyto(best, score, where=leads)
    labels[first < _EDGE] = 0
    for number, grain in enumerate(grains, start=1):
        own = labels[grain.region]
        parts, count = ndimage.label(own == number)
        if not count:
            continue
        area = np.bincount(parts.ravel(), minlength=count + 1)
        small = np.flatnonzero(area < smallest * (1 if grain.match else _UNKNOWN_AREA))
        own[np.isin(parts, small[small > 0]) & (parts > 0)] = 0
        filled = ndimage.binary_fill_holes(own == number)
        own[filled & (own == 0)] = number
    certainty = first**2 / (first**2 + second**2 + np.float32(_EDGE**2))
    return labels, np.where(labels > 0, certainty, np.float32(0))
