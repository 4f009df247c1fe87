"""Nearest neighbours, exact: matrix products are as fast as an index at the size of a map, and never miss one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.progress import Progress, silent

# Rows and columns of a block of distances: 16 MB.
_BLOCK = 2048

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Neighbours:
    """The nearest ones of each point, nearest first.

    Attributes
    ----------
    indices
        Integer, shape (N, k).
    distances
        Euclidean, float32, shape (N, k).
    """

    indices: NDArray[np.int64]
    distances: Matrix


def nearest_neighbours(
    points: Matrix, count: int, *, queries: Matrix | None = None, progress: Progress | None = None
) -> Neighbours:
    """Find the nearest points, by Euclidean distance.

    Parameters
    ----------
    points
        Shape (N, D).
    count
        How many; fewer are given if there are not as many points.
    queries
        Shape (M, D); by default the points themselves, each of which is then no neighbour of its own.

    Raises
    ------
    Cancelled
        From `progress`.
    """
    progress = silent(progress)
    points = np.ascontiguousarray(points, np.float32)
    asked = points if queries is None else np.ascontiguousarray(queries, np.float32)
    # Differences of large numbers cancel in float32: the common part is taken off first.
    centre = points.mean(axis=0)
    points, asked = points - centre, asked - centre
    count = max(0, min(count, len(points) - (queries is None)))
    if count == 0:
        return Neighbours(np.empty((len(asked), 0), np.int64), np.empty((len(asked), 0), np.float32))
    best = _Best(len(asked), count)
    squares = np.einsum("ij,ij->i", points, points)
    pairs = _blocks(len(asked), len(points), halved=queries is None)
    for done, (rows, columns) in enumerate(pairs):
        progress(done / len(pairs), "finding neighbours")
        # The square of the asked point is the same for all candidates: it is added when they are known.
        product = asked[rows] @ points[columns].T
        block = squares[columns] - 2 * product
        if queries is None and rows == columns:
            np.fill_diagonal(block, np.inf)
        best.look(rows, columns, block)
        if queries is None and rows != columns:
            best.look(columns, rows, np.ascontiguousarray((squares[rows, None] - 2 * product).T))
    return best.sorted(points, asked)


def _blocks(rows: int, columns: int, *, halved: bool) -> list[tuple[slice, slice]]:
    """Blocks that cover a matrix of distances; of a symmetric one a half."""

    def parts(length: int) -> Iterator[slice]:
        return (slice(start, min(start + _BLOCK, length)) for start in range(0, length, _BLOCK))

    return [(r, c) for r in parts(rows) for c in parts(columns) if not halved or r.start <= c.start]


class _Best:
    """The nearest candidates so far."""

    def __init__(self, rows: int, count: int) -> None:
        self._count = count
        self._indices = np.zeros((rows, count), np.int64)
        self._values = np.full((rows, count), np.inf, np.float32)

    def look(self, rows: slice, columns: slice, block: Matrix) -> None:
        """Compare with what lies in a block; after a few blocks hardly anything in it is near enough."""
        worst = self._values[rows].max(axis=1)
        if np.isinf(worst).any():
            count = min(self._count, block.shape[1])
            found = np.argpartition(block, count - 1, axis=1)[:, :count]
            near = np.take_along_axis(block, found, 1)
        else:
            lines, places = np.nonzero(block < worst[:, None])
            if not len(lines):
                return
            counts = np.bincount(lines, minlength=len(block))
            slots = np.arange(len(lines)) - np.repeat(np.cumsum(counts) - counts, counts)
            near = np.full((len(block), counts.max()), np.inf, np.float32)
            found = np.zeros(near.shape, np.int64)
            near[lines, slots], found[lines, slots] = block[lines, places], places
        values = np.concatenate([self._values[rows], near], axis=1)
        indices = np.concatenate([self._indices[rows], found + columns.start], axis=1)
        keep = np.argpartition(values, self._count - 1, axis=1)[:, : self._count]
        self._values[rows] = np.take_along_axis(values, keep, 1)
        self._indices[rows] = np.take_along_axis(indices, keep, 1)

    def sorted(self, points: Matrix, asked: Matrix) -> Neighbours:
        """In order of their exact distances; ties go to the smaller number."""
        indices = np.sort(self._indices, axis=1)
        exact = np.empty(indices.shape, np.float32)
        for row, (near, one) in enumerate(zip(indices, asked, strict=True)):
            difference = points[near] - one
            exact[row] = np.sqrt(np.einsum("ij,ij->i", difference, difference))
        order = np.argsort(exact, axis=1, kind="stable")
        return Neighbours(np.take_along_axis(indices, order, 1), np.take_along_axis(exact, order, 1))
