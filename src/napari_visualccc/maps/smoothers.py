"""Predictions by grouped cross-validation for many versions of a property at once.

Ridge regression and nearest neighbours are linear in the property. A column of shuffled values costs no more than a
column of a matrix product then, which makes an honest permutation test (everything that is chosen is chosen anew)
affordable.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.maps.neighbours import nearest_neighbours

Values = NDArray[np.float64]
# Penalties that are tried, in units of the mean variance of the components.
PENALTIES = np.logspace(-3, 4, 15)
_COLUMNS = 200
_INNER_FOLDS = 4


def folds_of(groups: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Fold of each row so that a group is never split and folds are about equal: largest groups are dealt first."""
    names, sizes = np.unique(groups, return_counts=True)
    count = min(count, len(names))
    filled = np.zeros(count, int)
    fold_of_group = {}
    for index in np.argsort(-sizes, kind="stable"):
        smallest = int(filled.argmin())
        fold_of_group[int(names[index])] = smallest
        filled[smallest] += sizes[index]
    return np.array([fold_of_group[int(group)] for group in groups])


def ridge_predictions(
    X: Values, Y: Values, groups: NDArray[np.int64], folds: int, progress: Progress | None = None
) -> Values:
    """Prediction of each row by a ridge regression that never saw its group.

    Parameters
    ----------
    X
        Shape (N, D).
    Y
        Columns of properties, shape (N, P); each gets a penalty of its own, chosen by grouped cross-validation within
        the training rows.
    groups
        Shape (N,).
    """
    progress = silent(progress)
    outer = folds_of(groups, folds)
    result = np.empty_like(Y)
    for fold in progress.steps(range(outer.max() + 1), message="predicting"):
        test = outer == fold
        train = np.flatnonzero(~test)
        inner = folds_of(groups[train], _INNER_FOLDS)
        splits = [(train[inner != part], train[inner == part]) for part in range(inner.max() + 1)]
        for start in range(0, Y.shape[1], _COLUMNS):
            progress.check()
            columns = slice(start, start + _COLUMNS)
            best = _penalties(X, Y[:, columns], splits)
            path = _path(X[train], Y[train, columns], X[test])
            result[test, columns] = path[best, :, np.arange(len(best))].T
    return result


def choose_penalty(X: Values, y: Values, groups: NDArray[np.int64]) -> float:
    """Penalty for a regression on all rows."""
    inner = folds_of(groups, _INNER_FOLDS)
    splits = [(np.flatnonzero(inner != part), np.flatnonzero(inner == part)) for part in range(inner.max() + 1)]
    return float(PENALTIES[_penalties(X, y[:, None], splits)[0]])


def ridge_weights(X: Values, y: Values, penalty: float) -> tuple[Values, float]:
    """Weights and constant of a ridge regression."""
    mean, middle = X.mean(axis=0), y.mean()
    centred = X - mean
    strength = penalty * max(float((centred**2).sum()) / X.shape[1], 1e-30)
    weights = np.linalg.solve(centred.T @ centred + strength * np.eye(X.shape[1]), centred.T @ (y - middle))
    return weights, float(middle - mean @ weights)


def _penalties(X: Values, Y: Values, splits: list[tuple[NDArray[np.int64], NDArray[np.int64]]]) -> NDArray[np.int64]:
    """Number of the penalty with the least squared error for each column."""
    if len(splits) < 2:
        return np.full(Y.shape[1], len(PENALTIES) - 1)
    errors = np.zeros((len(PENALTIES), Y.shape[1]))
    for train, test in splits:
        errors += ((_path(X[train], Y[train], X[test]) - Y[test]) ** 2).sum(axis=1)
    return np.asarray(errors.argmin(axis=0))


def _path(X: Values, Y: Values, asked: Values) -> Values:
    """Predictions for each penalty, shape (penalties, rows, columns)."""
    mean, middle = X.mean(axis=0), Y.mean(axis=0)
    centred = X - mean
    values, axes = np.linalg.eigh(centred.T @ centred)
    inside = axes.T @ (centred.T @ (Y - middle))
    seen = (asked - mean) @ axes
    strengths = PENALTIES * max(float(values.sum()) / len(values), 1e-30)
    return np.stack([seen @ (inside / (np.maximum(values, 0) + s)[:, None]) + middle for s in strengths])


def knn_predictions(X: Values, Y: Values, groups: NDArray[np.int64], folds: int, count: int) -> Values:
    """Mean of the nearest rows of other folds, nearer ones counting more (by 1 / distance); shapes as above."""
    outer = folds_of(groups, folds)
    points = X.astype(np.float32)
    result = np.empty_like(Y)
    for fold in range(outer.max() + 1):
        test, train = outer == fold, np.flatnonzero(outer != fold)
        near = nearest_neighbours(points[train], count, queries=points[test])
        weights = 1 / np.maximum(near.distances.astype(float), 1e-6)
        weights /= weights.sum(axis=1, keepdims=True)
        for start in range(0, Y.shape[1], _COLUMNS):
            columns = slice(start, start + _COLUMNS)
            result[test, columns] = np.einsum("nk,nkp->np", weights, Y[train, columns][near.indices])
    return result


def r_squared(true: Values, predicted: Values) -> Values:
    """Share of the variance that is predicted, per column; 0 is what the mean gives."""
    rest = ((true - predicted) ** 2).sum(axis=0)
    return np.asarray(1 - rest / np.maximum(((true - true.mean(axis=0)) ** 2).sum(axis=0), 1e-30))
