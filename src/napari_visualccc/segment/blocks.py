"""Cells of a plane put together to blocks that are nearly independent."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.segment.bootstrap import block_edge
from napari_visualccc.segment.correlation import Correlation


@dataclass(frozen=True)
class Partition:
    """Blocks of the cells of a plane.

    Attributes
    ----------
    block
        Number of the block of each cell, shape (rows, columns); none from 0 to the largest is missing.
    height, width
        Of the blocks, in cells and along their axes.
    tilt
        By how much the axes are turned from right towards down, in radians.
    """

    block: NDArray[np.intp]
    height: float
    width: float
    tilt: float = 0.0

    @property
    def count(self) -> int:
        """Number of blocks."""
        return int(self.block.max()) + 1

    def sums(self, counts: NDArray[np.number]) -> NDArray[np.float64]:
        """Sum the counts of cells, shape (planes, rows, columns, phases), to (planes, blocks, phases)."""
        order = np.argsort(self.block, axis=None, kind="stable")
        starts = np.searchsorted(self.block.ravel()[order], np.arange(self.count))
        cells = counts.reshape(len(counts), -1, counts.shape[3])[:, order]
        return np.asarray(np.add.reduceat(cells, starts, axis=1, dtype=np.float64))


def every_cell(grid: tuple[int, int]) -> Partition:
    """Each cell is a block."""
    return Partition(np.arange(math.prod(grid)).reshape(grid), 1.0, 1.0)


def whole_plane(grid: tuple[int, int]) -> Partition:
    """All cells are one block."""
    return Partition(np.zeros(grid, np.intp), *map(float, grid))


def partition(grid: tuple[int, int], lengths: Correlation, planes: int) -> Partition:
    """Blocks in the proportions and the direction of the correlation of a field.

    Parameters
    ----------
    grid
        Rows and columns of cells.
    lengths
        Correlation lengths, in cells.
    planes
        Number of planes, among which blocks may be the larger (`block_edge`).

    Notes
    -----
    Blocks of a layer that goes through the whole plane are bands along it, each through the whole plane: pieces of
    the same layer would tell the same many times. Bands hold equally many cells, and so do the blocks of a band.

    Examples
    --------
    >>> layers = partition((64, 64), Correlation(height=2.0, width=200.0), 1)
    >>> layers.count, layers.height, layers.width
    (8, 8.0, 64.0)
    """
    rows, columns = grid
    if lengths.mean == 0:
        return every_cell(grid)
    scale = block_edge(lengths.mean, math.sqrt(planes * rows * columns)) / lengths.mean
    height, width = _extent(rows, columns, lengths)
    bands = max(1, min(rows, int(height / (scale * lengths.height))))
    parts = max(1, min(columns, int(width / (scale * lengths.width))))
    cosine, sine = math.cos(lengths.tilt), math.sin(lengths.tilt)
    y, x = np.mgrid[:rows, :columns]
    band = _shares(y * cosine - x * sine, bands)
    block = np.empty(grid, np.intp)
    for number in range(bands):
        own = band == number
        block[own] = number * parts + _shares((x * cosine + y * sine)[own], parts)
    _, block = np.unique(block, return_inverse=True)  # of few cells some blocks may have got none
    return Partition(block.reshape(grid), height / bands, width / parts, lengths.tilt)


def _extent(rows: int, columns: int, lengths: Correlation) -> tuple[float, float]:
    """Height and width of the rectangle with the area of a plane that is as long as this, where correlation is longest.

    By the height of the plane from corner to corner, bands through its middle would be too narrow.
    """
    cosine, sine = math.cos(lengths.tilt), max(abs(math.sin(lengths.tilt)), 1e-9)
    if lengths.width < lengths.height:
        height = min(rows / cosine, columns / sine)
        return height, rows * columns / height
    width = min(columns / cosine, rows / sine)
    return rows * columns / width, width


def _shares(place: NDArray[np.float64], parts: int) -> NDArray[np.intp]:
    """Number of the part of each place, such that parts are ascending and hold about equally many."""
    if not place.size:
        return np.zeros(0, np.intp)
    return np.searchsorted(np.quantile(place, np.arange(1, parts) / parts), place, side="right")
