"""How good a segmentation is: one confusion matrix over the data set, and how well outlines are met."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core import scores
from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import as_planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import Device, choose_device
from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.models.card import ClassInfo
from napari_visualccc.models.learnt import image_hashes, words_on_learnt
from napari_visualccc.segment.annotations import Annotated, Dataset, dataset_of_masks
from napari_visualccc.segment.boundaries import BoundaryCounts
from napari_visualccc.segment.coverage import words_on_painted
from napari_visualccc.segment.model import SegmentationModel
from napari_visualccc.segment.options import PredictOptions
from napari_visualccc.segment.prediction import predict

if TYPE_CHECKING:
    import pandas as pd

# Outlines drawn by two experts rarely agree better than this.
DEFAULT_TOLERANCE_PX = 2.0


@dataclass(frozen=True)
class Evaluation:
    """Quality over a whole data set.

    Attributes
    ----------
    classes
        Phases.
    confusion
        Pixels of true class i (row) called j (column).
    boundary
        Boundary F1 per class at `tolerance`.
    tolerance, unit
        Distance within which an outline counts as met.
    n
        Number of planes.
    labelled_share
        Share of their pixels that have a label and count, 0 … 1.
    learnt
        Number of planes of images that the model learnt from; None if it is not known of which it did.
    unlabelled
        Positions of classes that no label can show, as their value is ignored: pixels of others that are called so
        are missed, but their own scores are not known (NaN) and are in no mean over classes.
    """

    classes: tuple[ClassInfo, ...]
    confusion: NDArray[np.int64]
    boundary: NDArray[np.float64]
    tolerance: float
    unit: str
    n: int
    labelled_share: float = 1.0
    learnt: int | None = None
    unlabelled: tuple[int, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before believing the numbers, in words."""
        learnt = words_on_learnt(self.learnt or 0, self.n)
        return (*([learnt] if learnt else ()), *words_on_painted({"labelled_share": self.labelled_share}))

    @property
    def metrics(self) -> dict[str, Any]:
        """The numbers by name, in plain types."""
        names = [one.name for one in self.classes]
        return metrics_of(self.confusion, self.classes, self.unlabelled) | {
            "boundary_f1": dict(zip(names, self.boundary.tolist(), strict=True)),
            "boundary_tolerance": self.tolerance,
            "boundary_unit": self.unit,
            "n": self.n,
            "labelled_share": self.labelled_share,
            "learnt_from": self.learnt,
        }

    @property
    def table(self) -> pd.DataFrame:
        """One row per class: IoU, Dice, precision, recall, boundary F1."""
        import pandas as pd

        return pd.DataFrame(
            {
                "label": [one.value for one in self.classes],
                "class": [one.name for one in self.classes],
                **{
                    name: _known(score(self.confusion), self.unlabelled)
                    for name, score in (
                        ("iou", scores.iou),
                        ("dice", scores.dice),
                        ("precision", scores.precision),
                        ("recall", scores.recall),
                    )
                },
                "boundary_f1": self.boundary,
                "true_pixels": self.confusion.sum(axis=1),
            }
        )


def metrics_of(
    confusion: NDArray[np.int64], classes: Sequence[ClassInfo], unlabelled: Sequence[int] = ()
) -> dict[str, Any]:
    """Class-mean IoU, pooled IoU (never compare the two), IoU and Dice per class, pixel accuracy, confusion matrix.

    See `Evaluation.unlabelled`.
    """
    names = [one.name for one in classes]
    iou = _known(scores.iou(confusion), unlabelled)
    dice = _known(scores.dice(confusion), unlabelled)
    return {
        "mean_iou": float(scores.mean_of_classes(iou)),
        "pooled_iou": scores.pooled_iou(confusion),
        "iou": dict(zip(names, iou.tolist(), strict=True)),
        "dice": dict(zip(names, dice.tolist(), strict=True)),
        "pixel_accuracy": scores.accuracy(confusion),
        "confusion": confusion.tolist(),
    }


def _known(values: NDArray[np.float64], unlabelled: Sequence[int]) -> NDArray[np.float64]:
    """Scores per class, NaN for those that no label can show."""
    return np.where(np.isin(np.arange(len(values)), unlabelled), np.nan, values)


def evaluate(
    model: SegmentationModel,
    dataset: Dataset,
    options: PredictOptions | None = None,
    *,
    tolerance: float | None = None,
    device: Device | str = Device.AUTO,
    progress: Progress | None = None,
) -> Evaluation:
    """Compare a model with labelled images.

    Parameters
    ----------
    model
        Trained network.
    dataset
        Images with labels whose values are those of the model's card; pixels without a label, which are those that
        `Dataset.ignore` names, do not count. What the model calls so is wrong wherever there is a label.
    options
        How to predict.
    tolerance
        Of outlines, in the unit of the images if all are calibrated alike, else in pixels; two pixels by default.

    Raises
    ------
    InputError
        If a label is not a class of the model.

    Notes
    -----
    Images that the model learnt from are recognised by their pixels. They count like all others, and are told.
    """
    from napari_visualccc.models.nn.segmenter import Segmenter

    progress = silent(progress)
    segmenter = Segmenter(model.network, choose_device(device))
    dataset = Dataset(dataset.items, model.card.classes, dataset.ignore, dataset.binary)
    count = _Counter(dataset.classes, tolerance)
    hashes, learnt = image_hashes(model.card), 0
    alike = _calibrated_alike(dataset.items)
    for number, item in enumerate(dataset.items):
        part = progress.part(number / len(dataset.items), (number + 1) / len(dataset.items))
        result = predict(
            model, item.image, options, pixel_size=item.pixel_size, name=item.name, segmenter=segmenter, progress=part
        )
        learnt += len(item.image) if result.provenance.input_hash in hashes else 0
        called = as_planes(result.labels, rgb=False)
        for index in range(len(item.image)):
            size = item.pixel_size if alike else PixelSize()
            count.add(dataset.targets(item, index), _positions(called.read(index), dataset.values), size)
    return replace(count.result(dataset.unlabelled), learnt=learnt if hashes else None)


