"""Centre lines of layers: smooth curves along the middle of elongated patches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize

Points = NDArray[np.float64]
Cut = tuple[tuple[bool, bool], tuple[bool, bool]]
# The skeleton is sought on a grid on which the patch is so many samples thick: enough for its shape.
_SAMPLES_ACROSS = 16
# A path is a layer if it is at least so many times as long as thick at its thickest: the diagonal of a square is not,
# but a rectangle two and a half times as long as wide is, whose skeleton may end half a width before its ends.
_LEAST_ASPECT = 1.5
# Ends of paths are joined if they lie within so many samples of each other.
_TOUCHING = 4.0
_DIRECTION = 6


@dataclass(frozen=True)
class CentreLine:
    """Rough centre line, to be refined by what it runs through.

    Attributes
    ----------
    points
        ``(y, x)`` in physical units, equally spaced; shape (n, 2).
    closed
        True if the last point is followed by the first.
    thickness
        About how thick the layer is.
    """

    points: Points
    closed: bool
    thickness: float


def find_centre_lines(
    patch: NDArray[np.bool_], distance: NDArray[np.float64], cut: Cut, pixel_size: PixelSize
) -> list[CentreLine]:
    """Centre lines of one connected patch: its longest path, then the longest of what is left, and so on.

    Parameters
    ----------
    patch
        Shape (Y, X).
    distance
        Distance of each pixel of the patch from its boundary, in physical units.
    cut
        Whether the edges of the array (top, bottom), (left, right) are those of the image, beyond which the patch may
        go on.
    pixel_size
        Of the patch.

    Returns
    -------
    list of CentreLine
        Ordered by length; empty if the patch is not elongated.

    Notes
    -----
    Skeleton of the patch on a grid with square cells, cut into paths; the two halves of a ring are joined again.
    """
    half, sizes = float(distance.max()), np.array([pixel_size.y, pixel_size.x])
    cell = max(2 * half / _SAMPLES_ACROSS, float(sizes.min()))
    # The skeleton ends half a thickness before the end of a patch: at the edge of the image let it go on.
    margin = [tuple(is_cut * (int(half / size) + 2) for is_cut in ends) for ends, size in zip(cut, sizes, strict=True)]
    skeleton = _skeleton(np.pad(patch, margin, mode="edge"), cell, pixel_size)
    origin = sizes * [before for before, _ in margin]
    lines = []
    for path, closed in _join_ends(list(_longest_paths(_inside(skeleton, origin / cell, sizes * patch.shape / cell)))):
        points = path * cell - origin
        index = np.clip(np.rint(points / sizes).astype(np.intp), 0, np.array(patch.shape) - 1)
        thickness = 2 * float(distance[index[:, 0], index[:, 1]].max())
        if path_lengths(points)[-1] >= _LEAST_ASPECT * thickness > 0:
            if not closed:
                limits = sizes * (np.array(patch.shape) - 1)
                free = [not _leaves_image(end, limits, cut, 2 * cell) for end in (points[0], points[-1])]
                points = _without_forks(points, thickness, free)
            sigma = max(thickness / 2, 4 * cell)
            # A ring that is smaller than what it is smoothed with shrinks to a point.
            if len(points) > 2 and not (closed and path_lengths(points)[-1] < 2 * np.pi * sigma):
                lines.append(CentreLine(smooth_line(points, closed, sigma, cell), closed, thickness))
    return lines


def smooth_line(points: Points, closed: bool, sigma: float, step: float) -> Points:
    """Curve smoothed along its length by a Gaussian of width `sigma`, at equal steps.

    Open ends are continued by their point reflection, so that they neither shrink nor bend. What the Gaussian takes
    from the curve is smoothed and given back (Tukey's twicing), so that a circle of radius R keeps its size to the
    fourth order of sigma / R.
    """
    even = resample(points, closed, step)
    once = _blurred(even, closed, sigma / step)
    return resample(once + _blurred(even - once, closed, sigma / step), closed, step)


def _blurred(points: Points, closed: bool, width: float) -> Points:
    from scipy.ndimage import gaussian_filter1d

    if closed:
        return np.asarray(gaussian_filter1d(points, width, axis=0, mode="wrap"))
    reach = min(len(points) - 1, int(4 * width) + 1)
    before, after = 2 * points[0] - points[reach:0:-1], 2 * points[-1] - points[-2 : -reach - 2 : -1]
    wide = gaussian_filter1d(np.concatenate([before, points, after]), width, axis=0, mode="nearest")
    return np.asarray(wide[reach : reach + len(points)])


def resample(points: Points, closed: bool, step: float) -> Points:
    """Points at equal steps along a polygon; the step is changed a little to fit."""
    if closed:
        points = np.concatenate([points, points[:1]])
    along = path_lengths(points)
    count = max(2, round(float(along[-1]) / step))
    at = np.linspace(0, along[-1], count + 1)
    even = np.stack([np.interp(at, along, points[:, axis]) for axis in (0, 1)], axis=1)
    return np.asarray(even[:-1] if closed else even)


def extend_ends(points: Points, reach: float, over: float) -> Points:
    """Open line continued straight at both ends by `reach`, in the direction of its last stretch of length `over`."""
    step = float(path_lengths(points)[-1]) / (len(points) - 1)
    back = min(len(points) - 1, max(1, round(over / step)))
    ahead = step * np.arange(1, round(reach / step) + 1)[:, None]
    parts = []
    for end, inner in ((points[0], points[back]), (points[-1], points[-1 - back])):
        direction = end - inner
        parts.append(end + ahead * direction / max(float(np.hypot(*direction)), 1e-300))
    return np.concatenate([parts[0][::-1], points, parts[1]])


def path_lengths(points: Points) -> NDArray[np.float64]:
    """Way along a path from its first point to each."""
    return np.append(0.0, np.cumsum(np.hypot(*np.diff(points, axis=0).T)))


def _leaves_image(end: Points, limits: Points, cut: Cut, near: float) -> bool:
    """Whether a path ends at the edge of the image."""
    below, above = end <= near, end >= limits - near
    return any((bool(below[axis]) and cut[axis][0]) or (bool(above[axis]) and cut[axis][1]) for axis in (0, 1))


def _without_forks(points: Points, thickness: float, free: list[bool]) -> Points:
    """The skeleton bends into a corner of a free end within half a thickness: cut that off, and a little more."""
    along = path_lengths(points)
    off = min(thickness, 0.35 * float(along[-1]))
    return np.asarray(points[(along >= off * free[0]) & (along <= along[-1] - off * free[1])])


def _inside(skeleton: NDArray[np.bool_], origin: Points, extent: Points) -> NDArray[np.bool_]:
    """Skeleton without what lies beyond the image, all in cells."""
    y, x = (np.arange(n) - start for n, start in zip(skeleton.shape, origin, strict=True))
    return np.asarray(skeleton & ((y >= 0) & (y < extent[0]))[:, None] & ((x >= 0) & (x < extent[1])))


def _skeleton(patch: NDArray[np.bool_], cell: float, pixel_size: PixelSize) -> NDArray[np.bool_]:
    from scipy.ndimage import affine_transform, gaussian_filter
    from skimage.morphology import skeletonize

    # scikit-image's default, Zhang and Suen's, shrinks some diagonal bands to a single pixel; Lee's does not.
    ratio = np.array([cell / pixel_size.y, cell / pixel_size.x])
    if np.allclose(ratio, 1, rtol=1e-3):
        return np.asarray(skeletonize(patch, method="lee"), bool)
    smooth = gaussian_filter(patch.astype(np.float32), 0.4 * (ratio - 1).clip(0), mode="nearest")
    shape = tuple(int(n) for n in np.ceil(np.array(patch.shape) / ratio))
    coarse = affine_transform(smooth, ratio, output_shape=shape, order=1, mode="nearest")
    return np.asarray(skeletonize(coarse > 0.5, method="lee"), bool)


def _longest_paths(skeleton: NDArray[np.bool_]) -> Iterator[Points]:
    """Paths through a skeleton, in cells, the longest of each connected part first."""
    from scipy.ndimage import binary_dilation, label

    everywhere = np.ones((3, 3), bool)
    left = skeleton.copy()
    while True:
        parts, count = label(left, everywhere)
        sizes = np.bincount(parts.ravel())[1:]
        if not count or sizes.max() < 3:
            return
        for number in (np.flatnonzero(sizes >= 3) + 1).tolist():
            path = _longest_path(parts == number)
            yield path.astype(np.float64)
            used = np.zeros_like(left)
            used[path[:, 0], path[:, 1]] = True
            left &= ~binary_dilation(used, everywhere)
        left[np.isin(parts, np.flatnonzero(sizes < 3) + 1)] = False


def _longest_path(part: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Pixels of the longest of all shortest paths through a connected skeleton."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import dijkstra

    y, x = np.nonzero(part)
    number = np.full(np.array(part.shape) + 1, -1)
    number[y, x] = np.arange(len(y))
    ends, lengths = [], []
    for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)):
        other = number[y + dy, x + dx]
        ends.append(np.stack([np.arange(len(y)), other])[:, other >= 0])
        lengths.append(np.full(ends[-1].shape[1], np.hypot(dy, dx)))
    both = np.concatenate(ends, axis=1)
    graph = coo_array((np.concatenate(lengths), (both[0], both[1])), shape=(len(y), len(y))).tocsr()
    start = int(dijkstra(graph, directed=False, indices=0).argmax())
    far, before = dijkstra(graph, directed=False, indices=start, return_predecessors=True)
    path = [int(far.argmax())]
    while path[-1] != start:
        path.append(int(before[path[-1]]))
    return np.stack([y[path], x[path]], axis=1)


def _join_ends(paths: list[Points]) -> list[tuple[Points, bool]]:
    """Join paths that meet end to end without a sharp turn; tell which of them are closed."""
    done: list[tuple[Points, bool]] = []
    waiting = sorted(paths, key=len, reverse=True)
    while waiting:
        line = waiting.pop(0)
        found = True
        while found:
            found = False
            for position, other in enumerate(waiting):
                for flip_line, flip_other in ((False, False), (False, True), (True, False), (True, True)):
                    one = line[::-1] if flip_line else line
                    two = other[::-1] if flip_other else other
                    if _continues(one, two):
                        line, found = np.concatenate([one, two]), True
                        break
                if found:
                    waiting.pop(position)
                    break
        done.append((line, len(line) > 4 * _TOUCHING and _continues(line, line)))
    return done


def _continues(one: Points, two: Points) -> bool:
    """Whether a path goes on where another ends."""
    if np.hypot(*(one[-1] - two[0])) > _TOUCHING:
        return False
    stretch = min(len(one), len(two), _DIRECTION) - 1
    return stretch > 0 and float((one[-1] - one[-1 - stretch]) @ (two[stretch] - two[0])) > 0
