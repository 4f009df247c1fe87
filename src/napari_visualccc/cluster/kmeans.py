"""k-means twice: the provable optimum for one feature, and a fast, well-seeded Lloyd for several.

References
----------
.. [1] Wang & Song, "Ckmeans.1d.dp: optimal k-means clustering in one dimension by dynamic programming",
   The R Journal 3 (2011) 29, doi 10.32614/RJ-2011-015.
.. [2] Grønlund et al., "Fast exact k-means, k-medians and Bregman divergence clustering in 1D", arXiv 1701.07204.
.. [3] Arthur & Vassilvitskii, "k-means++: the advantages of careful seeding", SODA 2007, 1027-1035.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import random_generator

Vector = NDArray[np.float64]
Points = NDArray[np.float32]
Cost = Callable[[NDArray[np.int64], NDArray[np.int64]], Vector]

# Points handled at once: their scores for a handful of clusters stay in the second-level cache.
_BLOCK = 1 << 14
RESTARTS = 12
_SEEDING_POINTS = 1 << 14
_FIT_POINTS = 1 << 18
_MAX_ITERATIONS = 100
# Lloyd has converged when an iteration improves the inertia by less than this share.
_TOLERANCE = 1e-6


@dataclass(frozen=True)
class Exact1D:
    """All optimal partitions of weighted points on a line into 1 … k groups.

    Attributes
    ----------
    values, weights
        Distinct points in ascending order, and how often each occurs.
    first
        ``first[m - 1, j]``: where the last group begins if points 0 … j are parted into m groups.
    inertias
        Least sum of squared distances for 1 … k groups.
    """

    values: Vector
    weights: Vector
    first: NDArray[np.int32]
    inertias: Vector

    def starts(self, k: int) -> NDArray[np.int64]:
        """Index of the first point of each of the k groups."""
        last = len(self.values) - 1
        starts = np.empty(k, np.int64)
        for group in range(k - 1, -1, -1):
            starts[group] = self.first[group, last]
            last = starts[group] - 1
        return starts

    def centers(self, k: int) -> Vector:
        """Means of the k groups, ascending."""
        starts = self.starts(k)
        total = np.add.reduceat(self.weights * self.values, starts)
        return np.asarray(total / np.add.reduceat(self.weights, starts))

    def thresholds(self, k: int) -> Vector:
        """Values halfway between neighbouring groups: a point belongs to group ``searchsorted(thresholds, x)``."""
        starts = self.starts(k)[1:]
        return (self.values[starts - 1] + self.values[starts]) / 2


def exact_1d(values: NDArray[np.number], weights: NDArray[np.number], k: int) -> Exact1D:
    r"""Optimal k-means of points on a line by dynamic programming.

    Parameters
    ----------
    values
        Distinct values in ascending order, shape (n,).
    weights
        How often each occurs; positive, shape (n,).
    k
        Largest number of groups wanted; at most n are made.

    Returns
    -------
    Exact1D
        The optimum for every number of groups up to k.

    Notes
    -----
    With ``D[m, j]`` the least inertia of the first j points in m groups,

    .. math:: D[m, j] = \min_i D[m - 1, i - 1] + cost(i, j),

    and the best i grows with j, so the middle j halves the candidates of all others [2]_: n log n per row, all
    middles of one depth at once. Sums are taken about the mean, where their differences lose no digits.

    Examples
    --------
    >>> exact_1d(np.array([0, 1, 10, 11]), np.ones(4), 2).centers(2)
    array([ 0.5, 10.5])
    """
    points = np.asarray(values, np.float64)
    mass = np.asarray(weights, np.float64)
    k = min(k, len(points))
    centred = points - np.average(points, weights=mass)
    s0, s1, s2 = (np.concatenate([[0.0], np.cumsum(mass * centred**power)]) for power in range(3))

    def cost(i: NDArray[np.int64], j: NDArray[np.int64]) -> Vector:
        total = s1[j + 1] - s1[i]
        return np.asarray(s2[j + 1] - s2[i] - total * total / (s0[j + 1] - s0[i]))

    everything = np.arange(len(points))
    first = np.zeros((k, len(points)), np.int32)
    best = cost(np.zeros_like(everything), everything)
    inertias = [best[-1]]
    for m in range(1, k):
        best, first[m] = _best_starts(best, cost, m)
        inertias.append(best[-1])
    return Exact1D(points, mass, first, np.maximum(inertias, 0.0))


def _best_starts(previous: Vector, cost: Cost, m: int) -> tuple[Vector, NDArray[np.int32]]:
    """Least inertia of the first j points with m earlier groups, and where the last group then starts, for each j."""
    n = len(previous)
    best = np.full(n, np.inf)
    start = np.zeros(n, np.int32)
    # Open intervals of j (low … high) and the candidates (left … right) that monotony leaves them.
    low, high = np.array([m]), np.array([n - 1])
    left, right = np.array([m]), np.array([n - 1])
    while low.size:
        middle = (low + high) // 2
        count = np.minimum(right, middle) - left + 1
        owner = np.repeat(np.arange(low.size), count)
        begin = np.concatenate([[0], np.cumsum(count)[:-1]])
        candidate = np.arange(count.sum()) - begin[owner] + left[owner]
        value = previous[candidate - 1] + cost(candidate, middle[owner])
        least = np.minimum.reduceat(value, begin)
        winner = np.flatnonzero(value == least[owner])[::-1]
        choice = np.empty(low.size, np.int64)
        choice[owner[winner]] = candidate[winner]  # of equals the first, which is written last
        best[middle], start[middle] = least, choice
        low = np.concatenate([low, middle + 1])
        high = np.concatenate([middle - 1, high])
        left, right = np.concatenate([left, choice]), np.concatenate([choice, right])
        alive = low <= high
        low, high, left, right = low[alive], high[alive], left[alive], right[alive]
    return best, start


@dataclass(frozen=True)
class Assignment:
    """Points given to their nearest centres.

    Attributes
    ----------
    labels
        Index of the nearest centre, uint8, shape (n,).
    counts, sums
        Points per centre, and their sum, shapes (k,) and (k, features).
    inertia
        Sum of squared distances, summed in float64.
    """

    labels: NDArray[np.uint8]
    counts: Vector
    sums: Vector
    inertia: float


def assign(points: Points, centers: NDArray[np.floating]) -> Assignment:
    """Give every point to its nearest centre, in blocks that stay in the cache.

    Parameters
    ----------
    points
        Shape (n, features), float32, of order 1 (standardised).
    centers
        Shape (k, features), k ≤ 256.

    Notes
    -----
    ``|x - c|² = |x|² - 2 (x·c - |c|²/2)``: one matrix product per block, then a running maximum.
    """
    n, k = len(points), len(centers)
    labels = np.empty(n, np.uint8)
    counts = np.zeros(k)
    sums = np.zeros(centers.shape)
    inertia = 0.0
    c = np.ascontiguousarray(centers, np.float32)
    half_norm = (c * c).sum(1, keepdims=True) / 2
    for begin in range(0, n, _BLOCK):
        x = np.ascontiguousarray(points[begin : begin + _BLOCK].T)
        score = c @ x
        score -= half_norm
        nearest = labels[begin : begin + _BLOCK]
        nearest[:] = 0
        best = score[0]
        for j in range(1, k):
            np.copyto(nearest, j, where=score[j] > best)
            np.maximum(best, score[j], out=best)
        member = (nearest == np.arange(k, dtype=np.uint8)[:, None]).astype(np.float32)
        counts += member.sum(1)
        sums += member @ x.T
        inertia += float(np.einsum("ij,ij->", x, x, dtype=np.float64) - 2 * best.sum(dtype=np.float64))
    return Assignment(labels, counts, sums, max(inertia, 0.0))


@dataclass(frozen=True)
class Centers:
    """Outcome of `fit`: cluster centres and the inertia of the points they were fitted to."""

    centers: Points
    inertia: float


def fit(
    points: Points, k: int, *, seed: int = 0, restarts: int = RESTARTS, progress: Progress | None = None
) -> Centers:
    """Find k centres with a small inertia.

    Parameters
    ----------
    points
        Shape (n, features), finite. Beyond 262 144 points a random sample is used.
    k
        Number of clusters; fewer come back if there are fewer distinct points.
    seed
        Same seed, same centres.
    restarts
        How many seedings are tried.

    Notes
    -----
    By default twelve greedy k-means++ seedings [3]_ run to convergence on 16 384 points, the best goes on with all.
    The excess inertia from sampling is about ``k · features / n``, a few 10⁻⁴ at worst.
    """
    progress = silent(progress)
    rng = random_generator(seed, k)
    points = np.ascontiguousarray(points, np.float32)
    if len(points) > _FIT_POINTS:
        points = points[rng.choice(len(points), _FIT_POINTS, replace=False)]
    few = points[rng.permutation(len(points))[:_SEEDING_POINTS]]
    best: Centers | None = None
    for attempt in progress.part(0, 0.7).steps(range(restarts), message="seeding clusters"):
        found = _lloyd(few, _plus_plus(few, k, random_generator(seed, k, attempt)), progress.quiet())
        if best is None or found.inertia < best.inertia:
            best = found
    assert best is not None
    return _lloyd(points, best.centers, progress.part(0.7, 1))


def _lloyd(points: Points, centers: Points, progress: Progress) -> Centers:
    previous = np.inf
    for iteration in range(_MAX_ITERATIONS):
        progress(iteration / _MAX_ITERATIONS, "moving clusters")
        given = assign(points, centers)
        if previous - given.inertia <= _TOLERANCE * given.inertia:
            break
        previous = given.inertia
        used = given.counts > 0
        moved = centers.copy()
        moved[used] = given.sums[used] / given.counts[used, None]
        centers = moved
    return Centers(centers[given.counts > 0], given.inertia)


def _plus_plus(points: Points, k: int, rng: np.random.Generator) -> Points:
    """Greedy k-means++: of several candidates drawn by squared distance, take the one that helps most."""
    trials = 2 + int(np.log(k))
    chosen = [int(rng.integers(len(points)))]
    distance = _squared_distance(points, points[chosen])[0]
    while len(chosen) < k:
        total = distance.sum(dtype=np.float64)
        if total <= 0:  # no more distinct points
            break
        cumulative = np.cumsum(distance, dtype=np.float64)
        candidates = np.minimum(np.searchsorted(cumulative, rng.random(trials) * total), len(points) - 1)
        shorter = np.minimum(_squared_distance(points, points[candidates]), distance)
        winner = int(shorter.sum(1).argmin())
        chosen.append(int(candidates[winner]))
        distance = shorter[winner]
    return points[chosen]


def _squared_distance(points: Points, centers: Points) -> Points:
    return np.stack([((points - center) ** 2).sum(1) for center in centers])
