"""The whole workflow on the sample micrographs, measured against their known truth: pictures and a report."""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_visualccc._version import __version__
from napari_visualccc.core.errors import OutputError
from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Stopwatch
from napari_visualccc.pictures import grey_picture, overlay_picture, with_scale_bar

if TYPE_CHECKING:
    from napari_visualccc.cluster import ClusterOptions, ClusterResult
    from napari_visualccc.samples import Sample


@dataclass(frozen=True)
class Measurement:
    """A number that the workflow found, beside the true one."""

    what: str
    measured: float
    true: float


@dataclass(frozen=True)
class Chapter:
    """One sample on its way through the workflow, as the report tells it."""

    title: str
    text: str
    sample: Sample
    result: ClusterResult
    measured: list[Measurement]
    plane: int = 0


def run_demo(output: Path, *, seed: int = 0, progress: Progress | None = None) -> dict[str, Any]:
    """Simulate, cluster, measure, write.

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
    makers = (_porous, _lithium, _hrtem)
    written: list[Path] = []
    sections: list[str] = []
    measured: list[Measurement] = []
    for number, make in enumerate(makers):
        part = progress.part(number / len(makers), (number + 1) / len(makers))
        chapter = make(seed, part)
        files, section = _write_chapter(chapter, output)
        written += files
        sections.append(section)
        measured += chapter.measured
    report = output / "report.html"
    report.write_text(_page(sections, watch.seconds), encoding="utf-8")
    progress(1.0)
    return {
        "outputs": [str(path) for path in [*written, report]],
        "report": str(report),
        "measured": [vars(one) for one in measured],
        "seconds": round(watch.seconds, 2),
    }
