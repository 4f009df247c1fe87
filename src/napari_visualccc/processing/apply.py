"""A pipeline over an image: lazy planes for the viewer and for files, and regions at once for a preview."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes, Region, as_planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Provenance, Result, ResultLayer, Stopwatch, fingerprint
from napari_visualccc.core.runtime import map_threaded
from napari_visualccc.core.tiles import tile_plane
from napari_visualccc.processing.alignment import Drift
from napari_visualccc.processing.frames import Frame
from napari_visualccc.processing.glcm import PROPERTIES
from napari_visualccc.processing.pipeline import Pipeline
from napari_visualccc.processing.stages import Stage, build
from napari_visualccc.processing.texture import ALL

if TYPE_CHECKING:
    import pandas as pd

PROCESSED = "processed"
# Larger planes of pipelines whose steps all look at surroundings only are computed in tiles of this edge.
_TILE = 2048
_TILED_FROM = 1 << 24
# Tiles of a preview: small enough for all cores, large enough that halos cost little.
_PREVIEW_TILE = 512


@dataclass(frozen=True)
class ProcessResult(Result):
    """What a pipeline gives; planes are computed when somebody reads them.

    Attributes
    ----------
    images
        By title (``"processed"``): dask arrays with the leading axes of the source; float32 images with NaN where there
        is no value, or labels.
    frame
        Size, place and pixel size of the planes.
    drift
        Of the planes, if the stack was aligned.
    """

    images: dict[str, Any]
    frame: Frame
    drift: Drift | None = None
    drift_pixel_size: PixelSize = PixelSize()

    @property
    def layers(self) -> tuple[ResultLayer, ...]:
        """The processed image or labels; several of them if texture gave all its properties."""
        return tuple(ResultLayer(data, self.frame.content, title) for title, data in self.images.items())

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The drift table, if the stack was aligned."""
        return {} if self.drift is None else {"drift": self.drift.table(self.drift_pixel_size)}


def apply(
    pipeline: Pipeline,
    images: Any,
    *,
    pixel_size: PixelSize | None = None,
    name: str = "image",
    arguments: Sequence[str] | None = None,
    rgb: bool | None = None,
    progress: Progress | None = None,
) -> ProcessResult:
    """Apply a pipeline to an image or stack, lazily.

    Parameters
    ----------
    pipeline
        What to do; steps that are switched off are left out.
    images
        Array (…, Y, X) or RGB, or `Planes`.
    pixel_size
        Of the images; lengths in nm need one.
    name
        Of the image, for the record.
    arguments
        How ``visualccc process`` is told of this image; its name by default.
    progress
        Of what has to be known of the whole stack beforehand (drift); reading planes is not reported here.

    Raises
    ------
    InputError
        If the image has no pixels or no step is switched on.
    OptionError
        If a step cannot follow the one before it, or a length has a unit that the image lacks.

    Examples
    --------
    >>> result = apply(Pipeline.parse(["bin:factor=2"]), np.ones((3, 8, 8)), pixel_size=PixelSize(0.5, 0.5, "nm"))
    >>> result.images["processed"].shape, result.frame.pixel_size
    ((3, 4, 4), PixelSize(y=1.0, x=1.0, unit='nm'))
    """
    watch = Stopwatch()
    progress = silent(progress)
    planes = as_planes(images, rgb=rgb, name=name)
    stages = {
        title: stage_of(one, planes, pixel_size, progress.part(0, 0.9)) for title, one in _by_layer(pipeline).items()
    }
    last = next(iter(stages.values()))
    drift, size = _drift(last)
    progress(0.9, "reading the image")
    words = ["visualccc", "process", *(arguments or [name]), *pipeline.arguments(), "--output", PROCESSED]
    provenance = Provenance(
        operation="process",
        parameters={"steps": [str(step) for step in pipeline.active]},
        input_name=name,
        input_hash=fingerprint(planes),
        command=shlex.join(words),
        seconds=round(watch.seconds, 4),
    )
    progress(1.0)
    images_by_title = {title: lazy(stage, planes.leading) for title, stage in stages.items()}
    return ProcessResult(provenance, images_by_title, last.frame, drift, size)


def stage_of(
    pipeline: Pipeline, planes: Planes, pixel_size: PixelSize | None = None, progress: Progress | None = None
) -> Stage:
    """Stages of the steps that are switched on; see `apply`."""
    try:
        return build([(step.step, step.options) for step in pipeline.active], planes, pixel_size, progress)
    except OptionError as error:
        raise OptionError(f"{planes.name}: {error}") from error


def _by_layer(pipeline: Pipeline) -> dict[str, Pipeline]:
    """One pipeline per layer of the result: texture with all properties has six."""
    active = pipeline.active
    if not active or getattr(active[-1].options, "property", "") != ALL:
        return {PROCESSED: pipeline}
    last = active[-1]
    return {
        f"{PROCESSED} {name}": Pipeline((*active[:-1], replace(last, options=replace(last.options, property=name))))
        for name in PROPERTIES
    }


def _drift(stage: Stage) -> tuple[Drift | None, PixelSize]:
    """Drift that a stage of the pipeline has found, and the pixel size it is in."""
    here: Any = stage
    while isinstance(here, Stage):
        if isinstance(here.learned, Drift):
            return here.learned, here.source.frame.pixel_size
        here = here.source
    return None, PixelSize()


def lazy(stage: Stage, leading: tuple[int, ...]) -> Any:
    """Dask array of a stage: a chunk per plane, or tiles of huge planes where that is possible."""
    import dask.array as da

    height, width = stage.frame.shape
    edge = _TILE if height * width >= _TILED_FROM and _is_local(stage) else max(height, width)
    spans = tuple(tuple(min(edge, length - start) for start in range(0, length, edge)) for length in (height, width))
    chunks = (*((1,) * n for n in leading), *spans)
    return da.map_blocks(
        partial(_block, stage, leading, edge), chunks=chunks, dtype=stage.dtype,
        meta=np.empty((0,) * (len(leading) + 2), stage.dtype), name=f"visualccc-{stage.__dask_tokenize__()}",
    )  # fmt: skip


def _block(stage: Stage, leading: tuple[int, ...], edge: int, block_id: tuple[int, ...]) -> NDArray[Any]:
    index = int(np.ravel_multi_index(block_id[:-2], leading)) if leading else 0
    y, x = (
        slice(place * edge, min((place + 1) * edge, length))
        for place, length in zip(block_id[-2:], stage.frame.shape, strict=True)
    )
    return stage.read(index, (y, x)).reshape((1,) * len(leading) + (y.stop - y.start, x.stop - x.start))


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

    tiles = [tile.core for tile in tile_plane(shape, _PREVIEW_TILE)]
    for _ in map_threaded(read, tiles, progress=progress, message="computing"):
        pass
    return result
