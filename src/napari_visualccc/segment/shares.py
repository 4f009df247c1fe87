"""How much of the area each phase takes, when only a few strokes say which pixel is what.

People paint about as much of a rare phase as of a common one. A classifier that learns from strokes takes each phase
to be as common as it was painted, and sees a rare one everywhere. What the classifier says of all the other pixels
tells how common the phases are, and its probabilities can be corrected for that.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 100
_SETTLED = 1e-4


def area_shares(
    probabilities: NDArray[np.floating], learnt_shares: NDArray[np.floating], least: NDArray[np.floating]
) -> NDArray[np.float64]:
    """Share of each phase among pixels, from the probabilities of a classifier that took other shares for granted.

    Parameters
    ----------
    probabilities
        Of each class at each pixel, shape (pixels, classes); rows sum to 1.
    learnt_shares
        Share of each class in what was learnt from, shape (classes,); sums to 1.
    least
        Lower bound of each share: what is painted is there. Shape (classes,).

    Returns
    -------
    ndarray
        Shape (classes,); sums to 1.

    Notes
    -----
    Expectation maximisation of the likelihood of the pixels, after Saerens et al. [1]_: with shares π of the pixels
    and π₀ learnt, probabilities p are corrected to p π/π₀ (normalised), whose mean is the next π. The likelihood has
    one maximum. It is assumed that a phase looks the same where it was painted and where it was not.

    References
    ----------
    .. [1] Saerens, Latinne, Decaestecker, Adjusting the outputs of a classifier to new a priori probabilities,
       Neural Computation 14 (2002) 21, doi 10.1162/089976602753284446.

    Examples
    --------
    >>> seen = np.repeat([[0.9, 0.1], [0.2, 0.8]], [900, 100], axis=0)
    >>> area_shares(seen, np.array([0.5, 0.5]), np.zeros(2)).round(2).tolist()
    [1.0, 0.0]
    """
    learnt = np.maximum(np.asarray(learnt_shares, np.float64), 1e-9)
    likelihood = np.asarray(probabilities, np.float64) / learnt
    shares = learnt / learnt.sum()
    for _ in range(_ROUNDS):
        weighted = likelihood * shares
        weighted /= np.maximum(weighted.sum(axis=1, keepdims=True), 1e-300)
        after = np.maximum(weighted.mean(axis=0), least)
        after /= after.sum()
        settled = float(np.abs(after - shares).max()) < _SETTLED * float(after.max())
        shares = after
        if settled:
            break
    return np.asarray(shares, np.float64)


def share_ratios(
    probabilities: NDArray[np.floating], learnt_shares: NDArray[np.floating], painted: NDArray[np.int64], pixels: int
) -> NDArray[np.float64]:
    """How many times more common each phase is than learnt; 1 for phases that are not painted.

    Parameters
    ----------
    probabilities, learnt_shares
        See `area_shares`.
    painted
        Number of painted pixels of each class.
    pixels
        Number of pixels of the painted planes.
    """
    shares = area_shares(probabilities, learnt_shares, painted / pixels)
    return np.where(painted > 0, np.maximum(shares, 1e-9) / np.maximum(learnt_shares, 1e-9), 1.0)
