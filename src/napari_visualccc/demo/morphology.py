"""Chapter of the demo: dendritic or spherical lithium, learnt from a few labelled planes, and what speaks for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_visualccc.core.progress import Progress
from napari_visualccc.demo.chapter import Chapter, Measurement
from napari_visualccc.pictures import grey_picture, heat_picture, with_scale_bar

_LABELLED, _UNSEEN = 12, 8


def morphology(seed: int, progress: Progress) -> Chapter:
    """Label twelve planes, classify eight others, look where the evidence is."""
    from napari_visualccc.classify import ExplainOptions, dataset_of, examples_of_stack, explain, predict, train
    from napari_visualccc.samples import LithiumOptions, lithium

    count = _LABELLED + _UNSEEN
    sample = lithium(LithiumOptions(count=count, seed=seed + 2), progress=progress.part(0, 0.2))
    sample = replace(sample, name=f"{sample.name} classified")
    known = dict(enumerate(sample.plane_labels[:_LABELLED]))
    examples = examples_of_stack(sample.image, known, name=sample.name, pixel_size=sample.pixel_size, rgb=False)
    trained = train(dataset_of(examples), progress=progress.part(0.2, 0.6))
    unseen = sample.image[_LABELLED:]
    found = predict(
        trained.model, unseen, pixel_size=sample.pixel_size, name=sample.name, rgb=False,
        progress=progress.part(0.6, 0.8),
    )  # fmt: skip
    explained = explain(
        trained.model, unseen[:2], ExplainOptions(method="hirescam", faithfulness=False), rgb=False,
        pixel_size=sample.pixel_size, name=sample.name, progress=progress.part(0.8, 1),
    )  # fmt: skip
    true = np.array(sample.plane_labels[_LABELLED:])
    table = found.table.assign(plane=lambda t: t["plane"] + _LABELLED, true=true)
    right = float((table["class"].to_numpy() == true).mean())
    pictures = {}
    for place in (0, 1):
        pictures[str(true[place])] = with_scale_bar(grey_picture(unseen[place]), sample.pixel_size)
        pictures[f"heat for {table['class'][place]}"] = heat_picture(
            unseen[place], explained.heat[place], brightest=explained.brightest
        )
    measured = [Measurement(f"{sample.name}: share of {_UNSEEN} unseen planes called right", right, 1.0)]
    text = (
        f"{_LABELLED} labelled planes teach the difference between dendritic and spherical deposits in seconds; "
        f"{_UNSEEN} others are classified. The heat shows which places speak for the class."
    )
    return Chapter(
        "Dendritic or spherical", text, sample, found, pictures, measured, table, "Planes that were not labelled"
    )
