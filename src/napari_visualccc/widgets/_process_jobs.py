"""What the Process widget does in the background: plain functions of arrays, without Qt."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.core.planes import Region
from napari_visualccc.core.progress import Progress
from napari_visualccc.core.results import Stopwatch
from napari_visualccc.widgets._source import Source

if TYPE_CHECKING:
    from napari_visualccc.processing.apply import ProcessResult
    from napari_visualccc.processing.pipeline import Pipeline
    from napari_visualccc.processing.preview import Preview, Previewer


def prepare(*, progress: Progress) -> None:
    """Import in the background, while the user looks at the widget, what the first step would have to wait for."""
    import dask.array  # noqa: F401
    import pandas as pd  # noqa: F401
    import scipy.ndimage  # noqa: F401
    import skimage.filters  # noqa: F401
    import skimage.restoration  # noqa: F401

    from napari_visualccc.widgets._cluster_jobs import prepare_colours

    progress(0.5)
    prepare_colours()


@dataclass(frozen=True)
class Shown:
    """A result, and what its layers look like at first.

    Attributes
    ----------
    result
        Of the engine.
    limits
        Contrast limits by title of the layer.
    """

    result: ProcessResult
    limits: dict[str, tuple[float, float]]


def run_apply(source: Source, pipeline: Pipeline, current: int, *, progress: Progress) -> Shown:
    """Apply the pipeline, and compute the plane that is looked at, so that showing it does not hold up the viewer."""
    from napari_visualccc.processing.apply import apply
    from napari_visualccc.processing.preview import contrast_limits

    watch = Stopwatch()
    result = apply(
        pipeline,
        source.planes,
        pixel_size=source.pixel_size,
        name=source.name,
        arguments=source.arguments,
        progress=progress.part(0, 0.3),
    )
    limits = {}
    for number, (title, planes) in enumerate(result.planes.items()):
        part = progress.part(0.3 + 0.7 * number / len(result.planes), 0.3 + 0.7 * (number + 1) / len(result.planes))
        values = planes.compute(current, part)
        if values is not None and result.frame.content == "image":
            limits[title] = contrast_limits(values)
    return Shown(result.after(watch.seconds), limits)


def run_rest(result: ProcessResult, current: int, *, progress: Progress) -> int:
    """Compute the other planes too, as long as there is memory; gives their number."""
    done = 0
    for planes in result.planes.values():
        order = sorted(range(result.frame.count), key=lambda index: abs(index - current))
        for index in progress.steps(order, message="computing the other planes"):
            if planes.compute(index, progress.quiet()) is None:
                return done
            done += 1
    return done


@dataclass(frozen=True)
class PreviewRequest:
    """What is to be previewed.

    Attributes
    ----------
    source
        The whole layer.
    index
        Plane that is looked at.
    seen
        Slices of it that are seen.
    key
        Tells images apart.
    """

    source: Source
    index: int
    seen: Region
    key: Any


def run_preview(
    previewer: Previewer, pipeline: Pipeline, request: PreviewRequest, *, progress: Progress
) -> Preview | str | None:
    """Preview of what is seen, or in words why there is none: a notification per move of a slider would be too many."""
    source = request.source
    try:
        return previewer.show(
            pipeline, source.planes, request.index, request.seen,
            pixel_size=source.pixel_size, key=request.key, progress=progress,
        )  # fmt: skip
    except VisualCCCError as error:
        return str(error)


def run_export(result: ProcessResult, path: str, *, progress: Progress) -> str:
    """Write the drift table; gives the path back."""
    from napari_visualccc.io import write_csv

    progress(0.0, "saving the table")
    write_csv(path, result.tables["drift"])
    return path


def fold(values: NDArray[Any], ndim: int) -> NDArray[Any]:
    """Plane with as many axes as its source has."""
    return np.reshape(values, (1,) * (ndim - 2) + values.shape)
