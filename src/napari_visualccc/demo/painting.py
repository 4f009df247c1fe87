"""Chapter of the demo: a series segmented from a little paint."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.progress import Progress
from napari_visualccc.core.runtime import random_generator
from napari_visualccc.demo.chapter import Chapter, Measurement, pictures_of


def painted_films(seed: int, progress: Progress) -> Chapter:
    """A few dots of paint on one film of the series segment all of them."""
    from napari_visualccc.core.scores import confusion_matrix, mean_iou
    from napari_visualccc.samples import PorousOptions, porous
    from napari_visualccc.segment import QuickSegmenter, annotated, dataset_of_strokes, measure_phases, predict

    sample = porous(PorousOptions(count=4, seed=seed + 1), progress=progress.part(0, 0.4))
    sample = replace(sample, name=f"{sample.name} painted")
    painted = _dots(sample.labels[0], seed)
    names = {label + 1: name for label, name in sample.class_names.items()}
    colours = {label + 1: colour for label, colour in sample.colours.items()}
    strokes = annotated(sample.image[0], painted, pixel_size=sample.pixel_size, name=sample.name)
    trained = QuickSegmenter().fit(dataset_of_strokes([strokes], names=names, colours=colours))
    result = predict(
        trained.model, sample.image, pixel_size=sample.pixel_size, name=sample.name, rgb=False,
        progress=progress.part(0.5, 0.9),
    )  # fmt: skip
    phases = measure_phases(
        result.labels, pixel_size=sample.pixel_size, class_names=names, progress=progress.part(0.9, 1)
    ).phases.to_dict("records")  # fmt: skip
    (pore,) = (one for one in phases if one["class"] == "pore")
    classes = max(sample.class_names) + 1
    quality = mean_iou(confusion_matrix(sample.labels, result.labels - 1, classes))
    share = f"{(painted > 0).mean():.1%}"
    measured = [Measurement(f"{sample.name}: mean IoU over phases, {share} of one film painted", quality, 1.0)]
    measured += [
        Measurement(
            f"{sample.name}: fraction of {one['class']}", one["fraction"],
            float((sample.labels + 1 == one["label"]).mean()),
        )
        for one in phases
    ]  # fmt: skip
    text = (
        f"Dots of paint on {share} of the first film ({trained.pixels} pixels) train a pixel classifier in "
        f"{trained.provenance.seconds:.1f} s; it segments the whole series. "
        f"Pores are {pore['fraction']:.1%} of the area (95 % interval {pore['fraction_low']:.1%} to "
        f"{pore['fraction_high']:.1%}), their outline {pore['perimeter_nm'] / 1000:.0f} µm long."
    )
    pictures = pictures_of(sample, "phases", result.labels, result.colours, plane=1)
    return Chapter(
        "Films segmented from a few dots of paint", text, sample, result, pictures, measured, result.table,
        "Phases over the whole stack",
    )  # fmt: skip


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
