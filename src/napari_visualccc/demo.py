"""The whole workflow on the sample micrographs, measured against their known truth: pictures and a report."""

from __future__ import annotations

import html
import json
import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc._version import __version__
from napari_visualccc.core.errors import OutputError
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Stopwatch
from napari_visualccc.core.runtime import random_generator
from napari_visualccc.pictures import grey_picture, overlay_picture, with_scale_bar

if TYPE_CHECKING:
    from napari_visualccc.cluster import ClusterOptions, ClusterResult
    from napari_visualccc.samples import Sample
    from napari_visualccc.segment import SegmentationResult


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
    result: ClusterResult | SegmentationResult
    measured: list[Measurement]
    plane: int = 0

    @property
    def what(self) -> str:
        """What the labels are: ``"clusters"`` or ``"phases"``."""
        return self.result.layers[-1].title


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
    makers = (_porous_films, _lithium_deposits, _interphase, _painted_films)
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


def _porous_films(seed: int, progress: Progress) -> Chapter:
    from napari_visualccc.cluster import ClusterOptions
    from napari_visualccc.samples import PorousOptions, porous

    sample = porous(PorousOptions(count=12, seed=seed), progress=progress.part(0, 0.4))
    # Smoothed intensity: single pixels drown in shot noise.
    options = ClusterOptions(k=3, features=("gaussian",), scales=(1.5,), min_size=8)
    result = _clustered(sample, options, progress.part(0.4, 1))
    found = [float((plane == 1).mean()) for plane in result.labels]
    true = sample.table.porosity.tolist()
    measured = _fractions(sample, result) + [
        Measurement("rank correlation of measured and true porosity over the series", _spearman(found, true), 1.0)
    ]
    text = "A series of porous superconducting films (SEM). Darkest cluster: pores; brightest: outgrowths."
    return Chapter("Porous films", text, sample, result, measured)


def _lithium_deposits(seed: int, progress: Progress) -> Chapter:
    from napari_visualccc.cluster import ClusterOptions
    from napari_visualccc.samples import LithiumOptions, lithium

    sample = lithium(LithiumOptions(count=1, seed=seed), progress=progress.part(0, 0.5))
    options = ClusterOptions(k=2, features=("gaussian",), scales=(1.5,), min_size=40)
    result = _clustered(sample, options, progress.part(0.5, 1))
    text = "A dendritic lithium deposit (cryo-TEM). The darker cluster is the deposit."
    return Chapter("Lithium deposits", text, sample, result, _fractions(sample, result))


def _interphase(seed: int, progress: Progress) -> Chapter:
    from napari_visualccc.cluster import ClusterOptions
    from napari_visualccc.samples import HrtemOptions, hrtem

    sample = hrtem(HrtemOptions(seed=seed), progress=progress.part(0, 0.3))
    options = ClusterOptions(k=3, features=("gaussian", "local", "structure"), scales=(3.0, 6.0), min_size=400)
    result = _clustered(sample, options, progress.part(0.3, 1))
    text = (
        "HRTEM of a lithium interphase: vacuum, amorphous matrix, crystalline grains, told apart by texture alone. "
        "Which crystal a grain is, lattice analysis will tell."
    )
    return Chapter("Interphase", text, sample, result, _agreement(sample, result, {0: 0, 1: 1, 2: 2, 3: 2, 4: 2, 5: 2}))


def _painted_films(seed: int, progress: Progress) -> Chapter:
    """A few dots of paint on one film of the series segment all of them."""
    from napari_visualccc.core.scores import confusion_matrix, mean_iou
    from napari_visualccc.samples import PorousOptions, porous
    from napari_visualccc.segment import QuickSegmenter, annotated, dataset_of_strokes, predict

    sample = porous(PorousOptions(count=4, seed=seed + 1), progress=progress.part(0, 0.4))
    sample = replace(sample, name=f"{sample.name} painted")
    painted = _dots(sample.labels[0], seed)
    names = {label + 1: name for label, name in sample.class_names.items()}
    colours = {label + 1: colour for label, colour in sample.colours.items()}
    strokes = annotated(sample.image[0], painted, pixel_size=sample.pixel_size, name=sample.name)
    trained = QuickSegmenter().fit(dataset_of_strokes([strokes], names=names, colours=colours))
    result = predict(
        trained.model, sample.image, pixel_size=sample.pixel_size, name=sample.name, rgb=False,
        progress=progress.part(0.5, 1),
    )  # fmt: skip
    classes = max(sample.class_names) + 1
    quality = mean_iou(confusion_matrix(sample.labels, result.labels - 1, classes))
    share = f"{(painted > 0).mean():.1%}"
    measured = [Measurement(f"{sample.name}: mean IoU over phases, {share} of one film painted", quality, 1.0)]
    text = (
        f"Dots of paint on {share} of the first film ({trained.pixels} pixels) train a pixel classifier in "
        f"{trained.provenance.seconds:.1f} s; it segments the whole series."
    )
    return Chapter("Films segmented from a few dots of paint", text, sample, result, measured, plane=1)


def _dots(truth: NDArray[np.uint8], seed: int, count: int = 12, radius: int = 3) -> NDArray[np.uint8]:
    """Dots of paint inside each phase (label + 1), as somebody would paint who knows the truth."""
    rng = random_generator(seed, 3)
    painted = np.zeros(truth.shape, np.uint8)
    y, x = np.ogrid[: truth.shape[0], : truth.shape[1]]
    for label in np.unique(truth):
        places = np.argwhere(truth == label)
        for row, column in places[rng.integers(len(places), size=count)]:
            dot = (y - row) ** 2 + (x - column) ** 2 <= radius**2
            painted[dot & (truth == label)] = label + 1
    return painted


