"""Probabilities that mean what they say: one temperature divides all scores of a model.

References
----------
.. [1] Guo et al., On calibration of modern neural networks, ICML 2017, arXiv 1706.04599.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

# Beyond these a few lucky planes would speak: certainty of 1, or none at all.
_COLDEST, _HOTTEST = 0.2, 20.0


def softmax(scores: Floats, temperature: float = 1.0) -> Floats:
    """Probabilities of scores (…, C)."""
    scaled = np.asarray(scores, np.float64) / temperature
    scaled = np.exp(scaled - scaled.max(axis=-1, keepdims=True))
    return np.asarray(scaled / scaled.sum(axis=-1, keepdims=True))


def log_loss(scores: Floats, targets: NDArray[np.int64], temperature: float = 1.0) -> float:
    """Mean of -log p(true class)."""
    scaled = np.asarray(scores, np.float64) / temperature
    top = scaled.max(axis=1, keepdims=True)
    partition = np.log(np.exp(scaled - top).sum(axis=1)) + top[:, 0]
    return float((partition - scaled[np.arange(len(targets)), targets]).mean())


def fit_temperature(scores: Floats, targets: NDArray[np.int64]) -> float:
    """Temperature of least log-loss on planes that the model did not learn from.

    Parameters
    ----------
    scores
        Of a model before softmax, shape (N, C).
    targets
        True classes, shape (N,).

    Returns
    -------
    float
        Between 0.2 and 20; 1 if there is nothing to measure on.

    Notes
    -----
    The log-loss is convex in the inverse temperature, so that a bounded search finds its only minimum.
    """
    from scipy.optimize import minimize_scalar

    if not len(targets):
        return 1.0
    found = minimize_scalar(
        lambda log: log_loss(scores, targets, float(np.exp(log))),
        bounds=(np.log(_COLDEST), np.log(_HOTTEST)), method="bounded",
    )  # fmt: skip
    return float(np.exp(found.x))