def compare(
    true: Any,
    called: Any,
    classes: Sequence[ClassInfo],
    *,
    pixel_size: PixelSize | None = None,
    ignore: Sequence[int] = (0,),
    tolerance: float | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Compare two label images: a prediction with the truth, or two annotators.

    Parameters
    ----------
    true, called
        Integer arrays of equal shape, (Y, X) or (…, Y, X).
    classes
        What the values mean.
    pixel_size
        Of both.
    ignore
        Values that do not count on either side.
    tolerance
        Of outlines, in the unit of the pixel size.

    Raises
    ------
    InputError
        If the shapes differ, or no pixel is labelled on both sides.
    """
    first, second = as_planes(true, rgb=False, name="first labels"), as_planes(called, rgb=False, name="second labels")
    if first.shape != second.shape:
        raise InputError(f"labels of shape {first.shape} cannot be compared with labels of shape {second.shape}")
    values = [None if one.value in ignore else one.value for one in classes]
    count = _Counter(tuple(classes), tolerance)
    for index in silent(progress).steps(range(len(first)), message="comparing"):
        count.add(
            _positions(first.read(index), values), _positions(second.read(index), values), pixel_size or PixelSize()
        )
    return _agreeing(count)


def compare_sets(
    pairs: Sequence[Annotated],
    *,
    names: Sequence[str] = (),
    ignore: int | None = None,
    binary: bool = False,
    tolerance: float | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Compare two sets of label images: two annotators, or results with masks.

    Parameters
    ----------
    pairs
        Labels taken as true in place of the image, the others as its labels: as `pair_labels` reads two folders.
    names, ignore, binary
        Which values are classes, as for `dataset_of_masks`. Ignored pixels do not count on either side.
    tolerance
        Of outlines, in the unit of the first labels, or in pixels if they have none; two pixels by default.

    Raises
    ------
    InputError
        If there are fewer than two classes, or no pixel is labelled on both sides.
    """
    turned = [replace(pair, image=pair.labels, labels=pair.image) for pair in pairs]
    dataset = dataset_of_masks([*pairs, *turned], names=names, ignore=ignore, binary=binary)
    count, alike = _Counter(dataset.classes, tolerance), _calibrated_alike(pairs)
    for number in silent(progress).steps(range(len(pairs)), message="comparing"):
        for index in range(len(pairs[number].image)):
            true, called = (dataset.targets(one[number], index) for one in (turned, pairs))
            count.add(true, called, pairs[number].pixel_size if alike else PixelSize())
    return _agreeing(count)


def _calibrated_alike(items: Sequence[Annotated]) -> bool:
    """Whether one tolerance of outlines, in their unit, is meant for all."""
    sizes = [item.pixel_size for item in items]
    return all(size.is_calibrated and size.unit == sizes[0].unit for size in sizes)


def _agreeing(count: _Counter) -> Evaluation:
    result = count.result()
    if not result.confusion.sum():
        raise InputError("no pixel is labelled on both sides: there is nothing to compare")
    return result


class _Counter:
    """Sums over planes."""

    def __init__(self, classes: tuple[ClassInfo, ...], tolerance: float | None) -> None:
        self._classes, self._tolerance = classes, tolerance
        self._confusion = np.zeros((len(classes), len(classes)), np.int64)
        self._boundary = BoundaryCounts(len(classes))
        self._unit = ""
        self._shown = tolerance or DEFAULT_TOLERANCE_PX
        self._n = self._pixels = 0

    def add(self, true: NDArray[np.uint8], called: NDArray[np.uint8], size: PixelSize) -> None:
        both = (true != UNLABELLED) & (called != UNLABELLED)
        self._confusion += scores.confusion_matrix(true[both], called[both], len(self._classes))
        tolerance = self._tolerance
        if tolerance is None:
            tolerance = DEFAULT_TOLERANCE_PX * (size.y * size.x) ** 0.5
        self._boundary.add(true, called, (size.y, size.x), tolerance)
        if self._n == 0:
            self._unit, self._shown = size.unit, tolerance
        self._n += 1
        self._pixels += true.size

    def result(self, unlabelled: tuple[int, ...] = ()) -> Evaluation:
        share = int(self._confusion.sum()) / max(1, self._pixels)
        return Evaluation(
            self._classes, self._confusion, _known(self._boundary.f1(), unlabelled), self._shown, self._unit or "px",
            self._n, share, unlabelled=unlabelled,
        )  # fmt: skip


def _positions(labels: NDArray[Any], values: Sequence[int | None]) -> NDArray[np.uint8]:
    """Position of each label among the values of the classes; labels that are none of them count as unlabelled."""
    result = np.full(labels.shape, UNLABELLED, np.uint8)
    for position, value in enumerate(values):
        if value is not None:
            result[labels == value] = position
    return result
