"""Chapters of the demo: micrographs clustered without labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_visualccc.core.progress import Progress
from napari_visualccc.core.scores import rank_correlation
from napari_visualccc.demo.chapter import Chapter, Measurement, pictures_of

if TYPE_CHECKING:
    from napari_visualccc.cluster import ClusterOptions, ClusterResult
    from napari_visualccc.samples import Sample


def porous_films(seed: int, progress: Progress) -> Chapter:
    """Pores and outgrowths of a series of films."""
    from napari_visualccc.cluster import ClusterOptions
    from napari_visualccc.samples import PorousOptions, porous

    sample = porous(PorousOptions(count=12, seed=seed), progress=progress.part(0, 0.4))
    # Smoothed intensity: single pixels drown in shot noise.
    options = ClusterOptions(k=3, features=("gaussian",), scales=(1.5,), min_size=8)
    result = _clustered(sample, options, progress.part(0.4, 1))
    found = np.array([(plane == 1).mean() for plane in result.labels])
    rank = float(rank_correlation(found, sample.table.porosity.to_numpy()))
    measured = [
        *_fractions(sample, result),
        Measurement("rank correlation of measured and true porosity over the series", rank, 1.0),
    ]
    text = "A series of porous superconducting films (SEM). Darkest cluster: pores; brightest: outgrowths."
    return _chapter("Porous films", text, sample, result, measured)


def lithium_deposits(seed: int, progress: Progress) -> Chapter:
    """A deposit on its support film."""
    from napari_visualccc.cluster import ClusterOptions
    from napari_visualccc.samples import LithiumOptions, lithium

    sample = lithium(LithiumOptions(count=1, seed=seed), progress=progress.part(0, 0.5))
    options = ClusterOptions(k=2, features=("gaussian",), scales=(1.5,), min_size=40)
    result = _clustered(sample, options, progress.part(0.5, 1))
    text = "A dendritic lithium deposit (cryo-TEM). The darker cluster is the deposit."
    return _chapter("Lithium deposits", text, sample, result, _fractions(sample, result))


def interphase(seed: int, progress: Progress) -> Chapter:
    """Vacuum, amorphous matrix and crystals."""
    from napari_visualccc.cluster import ClusterOptions
    from napari_visualccc.samples import HrtemOptions, hrtem

    sample = hrtem(HrtemOptions(seed=seed), progress=progress.part(0, 0.3))
    options = ClusterOptions(k=3, features=("gaussian", "local", "structure"), scales=(3.0, 6.0), min_size=400)
    result = _clustered(sample, options, progress.part(0.3, 1))
    text = "HRTEM of a lithium interphase: vacuum, amorphous matrix, crystalline grains, told apart by texture alone."
    measured = _agreement(sample, result, {0: 0, 1: 1, 2: 2, 3: 2, 4: 2, 5: 2})
    return _chapter("Interphase", text, sample, result, measured)


def _chapter(title: str, text: str, sample: Sample, result: ClusterResult, measured: list[Measurement]) -> Chapter:
    pictures = pictures_of(sample, "clusters", result.labels, result.colours)
    return Chapter(title, text, sample, result, pictures, measured, result.table, "Clusters over the whole stack")


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
