"""What pre-trained weights are worth on real micrographs: against random ones, and against a file if one is given.

    python benchmarks/bench_encoders.py [probe finetune map segment strokes] [--encoder NAME] [--weights FILE …]
                                        [--steps N] [--epochs N] [--studies superalloy-one ebc …] [--seeds N]

``probe``   logistic regression on what the encoder sees, as *Fast* does it and as scikit-learn does: classes of steels
            (`uhcs_3class`, groups are specimens) and shapes of particles (`emps`, groups are papers).
``finetune`` the encoder learns with the classifier, each image seen `--epochs` times; the same two sets, measured on
            the official validation split.
``map``     R² of nearest neighbours and of ridge regression for aspect ratio (`emps`) and annealing temperature
            (`uhcs`), every group held out in turn.
``segment`` the studies of bench_segment.py: superalloy with 1, 4 and 10 images, ebc, nanocomposite.
``strokes`` five strokes per class on two images (bench_quick.py).

All weights get the same number of steps. The weights that come with the package were learnt on simulated micrographs
or on photographs, so that each data set here is one that they never saw. Probes and maps take minutes, segmentation
takes hours.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from _data import DATA, first, load, require_data
from _timing import report
from bench_quick import stroked
from bench_segment import STUDIES

from napari_visualccc import classify
from napari_visualccc.classify import EvaluateOptions, read_dataset
from napari_visualccc.classify.calibration import softmax
from napari_visualccc.classify.dataset import Dataset
from napari_visualccc.classify.evaluation import evaluation_of
from napari_visualccc.classify.linear import fit_linear
from napari_visualccc.classify.vectors import Looker
from napari_visualccc.maps import MapOptions, PropertyOptions, build_map, predict_property
from napari_visualccc.models.embedding_options import EmbeddingOptions
from napari_visualccc.models.zoo import DEFAULT_ENCODER
from napari_visualccc.segment import PredictOptions, TrainOptions, annotated, evaluate, train

PARTS = ("probe", "finetune", "map", "segment", "strokes")
USUAL = ("probe", "map")
SEGMENTATION = ("superalloy-one", "superalloy-four", "superalloy", "ebc", "nanocomposite")
SCORES = ("balanced_accuracy", "weighted_f1", "weighted_accuracy")
# What pre-trained weights should reach (issue of the encoders), by data set and score.
TARGETS = {
    ("probe emps morphology", "weighted_f1"): 0.88,
    ("probe uhcs_3class", "balanced_accuracy"): 0.85,
    ("segment superalloy-one", "pooled_iou"): 0.94,
    ("segment ebc", "crack"): 0.45,
}


def probes(arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Grouped cross-validation of linear probes."""
    for name, dataset in _labelled():
        found = {}
        for weights in arguments.weights:
            looker = Looker(EmbeddingOptions(encoder=arguments.encoder or DEFAULT_ENCODER, weights=weights))
            vectors = looker.look(dataset.micrographs).vectors
            found[weights] = _probed(dataset, vectors)
            found[weights + ", scikit-learn"] = linear_probe(vectors, dataset.targets, dataset.groups)
        yield f"probe {name}", found


def _labelled() -> Iterator[tuple[str, Dataset]]:
    yield "uhcs_3class", read_dataset(DATA / "uhcs" / "uhcs_3class.csv")
    with tempfile.TemporaryDirectory() as folder, (DATA / "emps" / "emps.csv").open(newline="") as file:
        path = Path(folder) / "morphology.csv"
        images = {image.stem: image for image in (DATA / "emps" / "images").iterdir()}
        rows = [row for row in csv.DictReader(file) if row["morphology"] and row["id"] in images]
        with path.open("w", newline="") as table:
            writer = csv.writer(table)
            writer.writerow(("path", "label", "group", "split"))
            writer.writerows((images[row["id"]].resolve(), row["morphology"], row["doi"], row["split"]) for row in rows)
        yield "emps morphology", read_dataset(path)


def _probed(dataset: Dataset, vectors: np.ndarray) -> dict[str, float]:
    fit = fit_linear(vectors, dataset.targets, dataset.groups, len(dataset.classes))
    known = np.flatnonzero(np.isfinite(fit.held_scores).all(axis=1))
    probabilities = softmax(fit.held_scores[known], fit.temperature)
    metrics = evaluation_of(dataset.chosen(known), probabilities, EvaluateOptions(), "cross-validation").metrics
    return {key: float(metrics[key]) for key in SCORES}


