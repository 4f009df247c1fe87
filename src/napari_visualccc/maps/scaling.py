"""Vectors on one scale, and their principal components: what neighbours and predictions are computed from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.maps.neighbours import Matrix

# Features that vary less than this share of the typical one carry rounding, not structure.
_LEAST_SPREAD = 1e-4


@dataclass(frozen=True)
class Scaling:
    """Mean and deviation of each feature over a set of micrographs.

    Attributes
    ----------
    mean, spread
        float32, shape (D,).
    """

    mean: Matrix
    spread: Matrix

    @classmethod
    def of(cls, vectors: Matrix) -> Scaling:
        """Scaling that gives each feature mean 0 and deviation 1; features that do not vary stay 0."""
        values = np.asarray(vectors, np.float64)
        mean, spread = values.mean(axis=0), values.std(axis=0)
        still = spread <= _LEAST_SPREAD * max(float(np.median(spread)), 1e-12)
        return cls(mean.astype(np.float32), np.where(still, np.inf, spread).astype(np.float32))

    def apply(self, vectors: Matrix) -> Matrix:
        """Scaled vectors."""
        return np.asarray((vectors - self.mean) / self.spread, np.float32)


def principal_axes(scaled: NDArray[np.floating[Any]], count: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Directions of greatest variance of centred vectors.

    Returns
    -------
    axes, shares
        Shape (D, k), orthonormal, and the share of the variance that each explains; k ≤ `count`. The largest entry of
        each axis is positive.
    """
    values = np.asarray(scaled, np.float64)
    rows, columns = values.shape
    count = min(count, rows, columns)
    if rows <= columns:
        found, left = np.linalg.eigh(values @ values.T)
        found, left = found[::-1][:count], left[:, ::-1][:, :count]
        keep = found > 1e-9 * max(float(found[0]), 1e-30) if len(found) else found > 0
        axes = values.T @ (left[:, keep] / np.sqrt(found[keep]))
        found = found[keep]
    else:
        found, axes = np.linalg.eigh(values.T @ values)
        found, axes = found[::-1][:count], axes[:, ::-1][:, :count]
    total = float((values**2).sum())
    if axes.size:
        top = axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])]
        axes = axes * np.where(top < 0, -1.0, 1.0)
    return axes, found / max(total, 1e-30)
