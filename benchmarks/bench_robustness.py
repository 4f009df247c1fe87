"""A network on images such as another microscope, dose or magnification would give: validation images, changed.

    python benchmarks/bench_robustness.py [superalloy ebc …] [--steps N] [--noise F] [--model FILE]

Each row changes one thing and leaves the phases where they are: mean IoU of the images as they are, then with noise of
half and all of their standard deviation, a Gaussian blur of 2 pixels, γ of 0.5 and 2, a shade across the image, rows of
different brightness, and other magnifications without telling the pixel size. ``--noise`` is what training adds.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np
from _data import load, require_data
from _timing import report
from numpy.typing import NDArray
from scipy import ndimage
from skimage.transform import rescale

from napari_visualccc.segment import (
    Annotated,
    Dataset,
    PredictOptions,
    SegmentationModel,
    TrainOptions,
    annotated,
    evaluate,
    train,
)

Image = NDArray[np.float64]
# Images come with mean 0 and standard deviation 1.
CHANGES: dict[str, Callable[[Image, np.random.Generator], Image]] = {
    "as it is": lambda image, _: image,
    "noise 0.5": lambda image, rng: image + rng.normal(0, 0.5, image.shape),
    "noise 1": lambda image, rng: image + rng.normal(0, 1, image.shape),
    "blur 2 px": lambda image, _: ndimage.gaussian_filter(image, 2),
    "gamma 0.5": lambda image, _: _unit(image) ** 0.5,
    "gamma 2": lambda image, _: _unit(image) ** 2,
    "shade": lambda image, _: image + np.linspace(-1.5, 1.5, image.shape[1]),
    "rows": lambda image, rng: image + rng.normal(0, 0.4, (image.shape[0], 1)),
}
MAGNIFICATIONS = (0.5, 0.7, 1.5, 2.0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("sets", nargs="*", default=["superalloy"])
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--noise", type=float, default=TrainOptions().noise)
    parser.add_argument("--model", help="look at this model instead of training one")
    arguments = parser.parse_args()
    require_data()
    for name in arguments.sets:
        run(name, arguments)
    return 0


def run(name: str, arguments: argparse.Namespace) -> None:
    learnt, measured = load(name)
    options = TrainOptions(max_minutes=10_000, steps=arguments.steps, patch=256, noise=arguments.noise)
    made: dict[str, object] = {"model": arguments.model}
    if arguments.model:
        model = SegmentationModel.load(arguments.model)
    else:
        model = train(learnt, options, validation=measured).model
        made = {"steps": options.steps, "noise": options.noise}
    found = {what: quality(model, changed(measured, change)) for what, change in CHANGES.items()}
    for factor in MAGNIFICATIONS:
        found[f"magnified {factor:g}"] = quality(model, magnified(measured, factor))
    harder = [value for what, value in found.items() if what != "as it is"]
    report(f"robustness {name}", {}, **made, mean_iou=found, mean_of_changes=float(np.mean(harder)))


def quality(model: SegmentationModel, dataset: Dataset) -> float:
    """Mean IoU of the classes."""
    return float(evaluate(model, dataset, PredictOptions()).metrics["mean_iou"])


def changed(dataset: Dataset, change: Callable[[Image, np.random.Generator], Image]) -> Dataset:
    """The images (of one plane) changed, their labels as they are."""
    items = []
    for number, item in enumerate(dataset.items):
        image = change(_standard(item), np.random.default_rng(number))
        items.append(annotated(image, item.labels.plane(0).astype(np.int32), name=item.name))
    return dataset.with_items(items)


def magnified(dataset: Dataset, factor: float) -> Dataset:
    """Images and labels enlarged or shrunk, without a pixel size that would tell."""
    items = []
    for item in dataset.items:
        image = rescale(_standard(item), factor, order=1, anti_aliasing=factor < 1)
        labels = rescale(item.labels.plane(0), factor, order=0, anti_aliasing=False, preserve_range=True)
        items.append(annotated(image, labels.astype(np.int32), name=item.name))
    return dataset.with_items(items)


def _standard(item: Annotated) -> Image:
    image = np.asarray(item.image.plane(0), np.float64)
    return (image - image.mean()) / image.std()


def _unit(image: Image) -> Image:
    return (image - image.min()) / np.ptp(image)


if __name__ == "__main__":
    sys.exit(main())
