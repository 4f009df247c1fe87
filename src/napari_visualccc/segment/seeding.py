"""What a quick pixel classifier knows that strokes do not say: sure pixels to learn from, and how common phases are.

Strokes say little about outlines, and nothing about most of the image. A pixel classifier that has learnt from them is
right wherever it is sure, or can be found not to be: it is first tried on strokes that it has not seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.models.card import ClassInfo
from napari_visualccc.segment.annotations import Dataset, annotated
from napari_visualccc.segment.coverage import is_sparse, labelled_share
from napari_visualccc.segment.holdout import split_targets
from napari_visualccc.segment.options import QuickOptions
from napari_visualccc.segment.quick import QuickSegmenter

if TYPE_CHECKING:
    from napari_visualccc.models.nn.patches import LabelledPlane

Labels = NDArray[np.uint8]
# Least probability of a pixel that is taken over.
SURE = 0.95
# Of the sure pixels on strokes kept aside, the share that must be right: averaged over phases, and of each phase. With
# a few short strokes kept aside more cannot be asked for: on eight micrographs of an alloy, what passes these marks was
# right for 89 % of the pixels of each phase, and networks that learn from it gained 0.03 to 0.18 in mean IoU.
_RIGHT, _RIGHT_EACH = 0.75, 0.5
# The share of the strokes kept aside; how often that is tried, as a few strokes may be right by luck.
_ASIDE, _SPLITS = 0.3, 3
# The network is never told that a phase is so many times more or less common than it was painted.
_MOST_RATIO = 20.0


@dataclass(frozen=True)
class Hints:
    """What a network may learn beside the strokes.

    Attributes
    ----------
    planes
        To learn from.
    ratios
        How many times more common each class is than in these planes, shape (classes,); None if they show it.
    """

    planes: list[LabelledPlane]
    ratios: NDArray[np.float64] | None = None


def ask_quick(
    planes: Sequence[LabelledPlane],
    classes: int,
    *,
    fill: bool = True,
    shares: bool = True,
    seed: int = 0,
    progress: Progress | None = None,
) -> Hints:
    """Ask a quick classifier that has learnt from the strokes; masks stay as they are.

    Parameters
    ----------
    planes
        Normalised images and labels.
    classes
        Number of classes.
    fill
        Take over the pixels it is sure of, of all phases or, if it proves wrong on strokes kept aside, of none: a
        network that sees nearly all pixels of one phase and a few strokes of another learns that the other is nowhere.
        What was painted has the last word.
    shares
        If nothing is taken over, ask how common the phases are.
    seed
        Of the classifier.
    progress
        Reports and cancels.

    Notes
    -----
    The network itself cannot be asked how common phases are: after a short training on a few strokes it is sure of
    nearly everything, right or wrong, and a correction after its own words made it see one phase everywhere.
    """
    progress = silent(progress)
    sparse = [number for number, plane in enumerate(planes) if is_sparse(labelled_share([plane.labels]))]
    strokes = [planes[number].labels for number in sparse]
    images = [planes[number].image for number in sparse]
    if len(_present(strokes)) < 2 or not (fill or shares):
        return Hints(list(planes))
    quick = QuickSegmenter(QuickOptions(seed=seed))
    fill = fill and _is_right(quick, [planes[number] for number in sparse], classes, seed)
    if not fill and len(sparse) < len(planes):
        return Hints(list(planes))  # the masks say how common phases are
    _learn(quick, images, strokes, classes)
    result = list(planes)
    areas = np.zeros(classes)
    for number, image, labels in zip(sparse, images, strokes, strict=True):
        probabilities = _probabilities(quick, image)
        if fill:
            take = (probabilities.max(axis=0) >= SURE) & (labels == UNLABELLED)
            called = probabilities.argmax(axis=0)
            result[number] = replace(planes[number], labels=np.where(take, called, labels).astype(np.uint8))
        areas += probabilities.sum(axis=(1, 2), dtype=np.float64)
        progress.check()
    return Hints(result, None if fill or not shares else _ratios(areas, strokes, classes))


def _ratios(areas: NDArray[np.float64], strokes: Sequence[Labels], classes: int) -> NDArray[np.float64]:
    """Area of each class over what was painted of it, both as shares; 1 for classes that are not painted."""
    painted = np.sum([np.bincount(labels.ravel(), minlength=256)[:classes] for labels in strokes], axis=0)
    ratios = np.ones(classes)
    found = painted > 0
    ratios[found] = (areas[found] / areas[found].sum()) / (painted[found] / painted.sum())
    return ratios.clip(1 / _MOST_RATIO, _MOST_RATIO)


def _is_right(quick: QuickSegmenter, planes: Sequence[LabelledPlane], classes: int, seed: int) -> bool:
    """True if a classifier is mostly right where it is sure, on strokes kept aside, or if none can be spared."""
    images, strokes = [plane.image for plane in planes], [plane.labels for plane in planes]
    right, asked = np.zeros(classes, np.int64), np.zeros(classes, np.int64)
    for number in range(_SPLITS):
        stacks = [plane.stack for plane in planes]
        split = split_targets(strokes, classes, _ASIDE, seed + number, stacks, most=2 * _ASIDE)
        learnt = [(image, labels) for image, labels in zip(images, split.training, strict=True) if labels is not None]
        known = [labels for _, labels in learnt]
        if split.kind == "none" or len(_present(known)) < len(_present(strokes)):
            return True
        _learn(quick, [image for image, _ in learnt], known, classes)
        for image, truth in zip(images, split.validation, strict=True):
            if truth is not None:
                probabilities = _probabilities(quick, image)
                sure = (probabilities.max(axis=0) >= SURE) & (truth != UNLABELLED)
                called = probabilities.argmax(axis=0)
                asked += np.bincount(called[sure], minlength=classes)
                right += np.bincount(called[sure & (called == truth)], minlength=classes)
    if not asked.any():
        return False
    share = right[asked > 0] / asked[asked > 0]
    return bool(share.mean() >= _RIGHT and share.min() >= _RIGHT_EACH)


def _learn(
    quick: QuickSegmenter, images: Sequence[NDArray[np.float32]], strokes: Sequence[Labels], classes: int
) -> None:
    """Learn from these strokes alone; the features of the images are computed once."""
    infos = tuple(ClassInfo(label, f"class {label}", (0.5, 0.5, 0.5, 1.0)) for label in range(classes))
    items = tuple(annotated(image, labels) for image, labels in zip(images, strokes, strict=True))
    quick.restart()
    quick.fit(Dataset(items, infos, (UNLABELLED,)))


def _probabilities(quick: QuickSegmenter, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of each class at each pixel, shape (classes, Y, X)."""
    unpainted = np.broadcast_to(np.uint8(UNLABELLED), image.shape)
    return quick.probabilities(annotated(image, unpainted), 0)


def _present(labels: Sequence[Labels]) -> set[int]:
    return set().union(*(np.unique(one).tolist() for one in labels)) - {UNLABELLED}
