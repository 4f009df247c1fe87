"""How good a segmentation is: one confusion matrix over the data set, and how well outlines are met."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core import scores
from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.pixel_size import PIXEL, PixelSize
from napari_visualccc.core.planes import as_planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import Device, choose_device
from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.models.card import ClassInfo
from napari_visualccc.models.learnt import image_hashes
from napari_visualccc.segment.annotations import Annotated, Dataset, dataset_of_masks
from napari_visualccc.segment.boundaries import BoundaryCounts
from napari_visualccc.segment.model import SegmentationModel
from napari_visualccc.segment.notes import some_of
from napari_visualccc.segment.options import PredictOptions
from napari_visualccc.segment.prediction import predict
from napari_visualccc.segment.quality import Evaluation, known

# Outlines drawn by two experts rarely agree better than this.
DEFAULT_TOLERANCE_PX = 2.0


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
    seen = [item for item in dataset.items if _has_values(item)] or dataset.items
    for number, item in enumerate(seen):
        part = progress.part(number / len(seen), (number + 1) / len(seen))
        result = predict(
            model, item.image, options, pixel_size=item.pixel_size, name=item.name, segmenter=segmenter, progress=part
        )
        learnt += len(item.image) if result.provenance.input_hash in hashes else 0
        called = as_planes(result.labels, rgb=False)
        for index in range(len(item.image)):
            size = item.pixel_size if alike else PixelSize()
            count.add(dataset.targets(item, index), _positions(called.read(index), dataset.values), size)
    found = count.result(dataset.unlabelled)
    empty = [item.name for item in dataset.items if item not in seen]
    remarks = [f"{some_of(empty)}: no finite pixel, left out"] if empty else []
    return replace(
        found, learnt=learnt if hashes else None, remarks=(*remarks, *_on_tolerance(tolerance, dataset.items))
    )


def _has_values(item: Annotated) -> bool:
    planes = item.image
    return planes.is_integer or any(np.isfinite(planes.plane(index)).any() for index in range(len(planes)))


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
    names: Sequence[str] | Mapping[int, str] = (),
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
    return replace(_agreeing(count), remarks=_on_tolerance(tolerance, pairs))


def _on_tolerance(tolerance: float | None, items: Sequence[Annotated]) -> tuple[str, ...]:
    """That a tolerance, perhaps meant in nm, was taken in pixels."""
    if tolerance is None or _calibrated_alike(items) or not any(item.pixel_size.is_calibrated for item in items):
        return ()
    return (f"the tolerance of outlines was taken as {tolerance:g} px: not all images have a pixel size in one unit",)


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
        if tolerance is not None and not 0 < tolerance < math.inf:
            raise OptionError(f"outlines cannot be met within {tolerance:g}: give a distance above 0")
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
        elif self._tolerance is None and tolerance != self._shown:  # so many pixels of each image
            self._unit, self._shown = PIXEL, DEFAULT_TOLERANCE_PX
        self._n += 1
        self._pixels += true.size

    def result(self, unlabelled: tuple[int, ...] = ()) -> Evaluation:
        share = int(self._confusion.sum()) / max(1, self._pixels)
        return Evaluation(
            self._classes, self._confusion, known(self._boundary.f1(), unlabelled), self._shown, self._unit or PIXEL,
            self._n, share, unlabelled=unlabelled,
        )  # fmt: skip


def _positions(labels: NDArray[Any], values: Sequence[int | None]) -> NDArray[np.uint8]:
    """Position of each label among the values of the classes; labels that are none of them count as unlabelled."""
    result = np.full(labels.shape, UNLABELLED, np.uint8)
    for position, value in enumerate(values):
        if value is not None:
            result[labels == value] = position
    return result