def _clustered(sample: Sample, options: ClusterOptions, progress: Progress) -> ClusterResult:
    from napari_visualccc.cluster import cluster_pixels

    return cluster_pixels(
        sample.image, options, pixel_size=sample.pixel_size, name=sample.name, rgb=False, progress=progress
    )


def _fractions(sample: Sample, result: ClusterResult) -> list[Measurement]:
    """Area fraction of each true phase beside that of its cluster, phases and clusters both from dark to bright."""
    labels = [label for label in np.unique(sample.labels) if label in sample.class_names]
    brightness = [float(sample.image[sample.labels == label].mean()) for label in labels]
    by_brightness = [label for _, label in sorted(zip(brightness, labels, strict=True))]
    true = sample.fractions()
    return [
        Measurement(
            f"{sample.name}: area fraction of {sample.class_names[label]}",
            measured,
            true[sample.class_names[label]],
        )
        for label, measured in zip(by_brightness, result.table.area_fraction.tolist(), strict=True)
    ]


def _agreement(sample: Sample, result: ClusterResult, kinds: dict[int, int]) -> list[Measurement]:
    """Share of pixels whose cluster means the right kind of material, each cluster meaning its commonest kind."""
    true = np.array([kinds[label] for label in range(max(kinds) + 1)])[sample.labels]
    table = np.zeros((result.k + 1, max(kinds.values()) + 1), np.int64)
    np.add.at(table, (result.labels, true), 1)
    return [
        Measurement(f"{sample.name}: share of pixels in the right cluster", float(table.max(1).sum() / true.size), 1.0)
    ]


def _spearman(first: list[float], second: list[float]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(first, second).statistic)


def _write_chapter(chapter: Chapter, output: Path) -> tuple[list[Path], str]:
    """Write samples, labels, tables and pictures; give their paths and the chapter as HTML."""
    import imageio.v3 as iio

    from napari_visualccc.io import write_csv, write_result, write_tiff

    stem = chapter.sample.name.replace(" ", "_")
    sample, result = chapter.sample, chapter.result
    files = [write_tiff(output / f"{stem}.ome.tif", sample.image, sample.axes)]
    files.append(write_csv(output / f"{stem}_truth.csv", sample.table))
    files += write_result(result, output, stem, sample.axes)
    plane = chapter.plane
    pictures = {
        "micrograph": with_scale_bar(grey_picture(sample.image[plane]), sample.pixel_size),
        chapter.what: overlay_picture(sample.image[plane], result.labels[plane], result.colours),
        "truth": overlay_picture(sample.image[plane], sample.labels[plane], sample.colours),
    }
    names = []
    for title, picture in pictures.items():
        path = output / f"{stem}_{title}.png"
        iio.imwrite(path, picture)
        files.append(path)
        names.append(path.name)
    return files, _section(chapter, names)


def _section(chapter: Chapter, pictures: list[str]) -> str:
    images = "".join(
        f'<figure><img src="{name}" alt=""><figcaption>{caption}</figcaption></figure>'
        for name, caption in zip(pictures, ("micrograph", chapter.what, "truth"), strict=True)
    )
    rows = "".join(
        f"<tr><td>{html.escape(one.what)}</td><td>{one.measured:.4f}</td><td>{one.true:.4f}</td></tr>"
        for one in chapter.measured
    )
    table = chapter.result.table.to_html(index=False, float_format=lambda value: f"{value:.5g}", border=0)
    record = html.escape(json.dumps(chapter.result.provenance.as_dict(), indent=2))
    return f"""<section><h2>{html.escape(chapter.title)}</h2><p>{html.escape(chapter.text)}</p>
<div class="row">{images}</div>
<table><tr><th></th><th>measured</th><th>true</th></tr>{rows}</table>
<h3>{chapter.what.capitalize()} over the whole stack</h3>{table}
<details><summary>How was this made?</summary><pre>{record}</pre></details></section>"""


_STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:1100px;margin:2em auto;padding:0 1em;color:#222}
.row{display:flex;gap:12px;flex-wrap:wrap}figure{margin:0;flex:1 1 300px}img{width:100%;border-radius:4px}
figcaption{font-size:14px;color:#666}table{border-collapse:collapse;margin:1em 0}
td,th{padding:.25em .9em;border-bottom:1px solid #ddd;text-align:right}td:first-child{text-align:left}
pre{background:#f5f5f5;padding:1em;overflow:auto}"""


def _page(sections: list[str], seconds: float) -> str:
    return f"""<!doctype html><html lang="en"><head><meta charset="utf-8"><title>napari-visualccc demo</title>
<style>{_STYLE}</style></head><body><h1>napari-visualccc demo</h1>
<p>Simulated micrographs with known truth, clustered without labels and segmented from a few.
Version {__version__}, {seconds:.1f} s.</p>
{"".join(sections)}</body></html>"""


def has_display() -> bool:
    """Tell whether a window could be shown."""
    if sys.platform in ("win32", "darwin"):
        return not os.environ.get("CI")
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")) and not os.environ.get("CI")


def open_viewer() -> None:
    """Open napari with a sample and the cluster widget in a process of its own, and wait until it is closed."""
    subprocess.run([sys.executable, "-m", "napari_visualccc.widgets.demo"], check=False)
