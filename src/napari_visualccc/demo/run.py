"""The demo from the first sample to the report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_visualccc.core.errors import OutputError
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Stopwatch
from napari_visualccc.demo.chapter import Measurement
from napari_visualccc.demo.clusters import interphase, lithium_deposits, porous_films
from napari_visualccc.demo.lattice import lattice
from napari_visualccc.demo.likeness import likeness
from napari_visualccc.demo.morphology import morphology
from napari_visualccc.demo.painting import painted_films
from napari_visualccc.demo.report import page, write_chapter
from napari_visualccc.demo.texture import texture


def run_demo(output: Path, *, seed: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """Simulate, analyse, measure, write.

    Parameters
    ----------
    output
        Folder for samples, labels, tables, pictures and ``report.html``; made if it is not there.
    seed
        Seed of the simulated micrographs.

    Returns
    -------
    dict
        ``outputs`` (all files), ``report``, ``measured`` (found and true values), ``seconds``.

    Raises
    ------
    OutputError
        If the folder cannot be written.
    """
    progress = silent(progress)
    watch = Stopwatch()
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{output} cannot be made a folder: {error.strerror}") from error
    makers = (
        porous_films, lithium_deposits, interphase, morphology, painted_films, texture, lattice, likeness,
    )  # fmt: skip
    written: list[Path] = []
    sections: list[str] = []
    measured: list[Measurement] = []
    for number, make in enumerate(makers):
        part = progress.part(number / len(makers), (number + 1) / len(makers))
        chapter = make(seed, part)
        files, section = write_chapter(chapter, output)
        written += files
        sections.append(section)
        measured += chapter.measured
    report = output / "report.html"
    report.write_text(page(sections, watch.seconds), encoding="utf-8")
    progress(1.0)
    return {
        "outputs": [str(path) for path in [*written, report]],
        "report": str(report),
        "measured": [vars(one) for one in measured],
        "seconds": round(watch.seconds, 2),
    }
