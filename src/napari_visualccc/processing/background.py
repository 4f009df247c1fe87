"""Steps that take an uneven background away: fitted surface, wide Gaussian, rolling ball.

All three find the background of the whole plane on a coarse grid and give it back for any region: fast, and the same
whether a region or the plane is computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.params import Options, option
from napari_visualccc.core.planes import Region
from napari_visualccc.core.resample import interpolate
from napari_visualccc.processing.frames import Frame
from napari_visualccc.processing.holes import filled
from napari_visualccc.processing.step import Here, Step, Values, no_halo

# A background of this many grid points across its width is smooth between them.
_POINTS_PER_WIDTH = 8
# Grid on which a surface is fitted: enough for polynomials, a moment for least squares.
_FIT_POINTS = 128


class Background(Protocol):
    """Background of a plane."""

    level: float

    def at(self, region: Region) -> NDArray[np.float32]:
        """Its values in a region of the plane."""


@dataclass(frozen=True)
class Surface:
    """Background on a coarse grid.

    Attributes
    ----------
    values
        Shape (rows, columns); point i lies at the middle of the i-th block.
    block
        Pixels per block along y and x.
    level
        Its mean over the plane, which the image keeps.
    """

    values: NDArray[np.float32]
    block: tuple[int, int]
    level: float

    def at(self, region: Region) -> NDArray[np.float32]:
        """Background in a region of the plane."""
        found = self.values
        for axis, (part, block) in enumerate(zip(region, self.block, strict=True)):
            places = (np.arange(part.start, part.stop) + 0.5) / block - 0.5
            found = interpolate(found, np.clip(places, 0, found.shape[axis] - 1), axis)
        return found


@dataclass(frozen=True)
class Polynomial:
    """Background as a polynomial of the coordinates -1 … 1 over the plane.

    Attributes
    ----------
    weights
        Of y^i · x^j, by (i, j).
    shape
        Height and width of the plane.
    level
        Its mean over the plane.
    """

    weights: dict[tuple[int, int], float]
    shape: tuple[int, int]
    level: float

    def at(self, region: Region) -> NDArray[np.float32]:
        """Background in a region of the plane."""
        y, x = (unit_places(np.arange(part.start, part.stop), n) for part, n in zip(region, self.shape, strict=True))
        found = sum(weight * np.outer(y**i, x**j) for (i, j), weight in self.weights.items())
        return np.asarray(found, np.float32)


def unit_places(pixels: NDArray[Any], length: int) -> NDArray[np.float64]:
    """Coordinates -1 … 1 of pixels along an axis."""
    return np.asarray(2 * pixels / max(length - 1, 1) - (length > 1), np.float64)


def _mode_option() -> Any:
    return option(
        "subtract", label="Remove by", choices=("subtract", "divide"),
        help="Subtract it (stray light, thickness), or divide by it (uneven illumination or detector); "
        "its mean is kept.",
    )  # fmt: skip


def _remove(values: Values, options: object, here: Here) -> Values:
    surface: Background = here.measured
    background = surface.at(here.region)
    if getattr(options, "mode", "subtract") == "divide":
        least = 1e-3 * abs(surface.level) or 1e-30
        return np.asarray(values * (surface.level / np.where(abs(background) < least, least, background)))
    return np.asarray(values - (background - np.float32(surface.level)))


def _corners(shape: tuple[int, ...], block: tuple[int, int]) -> tuple[NDArray[Any], NDArray[Any]]:
    """First row and first column of each block; blocks at the border may be smaller."""
    return np.arange(0, shape[0], block[0]), np.arange(0, shape[1], block[1])


def _minima(values: Values, block: tuple[int, int]) -> Values:
    """Smallest value of each block."""
    rows, columns = _corners(values.shape, block)
    return np.asarray(np.minimum.reduceat(np.minimum.reduceat(values, rows, axis=0), columns, axis=1))


def _means(values: Values, block: tuple[int, int]) -> Values:
    """Mean of the finite values of each block; NaN if none is."""
    rows, columns = _corners(values.shape, block)

    def total(array: Values) -> Values:
        narrow = np.add.reduceat(array, columns, axis=1, dtype=np.float64)
        return np.asarray(np.add.reduceat(narrow, rows, axis=0))

    finite = np.isfinite(values)
    counts, sums = total(finite), total(np.where(finite, values, 0))
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


@dataclass(frozen=True)
class FlatFieldOptions(Options):
    """Remove what a wide Gaussian blur sees: uneven illumination of any smooth shape."""

    sigma: str = option(
        "50px", kind="length", label="Width σ", minimum=2.0, maximum=5000.0,
        help="Standard deviation of the blur; several times the largest structure that must stay.",
    )  # fmt: skip
    mode: str = _mode_option()


def _flat_field(values: Values, options: FlatFieldOptions, frame: Frame) -> Surface:
    from scipy.ndimage import gaussian_filter

    sigma = frame.pixels(options.sigma)
    block = tuple(max(1, int(s / _POINTS_PER_WIDTH)) for s in sigma)
    grid = filled(_means(values, (block[0], block[1])))
    blurred = gaussian_filter(grid, [s / b for s, b in zip(sigma, block, strict=True)], mode="nearest")
    return _surface(blurred, (block[0], block[1]))


@dataclass(frozen=True)
class PlaneFitOptions(Options):
    """Remove a plane, or a curved surface, that is fitted to the whole image by least squares."""

    degree: int = option(
        1, label="Degree", minimum=1, maximum=5, help="1 fits a tilted plane, 2 a bowl, more follows more."
    )
    mode: str = _mode_option()


def _plane_fit(values: Values, options: PlaneFitOptions, frame: Frame) -> Polynomial:
    block = tuple(max(1, n // _FIT_POINTS) for n in values.shape)
    grid = _means(values, (block[0], block[1]))
    y, x = (unit_places(_middles(n, b), n) for n, b in zip(values.shape, block, strict=True))
    powers = [(i, j) for i in range(options.degree + 1) for j in range(options.degree + 1 - i)]
    terms = np.stack([np.outer(y**i, x**j).ravel() for i, j in powers], axis=1)
    fine = np.isfinite(grid).ravel()
    if not fine.any():
        return Polynomial({}, frame.shape, 0.0)
    weights, *_ = np.linalg.lstsq(terms[fine], grid.ravel()[fine], rcond=None)
    mean = float((terms @ weights).mean())
    return Polynomial(dict(zip(powers, weights.tolist(), strict=True)), frame.shape, mean)


def _middles(length: int, block: int) -> NDArray[np.float64]:
    """Middle of each block in pixels; the last may be shorter."""
    starts = np.arange(0, length, block)
    return np.asarray((starts + np.minimum(starts + block, length) - 1) / 2, np.float64)


@dataclass(frozen=True)
class RollingBallOptions(Options):
    """Remove what a ball rolling below the grey levels can reach: background between bright (or dark) particles."""

    radius: str = option(
        "50px", kind="length", label="Radius", minimum=2.0, maximum=2000.0,
        help="Radius of the ball; larger than the largest particle.",
    )  # fmt: skip
    background: str = option(
        "dark",
        label="Background",
        choices=("dark", "bright"),
        help="Whether the background is darker than what is kept.",
    )


def _rolling_ball(values: Values, options: RollingBallOptions, frame: Frame) -> Surface:
    """As Sternberg's, on minima of blocks where the ball is large: ImageJ does the same to be fast."""
    from scipy.ndimage import uniform_filter
    from skimage.restoration import rolling_ball

    radius = float(np.mean(frame.pixels(options.radius)))
    edge = max(1, int(radius / 10))
    sign = -1.0 if options.background == "bright" else 1.0
    # A little smoothing first: the minimum of a block is noise otherwise.
    grid = _minima(uniform_filter(sign * filled(values), 3, mode="nearest"), (edge, edge))
    spread = float(np.ptp(grid)) or 1.0
    # The ball is round when heights and widths are in the same unit: the grey range counts as one radius.
    scale = radius / edge / spread
    ball = rolling_ball(grid * scale, radius=radius / edge) / scale
    return _surface(sign * ball, (edge, edge))


def _surface(grid: Values, block: tuple[int, int]) -> Surface:
    return Surface(np.asarray(grid, np.float32), block, float(np.mean(grid)))


STEPS = tuple(
    Step(name, title, "Background", options, _remove, no_halo, measure, measures_geometry=True)
    for name, title, options, measure in (
        ("flat_field", "Flat field (Gaussian)", FlatFieldOptions, _flat_field),
        ("plane_fit", "Plane fit", PlaneFitOptions, _plane_fit),
        ("rolling_ball", "Rolling ball", RollingBallOptions, _rolling_ball),
    )
)
