"""More to learn from than strokes: what a quick pixel classifier is sure of on the painted planes.

Strokes say little about outlines, and nothing about most of the image. A pixel classifier that has learnt from them is
right wherever it is sure, or can be found not to be: it is first tried on strokes that it has not seen, and phases
that it gets wrong while being sure are not taken over.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.models.card import ClassInfo
from napari_visualccc.segment.annotations import UNLABELLED, Dataset, annotated
from napari_visualccc.segment.holdout import split_targets
from napari_visualccc.segment.options import QuickOptions
from napari_visualccc.segment.quick import QuickSegmenter
from napari_visualccc.segment.shares import is_sparse

if TYPE_CHECKING:
    from napari_visualccc.models.nn.patches import LabelledPlane

Labels = NDArray[np.uint8]
# Least probability of a pixel that is taken over.
SURE = 0.95
# Share of the sure pixels of a phase that must be right on strokes kept aside; the share of the strokes kept aside;
# how often that is tried, as a few strokes may be right by luck.
_RIGHT, _ASIDE, _SPLITS = 0.9, 0.3, 3


def filled(
    planes: Sequence[LabelledPlane], classes: int, *, seed: int = 0, progress: Progress | None = None
) -> list[LabelledPlane]:
    """Planes whose strokes are joined by what a quick classifier is sure of; masks stay as they are.

    What was painted has the last word.

    Parameters
    ----------
    planes
        Normalised images and labels.
    classes
        Number of classes.
    seed
        Of the classifier.
    progress
        Reports and cancels.
    """
    from napari_visualccc.models.nn.patches import LabelledPlane

    progress = silent(progress)
    sparse = [number for number, plane in enumerate(planes) if is_sparse(plane.labels)]
    strokes = [planes[number].labels for number in sparse]
    images = [planes[number].image for number in sparse]
    if len(_present(strokes)) < 2:
        return list(planes)
    quick = QuickSegmenter(QuickOptions(seed=seed))
    trusted = _trusted(quick, images, strokes, classes, seed)
    _learn(quick, images, strokes, classes)
    result = list(planes)
    for number, image, labels in zip(sparse, images, strokes, strict=True):
        called, sure = _called(quick, image)
        take = sure & (labels == UNLABELLED) & np.isin(called, trusted)
        result[number] = LabelledPlane(image, np.where(take, called, labels).astype(np.uint8))
        progress.check()
    return result


def _trusted(
    quick: QuickSegmenter, images: list[NDArray[np.float32]], strokes: list[Labels], classes: int, seed: int
) -> list[int]:
    """Classes that a classifier gets right where it is sure, on strokes kept aside (all if none can be spared)."""
    right, asked = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    for number in range(_SPLITS):
        split = split_targets(strokes, classes, _ASIDE, seed + number)
        learnt = [(image, labels) for image, labels in zip(images, split.training, strict=True) if labels is not None]
        known = [labels for _, labels in learnt]
        if split.kind == "none" or len(_present(known)) < len(_present(strokes)):
            return list(range(classes))
        _learn(quick, [image for image, _ in learnt], known, classes)
        for image, truth in zip(images, split.validation, strict=True):
            if truth is not None:
                called, sure = _called(quick, image)
                sure &= truth != UNLABELLED
                asked += np.bincount(called[sure], minlength=classes)
                right += np.bincount(called[sure & (called == truth)], minlength=classes)
    return [label for label in range(classes) if asked[label] and right[label] >= _RIGHT * asked[label]]


def _learn(
    quick: QuickSegmenter, images: Sequence[NDArray[np.float32]], strokes: Sequence[Labels], classes: int
) -> None:
    """Learn from these strokes alone; the features of the images are computed once."""
    infos = tuple(ClassInfo(label, f"class {label}", (0.5, 0.5, 0.5, 1.0)) for label in range(classes))
    items = tuple(annotated(image, labels) for image, labels in zip(images, strokes, strict=True))
    quick.restart()
    quick.fit(Dataset(items, infos, (UNLABELLED,)))


def _called(quick: QuickSegmenter, image: NDArray[np.float32]) -> tuple[Labels, NDArray[np.bool_]]:
    """Class of each pixel, and where it is sure."""
    unpainted = np.broadcast_to(np.uint8(UNLABELLED), image.shape)
    probabilities = quick.probabilities(annotated(image, unpainted), 0)
    return probabilities.argmax(axis=0).astype(np.uint8), probabilities.max(axis=0) >= SURE


def _present(labels: Sequence[Labels]) -> set[int]:
    return set().union(*(np.unique(one).tolist() for one in labels)) - {UNLABELLED}
