"""A pipeline over an image: lazy planes for the viewer and for files, a record, a table of drift."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes, as_planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Provenance, Result, ResultLayer, Stopwatch, fingerprint
from napari_visualccc.processing.alignment import Drift
from napari_visualccc.processing.frames import Frame
from napari_visualccc.processing.glcm import PROPERTIES
from napari_visualccc.processing.lazy import LazyPlanes
from napari_visualccc.processing.pipeline import Pipeline
from napari_visualccc.processing.stages import Stage, build
from napari_visualccc.processing.texture import ALL

if TYPE_CHECKING:
    import pandas as pd

PROCESSED = "processed"


@dataclass(frozen=True)
class ProcessResult(Result):
    """What a pipeline gives; planes are computed when somebody reads them.

    Attributes
    ----------
    planes
        By title (``"processed"``): what gives the planes; float32 images with NaN where there is no value, or labels.
    frame
        Size, place and pixel size of the planes.
    drift
        Of the planes, if the stack was aligned.
    """

    planes: dict[str, LazyPlanes]
    frame: Frame
    drift: Drift | None = None
    drift_pixel_size: PixelSize = PixelSize()

    def after(self, seconds: float) -> ProcessResult:
        """The same with the time that it took in its record, when planes were computed too."""
        return replace(self, provenance=replace(self.provenance, seconds=round(seconds, 4)))

    @property
    def images(self) -> dict[str, Any]:
        """By title: dask arrays with the leading axes of the source."""
        return {title: planes.array for title, planes in self.planes.items()}

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
    >>> import numpy as np
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
    made = {title: LazyPlanes(stage, planes.leading) for title, stage in stages.items()}
    return ProcessResult(provenance, made, last.frame, drift, size)


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
