"""Convex hulls and calliper diameters of thousands of pixel objects at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize

_PAIRS_AT_ONCE = 1 << 21


@dataclass(frozen=True)
class Runs:
    """Objects as runs of pixels along rows.

    ::

        . . 1 1 1 .      row 0: first 2, last 4
        2 . 1 1 . .      row 1: first 0, last 0 (object 2); first 2, last 3

    Attributes
    ----------
    owner
        Number of the object, 1 … count.
    row, first, last
        Row and first and last column of each run, in the order of the rows.
    count
        Number of objects.
    """

    owner: NDArray[np.int64]
    row: NDArray[np.int64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]
    count: int

    @classmethod
    def of(cls, objects: NDArray[Any], count: int) -> Runs:
        """Runs of an image of object numbers, 0 being none."""
        width = objects.shape[1]
        flat = objects.ravel()
        change = np.empty(flat.size, bool)
        change[0] = True
        np.not_equal(flat[1:], flat[:-1], out=change[1:])
        change[::width] = True
        starts = np.flatnonzero(change)
        ends = np.append(starts[1:], flat.size) - 1
        owner = flat[starts]
        used = owner > 0
        starts, ends = starts[used], ends[used]
        return cls(owner[used].astype(np.int64), starts // width, starts % width, ends % width, count)

    @property
    def length(self) -> NDArray[np.int64]:
        """Pixels in each run."""
        return self.last - self.first + 1


@dataclass(frozen=True)
class Hulls:
    """Measures of the convex hulls of objects, entry 0 being object 1.

    Attributes
    ----------
    area
        Of the hull, in unit².
    feret_max, feret_min
        Largest and smallest distance of parallel lines that enclose the object, in the unit.
    """

    area: NDArray[np.float64]
    feret_max: NDArray[np.float64]
    feret_min: NDArray[np.float64]


def measure_hulls(runs: Runs, pixel_size: PixelSize) -> Hulls:
    """Exact measures of the convex hull of the pixels, which are rectangles and not points.

    Parameters
    ----------
    runs
        Objects.
    pixel_size
        Of the image.

    Notes
    -----
    The largest distance is that of two corners; the smallest is found by rotating callipers, one jaw of which always
    lies on an edge of the hull (Toussaint, G., "Solving geometric problems with the rotating calipers", Proc. IEEE
    MELECON 1983).
    """
    if not runs.count:
        nothing = np.zeros(0)
        return Hulls(nothing, nothing, nothing)
    owner, x, y = _hull_corners(runs)
    px, py = x * pixel_size.x, y * pixel_size.y
    begin = np.searchsorted(owner, np.arange(1, runs.count + 2))
    sizes = np.diff(begin)
    following = np.arange(1, len(owner) + 1)
    following[begin[1:] - 1] = begin[:-1]
    twice = px * py[following] - px[following] * py
    area = np.abs(np.bincount(owner - 1, twice, runs.count)) / 2
    widest, narrowest = np.zeros(runs.count), np.zeros(runs.count)
    order = np.argsort(sizes, kind="stable")
    done = 0
    while done < runs.count:
        step = max(1, _PAIRS_AT_ONCE // int(sizes[order[done]]) ** 2)
        chosen = order[done : done + step]
        most = int(sizes[chosen].max())
        while most**2 * len(chosen) > 2 * _PAIRS_AT_ONCE and len(chosen) > 1:
            chosen = chosen[: len(chosen) // 2]
            most = int(sizes[chosen].max())
        # Short hulls repeat their last corner, which makes edges of no length.
        at = begin[chosen][:, None] + np.minimum(np.arange(most), sizes[chosen][:, None] - 1)
        widest[chosen], narrowest[chosen] = _callipers(px[at], py[at])
        done += len(chosen)
    return Hulls(area, widest, narrowest)


def _callipers(x: NDArray[np.float64], y: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Largest and smallest width of polygons, shape (polygons, corners)."""
    across_x, across_y = x[:, None, :] - x[:, :, None], y[:, None, :] - y[:, :, None]
    widest = np.sqrt((across_x**2 + across_y**2).max(axis=(1, 2)))
    edge_x, edge_y = np.roll(x, -1, axis=1) - x, np.roll(y, -1, axis=1) - y
    length = np.hypot(edge_x, edge_y)
    distance = np.abs(edge_x[:, :, None] * across_y - edge_y[:, :, None] * across_x).max(axis=2)
    width = np.divide(distance, length, out=np.full_like(length, np.inf), where=length > 0)
    return widest, width.min(axis=1)


def _hull_corners(runs: Runs) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Owner, x and y of the corners of all hulls, object by object, each once around; in pixels."""
    order = np.argsort(runs.owner, kind="stable")
    owner, row = runs.owner[order], runs.row[order]
    first, last = runs.first[order] - 0.5, runs.last[order] + 0.5
    # One entry per object and horizontal grid line it touches: the outermost ends of the rows above and below.
    owner, line = np.repeat(owner, 2), np.repeat(row, 2)
    line[1::2] += 1
    ends_first, ends_last = np.repeat(first, 2), np.repeat(last, 2)
    order = np.lexsort((line, owner))
    owner, line, ends_first, ends_last = owner[order], line[order], ends_first[order], ends_last[order]
    starts = np.flatnonzero(np.append(True, (owner[1:] != owner[:-1]) | (line[1:] != line[:-1])))
    owner, y = owner[starts], np.asarray(line[starts] - 0.5, np.float64)
    left = _bulging(owner, y, -np.minimum.reduceat(ends_first, starts))
    right = _bulging(owner, y, np.maximum.reduceat(ends_last, starts))
    # Down the right side, then up the left one.
    corners = (
        np.concatenate([owner[right.kept], owner[left.kept]]),
        np.concatenate([right.reach, -left.reach]),
        np.concatenate([y[right.kept], y[left.kept]]),
    )
    side = np.repeat([0, 1], [len(right.kept), len(left.kept)])
    order = np.lexsort((np.where(side, -corners[2], corners[2]), side, corners[0]))
    return corners[0][order], corners[1][order], corners[2][order]


@dataclass(frozen=True)
class _Chain:
    kept: NDArray[np.intp]
    reach: NDArray[np.float64]


def _bulging(owner: NDArray[np.int64], y: NDArray[np.float64], reach: NDArray[np.float64]) -> _Chain:
    """Points of each object's outline that stand out, so that the line through them bends one way only.

    A point on or behind the line between its neighbours is no corner, whatever becomes of those: all such points of
    all objects go at once, until none is left.
    """
    kept = np.arange(len(owner))
    while True:
        o, a, b = owner[kept], y[kept], reach[kept]
        inner = np.zeros(len(kept), bool)
        inner[1:-1] = (o[1:-1] == o[:-2]) & (o[1:-1] == o[2:])
        behind = np.zeros(len(kept), bool)
        behind[1:-1] = (b[1:-1] - b[:-2]) * (a[2:] - a[:-2]) <= (b[2:] - b[:-2]) * (a[1:-1] - a[:-2])
        stay = ~(inner & behind)
        if stay.all():
            return _Chain(kept, b)
        kept = kept[stay]
