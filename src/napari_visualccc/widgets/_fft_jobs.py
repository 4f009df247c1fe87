"""What the FFT widget does in the background: plain functions of arrays, without Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.crystals import Crystal
from napari_visualccc.core.progress import Progress
from napari_visualccc.widgets._source import Source

if TYPE_CHECKING:
    from napari_visualccc.processing import LatticeMap, LatticeOptions, Peaks, Spectrum, SpectrumResult
    from napari_visualccc.processing.lattice import ROI


@dataclass(frozen=True)
class Frame:
    """A spectrum as it is shown.

    Attributes
    ----------
    picture
        Grey levels, uint8, zero frequency in the middle.
    rectangle
        Left, top, width and height of the picture in the unit of the spectrum.
    spectrum, peaks
        What it shows.
    """

    picture: NDArray[np.uint8]
    rectangle: tuple[float, float, float, float]
    spectrum: Spectrum
    peaks: Peaks


def run_frame(source: Source, options: LatticeOptions, roi: ROI | None, *, progress: Progress) -> Frame:
    """Spectrum and spots of the region, as quickly as may be."""
    from napari_visualccc.processing.lattice import region_of, spectrum_of

    progress(0.0, "computing the spectrum")
    plane = source.planes.plane(0, region_of(roi, source.planes.plane_shape))
    spectrum, peaks = spectrum_of(plane, source.pixel_size, options)
    return draw(spectrum, peaks)


def draw(spectrum: Spectrum, peaks: Peaks) -> Frame:
    """Spectrum as a picture with its axes."""
    from napari_visualccc.processing.spectrum_picture import spectrum_picture

    picture, fold = spectrum_picture(spectrum)
    top, left = (float(f) for f in spectrum.frequency(-0.5, -0.5))
    height, width = (n * fold * step for n, step in zip(picture.shape, spectrum.step, strict=True))
    return Frame(picture, (left, top, width, height), spectrum, peaks)


def run_analysis(
    source: Source, options: LatticeOptions, roi: ROI | None, phases: Sequence[Crystal], *, progress: Progress
) -> SpectrumResult:
    """Spots with the phases that they may be."""
    from napari_visualccc.processing import analyse_spectrum

    return analyse_spectrum(
        source.planes, options, roi=roi, phases=phases, pixel_size=source.pixel_size, name=source.name,
        arguments=source.arguments, progress=progress,
    )  # fmt: skip


def run_map(source: Source, options: LatticeOptions, phases: Sequence[Crystal], *, progress: Progress) -> LatticeMap:
    """Grains, phases and crystallinity of the source."""
    from napari_visualccc.processing import map_lattice
    from napari_visualccc.widgets._cluster_jobs import prepare_colours

    result = map_lattice(
        source.planes, options, phases=phases, pixel_size=source.pixel_size, name=source.name,
        arguments=source.arguments, progress=progress,
    )  # fmt: skip
    prepare_colours()
    return result


def run_bragg(source: Source, frequencies: Sequence[tuple[float, float]], *, progress: Progress) -> NDArray[np.float32]:
    """Image of some spots alone, of all planes of the source."""
    from napari_visualccc.processing import filter_spots

    made = np.empty(source.planes.shape, np.float32)
    for index in progress.steps(range(len(source.planes)), message="filtering"):
        made[index] = filter_spots(source.planes.plane(index), frequencies, source.pixel_size)
    return source.planes.fold(made)


def run_export(result: Any, path: str, *, progress: Progress) -> str:
    """Write the main table of a result; gives the path back."""
    from napari_visualccc.io import write_csv

    progress(0.0, "saving the table")
    write_csv(path, result.table)
    return path


def prepare(*, progress: Progress) -> None:
    """Do in the background what the first run would have to wait for."""
    import pandas  # noqa: ICN001, F401
    import pyqtgraph  # noqa: F401
    import scipy.fft
    import scipy.ndimage
    import scipy.spatial  # noqa: F401

    from napari_visualccc.core.phases import built_in_phases
    from napari_visualccc.processing.patterns import patterns
    from napari_visualccc.widgets._cluster_jobs import prepare_colours

    for crystal in built_in_phases():
        progress(0.0)
        patterns(crystal, 0.12)
    prepare_colours()
