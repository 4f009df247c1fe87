"""How good class probabilities are: scores from the confusion matrix, curves, calibration, and their intervals.

Every number is also computed on resampled data: groups are drawn with replacement (a cluster bootstrap), because
planes of one specimen are alike. A resample is a weight per plane, so that all of them are computed at once. Where no
plane is called wrong every resample says 1; the lower limit is then the exact (Clopper-Pearson) one for so many groups
without a miss, 0.025^(1/n): four groups of four right do not make certainty.

References
----------
.. [1] Field & Welsh, Bootstrapping clustered data, doi 10.1111/j.1467-9868.2007.00593.x.
.. [2] Guo et al., On calibration of modern neural networks, arXiv 1706.04599 (expected calibration error).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core import scores
from napari_visualccc.core.runtime import random_generator

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_BINS = 10
_LIMITS = (2.5, 97.5)
# Resamples whose curves are computed at once: bounds the memory for many planes.
_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class Answers:
    """True classes and probabilities of planes.

    Attributes
    ----------
    targets
        Position of each plane's class, shape (N,).
    probabilities
        Shape (N, C), rows sum to 1.
    groups
        Group of each plane, shape (N,).
    names
        Of the classes.
    """

    targets: Ints
    probabilities: Floats
    groups: Ints
    names: tuple[str, ...]

    @property
    def called(self) -> Ints:
        """Most probable class of each plane."""
        return np.asarray(self.probabilities.argmax(axis=1), np.int64)

    @property
    def confusion(self) -> Ints:
        """Planes of true class i (row) called j (column)."""
        return scores.confusion_matrix(self.targets, self.called, len(self.names))


def metrics_of(answers: Answers, *, resamples: int = 0, seed: int = 0) -> dict[str, Any]:
    """All scores by name, in plain types; with `resamples`, also their 95 % intervals under ``"intervals"``.

    Returns
    -------
    dict
        ``weighted_accuracy, balanced_accuracy, weighted_f1, macro_f1, roc_auc`` (mean over classes, one against the
        rest), ``average_precision`` (the same), ``calibration_error`` (expected, ten bins), ``per_class`` (precision,
        recall, f1, roc_auc, average_precision, n), ``confusion``, ``classes``, ``n``, ``n_groups``.
    """
    ones = np.ones((1, len(answers.targets)))
    found = _scores(answers, ones)
    matrix = answers.confusion
    per_class = {
        name: {key: float(found[f"{key}:{name}"][0]) for key in ("precision", "recall", "f1", "roc_auc",
                                                                 "average_precision")}
        | {"n": int(matrix[number].sum())}
        for number, name in enumerate(answers.names)
    }  # fmt: skip
    result: dict[str, Any] = {key: float(value[0]) for key, value in found.items() if ":" not in key}
    result |= {
        "per_class": per_class, "confusion": matrix.tolist(), "classes": list(answers.names),
        "n": len(answers.targets), "n_groups": len(np.unique(answers.groups)),
    }  # fmt: skip
    if resamples:
        result["intervals"] = intervals_of(answers, resamples, seed)
    return result


def intervals_of(answers: Answers, resamples: int, seed: int = 0) -> dict[str, Any]:
    """95 % percentile intervals ``[low, high]`` of all scores, per class under ``"per_class"``; over groups."""
    weights = _drawn(answers.groups, resamples, seed)
    step = max(1, _AT_ONCE // max(1, len(answers.targets)))
    parts = [_scores(answers, weights[start : start + step]) for start in range(0, resamples, step)]
    result: dict[str, Any] = {"per_class": {name: {} for name in answers.names}}
    for key in parts[0]:
        values = np.concatenate([part[key] for part in parts])
        name, _, label = key.partition(":")
        limits = _limits(values)
        if limits[0] == limits[1] == 1.0 and name != "calibration_error":
            limits[0] = _LIMITS[0] / 100
            limits[0] **= 1 / _groups_with(answers, label)
        elif limits[0] == limits[1] == 0.0 and name != "calibration_error":
            limits[1] = 1 - (_LIMITS[0] / 100) ** (1 / _groups_with(answers, label))
        if label:
            result["per_class"][label][name] = limits
        else:
            result[key] = limits
    return result


def _limits(values: Floats) -> list[float]:
    known = values[np.isfinite(values)]
    if not known.size:
        return [float("nan"), float("nan")]
    low, high = np.percentile(known, _LIMITS)
    return [float(low), float(high)]


def _groups_with(answers: Answers, label: str) -> int:
    """Number of groups, or of those that hold a class."""
    member = slice(None) if not label else answers.targets == answers.names.index(label)
    return max(1, len(np.unique(answers.groups[member])))


def _drawn(groups: Ints, resamples: int, seed: int) -> Floats:
    """How often each plane counts in each resample, shape (resamples, N)."""
    _, members = np.unique(groups, return_inverse=True)
    count = int(members.max()) + 1
    drawn = random_generator(seed, 7).multinomial(count, np.full(count, 1 / count), size=resamples)
    return np.asarray(drawn[:, members], float)


def _scores(answers: Answers, weights: Floats) -> Mapping[str, Floats]:
    """Scores under each row of weights (R, N): name, or ``name:class``, to values (R,)."""
    classes = len(answers.names)
    cells = answers.targets * classes + answers.called
    matrices = (weights @ np.eye(classes**2)[cells]).reshape(-1, classes, classes)
    recall, precision, f1 = scores.recall(matrices), scores.precision(matrices), scores.dice(matrices)
    curves = [binary_curve(answers.targets == c, answers.probabilities[:, c], weights) for c in range(classes)]
    auc, average = (np.stack([getattr(c, kind) for c in curves], 1) for kind in ("roc_auc", "average_precision"))
    found: dict[str, Floats] = {
        "weighted_accuracy": scores.weighted_by_class(recall, matrices),
        "balanced_accuracy": scores.mean_of_classes(recall),
        "weighted_f1": scores.weighted_by_class(f1, matrices),
        "macro_f1": scores.mean_of_classes(f1),
        "roc_auc": scores.mean_of_classes(auc),
        "average_precision": scores.mean_of_classes(average),
        "calibration_error": calibration_error(answers, weights),
    }
    each = {"precision": precision, "recall": recall, "f1": f1, "roc_auc": auc, "average_precision": average}
    for number, name in enumerate(answers.names):
        found |= {f"{key}:{name}": values[:, number] for key, values in each.items()}
    return found


@dataclass(frozen=True)
class Curve:
    """One class against the rest at all thresholds, for each row of weights.

    Attributes
    ----------
    thresholds
        Distinct scores from high to low, shape (T,).
    hits, alarms
        Weight of the class, and of the rest, at or above each threshold; shape (R, T).
    """

    thresholds: Floats
    hits: Floats
    alarms: Floats

    @property
    def roc_auc(self) -> Floats:
        """Area under the ROC curve, shape (R,); NaN if a side has no plane."""
        first = np.zeros((len(self.hits), 1))
        hits, alarms = np.hstack([first, self.hits]), np.hstack([first, self.alarms])
        area = (np.diff(alarms) * (hits[:, 1:] + hits[:, :-1]) / 2).sum(1)
        return scores.ratio(area, hits[:, -1] * alarms[:, -1])

    @property
    def average_precision(self) -> Floats:
        """Mean precision weighted by the steps of recall, shape (R,); NaN if the class has no plane."""
        steps = np.diff(self.hits, prepend=0.0)
        precision = np.nan_to_num(scores.ratio(self.hits, self.hits + self.alarms))
        return scores.ratio((steps * precision).sum(1), self.hits[:, -1])

    def roc(self) -> tuple[Floats, Floats]:
        """False and true positive rates of the first row of weights, from (0, 0) to (1, 1)."""
        hits, alarms = (np.concatenate([[0.0], values[0]]) for values in (self.hits, self.alarms))
        return scores.ratio(alarms, alarms[-1]), scores.ratio(hits, hits[-1])

    def precision_recall(self) -> tuple[Floats, Floats]:
        """Recall and precision of the first row of weights, by falling threshold."""
        hits, alarms = self.hits[0], self.alarms[0]
        return scores.ratio(hits, hits[-1]), scores.ratio(hits, hits + alarms)


def binary_curve(true: NDArray[np.bool_], score: Floats, weights: Floats | None = None) -> Curve:
    """Curve of a class: `true` and `score` of shape (N,), weights (R, N), all 1 by default."""
    if weights is None:
        weights = np.ones((1, len(true)))
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    last = np.r_[np.flatnonzero(np.diff(ordered)), len(ordered) - 1]
    hits = np.cumsum(weights[:, order] * true[order], axis=1)[:, last]
    alarms = np.cumsum(weights[:, order] * ~true[order], axis=1)[:, last]
    return Curve(ordered[last], hits, alarms)


def calibration_error(answers: Answers, weights: Floats | None = None) -> Floats:
    """Expected calibration error: mean gap between confidence and share right over ten bins; shape (R,)."""
    if weights is None:
        weights = np.ones((1, len(answers.targets)))
    mass, confidence, right = calibration_bins(answers, weights)
    return scores.ratio(np.abs(confidence - right).sum(1), mass.sum(1))


def calibration_bins(answers: Answers, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Planes, summed confidence and planes called right in ten bins of confidence; each of shape (R, 10)."""
    confidence = answers.probabilities.max(axis=1)
    # A bin includes its upper edge, as in the paper.
    bins = np.clip(np.ceil(confidence * _BINS).astype(int) - 1, 0, _BINS - 1)
    member = np.eye(_BINS)[bins]
    right = (answers.called == answers.targets).astype(float)
    count: Callable[[Floats], Floats] = lambda values: (weights * values) @ member  # noqa: E731
    return count(np.ones(len(bins))), count(confidence), count(right)
