"""Planes unlike anything that a model was trained on, told by their distance to the training planes.

A classifier is sure of its answers far from all that it has seen, too. The distance of a plane is the mean of those to
its three nearest training planes, between vectors scaled to length 1 [1]_. What is normal is learnt from the training
planes themselves: the distance of each to planes of *other* groups. On two sets of real micrographs this told images of
the other set apart (area under the curve 0.94 and 0.99) where distances along principal axes [2]_ did not (0.6, 0.97).

References
----------
.. [1] Sun et al., Out-of-distribution detection with deep nearest neighbors, arXiv 2204.06507.
.. [2] Lee et al., A simple unified framework for detecting out-of-distribution samples, arXiv 1807.03888.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NEIGHBOURS = 3
# Of the training planes themselves so many lie within the threshold.
_NORMAL = 0.98
# Vectors closer than this are of the same picture: one read anew differs by 1e-4 at most, one saved again in 8 bits or
# with 1 % of noise by 0.03, other pictures of the same simulated kind by 0.38 and more.
_SAME = 0.05
# So many training planes are remembered at most.
_MOST_KEPT = 2000


@dataclass(frozen=True)
class Familiar:
    """What training planes look like.

    Attributes
    ----------
    points
        Vectors of training planes, each of length 1, shape (N, D).
    threshold
        Distance beyond which a plane is unlike all of them; infinite if there was one group only.
    """

    points: Floats
    threshold: float

    @classmethod
    def of(cls, vectors: NDArray[np.float32], groups: Ints, *, seed: int = 0) -> Familiar:
        """Learn what is normal from the vectors (N, D) of training planes."""
        points = _directions(vectors)
        if len(points) > _MOST_KEPT:
            kept = np.sort(np.random.default_rng([seed, 11]).choice(len(points), _MOST_KEPT, replace=False))
            points, groups = points[kept], groups[kept]
        if len(np.unique(groups)) < 2:
            return cls(points, np.inf)
        distances = [_nearest(points[groups == group], points[groups != group]) for group in np.unique(groups)]
        return cls(points, float(np.quantile(np.concatenate(distances), _NORMAL)))

    def distances(self, vectors: NDArray[np.float32]) -> Floats:
        """Distance of planes to the training planes in units of the threshold: above 1 is unlike all; shape (N,)."""
        if not np.isfinite(self.threshold):
            return np.zeros(len(vectors))
        return _nearest(_directions(vectors), self.points) / max(self.threshold, 1e-12)

    @property
    def forgets(self) -> bool:
        """True if there may have been more training planes than are remembered."""
        return len(self.points) >= _MOST_KEPT

    def learnt(self, vectors: NDArray[np.float32]) -> NDArray[np.bool_]:
        """True for planes that were learnt from, or show the same as one that was, shape (N,).

        Of more than 2000 training planes some are not remembered, and not recognised.
        """
        return np.asarray(_nearest(_directions(vectors), self.points, 1) < _SAME)

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Arrays for a model file, by name."""
        limit = np.array([min(self.threshold, 1e30)], np.float32)
        return {"familiar.points": self.points.astype(np.float32), "familiar.threshold": limit}

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]]) -> Familiar:
        """Read them again; KeyError if one is missing."""
        threshold = float(tensors["familiar.threshold"][0])
        return cls(np.asarray(tensors["familiar.points"], np.float64), np.inf if threshold >= 1e30 else threshold)


def _directions(vectors: NDArray[np.float32]) -> Floats:
    values = np.asarray(vectors, np.float64)
    return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-12))


def _nearest(points: Floats, others: Floats, neighbours: int = _NEIGHBOURS) -> Floats:
    """Mean distance to the nearest of other points, all of length 1."""
    squares = np.maximum(2 - 2 * points @ others.T, 0)
    count = min(neighbours, len(others))
    return np.asarray(np.sqrt(np.partition(squares, count - 1, axis=1)[:, :count]).mean(axis=1))
