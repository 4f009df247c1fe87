"""One plane seen at another pixel size, region by region, so that nobody needs the whole of it in memory."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Read = Callable[[tuple[slice, slice]], NDArray[np.float32]]
# Gaussian that keeps detail finer than the new pixels from turning into false structure; as scikit-image's rescale.
_REACH = 4.0


class ResampledPlane:
    """A plane of which new pixels cover `1 / factor` old ones along each axis.

    Pixel ``i`` of the new grid lies at ``(i + 0.5) / factor - 0.5`` of the old: the borders of the field of view
    coincide. Regions read one by one are equal to the same regions of the whole.

    Parameters
    ----------
    read
        Gives a region of the source, finite float32.
    shape
        Height and width of the source.
    factors
        New pixels per old pixel along y and x.
    """

    def __init__(self, read: Read, shape: tuple[int, int], factors: tuple[float, float]) -> None:
        self._read, self._source = read, shape
        height, width = (max(1, round(n * f)) for n, f in zip(shape, factors, strict=True))
        self.shape: tuple[int, int] = (height, width)
        # The factor that makes the borders coincide exactly after rounding the size.
        self._factors = (height / shape[0], width / shape[1])

    def read(self, region: tuple[slice, slice]) -> NDArray[np.float32]:
        """Values of a region of the new grid."""
        from scipy.ndimage import gaussian_filter1d

        spans = [
            _span(part, size, source, factor)
            for part, size, source, factor in zip(region, self.shape, self._source, self._factors, strict=True)
        ]
        values = self._read((spans[0].source, spans[1].source))
        for axis, span in enumerate(spans):
            if span.sigma > 0:
                values = gaussian_filter1d(values, span.sigma, axis=axis, mode="nearest", truncate=_REACH)
            values = interpolate(values, span.places - span.source.start, axis)
        return values


class _Span:
    """What a range of new pixels needs of the old ones along one axis."""

    def __init__(self, places: NDArray[np.float64], source: slice, sigma: float) -> None:
        self.places, self.source, self.sigma = places, source, sigma


def _span(part: slice, size: int, source: int, factor: float) -> _Span:
    start, stop, _ = part.indices(size)
    places = np.clip((np.arange(start, stop) + 0.5) / factor - 0.5, 0, source - 1)
    sigma = max(0.0, (1 / factor - 1) / 2)
    margin = int(np.ceil(_REACH * sigma)) + 1
    low, high = max(0, int(np.floor(places[0])) - margin), min(source, int(np.ceil(places[-1])) + margin + 1)
    return _Span(places, slice(low, high), sigma)


def interpolate(values: NDArray[np.float32], places: NDArray[np.float64], axis: int) -> NDArray[np.float32]:
    """Linear interpolation along one axis at fractional positions within the array."""
    last = values.shape[axis] - 1
    low = np.clip(np.floor(places).astype(int), 0, last)
    high = np.minimum(low + 1, last)
    shape = [1] * values.ndim
    shape[axis] = -1
    share = (places - low).astype(np.float32).reshape(shape)
    below, above = np.take(values, low, axis), np.take(values, high, axis)
    return np.asarray(below + share * (above - below), np.float32)