def finetuning(arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Classifiers whose encoder learns, too, for the same number of epochs from all weights."""
    for name, dataset in _labelled():
        found = {}
        for weights in arguments.weights:
            options = classify.TrainOptions(
                method="fine-tune", epochs=arguments.epochs, max_minutes=10_000, weights=weights,
                encoder=arguments.encoder or DEFAULT_ENCODER,
            )  # fmt: skip
            metrics = classify.train(dataset, options).metrics
            found[weights] = {key: float(metrics[key]) for key in SCORES}
        yield f"finetune {name}", found


def linear_probe(vectors: np.ndarray, targets: np.ndarray, groups: np.ndarray) -> dict[str, float]:
    """Scikit-learn's logistic regression; the penalty is chosen within the training groups of each fold."""
    from sklearn.decomposition import PCA
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import accuracy_score, balanced_accuracy_score, f1_score
    from sklearn.model_selection import GridSearchCV, StratifiedGroupKFold
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    found = np.empty_like(targets)
    for learnt, held in StratifiedGroupKFold(5, shuffle=True, random_state=0).split(vectors, targets, groups):
        # Turning onto the principal axes changes nothing for a quadratic penalty, but makes the problem small.
        model = make_pipeline(StandardScaler(), PCA(), LogisticRegression(class_weight="balanced", max_iter=3000))
        strengths = {"logisticregression__C": np.logspace(-4, 0, 5)}
        inner = StratifiedGroupKFold(4, shuffle=True, random_state=1)
        search = GridSearchCV(model, strengths, scoring="balanced_accuracy", cv=inner)
        found[held] = search.fit(vectors[learnt], targets[learnt], groups=groups[learnt]).predict(vectors[held])
    return {
        "balanced_accuracy": float(balanced_accuracy_score(targets, found)),
        "weighted_f1": float(f1_score(targets, found, average="weighted")),
        "weighted_accuracy": float(accuracy_score(targets, found)),
    }


def maps(arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """How well likeness predicts a property, groups held out."""
    for name, table, target in (
        ("emps", DATA / "emps" / "emps.csv", "aspect_ratio"),
        ("uhcs", DATA / "uhcs" / "uhcs.csv", "anneal_temperature_c"),
    ):
        found = {}
        for weights in arguments.weights:
            options = MapOptions(encoder=arguments.encoder or DEFAULT_ENCODER, weights=weights)
            made = build_map(DATA / name / "images", options, table=table)
            result = predict_property(made, target, PropertyOptions(permutations=99)).as_dict()
            found[weights] = {key: result[key] for key in ("knn_r2", "ridge_r2", "knn_spearman", "spearman", "p_value")}
        found["brightness, contrast and pixel size alone"] = {"ridge_r2": result["acquisition_r2"]}
        yield f"map {name} {target}", found


def segmentation(arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Networks trained from masks, the same number of steps from all weights."""
    for name in arguments.studies:
        study = STUDIES[name]
        learnt, measured = load(study.data)
        yield f"segment {name}", _trained(first(learnt, study.images), measured, measured, arguments)


def strokes(arguments: argparse.Namespace) -> Iterator[tuple[str, dict[str, Any]]]:
    """Networks trained from a few strokes."""
    learnt, measured = load("superalloy")
    painted = stroked(learnt, 0)
    whole = painted.with_items(
        annotated(item.image, measured.targets(item, 0) + 1, name=item.name) for item in measured.items
    )
    yield "strokes superalloy", _trained(painted, None, whole, arguments)


def _trained(learnt: Any, validation: Any, measured: Any, arguments: argparse.Namespace) -> dict[str, Any]:
    options = TrainOptions(
        encoder=arguments.encoder or TrainOptions().encoder, steps=arguments.steps, max_minutes=10_000, patch=256,
        validation=TrainOptions().validation if validation is not None else 0.0,
    )  # fmt: skip
    found = {}
    for weights in arguments.weights:
        rows = []
        for seed in range(arguments.seeds):
            model = train(learnt, replace(options, weights=weights, seed=seed), validation=validation).model
            metrics = evaluate(model, measured, PredictOptions(tta=True)).metrics
            rows.append({"mean_iou": metrics["mean_iou"], "pooled_iou": metrics["pooled_iou"], **metrics["iou"]})
        found[weights] = {key: float(np.mean([row[key] for row in rows])) for key in rows[0]}
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=[], help=", ".join(PARTS) + f"; default: {' '.join(USUAL)}")
    parser.add_argument("--encoder", default="", help="default: that of Map and Classify, or of Segment")
    parser.add_argument("--weights", action="append", default=[], help="more weights: a file, imagenet, micronet …")
    parser.add_argument("--steps", type=int, default=1500, help="of each training")
    parser.add_argument("--epochs", type=int, default=4, help="of each fine-tuning of a classifier")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--studies", nargs="*", default=SEGMENTATION, choices=SEGMENTATION)
    arguments = parser.parse_args()
    if strange := set(arguments.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(strange))}")
    require_data()
    arguments.weights = ["auto", "random", *arguments.weights]
    run = {"probe": probes, "finetune": finetuning, "map": maps, "segment": segmentation, "strokes": strokes}
    met = []
    for part in arguments.parts or USUAL:
        for name, found in run[part](arguments):
            wanted = {key: (found["auto"][key], ">=", goal) for (data, key), goal in TARGETS.items() if data == name}
            rounded = {key: {score: round(value, 3) for score, value in one.items()} for key, one in found.items()}
            steps = {"steps": arguments.steps} if part in ("segment", "strokes") else {}
            met.append(report(name, wanted, encoder=arguments.encoder, **steps, found=rounded))
    return 0 if all(met) else 1


if __name__ == "__main__":
    sys.exit(main())
