"""Scores from one confusion matrix that is summed over the whole data set, never averaged over images."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import InputError

Matrix = NDArray[np.int64]


def confusion_matrix(true: NDArray[Any], predicted: NDArray[Any], classes: int, *, ignore: int | None = None) -> Matrix:
    """Count how often class i was called j.

    Parameters
    ----------
    true, predicted
        Integer labels 0 … classes - 1 of equal shape.
    classes
        Number of classes.
    ignore
        Label in `true` whose pixels do not count.

    Returns
    -------
    ndarray of int64, shape (classes, classes)
        Rows are the truth, columns the prediction. Matrices of several images are added.

    Raises
    ------
    InputError
        If shapes differ or a label lies outside the classes.
    """
    if true.shape != predicted.shape:
        raise InputError(f"labels of shape {true.shape} cannot be compared with labels of shape {predicted.shape}")
    truth, called = true.ravel().astype(np.int64), predicted.ravel().astype(np.int64)
    if ignore is not None:
        keep = truth != ignore
        truth, called = truth[keep], called[keep]
    for name, labels in (("true", truth), ("predicted", called)):
        if labels.size and not (labels.min() >= 0 and labels.max() < classes):
            raise InputError(f"{name} labels span {labels.min()} … {labels.max()}, expected 0 … {classes - 1}")
    return np.bincount(truth * classes + called, minlength=classes**2).reshape(classes, classes)


def iou(matrix: Matrix) -> NDArray[np.float64]:
    """Intersection over union per class; NaN for a class that occurs neither in truth nor in prediction."""
    hit = np.diag(matrix)
    return _ratio(hit, matrix.sum(0) + matrix.sum(1) - hit)


def pooled_iou(matrix: Matrix) -> float:
    """IoU of all one-hot channels pooled. Higher than the class mean: never compare the two."""
    hit = np.trace(matrix)
    return float(_ratio(hit, 2 * matrix.sum() - hit))


def mean_iou(matrix: Matrix) -> float:
    """Mean of `iou` over the classes that occur."""
    values = iou(matrix)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def dice(matrix: Matrix) -> NDArray[np.float64]:
    """Dice coefficient (F1) per class; NaN for a class that occurs nowhere."""
    return _ratio(2 * np.diag(matrix), matrix.sum(0) + matrix.sum(1))


def accuracy(matrix: Matrix) -> float:
    """Share of pixels or images called right."""
    return float(_ratio(np.trace(matrix), matrix.sum()))


def recall(matrix: Matrix) -> NDArray[np.float64]:
    """Share of each true class that was found; NaN for a class without examples."""
    return _ratio(np.diag(matrix), matrix.sum(1))


def balanced_accuracy(matrix: Matrix) -> float:
    """Mean recall over the classes that have examples."""
    values = recall(matrix)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _ratio(part: Any, whole: Any) -> NDArray[np.float64]:
    part, whole = np.asarray(part, float), np.asarray(whole, float)
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))
