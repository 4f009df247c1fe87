"""Which parts of a plane a network is shown, and at what size: the way there and the way back."""

from __future__ import annotations

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.resample import Read, ResampledPlane, interpolate

# A window's border counts little where another window sees the place from nearer its middle.
_LEAST_WEIGHT = 1e-3
# Pixel sizes that differ less are taken as they are: calibrations are no better than that.
SAME_PIXEL_SIZE = 0.05
# The network has never seen structure this much coarser or finer; resampling would only make things up.
MOST_RESCALE = 16.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Window:
    """A rectangle of a plane as a network sees it; the borders of the two coincide.

    Attributes
    ----------
    rows, columns
        Pixels of the source, with start and stop.
    shape
        Height and width in pixels of the network's image.
    """

    rows: slice
    columns: slice
    shape: tuple[int, int]

    @classmethod
    def whole(cls, shape: tuple[int, int], factors: tuple[float, float] = (1.0, 1.0)) -> Window:
        """All of a plane, with so many pixels of the network's image per pixel of the plane."""
        height, width = (max(1, round(n * f)) for n, f in zip(shape, factors, strict=True))
        return cls(slice(0, shape[0]), slice(0, shape[1]), (height, width))

    @property
    def source_shape(self) -> tuple[int, int]:
        """Height and width in pixels of the source."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    def read(self, read: Read) -> NDArray[np.float32]:
        """What the network sees, from a function that reads a region of the source."""

        def part(region: tuple[slice, slice]) -> NDArray[np.float32]:
            y, x = (
                slice(*(place + origin.start for place in inner.indices(size)[:2]))
                for inner, origin, size in zip(region, (self.rows, self.columns), self.source_shape, strict=True)
            )
            return read((y, x))

        everything = (slice(0, self.shape[0]), slice(0, self.shape[1]))
        if self.shape == self.source_shape:
            return part(everything)
        factors = (self.shape[0] / self.source_shape[0], self.shape[1] / self.source_shape[1])
        return ResampledPlane(part, self.source_shape, factors).read(everything)

    def bring_back(
        self, cells: NDArray[np.float32], stride: tuple[float, float], offset: tuple[float, float]
    ) -> NDArray[np.float32]:
        """Values at the pixels of the source from values on a grid in the network's image.

        Parameters
        ----------
        cells
            Shape (y, x); cell i lies at pixel ``offset + stride * i`` of the network's image, which may reach beyond
            `shape` (padding).
        stride, offset
            Along y and x.

        Returns
        -------
        ndarray of float32
            Linear between the cells, constant beyond the outermost; shape `source_shape`.
        """
        for axis, (source, seen) in enumerate(zip(self.source_shape, self.shape, strict=True)):
            places = (np.arange(source) + 0.5) * (seen / source) - 0.5
            places = np.clip((places - offset[axis]) / stride[axis], 0, cells.shape[axis] - 1)
            cells = interpolate(cells, places, axis)
        return cells

    def weights(self) -> NDArray[np.float32]:
        """How much each pixel of the source counts where windows overlap: most in the middle."""
        ramps = [
            np.maximum(np.minimum(np.arange(n) + 0.5, n - 0.5 - np.arange(n)) * 2 / n, _LEAST_WEIGHT)
            for n in self.source_shape
        ]
        return np.asarray(np.outer(*ramps), np.float32)


@dataclass(frozen=True)
class PlaneView:
    """How one plane is shown to a network.

    Attributes
    ----------
    read
        Gives normalised, finite grey values of a region of the source.
    windows
        What of it is shown.
    """

    read: Read
    windows: tuple[Window, ...]


def is_too_far(image: PixelSize, model: PixelSize) -> bool:
    """True if pixels of one unit are too unlike in size for an image to be resampled to the other.

    Examples
    --------
    >>> is_too_far(PixelSize(1, 1, "nm"), PixelSize(17, 17, "nm"))
    True
    """
    factors = image.y / model.y, image.x / model.x
    return image.unit == model.unit and not all(1 / MOST_RESCALE <= factor <= MOST_RESCALE for factor in factors)


def rescale_factors(image: PixelSize, model: PixelSize) -> tuple[float, float]:
    """Pixels of the model's size per pixel of the image along y and x; 1 where nothing is known or they agree.

    Examples
    --------
    >>> rescale_factors(PixelSize(2, 2, "nm"), PixelSize(1, 1, "nm"))
    (2.0, 2.0)
    >>> rescale_factors(PixelSize(1.02, 1.02, "nm"), PixelSize(1, 1, "nm"))
    (1.0, 1.0)
    """
    if not (image.is_calibrated and model.is_calibrated and image.unit == model.unit):
        return 1.0, 1.0
    y, x = image.y / model.y, image.x / model.x
    if all(abs(np.log(factor)) <= np.log1p(SAME_PIXEL_SIZE) for factor in (y, x)):
        return 1.0, 1.0
    if is_too_far(image, model):
        _log.warning("the image has %s, wanted are %s: too far apart to resample, so it is used as it is", image, model)
        return 1.0, 1.0
    return float(y), float(x)
