"""Fast: a regularised logistic regression on what a pre-trained network sees, chosen by grouped cross-validation.

Vectors are standardised and turned onto their principal axes, which changes nothing for a regression with a quadratic
penalty but makes it small: with 400 planes of 960 numbers each, 128 axes hold what matters.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.classify.calibration import fit_temperature
from napari_visualccc.classify.splits import Fold, grouped_folds
from napari_visualccc.core.progress import Progress, silent

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

# Inverse strengths of the penalty that are tried, from strong to weak; vectors have a mean square of 1.
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
# Taken where few planes cannot be split: in the middle of what was chosen for 40 to 400 planes.
_UNTRIED = 3.0
_MOST_AXES = 128
_MOST_ITERATIONS = 1000


@dataclass(frozen=True)
class Standard:
    """Standardisation of vectors and their principal axes.

    Attributes
    ----------
    shift, scale
        Of each number of a vector, shape (D,): ``(vector - shift) / scale`` has a mean square length of 1.
    axes
        Orthonormal rows, shape (A, D).
    """

    shift: Floats
    scale: Floats
    axes: Floats

    @classmethod
    def of(cls, vectors: NDArray[np.float32]) -> Standard:
        """Standard of the vectors (N, D) of training planes; numbers that never change are left out of account."""
        values = np.asarray(vectors, np.float64)
        shift, spread = values.mean(axis=0), values.std(axis=0)
        constant = spread <= 1e-6 * np.maximum(np.abs(shift), 1e-6)
        scale = np.where(constant, np.inf, spread) * np.sqrt(values.shape[1])
        _, sizes, axes = np.linalg.svd((values - shift) / scale, full_matrices=False)
        kept = (sizes > 1e-6 * max(float(sizes.max(initial=0.0)), 1e-12))[:_MOST_AXES].sum()
        kept = max(int(kept), 1)
        return cls(shift, scale, axes[:kept])

    def apply(self, vectors: NDArray[np.float32]) -> Floats:
        """Coordinates along the principal axes, shape (N, A)."""
        return np.asarray(((np.asarray(vectors, np.float64) - self.shift) / self.scale) @ self.axes.T)


@dataclass(frozen=True)
class LinearFit:
    """A linear classifier of vectors.

    Attributes
    ----------
    standard
        Applied first.
    weight, bias
        Scores of coordinates are ``coordinates @ weight.T + bias``; shapes (C, A), (C,).
    strength
        Inverse strength of the penalty that was chosen.
    temperature
        By which scores are divided to become honest probabilities.
    held_scores
        Scores of the training planes by models that did not see their group, shape (N, C); NaN where there is none.
    """

    standard: Standard
    weight: Floats
    bias: Floats
    strength: float
    temperature: float
    held_scores: Floats

    def scores(self, vectors: NDArray[np.float32]) -> Floats:
        """Scores before temperature and softmax, shape (N, C)."""
        return np.asarray(self.standard.apply(vectors) @ self.weight.T + self.bias)

    def head(self) -> tuple[Floats, Floats]:
        """Weight (C, D) and bias (C,) for vectors as ``(vector - shift) / scale``."""
        return self.weight @ self.standard.axes, self.bias


def fit_linear(
    vectors: NDArray[np.float32],
    targets: Ints,
    groups: Ints,
    classes: int,
    *,
    rare_weight: float = 0.5,
    count: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
) -> LinearFit:
    """Fit a classifier; the penalty is the one of least log-loss on groups kept aside.

    Parameters
    ----------
    vectors
        Of training planes, shape (N, D).
    targets
        Class of each, 0 … classes - 1; every class occurs.
    groups
        Group of each.
    classes
        Number of classes.
    rare_weight
        0: all planes count alike; 1: all classes do, however few planes they have.
    count
        Number of folds.
    seed
        Of the folds.

    Raises
    ------
    Cancelled
        From `progress`.
    """
    progress = silent(progress)
    folds = grouped_folds(targets, groups, count, seed)
    standard = Standard.of(vectors)
    points = standard.apply(vectors)
    trials = _held(points, targets, classes, folds, rare_weight, progress.part(0, 0.9))
    strength, held = _chosen(trials, targets, folds)
    progress(0.9, "fitting")
    weight, bias = _fit_path(points, targets, (strength,), rare_weight)[0]
    measured = np.isfinite(held).all(axis=1)
    temperature = fit_temperature(held[measured], targets[measured])
    return LinearFit(standard, weight, bias, strength, temperature, held)


def _held(
    points: Floats, targets: Ints, classes: int, folds: list[Fold], rare_weight: float, progress: Progress
) -> dict[float, Floats]:
    """Scores of planes held out, for each strength of the penalty."""
    held = np.full((len(STRENGTHS), len(points), classes), np.nan)
    for fold in progress.steps(folds, message="choosing the penalty"):
        path = _fit_path(points[fold.learnt], targets[fold.learnt], STRENGTHS, rare_weight)
        for number, (weight, bias) in enumerate(path):
            held[number, fold.measured] = points[fold.measured] @ weight.T + bias
    return dict(zip(STRENGTHS, held, strict=True))


def _chosen(trials: dict[float, Floats], targets: Ints, folds: list[Fold]) -> tuple[float, Floats]:
    """Strength of least log-loss, and honest scores of planes held out: their fold had no say in the strength."""
    strengths = list(trials)
    held = np.stack(list(trials.values()))
    measured = np.isfinite(held).all(axis=(0, 2))
    if not measured.any():
        return _UNTRIED, held[0]
    worth = np.zeros(len(targets))
    # a rare class must have its say in the choice, whatever it counts in the fit
    worth[measured] = _worth(targets[measured], 1.0)
    losses = np.zeros(held.shape[:2])
    shown = held[:, measured]
    top = shown.max(axis=2, keepdims=True)
    true = shown[:, np.arange(shown.shape[1]), targets[measured]]
    losses[:, measured] = np.log(np.exp(shown - top).sum(axis=2)) + top[..., 0] - true
    sums = losses @ worth
    honest = np.full(held.shape[1:], np.nan)
    for fold in folds:
        others = sums - losses[:, fold.measured] @ worth[fold.measured]
        honest[fold.measured] = held[int(np.argmin(others)), fold.measured]
    return strengths[int(np.argmin(sums))], honest


def _fit_path(
    points: Floats, targets: Ints, strengths: tuple[float, ...], rare_weight: float
) -> list[tuple[Floats, Floats]]:
    """Weights and biases for strengths from strong to weak penalty, each begun where the one before ended."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(max_iter=_MOST_ITERATIONS, warm_start=True, tol=1e-4)
    worth = _worth(targets, rare_weight)
    found = []
    for strength in strengths:
        model.C = strength
        with warnings.catch_warnings():
            # nearly converged is good enough: what is kept is chosen on planes held out
            warnings.simplefilter("ignore", ConvergenceWarning)
            model.fit(points, targets, sample_weight=worth)
        weight, bias = model.coef_.copy(), model.intercept_.copy()
        if len(weight) == 1:  # two classes: scikit-learn gives the score of the second against the first
            weight, bias = np.vstack([-weight / 2, weight / 2]), np.concatenate([-bias / 2, bias / 2])
        found.append((weight, bias))
    return found


def _worth(targets: Ints, rare_weight: float) -> Floats:
    """How much each plane counts; 1 on average."""
    worth = (1.0 / np.bincount(targets)[targets]) ** rare_weight
    return np.asarray(worth / worth.mean())
