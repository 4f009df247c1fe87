"""What the Measure widget does in the background: plain functions of arrays, without Qt."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_visualccc.core.lengths import pixel_size_text
from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Progress
from napari_visualccc.widgets._layers import plane_of, signal_number
from napari_visualccc.widgets._source import Source, array_of

if TYPE_CHECKING:
    from napari_visualccc.segment import MeasureOptions, MeasureResult

UNLABELLED = "0"


@dataclass(frozen=True)
class Answer:
    """What was measured, and the checksum of the labels when that began."""

    result: MeasureResult
    checksum: int


def run_measure(
    source: Source,
    image: Source | None,
    options: MeasureOptions,
    names: dict[int, str],
    *,
    propose: bool = False,
    progress: Progress,
) -> Answer:
    """Measure a label image or stack, with the intensities of an image if there is one.

    With `propose` what is ignored is what would be proposed for the labels as they are now.
    """
    from napari_visualccc.segment import measure_phases

    if propose:
        options = replace(options, ignore=propose_ignored(array_of(source.layer), progress=progress))
    before = run_checksum(labels_of(source), progress=progress)
    told = [*source.arguments, *([] if image is None else _told_of(image))]
    if image is not None and image.pixel_size.is_calibrated and not source.pixel_size.is_calibrated:
        told += ["--pixel-size", pixel_size_text(source.pixel_size)]  # else the command takes that of the image
    told += ["--output", f"{source.file_stem}.csv"]
    result = measure_phases(
        source.planes, image.planes if image is not None else None, options, pixel_size=source.pixel_size,
        class_names=names, name=source.name, arguments=told, progress=progress,
    )  # fmt: skip
    return Answer(result, before)


def _told_of(image: Source) -> list[str]:
    """How the command line is told of the micrograph: which image of its file it is, too."""
    number = signal_number(image.layer) if image.path is not None else None
    return ["--image", image.path or image.name, *([] if number is None else ["--image-signal", str(number)])]


def labels_of(source: Source) -> Any:
    """Labels of what was chosen, as they are now."""
    return plane_of(array_of(source.layer), source.plane)


def run_checksum(labels: Any, *, progress: Progress) -> int:
    """Number that changes when the labels do; 0 for arrays that are not in memory, which nobody paints."""
    checksum = 0
    if isinstance(labels, np.ndarray):
        for plane in labels.reshape(-1, *labels.shape[-2:]):
            progress.check()
            checksum = zlib.crc32(plane.tobytes(), checksum)
    return checksum


def propose_ignored(labels: Any, *, progress: Progress) -> str:
    """0 if labels have several values beside it; nothing else, as in a mask of one phase 0 is the other.

    Of labels that would have to be read from a file it looks at the first plane.
    """
    planes = Planes(labels, rgb=False)
    first = 0
    for index in range(len(planes) if planes.in_memory else 1):
        progress.check()
        plane = planes.read(index)
        first = first or int(plane.max())
        if ((plane > 0) & (plane != first)).any():
            return UNLABELLED
    return ""


def run_export(
    result: MeasureResult, folder: str, stem: str, axes: tuple[Axis, ...], *, progress: Progress
) -> list[Path]:
    """Write tables, object labels, thickness map and record."""
    from napari_visualccc.io import write_result

    progress(0.0, "saving")
    return write_result(result, folder, stem, axes)


def prepare(*, progress: Progress) -> None:
    """Import what the first measurement would have to wait for, while the user looks at the controls."""
    import pyqtgraph  # noqa: F401
    import skimage.measure  # noqa: F401

    import napari_visualccc.segment.measurement  # noqa: F401

    progress(1.0)
