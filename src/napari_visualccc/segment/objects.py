"""Connected patches of each phase, measured one by one in physical units."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.segment.hulls import Runs, measure_hulls
from napari_visualccc.segment.outlines import outline_lengths


@dataclass(frozen=True)
class PlaneObjects:
    """Objects of one plane.

    Attributes
    ----------
    numbers
        Number of the object of each pixel from 1 on, 0 for none; shape (Y, X).
    columns
        Measures by name, each of shape (objects,): see `measure_objects`.
    begun
        How many objects of each phase begin in the plane, by number of the phase: those that neither its upper nor its
        left edge cuts, even if they are left out of the table. As often as an object is cut by these edges, one is by
        the lower and right ones.
    """

    numbers: NDArray[np.int32]
    columns: dict[str, NDArray[Any]]
    begun: NDArray[np.int64]

    @property
    def count(self) -> int:
        """Number of objects."""
        return len(self.columns["pixels"])


def measure_objects(
    positions: NDArray[np.int32],
    phases: Sequence[int],
    pixel_size: PixelSize,
    *,
    image: NDArray[Any] | None = None,
    min_size: int = 0,
    connectivity: int = 8,
    exclude_edges: bool = False,
    progress: Progress | None = None,
) -> PlaneObjects:
    """Measure the connected patches of phases in a plane.

    Parameters
    ----------
    positions
        Number of the phase of each pixel, negative where ignored; shape (Y, X).
    phases
        Which phases to take apart.
    pixel_size
        Of the plane. Pixels need not be square.
    image
        Intensities, shape (Y, X); those that are not finite do not count.
    min_size
        Objects of fewer pixels are left out.
    connectivity
        4 or 8 neighbours.
    exclude_edges
        Leave out objects that are cut by the edge of the image or of ignored pixels.
    progress
        Reports and cancels.

    Returns
    -------
    PlaneObjects
        With the columns, in this order (``nm`` standing for the unit):

        - ``phase``: number of the phase.
        - ``y_nm``, ``x_nm``: centroid; the centre of the first pixel is the origin.
        - ``pixels``, ``area_nm2``, ``equivalent_diameter_nm`` (of the disc of equal area).
        - ``feret_max_nm``, ``feret_min_nm``: exact calliper diameters of the pixels' outline.
        - ``perimeter_nm``: of the outline with its holes, see `outlines.boundary_lengths`; ``circularity``:
          4π area / perimeter², 1 for a disc.
        - ``aspect_ratio``, ``orientation_deg``: of the ellipse with the same second moments; angle of its long axis
          from x towards the top of the image, 0 … 180°, NaN if it has none.
        - ``solidity``: area / area of the convex hull of the outline.
        - ``mean_intensity``, ``std_intensity`` if there is an image.
        - ``touches_border``: cut by the edge of the image or of ignored pixels.

    References
    ----------
    Gundersen, H. J. G., "Notes on the estimation of the numerical density of arbitrary profiles: the edge effect",
    J. Microsc. 111 (1977) 219-223, https://doi.org/10.1111/j.1365-2818.1977.tb00062.x (the rule of `begun`).
    """
    progress = silent(progress)
    progress(0.0, "finding objects")
    found = _find(positions, phases, min_size, connectivity)
    begun = np.bincount(found.phase[~found.cut_before], minlength=max(phases, default=-1) + 1)
    if exclude_edges:
        found = found.kept(~(found.cut_before | found.cut_behind))
    numbers, cut, count = found.numbers, found.cut_before | found.cut_behind, len(found.phase)
    progress(0.3, "measuring objects")
    runs = Runs.of(numbers, count)
    unit = pixel_size.column_unit
    pixels = np.asarray(np.bincount(runs.owner - 1, runs.length, count), np.float64)
    area = pixels * pixel_size.area
    moments = _moments(runs, pixels, pixel_size)
    progress(0.5, "measuring objects")
    hulls = measure_hulls(runs, pixel_size)
    progress(0.7, "measuring objects")
    perimeter = outline_lengths(numbers, count, pixel_size)[1:]
    progress(0.9, "measuring objects")
    columns: dict[str, NDArray[Any]] = {
        "phase": found.phase,
        f"y_{unit}": moments.y,
        f"x_{unit}": moments.x,
        "pixels": pixels.astype(np.int64),
        f"area_{unit}2": area,
        f"equivalent_diameter_{unit}": np.sqrt(4 * area / math.pi),
        f"feret_max_{unit}": hulls.feret_max,
        f"feret_min_{unit}": hulls.feret_min,
        f"perimeter_{unit}": perimeter,
        "circularity": 4 * math.pi * area / np.maximum(perimeter, 1e-300) ** 2,
        "aspect_ratio": moments.aspect_ratio,
        "orientation_deg": moments.orientation,
        "solidity": area / hulls.area,
    }
    if image is not None:
        columns["mean_intensity"], columns["std_intensity"] = _intensities(numbers, image, count)
    columns["touches_border"] = cut
    progress(1.0, "measuring objects")
    return PlaneObjects(numbers, columns, begun)


@dataclass(frozen=True)
class _Found:
    """Objects of a plane: number of each pixel, phase of each object, and whether an edge cuts it.

    Edges above and left of it cut before, those below and right of it behind.
    """

    numbers: NDArray[np.int32]
    phase: NDArray[np.int64]
    cut_before: NDArray[np.bool_]
    cut_behind: NDArray[np.bool_]

    def kept(self, keep: NDArray[np.bool_]) -> _Found:
        """Only those, numbered anew."""
        renumbered = np.append(0, np.where(keep, np.cumsum(keep), 0)).astype(np.int32)
        return _Found(renumbered[self.numbers], self.phase[keep], self.cut_before[keep], self.cut_behind[keep])


def _find(positions: NDArray[np.int32], phases: Sequence[int], min_size: int, connectivity: int) -> _Found:
    """Objects of some size."""
    from skimage.measure import label

    wanted = np.zeros(max(int(positions.max(initial=0)), max(phases, default=0)) + 2, np.int32)
    wanted[list(phases)] = np.asarray(list(phases), np.int32) + 1
    # Index -1 of an ignored pixel reads the last entry, which stays 0.
    numbers, count = label(wanted[np.maximum(positions, -1)], background=0, connectivity=1 + (connectivity == 8),
                           return_num=True)  # fmt: skip
    phase = np.zeros(count + 1, np.int64)
    phase[numbers] = positions
    before, behind = np.zeros(count + 1, bool), np.zeros(count + 1, bool)
    outside = np.pad(positions < 0, 1, constant_values=True)
    for cut, (above, left) in ((before, (outside[:-2], outside[:, :-2])), (behind, (outside[2:], outside[:, 2:]))):
        cut[numbers[above[:, 1:-1] | left[1:-1]]] = True
    large = np.bincount(numbers.ravel(), minlength=count + 1) >= max(min_size, 1)
    return _Found(numbers.astype(np.int32), phase[1:], before[1:], behind[1:]).kept(large[1:])


@dataclass(frozen=True)
class _Moments:
    y: NDArray[np.float64]
    x: NDArray[np.float64]
    aspect_ratio: NDArray[np.float64]
    orientation: NDArray[np.float64]


def _moments(runs: Runs, pixels: NDArray[np.float64], pixel_size: PixelSize) -> _Moments:
    """Centroid and equivalent ellipse of each object, from its runs and in physical units."""
    owner, length = runs.owner - 1, runs.length
    count = runs.count
    middle = (runs.first + runs.last) / 2
    y = np.bincount(owner, length * runs.row, count) / pixels
    x = np.bincount(owner, length * middle, count) / pixels
    down, right = runs.row - y[owner], middle - x[owner]
    # Pixels are rectangles: each adds 1/12 of its square size; a run is a rectangle of `length` such pixels.
    yy = (np.bincount(owner, length * down**2, count) / pixels + 1 / 12) * pixel_size.y**2
    xx = np.bincount(owner, length * (right**2 + length**2 / 12.0), count) / pixels * pixel_size.x**2
    xy = np.bincount(owner, length * down * right, count) / pixels * pixel_size.y * pixel_size.x
    middle_axis, spread = (xx + yy) / 2, np.hypot((xx - yy) / 2, xy)
    ratio = np.sqrt((middle_axis + spread) / np.maximum(middle_axis - spread, 1e-300))
    angle = np.degrees(np.arctan2(-2 * xy, xx - yy) / 2) % 180.0  # y points down, angles turn to the top
    round_ones = spread <= 1e-9 * middle_axis
    return _Moments(y * pixel_size.y, x * pixel_size.x, ratio, np.where(round_ones, np.nan, angle))


def _intensities(
    numbers: NDArray[np.int32], image: NDArray[Any], count: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and standard deviation of the finite pixels of each object; NaN if there are none."""
    inside = (numbers > 0) & np.isfinite(image)
    owner, values = numbers[inside] - 1, image[inside].astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        known = np.bincount(owner, minlength=count)
        mean = np.bincount(owner, values, count) / known
        variance = np.bincount(owner, (values - mean[owner]) ** 2, count) / known
    return mean, np.sqrt(variance)
