"""Chapter of the demo: a recipe of processing steps makes a map of texture, and labels from it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from napari_visualccc.core.colours import label_colours
from napari_visualccc.core.progress import Progress
from napari_visualccc.demo.chapter import Chapter, Measurement, pictures_of
from napari_visualccc.pictures import grey_picture

_SIZE = 640
# A window of some five fringes.
_STEPS = (
    "gaussian:sigma=0.05nm", "glcm:property=dissimilarity,window=1nm,levels=16", "otsu", "fill_holes:largest=2nm",
    "remove_small:smallest=1nm",
)  # fmt: skip
_FIRST_CRYSTAL = 2  # label of the sample's truth from which on they are crystals


def texture(seed: int, progress: Progress) -> Chapter:
    """Crystals of an interphase by how much neighbouring grey levels differ."""
    from napari_visualccc.processing import Pipeline, apply
    from napari_visualccc.samples import HrtemOptions, hrtem

    sample = hrtem(HrtemOptions(size=_SIZE, seed=seed + 1), progress=progress.part(0, 0.3))
    sample = replace(sample, name=f"{sample.name} processed")
    pipeline = Pipeline.parse(list(_STEPS))
    result = apply(pipeline, sample.image, pixel_size=sample.pixel_size, name=sample.name, rgb=False)
    labels = np.asarray(result.images["processed"])
    progress(0.7)
    upto = apply(Pipeline(pipeline.steps[:2]), sample.image, pixel_size=sample.pixel_size, rgb=False)
    texture_map = np.asarray(upto.images["processed"])
    seen, true = labels > 0, sample.labels >= _FIRST_CRYSTAL
    measured = [
        Measurement(f"{sample.name}: share of crystals", float(seen.mean()), float(true.mean())),
        Measurement(f"{sample.name}: share of pixels rightly told crystal or not", float((seen == true).mean()), 1.0),
    ]
    text = (
        "A recipe of steps, as the Process widget makes it: a little blur against shot noise, GLCM dissimilarity in a "
        "window of 1 nm, a threshold, holes filled, specks removed. Fringes make near pixels differ more than an "
        "amorphous matrix does; which crystals they are, the next chapter tells."
    )
    pictures = pictures_of(
        sample, "crystals by texture", labels, label_colours(1), **{"GLCM dissimilarity": grey_picture(texture_map[0])}
    )
    return Chapter(
        "Crystals by texture", text, sample, result, pictures, measured, sample.table.drop(columns="d_spacings_nm"),
        "Grains of the simulation", [str(step) for step in pipeline.active],
    )  # fmt: skip
