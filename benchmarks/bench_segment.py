"""Quality of trained networks on real micrographs, on the validation splits.

    python benchmarks/bench_segment.py [superalloy superalloy-one ebc …] [--minutes M] [--seeds N] [--first-seed N]

With ``--steps`` the training ends after so many steps however busy the machine is: to compare settings, such as the
weights to begin with. Class-mean and pooled IoU are different things (the pooled one is about five points higher): both
are printed, as means over the seeds. With ``--where`` it is also looked into what is missing: quality on the images
that were learnt from, and with the pixels on either side of the annotated outlines left out (of the first seed).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace

import numpy as np
from _data import first, load, require_data
from _timing import report
from skimage.segmentation import find_boundaries

from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.segment import (
    Dataset,
    PredictOptions,
    SegmentationModel,
    TrainOptions,
    annotated,
    evaluate,
    predict,
    train,
)

Check = tuple[str, str, float]


@dataclass(frozen=True)
class Study:
    """A data set, how many images are learnt from, how long, and what is wanted."""

    data: str
    images: int | None
    minutes: float
    wanted: tuple[Check, ...]


STUDIES = {
    "superalloy": Study(
        "superalloy", None, 10,
        (("mean_iou", ">=", 0.92), ("tertiary", ">=", 0.80), ("pooled_iou", ">=", 0.967)),
    ),
    "superalloy-one": Study("superalloy", 1, 10, (("pooled_iou", ">=", 0.935),)),
    "superalloy-four": Study("superalloy", 4, 10, (("pooled_iou", ">=", 0.955),)),
    "ebc": Study("ebc", None, 20, (("oxide", ">=", 0.98), ("mean_iou", ">=", 0.80), ("crack", ">=", 0.45))),
    "nanocomposite": Study("nanocomposite", None, 10, (("agglomerate", ">=", 0.80),)),
    "hrtem": Study("hrtem", None, 10, (("mean_iou", ">=", 0.893),)),
    "emps": Study("emps", None, 10, (("particle", ">=", 0.85),)),
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("studies", nargs="*", default=[], help=", ".join(STUDIES))
    parser.add_argument("--minutes", type=float)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--weights", default="auto", help="auto, random, or a model file")
    parser.add_argument("--where", action="store_true")
    parser.add_argument("--encoder", default=TrainOptions().encoder)
    arguments = parser.parse_args()
    require_data()
    met = [run(name, arguments) for name in arguments.studies or STUDIES]
    return 0 if all(met) else 1


def run(name: str, arguments: argparse.Namespace) -> bool:
    study = STUDIES[name]
    learnt, measured = load(study.data)
    learnt = first(learnt, study.images)
    options = TrainOptions(max_minutes=arguments.minutes or study.minutes, weights=arguments.weights)
    options = replace(options, encoder=arguments.encoder)
    if arguments.steps:
        options = replace(options, steps=arguments.steps, max_minutes=10_000, patch=_patch(options.max_minutes))
    found = []
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
        result = train(learnt, replace(options, seed=seed), validation=measured)
        metrics = evaluate(result.model, measured, PredictOptions(tta=True)).metrics
        one = predict(result.model, measured.items[0].image)
        found.append(metrics | metrics["iou"] | {"steps": result.steps, "seconds_per_image": one.provenance.seconds})
        if arguments.where:
            found[-1]["where"] = where(result.model, learnt, measured)
        sys.stderr.write(f"{name} seed {seed}: {found[-1]}\n")
    values = {key: [one[key] for one in found] for key, _, _ in study.wanted}
    wanted = {key: (float(np.mean(values[key])), sign, target) for key, sign, target in study.wanted}
    shown: dict[str, object] = {
        key: float(np.mean([one[key] for one in found])) for key in ("mean_iou", "pooled_iou", "seconds_per_image")
    }
    shown["iou"] = {phase: float(np.mean([one["iou"][phase] for one in found])) for phase in found[0]["iou"]}
    if arguments.where:
        shown["where"] = found[0]["where"]
    steps = [one["steps"] for one in found]
    return report(
        f"segment {name}",
        wanted,
        minutes=options.max_minutes,
        encoder=options.encoder,
        weights=options.weights,
        seeds=values,
        steps=steps,
        **shown,
    )


def where(model: SegmentationModel, learnt: Dataset, measured: Dataset) -> dict[str, dict[str, float]]:
    """Quality on what was learnt from, and on both sets without the pixels on either side of annotated outlines."""
    parts = {
        "learnt": learnt,
        "learnt, without outlines": without_outlines(learnt),
        "measured, without outlines": without_outlines(measured),
    }
    found = {part: evaluate(model, dataset, PredictOptions(tta=True)).metrics for part, dataset in parts.items()}
    return {part: {key: metrics[key] for key in ("mean_iou", "pooled_iou")} for part, metrics in found.items()}


def without_outlines(dataset: Dataset) -> Dataset:
    """The same images (of one plane), the pixels on either side of annotated outlines without a label."""
    values = np.full(UNLABELLED + 1, UNLABELLED)
    values[: len(dataset.values)] = dataset.values
    items = []
    for item in dataset.items:
        truth = dataset.targets(item, 0)
        labels = np.where(find_boundaries(truth, mode="thick"), UNLABELLED, values[truth])
        items.append(annotated(item.image, labels, pixel_size=item.pixel_size, name=item.name))
    return replace(dataset.with_items(items), ignore=(*dataset.ignore, UNLABELLED))


def _patch(minutes: float) -> int:
    """What `auto` would take in that time."""
    return 512 if minutes >= 15 else 256


if __name__ == "__main__":
    sys.exit(main())
