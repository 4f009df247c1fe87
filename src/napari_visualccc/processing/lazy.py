"""Planes of a pipeline as a dask array, each computed when it is read; regions of one at once, for a preview."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.planes import Region
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import IN_MEMORY_SHARE, free_memory, map_threaded
from napari_visualccc.core.tiles import tile_plane
from napari_visualccc.processing.stages import Stage

# Larger planes of pipelines whose steps all look at surroundings only are computed in tiles of this edge.
_TILE = 2048
_TILED_FROM = 1 << 24
# Tiles of a region: small enough for all cores, large enough that halos cost little.
_REGION_TILE = 512


class LazyPlanes:
    """Planes of a stage, computed when somebody reads them.

    Parameters
    ----------
    stage
        What gives the planes.
    leading
        Leading axes of the source, which `array` has too.
    """

    def __init__(self, stage: Stage, leading: tuple[int, ...]) -> None:
        self.stage, self.leading = stage, leading
        height, width = stage.frame.shape
        tiled = height * width >= _TILED_FROM and _is_local(stage)
        self._edge = _TILE if tiled else max(height, width)
        self._kept: dict[int, NDArray[Any]] = {}

    @cached_property
    def array(self) -> Any:
        """Dask array: a chunk per plane, or tiles of huge planes where that is possible."""
        import dask.array as da

        edge, stage = self._edge, self.stage
        spans = (tuple(min(edge, n - start) for start in range(0, n, edge)) for n in stage.frame.shape)
        chunks = (*((1,) * n for n in self.leading), *spans)
        return da.map_blocks(
            self._block, chunks=chunks, dtype=stage.dtype, meta=np.empty((0,) * len(chunks), stage.dtype),
            name=f"visualccc-{stage.__dask_tokenize__()}",
        )  # fmt: skip

    def compute(self, index: int, progress: Progress | None = None) -> NDArray[Any] | None:
        """Compute a plane beforehand, on all cores, and keep it; None if memory is short.

        Raises
        ------
        Cancelled
            From `progress`.
        """
        if index not in self._kept:
            height, width = self.stage.frame.shape
            if height * width * self.stage.dtype.itemsize > IN_MEMORY_SHARE * free_memory():
                return None
            self._kept[index] = read_region(self.stage, index, self.stage.frame.whole, progress)
        return self._kept[index]

    def _block(self, block_id: tuple[int, ...]) -> NDArray[Any]:
        index = int(np.ravel_multi_index(block_id[:-2], self.leading)) if self.leading else 0
        y, x = (
            slice(place * self._edge, min((place + 1) * self._edge, n))
            for place, n in zip(block_id[-2:], self.stage.frame.shape, strict=True)
        )
        kept = self._kept.get(index)
        values = self.stage.read(index, (y, x)) if kept is None else kept[y, x]
        return values.reshape((1,) * len(self.leading) + values.shape)


def _is_local(stage: Any) -> bool:
    while isinstance(stage, Stage):
        if not stage.step.is_local:
            return False
        stage = stage.source
    return True


def read_region(stage: Stage, index: int, region: Region, progress: Progress | None = None) -> NDArray[Any]:
    """Values of a region at once, on all cores.

    Raises
    ------
    Cancelled
        From `progress`, which is asked between tiles.
    """
    progress = silent(progress)
    progress(0.0)
    stage.prepare(index)
    top, left = region[0].start, region[1].start
    shape = (region[0].stop - top, region[1].stop - left)
    result = np.empty(shape, stage.dtype)

    def read(place: Region) -> None:
        (y, x) = place
        result[place] = stage.read(index, (slice(y.start + top, y.stop + top), slice(x.start + left, x.stop + left)))

    tiles = [tile.core for tile in tile_plane(shape, _REGION_TILE)]
    for _ in map_threaded(read, tiles, progress=progress, message="computing"):
        pass
    return result
