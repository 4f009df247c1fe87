"""How right answers are.

Of classes: scores from one confusion matrix that is summed over the whole data set, never averaged over images; those
per class also take a stack of matrices (…, C, C), as resampling makes them. Of numbers: their rank correlation.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import InputError

Matrix = NDArray[np.int64]
# Inside the package labels are positions of classes, or this for pixels that nobody labelled: they do not count.
UNLABELLED = 255


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
    return ratio(hit, matrix.sum(0) + matrix.sum(1) - hit)


def pooled_iou(matrix: Matrix) -> float:
    """IoU of all one-hot channels pooled. Higher than the class mean: never compare the two."""
    hit = np.trace(matrix)
    return float(ratio(hit, 2 * matrix.sum() - hit))


def mean_iou(matrix: Matrix) -> float:
    """Mean of `iou` over the classes that occur."""
    values = iou(matrix)
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def dice(matrix: Matrix) -> NDArray[np.float64]:
    """Dice coefficient (F1) per class; NaN for a class that occurs nowhere."""
    return ratio(2 * _hits(matrix), matrix.sum(-2) + matrix.sum(-1))


def accuracy(matrix: Matrix) -> float:
    """Share of pixels or images called right."""
    return float(ratio(np.trace(matrix), matrix.sum()))


def recall(matrix: Matrix) -> NDArray[np.float64]:
    """Share of each true class that was found; NaN for a class without examples."""
    return ratio(_hits(matrix), matrix.sum(-1))


def precision(matrix: Matrix) -> NDArray[np.float64]:
    """Share of what was called a class that is it; NaN for a class that nothing was called."""
    return ratio(_hits(matrix), matrix.sum(-2))


def balanced_accuracy(matrix: Matrix) -> float:
    """Mean recall over the classes that have examples."""
    return float(mean_of_classes(recall(matrix)))


def weighted_accuracy(matrix: Matrix) -> float:
    """Recall of each class weighted by its share of the examples, which is the share called right."""
    return float(weighted_by_class(recall(matrix), matrix))


def macro_f1(matrix: Matrix) -> float:
    """Mean F1 over the classes that occur in truth or prediction."""
    return float(mean_of_classes(dice(matrix)))


def weighted_f1(matrix: Matrix) -> float:
    """F1 of each class weighted by its share of the examples."""
    return float(weighted_by_class(dice(matrix), matrix))


def mean_of_classes(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over the last axis, NaN left out; NaN where nothing is left."""
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0).sum(-1), known.sum(-1))


def weighted_by_class(values: NDArray[np.float64], matrix: Matrix) -> NDArray[np.float64]:
    """Mean of values per class (…, C), weighted by the examples that each has in the matrices (…, C, C)."""
    share = matrix.sum(-1)
    return ratio((np.where(share > 0, np.nan_to_num(values), 0) * share).sum(-1), share.sum(-1))


def rank_correlation(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Spearman's ρ along the first axis, one per column; 0 where one of both does not vary, NaN where a value is NaN.

    Examples
    --------
    >>> rank_correlation(np.array([1, 2, 3, 4]), np.array([1, 4, 9, 16]))
    array(1.)
    """
    from scipy.stats import rankdata

    a, b = (rankdata(one, axis=0) for one in (first, second))
    a, b = a - a.mean(axis=0), b - b.mean(axis=0)
    scale = np.sqrt((a**2).sum(axis=0) * (b**2).sum(axis=0))
    return np.asarray(np.divide((a * b).sum(axis=0), scale, out=np.zeros_like(scale), where=scale != 0))


def _hits(matrix: Matrix) -> Matrix:
    """Diagonal of a matrix, or of each of a stack of matrices (…, C, C)."""
    return np.diagonal(matrix, axis1=-2, axis2=-1)


def ratio(part: Any, whole: Any) -> NDArray[np.float64]:
    """Part of a whole, element by element; NaN where the whole is nothing."""
    part, whole = np.broadcast_arrays(np.asarray(part, float), np.asarray(whole, float))
    return np.asarray(np.divide(part, whole, out=np.full(whole.shape, np.nan), where=whole > 0))
