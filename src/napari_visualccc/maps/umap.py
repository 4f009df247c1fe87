"""UMAP in a few hundred NumPy calls: no compiler to wait for, and the same picture every time.

The objective is that of McInnes, Healy & Melville (2018): neighbours attract each other in proportion to how sure it is
that they are neighbours, everything else repels. `umap-learn` moves one pair after another in compiled loops; here
all pairs of a part of an epoch move together.

References
----------
McInnes, Healy & Melville, UMAP: Uniform Manifold Approximation and Projection, doi 10.21105/joss.00861.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import random_generator
from napari_visualccc.maps.neighbours import Matrix, Neighbours

if TYPE_CHECKING:
    from scipy.sparse import coo_array

# Pairs drawn apart for each pair drawn together; longest step, and passes over small and large sets as in umap-learn.
# Its 5 pairs keep 0.58, 0.51 and 0.16 of the 15 nearest neighbours of two sets of micrographs and one of Gaussians,
# ten keep 0.595, 0.52 and 0.18; small sets can afford them.
_REPULSIONS, _REPULSIONS_LARGE = 10, 5
_LONGEST_STEP = np.float32(4.0)
# Keep forces between points that coincide finite.
_TINY, _SOFT = np.float32(1e-8), np.float32(1e-3)
_EPOCHS, _EPOCHS_LARGE, _LARGE = 500, 200, 10_000
_SPAN = 10.0
# Parts of an epoch that move one after another: all at once, well-connected points would overshoot.
_PARTS, _PARTS_LARGE = 8, 4
_PLACING_EPOCHS = 60
_SEARCH_STEPS = 48


def umap_layout(
    points: Matrix,
    neighbours: Neighbours,
    *,
    min_dist: float = 0.1,
    seed: int = 0,
    start: Matrix | None = None,
    progress: Progress | None = None,
) -> Matrix:
    """Coordinates in the plane in which neighbours stay neighbours.

    Parameters
    ----------
    points
        Shape (N, D); only to begin with their principal components if the graph of neighbours gives no start.
    neighbours
        Of the points.
    min_dist
        How close points may lie, in map units.
    seed
        Of the random choices.
    start
        Coordinates to begin with, shape (N, 2).

    Returns
    -------
    ndarray
        float32, shape (N, 2), centred.

    Raises
    ------
    Cancelled
        From `progress`.
    """
    graph = fuzzy_graph(neighbours, len(points))
    generator = random_generator(seed, 1)
    begin = _scaled(_spectral(graph, seed) if start is None else start, points, generator)
    epochs = _EPOCHS if len(points) <= _LARGE else _EPOCHS_LARGE
    layout = _Layout(begin, begin, graph.row, graph.col, graph.data, min_dist, generator, both=True)
    result = layout.run(epochs, silent(progress))
    return np.asarray(result - result.mean(axis=0), np.float32)


def umap_place(
    layout: Matrix, neighbours: Neighbours, *, min_dist: float = 0.1, seed: int = 0, progress: Progress | None = None
) -> Matrix:
    """Coordinates of new points in a layout that stays as it is.

    Parameters
    ----------
    layout
        Coordinates of the points that are there, shape (N, 2).
    neighbours
        Of the new points among those that are there, shape (M, k).
    """
    weights = memberships(neighbours.distances)
    begin = (weights[..., None] * layout[neighbours.indices]).sum(1) / np.maximum(weights.sum(1), 1e-9)[:, None]
    heads = np.repeat(np.arange(len(begin)), neighbours.indices.shape[1])
    placing = _Layout(
        begin.astype(np.float32), layout.astype(np.float32), heads, neighbours.indices.ravel(), weights.ravel(),
        min_dist, random_generator(seed, 2), both=False,
    )  # fmt: skip
    return placing.run(_PLACING_EPOCHS, silent(progress), rate=0.25)


def memberships(distances: Matrix) -> NDArray[np.float64]:
    """How sure it is that each neighbour is one: 1 for the nearest, falling so that each row sums to log2(k)."""
    distances = np.asarray(distances, np.float64)
    positive = np.where(distances > 0, distances, np.inf)
    nearest = positive.min(axis=1, initial=np.inf)
    nearest = np.where(np.isfinite(nearest), nearest, 0.0)[:, None]
    beyond = np.maximum(distances - nearest, 0)
    target = np.log2(max(distances.shape[1] + 1, 2))
    low, high = np.zeros((len(distances), 1)), np.full((len(distances), 1), np.inf)
    width = np.ones((len(distances), 1))
    for _ in range(_SEARCH_STEPS):
        total = np.exp(-beyond / width).sum(axis=1, keepdims=True)
        high, low = np.where(total > target, width, high), np.where(total > target, low, width)
        width = np.where(np.isfinite(high), (low + np.minimum(high, 1e300)) / 2, width * 2)
    floor = 1e-3 * distances.mean(axis=1, keepdims=True)
    return np.asarray(np.exp(-beyond / np.maximum(np.maximum(width, floor), 1e-12)))


def fuzzy_graph(neighbours: Neighbours, count: int) -> coo_array:
    """Symmetric graph of how sure it is that two points are neighbours: a + b - ab of both views."""
    from scipy.sparse import coo_array

    rows = np.repeat(np.arange(len(neighbours.indices)), neighbours.indices.shape[1])
    values = memberships(neighbours.distances).ravel() if neighbours.indices.size else np.empty(0)
    one = coo_array((values, (rows, neighbours.indices.ravel())), shape=(count, count)).tocsr()
    other = one.T.tocsr()
    return (one + other - one * other).tocoo()


def _spectral(graph: coo_array, seed: int) -> Matrix | None:
    """Second and third eigenvector of the normalised Laplacian; None if the graph falls apart or is tiny."""
    from scipy.sparse import diags_array
    from scipy.sparse.csgraph import connected_components
    from scipy.sparse.linalg import ArpackError, eigsh

    count = graph.shape[0]
    if count < 8 or connected_components(graph, directed=False)[0] > 1:
        return None
    scale = 1 / np.sqrt(np.maximum(graph.sum(axis=1), 1e-12))
    likeness = diags_array(scale) @ graph.tocsr() @ diags_array(scale)
    first = random_generator(seed, 3).normal(size=count)
    try:
        values, vectors = eigsh(likeness, k=3, which="LA", v0=first, tol=1e-4, maxiter=count * 5)
    except ArpackError:
        return None
    found = vectors[:, np.argsort(-values)[1:3]] * scale[:, None]
    return np.asarray(found, np.float32)


def _scaled(start: Matrix | None, points: Matrix, generator: np.random.Generator) -> Matrix:
    if start is None:
        centred = points - points.mean(axis=0)
        _, _, axes = np.linalg.svd(centred if len(centred) < 2000 else centred[:: len(centred) // 2000], False)
        start = (centred @ axes[:2].T).astype(np.float32)
        if start.shape[1] < 2:
            start = np.pad(start, ((0, 0), (0, 2 - start.shape[1])))
    start = start - start.mean(axis=0)
    # Signs of eigenvectors are a matter of chance: the longer tail points right and up.
    skew = np.sign((start**3).sum(axis=0))
    start = start * np.where(skew == 0, 1, skew)
    spread = np.abs(start).max()
    start = start * (_SPAN / spread if spread > 0 else 1.0)
    return np.asarray(start + generator.normal(0, 1e-4 * _SPAN, start.shape), np.float32)


def curve(min_dist: float) -> tuple[float, float]:
    """A and b of 1 / (1 + a d^2b), nearest to a curve that is 1 up to `min_dist` and falls as exp(min_dist - d)."""
    from scipy.optimize import curve_fit

    d = np.linspace(0, 3, 300)
    wanted = np.where(d < min_dist, 1.0, np.exp(min_dist - d))
    (a, b), _ = curve_fit(lambda x, a, b: 1 / (1 + a * x ** (2 * b)), d, wanted, p0=(1.5, 0.9))
    return float(a), float(b)


class _Layout:
    """Points on the move: `heads` move towards `tails`, which stay or move too."""

    def __init__(
        self,
        points: Matrix,
        fixed: Matrix,
        heads: NDArray[Any],
        tails: NDArray[Any],
        weights: NDArray[Any],
        min_dist: float,
        generator: np.random.Generator,
        *,
        both: bool,
    ) -> None:
        order = generator.permutation(len(heads))
        self._heads, self._tails = heads[order].astype(np.int32), tails[order].astype(np.int32)
        self._weights = (weights[order] / weights.max(initial=1e-12)).astype(np.float32)
        self._points, self._fixed, self._both = points.T.copy(), (None if both else fixed.T.copy()), both
        self._a, self._b = curve(min_dist)
        self._generator = generator
        large = len(points) > _LARGE
        self._parts, self._repulsions = (_PARTS_LARGE, _REPULSIONS_LARGE) if large else (_PARTS, _REPULSIONS)

    def run(self, epochs: int, progress: Progress, rate: float = 1.0) -> Matrix:
        # An edge of weight w is used in w of the epochs, evenly spread; where it begins is drawn.
        turn = self._generator.random(len(self._weights), np.float32)
        parts = [slice(i * len(turn) // self._parts, (i + 1) * len(turn) // self._parts) for i in range(self._parts)]
        for epoch in range(epochs):
            progress(epoch / epochs, "laying out the map")
            step = np.float32(rate * (1 - epoch / epochs))
            turn += self._weights
            due = turn >= 1
            turn[due] -= 1
            for part in parts:
                chosen = np.flatnonzero(due[part]) + part.start
                if len(chosen):
                    self._move(self._heads[chosen], self._tails[chosen], step)
        progress(1.0)
        return self._points.T.copy()

    def _move(self, heads: NDArray[Any], tails: NDArray[Any], step: np.float32) -> None:
        points = self._points
        others = points if self._fixed is None else self._fixed
        count = points.shape[1]
        a, b = np.float32(self._a), np.float32(self._b)
        near = points[0][heads], points[1][heads]
        dx, dy = near[0] - others[0][tails], near[1] - others[1][tails]
        square = np.maximum(dx * dx + dy * dy, _TINY)
        power = np.exp(b * np.log(square))
        factor = -2 * a * b * power / (square * (1 + a * power))
        moved = []
        for delta in (dx, dy):
            pull = (delta * factor).clip(-_LONGEST_STEP, _LONGEST_STEP)
            sums = np.bincount(heads, pull, count)
            moved.append(sums - np.bincount(tails, pull, count) if self._both else sums)
        pushed = np.zeros((2, len(heads)), np.float32)
        for strangers in self._generator.integers(0, others.shape[1], (self._repulsions, len(heads)), np.int32):
            dx, dy = near[0] - others[0][strangers], near[1] - others[1][strangers]
            square = dx * dx + dy * dy
            power = np.exp(b * np.log(np.maximum(square, _TINY)))
            factor = 2 * b / ((_SOFT + square) * (1 + a * power))
            for axis, delta in enumerate((dx, dy)):
                pushed[axis] += (delta * factor).clip(-_LONGEST_STEP, _LONGEST_STEP)
        for axis in range(2):
            total = moved[axis] + np.bincount(heads, pushed[axis], count)
            # A point moves no farther in a part than it could for one neighbour.
            points[axis] += step * total.clip(-_LONGEST_STEP, _LONGEST_STEP).astype(np.float32)
