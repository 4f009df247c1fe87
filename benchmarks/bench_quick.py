"""Quick segmentation and few labels: speed of a refresh, and how far a few strokes carry.

    python benchmarks/bench_quick.py [speed] [strokes] [lattice] [--reference 0.90]

`strokes` simulates 5 strokes per class on about 1 % of the pixels of 2 images of `superalloy` and measures class-mean
IoU on the validation images, relative to full supervision (bench_segment.py). `lattice` learns simulated HRTEM
interphases from masks, and from strokes on two of them, with and without the local power spectrum.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from _data import first, load, require_data
from _timing import best_of, report
from strokes import simulate_strokes

from napari_visualccc.segment import (
    Annotated,
    Dataset,
    PredictOptions,
    QuickOptions,
    QuickSegmenter,
    SegmentationModel,
    TrainOptions,
    annotated,
    dataset_of_strokes,
    evaluate,
    train,
)

EDGE = 1536
# Class-mean IoU of ten fully labelled images after ten minutes, by bench_segment.py superalloy.
FULLY_SUPERVISED = 0.905


def speed() -> bool:
    """Features and apply, and a refresh after a further stroke, as the widget does it."""
    rng = np.random.default_rng(0)
    image = rng.normal(100, 20, (EDGE, EDGE)).astype(np.float32)
    image[:, EDGE // 2 :] += 30
    labels = np.zeros((EDGE, EDGE), np.uint8)
    labels[100:110, 100:700], labels[300:310, 900:1400], labels[700:705, 500:600] = 1, 2, 3
    item = annotated(image, labels)
    dataset = dataset_of_strokes([item])
    quick = QuickSegmenter()

    def from_nothing() -> None:
        quick.forget()
        quick.fit(dataset)
        quick.labels(item, 0)

    def refresh() -> None:
        y, x = rng.integers(0, EDGE - 20, 2)
        labels[y : y + 4, x : x + 15] = rng.integers(1, 4)
        quick.fit(dataset)
        quick.labels(item, 0)

    def features_and_apply() -> None:
        quick.forget()
        quick.labels(item, 0)

    whole, _ = best_of(5, from_nothing)
    again, _ = best_of(8, refresh)
    apply, _ = best_of(5, features_and_apply)
    wanted = {
        "seconds for features and apply": (apply, "<=", 0.8),
        "seconds for a refresh": (again, "<=", 0.15),
    }
    return report("quick, 1536 × 1536", wanted, seconds_with_training=whole)


def stroked(dataset: Dataset, seed: int, images: int = 2) -> Dataset:
    """A few of the images with simulated strokes instead of their masks."""
    items: list[Annotated] = []
    for number, item in enumerate(dataset.items[:images]):
        rng = np.random.default_rng([seed, number])
        painted = simulate_strokes(dataset.targets(item, 0), rng=rng)
        items.append(annotated(item.image, painted, pixel_size=item.pixel_size, name=item.name))
    names = {position + 1: one.name for position, one in enumerate(dataset.classes)}
    return dataset_of_strokes(items, names=names)


def few_labels(reference: float) -> bool:
    require_data()
    learnt, measured = load("superalloy")
    strokes = stroked(learnt, 0)
    share = np.mean([(item.labels.read(0) > 0).mean() for item in strokes.items])
    shifted = strokes.with_items(
        annotated(item.image, measured.targets(item, 0) + 1, name=item.name) for item in measured.items
    )

    def quality(model: SegmentationModel, tta: bool) -> float:
        return float(evaluate(model, shifted, PredictOptions(tta=tta)).metrics["mean_iou"])

    quick = QuickSegmenter().fit(strokes).model
    network = train(strokes, TrainOptions(max_minutes=2, validation=0.0)).model
    found = {"quick": quality(quick, False), "network": quality(network, True)}
    wanted = {
        "quick, of full supervision": (found["quick"] / reference, ">=", 0.75),
        "U-Net in 2 minutes, of full supervision": (found["network"] / reference, ">=", 0.85),
    }
    return report("few strokes", wanted, mean_iou=found, painted=float(share), reference=reference)


def lattice() -> bool:
    """Interphases whose phases differ in little but the spacings of their fringes."""
    learnt, measured = load("hrtem")
    painted = stroked(learnt, 0)
    shifted = painted.with_items(
        annotated(item.image, measured.targets(item, 0) + 1, pixel_size=item.pixel_size, name=item.name)
        for item in measured.items
    )
    sets = {
        "8 masks": (learnt, measured),
        "2 masks": (first(learnt, 2), measured),
        "strokes on 2": (painted, shifted),
    }
    found = {
        f"{name}, {how}": evaluate(QuickSegmenter(QuickOptions(lattice=how)).fit(one).model, truth).metrics["mean_iou"]
        for name, (one, truth) in sets.items()
        for how in ("auto", "off")
    }
    return report("quick, simulated interphase", {"mean_iou": (found["8 masks, auto"], ">=", 0.893)}, mean_iou=found)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", default=["speed", "strokes"])
    parser.add_argument("--reference", type=float, default=FULLY_SUPERVISED)
    arguments = parser.parse_args()
    met = [speed()] if "speed" in arguments.parts else []
    met += [few_labels(arguments.reference)] if "strokes" in arguments.parts else []
    met += [lattice()] if "lattice" in arguments.parts else []
    sys.exit(0 if all(met) else 1)
