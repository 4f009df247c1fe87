"""Features of randomly drawn pixels, and a store that keeps features between runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.cluster.features import GROUPS, FeatureSet
from napari_visualccc.cluster.options import ClusterOptions
from napari_visualccc.core.errors import InputError
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Progress
from napari_visualccc.core.runtime import random_generator
from napari_visualccc.core.scan import sample_pixels, scan, spread
from napari_visualccc.core.tiles import Tile, tile_plane
from napari_visualccc.models.normalise import GreyScale

FEATURE_TILE = 512
# Intensities drawn to find the limits, the fill value and, for float images, the clusters themselves.
_SAMPLE_INTENSITIES = 1 << 16
# Where features are too many to keep, the model is fitted on this many tiles of this edge, spread over the stack.
_FIT_TILES = 48
_FIT_TILE = 192


class FeatureStore:
    """Keeps the features of one image, so that trying another k does not compute them again.

    Parameters
    ----------
    max_bytes
        Features that need more are computed tile by tile and not kept.

    Notes
    -----
    Call `clear` when the pixels of the image have changed in place.
    """

    def __init__(self, max_bytes: int = 1 << 29) -> None:
        self.max_bytes = max_bytes
        self._source: Any = None
        self._key: object = None
        self._tiles: dict[tuple[int, int, int], NDArray[np.float32]] = {}

    def clear(self) -> None:
        """Forget everything."""
        self._source = self._key = None
        self._tiles = {}

    def bind(self, planes: Planes, features: FeatureSet, fill: float) -> None:
        """Keep what is there if it belongs to these planes and features, else forget it."""
        key = (features, fill)
        # The array is held, not its number: another array may get the number of one that is gone.
        if planes.source is not self._source or key != self._key:
            self._source, self._key, self._tiles = planes.source, key, {}

    def fits(self, planes: Planes, features: FeatureSet) -> bool:
        """Tell whether all features of all planes may be kept."""
        return planes.size * len(features.names) * 4 <= self.max_bytes

    def get(
        self, index: int, tile: Tile, make: Callable[[], NDArray[np.float32]], *, keep: bool
    ) -> NDArray[np.float32]:
        """Features of a tile, made if they are not there."""
        place = (index, *tile.place)
        found = self._tiles.get(place)
        if found is None:
            found = make()
            if keep:
                self._tiles[place] = found
        return found


def draw_intensities(planes: Planes, options: ClusterOptions) -> NDArray[np.float64]:
    """Random sample of finite intensities.

    Raises
    ------
    InputError
        If there are none.
    """
    drawn = sample_pixels(planes, _SAMPLE_INTENSITIES, random_generator(options.seed, 1))
    if not drawn.size:
        raise InputError(f"{planes.name} has no finite pixel: there is nothing to cluster")
    return drawn


def feature_set(options: ClusterOptions, intensities: NDArray[np.float64]) -> FeatureSet:
    """Features that the options ask for, with grey-level limits from a sample."""
    low, high = np.percentile(intensities, [0.5, 99.5])
    grey = GreyScale.of(intensities)
    return FeatureSet(options.features, options.scales, (float(low), float(high)), (grey.centre, grey.spread))


def sample_features(
    planes: Planes,
    features: FeatureSet,
    fill: float,
    options: ClusterOptions,
    store: FeatureStore,
    progress: Progress,
) -> NDArray[np.float32]:
    """Features of randomly drawn finite pixels, shape (n, features).

    From all tiles if their features may be kept, else from tiles spread evenly over the planes.
    """
    keep = store.fits(planes, features)
    store.bind(planes, features, fill)
    size = FEATURE_TILE if keep else _FIT_TILE
    tiles = list(tile_plane(planes.plane_shape, size, features.halo))
    indices = list(range(len(planes))) if keep else spread(len(planes), _FIT_TILES)
    per_plane = len(tiles) if keep else max(1, _FIT_TILES // len(indices))
    chosen = {(index, *tiles[t].place) for index in indices for t in spread(len(tiles), per_plane)}
    share = options.sample_pixels / (len(indices) * sum(_pixels(tiles[t]) for t in spread(len(tiles), per_plane)))

    def draw(values: NDArray[Any], index: int, tile: Tile) -> NDArray[np.float32] | None:
        finite = np.isfinite(values[tile.inner]).ravel()
        made = store.get(index, tile, lambda: features_of(values, tile, features, fill, planes), keep=keep)
        places = np.flatnonzero(finite)
        rng = random_generator(options.seed, 2, index, *tile.place)
        count = min(len(places), int(np.ceil(share * len(places))))
        return made.reshape(len(made), -1)[:, rng.choice(places, count, replace=False)].T if count else None

    scanned = scan(
        planes, draw, tile_size=size, halo=features.halo, only=chosen, progress=progress, message="computing features"
    )
    parts = {(index, *tile.place): points for index, tile, points in scanned if points is not None}
    if not parts:
        raise InputError(f"{planes.name} has no finite pixel where it was sampled: there is nothing to cluster")
    return np.concatenate([parts[place] for place in sorted(parts)])


def _pixels(tile: Tile) -> int:
    y, x = tile.core
    return int((y.stop - y.start) * (x.stop - x.start))


def features_of(
    values: NDArray[np.float32], tile: Tile, features: FeatureSet, fill: float, planes: Planes
) -> NDArray[np.float32]:
    """Features of the core of a tile."""
    finite = np.where(np.isfinite(values), values, np.float32(fill))
    origin = (tile.outer[0].start, tile.outer[1].start)
    made = features.compute(finite, origin=origin, shape=planes.plane_shape)
    return np.ascontiguousarray(made[(slice(None), *tile.inner)])


def standardisation(
    points: NDArray[np.float32], features: FeatureSet, options: ClusterOptions
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Offset and scale so that each feature has unit variance, divided by the root of its group's size."""
    deviation = points.std(0, dtype=np.float64)
    # A feature that varies only in its last digits carries noise of arithmetic, not of the image.
    constant = deviation <= 1e-6 * np.abs(points).max(0, initial=0.0)
    scale = np.divide(1, deviation, out=np.zeros_like(deviation), where=~constant)
    scale /= np.sqrt(features.group_sizes)
    for position, name in enumerate(features.names):
        if name in GROUPS["position"]:
            scale[position] *= options.position_weight
    return points.mean(0, dtype=np.float64), scale
