"""Run a function over every tile of every plane, on all cores, reading each pixel about once."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import groupby
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.planes import Planes, Region
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import map_threaded
from napari_visualccc.core.tiles import Tile, tile_plane

R = TypeVar("R")
Place = tuple[int, int, int]
Work = tuple[int, tuple[Tile, ...]]

# A plane of a lazy stack up to this size is read once as a whole: its chunks are often whole files.
_LOADED_PIXELS = 1 << 26
# Up to this size a plane is one piece of work, so that many small planes run in parallel.
_SMALL_PIXELS = 1 << 20


def scan(
    planes: Planes,
    function: Callable[[NDArray[Any], int, Tile], R],
    *,
    tile_size: int = 512,
    halo: int = 0,
    native: bool = False,
    only: Collection[Place] | None = None,
    progress: Progress | None = None,
    message: str = "",
) -> Iterator[tuple[int, Tile, R]]:
    """Apply a function to all tiles; yield ``(plane index, tile, result)`` in any order.

    Parameters
    ----------
    planes
        What to read.
    function
        Called from several threads with the values of ``tile.outer``, the index of the plane and the tile.
    tile_size, halo
        Edge of a tile and the margin around it, in pixels.
    native
        Values in the source's own type; otherwise float32 with NaN where not finite.
    only
        ``(plane index, *tile.place)`` of the tiles to scan; all by default.

    Raises
    ------
    Cancelled
        From `progress`, which is asked between tiles.
    """
    progress = silent(progress)
    tiles = list(tile_plane(planes.plane_shape, tile_size, halo))
    work: list[Work] = []
    for index in range(len(planes)):
        wanted = [tile for tile in tiles if only is None or (index, *tile.place) in only]
        work += [(index, group) for group in _read_together(wanted, planes)]
    if planes.in_memory or planes.plane_pixels <= _SMALL_PIXELS or planes.plane_pixels > _LOADED_PIXELS:
        yield from _run(planes, work, function, native, progress, message)
        return
    for index in sorted({index for index, _ in work}):
        part = progress.part(index / len(planes), (index + 1) / len(planes))
        part(0, message)
        loaded = _OnePlane(planes.read(index))
        yield from _run(loaded, [piece for piece in work if piece[0] == index], function, native, part, message)


class _OnePlane:
    """A plane that was read already, answering in place of its stack."""

    def __init__(self, values: NDArray[Any]) -> None:
        self._planes = Planes(values, rgb=False)

    def read(self, _index: int, region: Region) -> NDArray[Any]:
        return self._planes.read(0, region)

    def plane(self, _index: int, region: Region) -> NDArray[np.float32]:
        return self._planes.plane(0, region)


def _run(
    planes: Planes | _OnePlane,
    work: list[Work],
    function: Callable[[NDArray[Any], int, Tile], R],
    native: bool,
    progress: Progress,
    message: str,
) -> Iterator[tuple[int, Tile, R]]:
    read = planes.read if native else planes.plane

    def run(piece: Work) -> list[R]:
        index, tiles = piece
        top, left = (min(tile.outer[axis].start for tile in tiles) for axis in (0, 1))
        bottom, right = (max(tile.outer[axis].stop for tile in tiles) for axis in (0, 1))
        values = read(index, (slice(top, bottom), slice(left, right)))
        results = []
        for tile in tiles:
            progress.check()
            y, x = tile.outer
            own = values[y.start - top : y.stop - top, x.start - left : x.stop - left]
            results.append(function(own, index, tile))
        return results

    for (index, tiles), results in map_threaded(run, work, progress=progress, message=message):
        for tile, result in zip(tiles, results, strict=True):
            yield index, tile, result


def _read_together(tiles: list[Tile], planes: Planes) -> list[tuple[Tile, ...]]:
    """Tiles that are read at once: a whole small plane, or one row of tiles."""
    if not tiles or (planes.plane_pixels <= _SMALL_PIXELS and len(planes) > 1):
        return [tuple(tiles)] if tiles else []
    return [tuple(row) for _, row in groupby(tiles, key=lambda tile: tile.place[0])]


def sample_pixels(planes: Planes, count: int, rng: np.random.Generator, *, most_planes: int = 24) -> NDArray[Any]:
    """Finite values of about `count` randomly drawn pixels, from planes spread evenly over the stack.

    Returns
    -------
    ndarray of float64, shape (n,)
        Empty if nothing is finite.
    """
    indices = spread(len(planes), most_planes)
    each = -(-count // len(indices))
    return np.concatenate([_sample_plane(planes, index, each, rng) for index in indices])


def _sample_plane(planes: Planes, index: int, count: int, rng: np.random.Generator) -> NDArray[Any]:
    height, width = planes.plane_shape
    if planes.plane_pixels <= _LOADED_PIXELS // 4:
        values = planes.read(index).ravel()
    else:  # bands of rows: a plane may be larger than memory
        bands = [slice(top, top + 8) for top in spread(height - 8, 64)]
        values = np.concatenate([planes.read(index, (band, slice(None))).ravel() for band in bands])
    values = values[rng.integers(0, values.size, count)] if values.size > count else values
    values = values.astype(np.float64)
    return np.asarray(values[np.isfinite(values)])


def spread(total: int, most: int) -> list[int]:
    """At most `most` whole numbers spread evenly over 0 … total - 1."""
    return sorted({int(i) for i in np.linspace(0, total - 1, min(most, total))})
