"""One connected part of a layer, and rays across it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress
from napari_visualccc.segment.centrelines import (
    CentreLine,
    Cut,
    Points,
    extend_ends,
    find_centre_lines,
    path_lengths,
    smooth_line,
)
from napari_visualccc.segment.chains import Piece

# The middle is found in so many rounds; the third moves it by less than a hundredth of a pixel.
_ROUNDS = 3
# Half the thickness over the distance to the nearest boundary: 1 for parallel sides, up to 2 where a surface is very
# rough; more at the ends of a layer and where it branches, where there is no thickness.
_LARGEST_RATIO = 2.0
# The mask is blurred by a sixth of the thickness, within these limits in pixels: more hides thin layers, less lets
# the staircase of tilted boundaries through.
_BLUR = (0.6, 1.5)
_THIN = 2.5  # pixels; a layer of one or two is not blurred at all
# The staircase makes the middle ripple, which would lengthen the way along it; so many points smooth that out.
_RIPPLE = 3.0
_SAMPLES_AT_ONCE = 1 << 21
_HALVINGS = 7


@dataclass(frozen=True)
class _Rays:
    """Distance from points to the boundary on both sides (NaN if there is none in the image), and what is valid."""

    ahead: NDArray[np.float64]
    behind: NDArray[np.float64]
    valid: NDArray[np.bool_]
    centre: NDArray[np.float64]


class LayerPatch:
    """A connected part of a layer, cut out of its plane.

    Parameters
    ----------
    inside
        Shape (Y, X); what lies beyond it does not belong to the patch, unless it is beyond the image.
    cut
        Whether the edges of `inside` (top, bottom), (left, right) are those of the image.
    pixel_size
        Of the plane.
    """

    def __init__(self, inside: NDArray[np.bool_], cut: Cut, pixel_size: PixelSize) -> None:
        from scipy.ndimage import distance_transform_edt, gaussian_filter

        self.inside, self._cut = inside, cut
        self._sampling = np.array([pixel_size.y, pixel_size.x])
        half = float(distance_transform_edt(inside, sampling=self._sampling).max())
        filled = _without_pores(inside, half**2 / pixel_size.area)
        self._distance = distance_transform_edt(filled, sampling=self._sampling)
        self._half = float(self._distance.max())
        across = 2 * self._half / self._sampling
        sigma = np.where(across > _THIN, np.clip(across / 6, *_BLUR), 0.0)
        self._smooth = gaussian_filter(filled.astype(np.float32), sigma, mode="nearest")
        self._step = min(pixel_size.y, pixel_size.x)
        self.lines: list[CentreLine] = find_centre_lines(filled, self._distance, cut, pixel_size)

    def measure(self, line: CentreLine, progress: Progress) -> list[Piece]:
        """Thickness along a centre line; nothing if there is none to be seen."""
        points, sigma = line.points, max(line.thickness / 2, 4 * self._step)
        for _ in range(_ROUNDS):
            progress.check()
            points, rays, normals = self._extended(points, line)
            if not rays.valid.any():
                return []
            points = smooth_line(_middles(points, rays, normals), line.closed, sigma, self._step)
        points, rays, normals = self._extended(points, line)
        valid = rays.valid.copy()
        if not line.closed:
            self._drop_free_end(valid, rays, points, line.thickness)
            self._drop_free_end(valid[::-1], _reversed(rays), points[::-1], line.thickness)
        if not valid.any():
            return []
        points = _middles(points, rays, normals)
        along = path_lengths(points)
        thickness = (rays.ahead + rays.behind)[valid]
        return [Piece(points[valid], along[valid], thickness, line.closed, float(np.diff(along).mean()))]

    def _extended(self, points: Points, line: CentreLine) -> tuple[Points, _Rays, Points]:
        """Line continued as far as there are rays, the rays, and the unit vectors along them."""
        more = 0
        if not line.closed:
            longer = extend_ends(points, 2 * line.thickness, line.thickness)
            more = (len(longer) - len(points)) // 2
            points = longer
        normals = _normals(points, line.closed)
        rays = self._rays(points, normals)
        first, last = more, len(points) - more
        while first > 0 and rays.centre[first - 1] >= 0.5:
            first -= 1
        while last < len(points) and rays.centre[last] >= 0.5:
            last += 1
        kept = slice(first, last)
        rays = _Rays(rays.ahead[kept], rays.behind[kept], rays.valid[kept], rays.centre[kept])
        return points[kept], rays, normals[kept]

    def _rays(self, points: Points, normals: Points) -> _Rays:
        reach = 1.1 * _LARGEST_RATIO * self._half + 2 * self._step
        offsets = np.arange(0.0, reach + self._step, 0.75 * self._step)
        centre = self._at(points)
        ahead, behind = (self._leaves(points, sign * normals, offsets) for sign in (1, -1))
        middle = points + normals * (np.nan_to_num((ahead - behind) / 2))[:, None]
        near = self._sample(self._distance, middle)
        with np.errstate(invalid="ignore"):
            # `near` counts from the pixel beyond the boundary, and its ridge is flattened between pixels.
            valid = (centre >= 0.5) & ((ahead + behind) / 2 <= _LARGEST_RATIO * near + 0.5 * self._step)
        return _Rays(ahead, behind, valid, centre)

    def _leaves(self, points: Points, directions: Points, offsets: NDArray[np.float64]) -> NDArray[np.float64]:
        """Distance at which rays leave the patch; NaN if they leave the image first, or not within reach."""
        result = np.full(len(points), np.nan)
        portion = max(1, _SAMPLES_AT_ONCE // len(offsets))
        for begin in range(0, len(points), portion):
            start, way = points[begin : begin + portion], directions[begin : begin + portion]
            values = self._at(start[:, None, :] + offsets[:, None] * way[:, None, :])
            # A value outside the image is NaN, which is not inside either.
            out = ~(values >= 0.5)
            first = out.argmax(axis=1)
            rows = np.arange(len(start))
            found = out.any(axis=1) & (first > 0) & ~np.isnan(values[rows, first])
            low, high = offsets[np.maximum(first - 1, 0)], offsets[first]
            for _ in range(_HALVINGS):
                middle = (low + high) / 2
                is_in = self._at(start + middle[:, None] * way) >= 0.5
                low, high = np.where(is_in, middle, low), np.where(is_in, high, middle)
            result[begin : begin + portion] = np.where(found, (low + high) / 2, np.nan)
        return result

    def _at(self, points: Points) -> NDArray[np.float64]:
        """Blurred mask at points; NaN outside the image, 0 beyond the other sides."""
        values = self._sample(self._smooth, points)
        index = points / self._sampling
        height, width = self.inside.shape
        beyond = (index[..., 0] < -0.5, index[..., 0] > height - 0.5, index[..., 1] < -0.5, index[..., 1] > width - 0.5)
        for side, is_edge in zip(beyond, (*self._cut[0], *self._cut[1]), strict=True):
            values[side & ~np.isnan(values)] = np.nan if is_edge else 0.0
        return values

    def _sample(self, image: NDArray[np.floating], points: Points) -> NDArray[np.float64]:
        from scipy.ndimage import map_coordinates

        index = np.moveaxis(points / self._sampling, -1, 0)
        return np.asarray(map_coordinates(image, index, order=1, mode="nearest", output=np.float64))

    def _drop_free_end(self, valid: NDArray[np.bool_], rays: _Rays, points: Points, thickness: float) -> None:
        """Drop the last half thickness before an end that lies in the image; the end is that of the arrays."""
        if not valid.any():
            return
        stretch = max(2, round(1.5 * thickness / self._step))
        last = int(np.flatnonzero(valid)[-1])
        # In a rounded end the thickness fades: the median tells what it was before.
        half = float(np.median((rays.ahead + rays.behind)[valid][-stretch:])) / 2
        direction = points[last] - points[max(last - stretch // 2, 0)]
        length = float(np.hypot(*direction))
        if length == 0:
            return
        offsets = np.arange(0.0, 4 * half + self._step, 0.5 * self._step)
        beyond = self._leaves(points[last][None], (direction / length)[None], offsets)[0]
        if np.isnan(beyond):
            return
        left = np.append(np.cumsum(np.hypot(*np.diff(points[: last + 1], axis=0).T)[::-1])[::-1], 0.0)
        valid[: last + 1] &= left + beyond >= half


def _middles(points: Points, rays: _Rays, normals: Points) -> Points:
    """Points moved to the middle of their rays, or as far as their neighbours if they have none."""
    from scipy.ndimage import gaussian_filter1d

    known = np.flatnonzero(rays.valid)
    moved = np.interp(np.arange(len(points)), known, ((rays.ahead - rays.behind) / 2)[known])
    return np.asarray(points + normals * gaussian_filter1d(moved, _RIPPLE)[:, None])


def _reversed(rays: _Rays) -> _Rays:
    return _Rays(rays.ahead[::-1], rays.behind[::-1], rays.valid[::-1], rays.centre[::-1])


def _normals(points: Points, closed: bool) -> Points:
    tangent = np.gradient(points, axis=0)
    if closed:
        tangent = (np.roll(points, -1, axis=0) - np.roll(points, 1, axis=0)) / 2
    length = np.maximum(np.hypot(*tangent.T), 1e-300)[:, None]
    return np.asarray(np.stack([-tangent[:, 1], tangent[:, 0]], axis=1) / length)


def _without_pores(inside: NDArray[np.bool_], most: float) -> NDArray[np.bool_]:
    """Patch with its holes of up to so many pixels filled."""
    from skimage.measure import label

    holes = label(~inside, connectivity=1)
    sizes = np.bincount(holes.ravel())
    pore = sizes <= most
    pore[0] = False
    for side in (holes[0], holes[-1], holes[:, 0], holes[:, -1]):
        pore[side] = False
    return np.asarray(inside | pore[holes])
