"""Probabilities that mean what they say: one temperature divides all scores of a model.

Where all planes held out are called right, nothing says how much surer a model may be: taken at their word, any number
of planes would give certainty. As in Platt's scaling the truth is therefore taken to hold with (n + 1) / (n + 2).

References
----------
.. [1] Platt, Probabilistic outputs for support vector machines, 1999.
.. [2] Guo et al., On calibration of modern neural networks, ICML 2017, arXiv 1706.04599.
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


def log_loss(scores: Floats, targets: NDArray[np.int64], temperature: float = 1.0, doubt: float = 0.0) -> float:
    """Mean of -log p(true class); with `doubt`, the truth has only 1 - doubt of the mass, the others share the rest."""
    scaled = np.asarray(scores, np.float64) / temperature
    top = scaled.max(axis=1, keepdims=True)
    logs = scaled - top - np.log(np.exp(scaled - top).sum(axis=1, keepdims=True))
    true = logs[np.arange(len(targets)), targets]
    others = (logs.sum(axis=1) - true) / max(1, scaled.shape[1] - 1)
    return float(-((1 - doubt) * true + doubt * others).mean())


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
        lambda log: log_loss(scores, targets, float(np.exp(log)), 1 / (len(targets) + 2)),
        bounds=(np.log(_COLDEST), np.log(_HOTTEST)), method="bounded",
    )  # fmt: skip
    return float(np.exp(found.x))
