"""Planes unlike anything that a model was trained on, told by their distance to the training planes.

A classifier is sure of its answers far from all that it has seen, too. The distance of a plane is the mean of those to
its three nearest training planes, where each principal axis of the training set counts alike (a Mahalanobis distance),
plus what lies outside these axes. What is normal is learnt from the training planes themselves: the distance of each to
planes of *other* groups.

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

from napari_visualccc.classify.linear import Standard

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_NEIGHBOURS = 3
_AXES = 32
# Of the training planes themselves so many lie beyond the threshold.
_NORMAL = 0.98
# Distances are those of held-out training planes times this, as another session of the same kind is a little different,
# and more where few planes say what is normal.
_MARGIN, _FEW = 1.1, 10.0
# So many training planes are remembered at most.
_MOST_KEPT = 2000


@dataclass(frozen=True)
class Familiar:
    """What training planes look like.

    Attributes
    ----------
    shift, scale
        Standardisation of vectors, shape (D,).
    axes
        Principal axes divided by the deviation along them, shape (A, D).
    outside
        Typical length of what lies outside the axes.
    points
        Training planes along the axes, shape (N, A).
    threshold
        Distance beyond which a plane is unlike all of them.
    """

    shift: Floats
    scale: Floats
    axes: Floats
    outside: float
    points: Floats
    threshold: float

    @classmethod
    def of(cls, vectors: NDArray[np.float32], groups: Ints, standard: Standard, *, seed: int = 0) -> Familiar:
        """Learn what is normal from the vectors (N, D) of training planes."""
        count = min(_AXES, len(standard.axes), max(1, len(vectors) // 4))
        deviation = np.maximum(standard.deviation[:count], 1e-9)
        axes = standard.axes[:count] / deviation[:, None]
        plain = cls(standard.shift, standard.scale, axes, 1.0, np.zeros((0, count)), np.inf)
        points, outside = plain._place(vectors)
        typical = float(np.sqrt(np.mean(outside**2))) or 1.0
        distances = _held_out(points, outside / typical, groups)
        limit = (
            float(np.quantile(distances, _NORMAL)) * _MARGIN * (1 + _FEW / len(distances)) if len(distances) else np.inf
        )
        if len(points) > _MOST_KEPT:
            kept = np.random.default_rng([seed, 11]).choice(len(points), _MOST_KEPT, replace=False)
            points = points[np.sort(kept)]
        return cls(standard.shift, standard.scale, axes, typical, points, limit)

    def distances(self, vectors: NDArray[np.float32]) -> Floats:
        """Distance of planes to the training planes in units of the threshold: above 1 is unlike all; shape (N,)."""
        points, outside = self._place(vectors)
        if not len(self.points) or not np.isfinite(self.threshold):
            return np.zeros(len(points))
        found = _nearest(points, self.points)
        return np.asarray(np.hypot(found, outside / self.outside) / self.threshold)

    def _place(self, vectors: NDArray[np.float32]) -> tuple[Floats, Floats]:
        """Coordinates along the axes, and the length of what lies outside them."""
        values = (np.asarray(vectors, np.float64) - self.shift) / self.scale
        points = values @ self.axes.T
        directions = self.axes / np.linalg.norm(self.axes, axis=1, keepdims=True)
        inside = values @ directions.T
        outside = np.sqrt(np.maximum((values**2).sum(axis=1) - (inside**2).sum(axis=1), 0))
        return points, outside

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Arrays for a model file, by name."""
        limits = np.array([self.outside, min(self.threshold, 1e30)], np.float32)
        return {
            "familiar.axes": self.axes.astype(np.float32), "familiar.points": self.points.astype(np.float32),
            "familiar.limits": limits,
        }  # fmt: skip

    @classmethod
    def from_tensors(cls, tensors: Mapping[str, NDArray[Any]], shift: Floats, scale: Floats) -> Familiar:
        """Read them again; KeyError if one is missing."""
        outside, threshold = (float(value) for value in tensors["familiar.limits"])
        axes, points = (np.asarray(tensors[f"familiar.{name}"], np.float64) for name in ("axes", "points"))
        return cls(shift, scale, axes, outside, points, np.inf if threshold >= 1e30 else threshold)


def _held_out(points: Floats, outside: Floats, groups: Ints) -> Floats:
    """Distance of each plane to those of other groups; none if there is one group only."""
    if len(np.unique(groups)) < 2:
        return np.zeros(0)
    return np.concatenate([
        np.hypot(_nearest(points[groups == group], points[groups != group]), outside[groups == group])
        for group in np.unique(groups)
    ])  # fmt: skip


def _nearest(points: Floats, others: Floats) -> Floats:
    """Mean distance to the nearest of other points."""
    from scipy.spatial import cKDTree

    count = min(_NEIGHBOURS, len(others))
    distances, _ = cKDTree(others).query(points, k=count)
    return np.asarray(np.asarray(distances, np.float64).reshape(len(points), -1).mean(axis=1))
