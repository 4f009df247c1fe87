"""Crystalline grains of one plane: fringes linked over windows, indexed, and drawn to the pixel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.crystals import Crystal
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress
from napari_visualccc.processing.bragg import finite
from napari_visualccc.processing.domains import fringe_domains, group_domains
from napari_visualccc.processing.grain_area import Area, between
from napari_visualccc.processing.lattice_options import LatticeOptions, longest, shortest
from napari_visualccc.processing.naming import Grain, Look, grains_of
from napari_visualccc.processing.windows import LocalSpots, local_spots

Floats = NDArray[np.float64]
Plane = NDArray[np.float32]

_EDGE = 0.5  # a grain ends where its fringes have half their height: there the Gaussian lies half in it
_SMALLEST_WINDOW = 32
_SHARED = 0.5
_UNKNOWN = 0.8
_UNKNOWN_AREA = 3  # and must be so many times larger


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
    look = Look(values, pixel_size, options, tuple(crystals))
    pixel = np.sqrt(pixel_size.y * pixel_size.x)
    reach = {"longest_px": longest(options, pixel_size) / pixel, "shortest_px": shortest(options, pixel_size) / pixel}
    windows = [size for size in (window, window // 4 * 2) if size >= _SMALLEST_WINDOW or size == window]
    labels, certainty = np.zeros(values.shape, np.int32), np.zeros(values.shape, np.float32)
    prominence: Plane | None = None
    grains: list[Grain] = []
    for number, size in enumerate(windows):
        part = progress.part(number / len(windows), 0.98 * (number + 1) / len(windows))
        spots = local_spots(values, size, **reach, progress=part.part(0, 0.5))
        groups = group_domains(fringe_domains(spots, false_alarms=options.false_alarms / len(windows)))
        found: list[Grain] = []
        for group in part.part(0.5, 1).steps(groups, message="outlining grains"):
            area = Area(group, spots, values)
            if not _is_drawn(area, labels):
                found += [_outside(grain, labels) for grain in grains_of(area, spots, look)]
        drawn, sure = _drawn(found, values.shape, options.smallest_grain * size**2)
        kept, number_of = np.unique(drawn, return_inverse=True)
        new = (np.cumsum(kept > 0) + len(grains)) * (kept > 0)
        labels += new.astype(np.int32)[number_of].reshape(labels.shape)
        certainty += sure
        grains += [found[i - 1] for i in kept[kept > 0]]
        prominence = _wide(spots, values.shape) if prominence is None else prominence
    assert prominence is not None
    return PlaneGrains(labels, certainty, prominence, grains)


def _is_drawn(area: Area, labels: NDArray[np.int32]) -> bool:
    """True if most of where fringes are seen belongs to crystals that larger windows found: they are theirs."""
    if not labels.any():
        return False
    inside = area.score(range(len(area.refined))) >= _EDGE
    return bool((labels[area.region][inside] > 0).mean() > _SHARED) if inside.any() else True


def _outside(grain: Grain, labels: NDArray[np.int32]) -> Grain:
    """The grain where nothing is drawn yet."""
    return replace(grain, score=np.where(labels[grain.region] > 0, np.float32(0), grain.score))


def _wide(spots: LocalSpots, shape: tuple[int, ...]) -> Plane:
    rows, columns = (np.arange(length, dtype=np.float64) for length in shape)
    decibel = 10 * np.log10(np.maximum(spots.strongest, 1))
    return between(decibel, spots, (slice(0, shape[0]), slice(0, shape[1])), (rows, columns))


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
