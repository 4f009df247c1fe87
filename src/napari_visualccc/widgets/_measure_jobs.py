"""What the Measure widget does in the background: plain functions of arrays, without Qt."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Progress
from napari_visualccc.widgets._source import Source

if TYPE_CHECKING:
    from napari_visualccc.segment import MeasureOptions, MeasureResult


def run_measure(
    source: Source, image: Planes | None, options: MeasureOptions, names: dict[int, str], *, progress: Progress
) -> MeasureResult:
    """Measure a label image or stack."""
    from napari_visualccc.segment import measure_phases

    return measure_phases(
        source.planes, image, options, pixel_size=source.pixel_size, class_names=names, name=source.name,
        arguments=source.arguments, progress=progress,
    )  # fmt: skip


def run_export(result: MeasureResult, folder: str, stem: str, *, progress: Progress) -> list[Path]:
    """Write tables, object labels, thickness map and record."""
    from napari_visualccc.io import write_result

    progress(0.0, "saving")
    return write_result(result, folder, stem, result.pixel_size)


def prepare(*, progress: Progress) -> None:
    """Import what the first measurement would have to wait for, while the user looks at the controls."""
    import pyqtgraph  # noqa: F401
    import skimage.measure  # noqa: F401

    import napari_visualccc.segment.measurement  # noqa: F401

    progress(1.0)
