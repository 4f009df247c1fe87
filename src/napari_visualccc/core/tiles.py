"""Cutting planes into tiles and putting them together again: the only tiling in the package.

Two ways of putting together, one geometry::

    ┌────────────────────┐  outer: what is read (core + halo, clipped at the border of the plane)
    │   halo             │
    │   ┌────────────┐   │  core: what this tile alone is answerable for; cores partition the plane
    │   │   core     │   │
    │   └────────────┘   │
    └────────────────────┘

- *Filters* need a halo and give exact values in the core: `tile_plane`.
- *Networks* give values that fade towards the border of a tile: `overlapping_tiles` and `blend_weights`, whose
  weights sum to exactly 1 at every pixel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

Shape = tuple[int, int]
# Weights are multiples of 2⁻¹²: the product of two is exact in float32, so that sums are exactly 1.
_WEIGHT_STEPS = 4096


@dataclass(frozen=True)
class Tile:
    """A rectangle of a plane, with the margin that is read around it.

    Attributes
    ----------
    core
        Slices (y, x) of the plane that the tile's result fills.
    outer
        Slices (y, x) of the plane that are read.
    """

    core: tuple[slice, slice]
    outer: tuple[slice, slice]

    @property
    def place(self) -> tuple[int, int]:
        """Row and column of the first pixel of the core: tells a tile from all others of its plane."""
        return self.core[0].start, self.core[1].start

    @property
    def inner(self) -> tuple[slice, slice]:
        """Where the core lies inside the array that was read."""
        (cy, cx), (oy, ox) = self.core, self.outer
        return (
            slice(cy.start - oy.start, cy.stop - oy.start),
            slice(cx.start - ox.start, cx.stop - ox.start),
        )


def tile_plane(shape: Shape, size: int = 1024, halo: int = 0) -> Iterator[Tile]:
    """Tiles whose cores partition the plane.

    Parameters
    ----------
    shape
        Height and width of the plane in pixels.
    size
        Edge of a core in pixels; cores at the lower and right border may be smaller.
    halo
        Pixels read on every side beyond the core, as far as the plane reaches.

    Examples
    --------
    >>> [tile.outer for tile in tile_plane((10, 4), size=8, halo=1)]
    [(slice(0, 9, None), slice(0, 4, None)), (slice(7, 10, None), slice(0, 4, None))]
    """
    _check(shape, size)
    height, width = shape
    for top in range(0, height, size):
        for left in range(0, width, size):
            bottom, right = min(top + size, height), min(left + size, width)
            yield Tile(
                (slice(top, bottom), slice(left, right)),
                (
                    slice(max(top - halo, 0), min(bottom + halo, height)),
                    slice(max(left - halo, 0), min(right + halo, width)),
                ),
            )


def overlapping_tiles(shape: Shape, size: int | Shape, overlap: int) -> list[Tile]:
    """Tiles of equal size that overlap by at least `overlap`, for a network that wants one input shape.

    Tiles are spread evenly; a plane smaller than a tile gives one tile of the plane's own shape. ``core`` and
    ``outer`` are the same: blend with `blend_weights`.
    """
    height, width = _pair(size)
    _check(shape, min(height, width))
    if not 0 <= overlap < min(height, width):
        raise ValueError(f"overlap must lie in 0 … {min(height, width) - 1}, not {overlap}")
    rows, columns = _starts(shape[0], height, overlap), _starts(shape[1], width, overlap)
    boxes = [(slice(y, min(y + height, shape[0])), slice(x, min(x + width, shape[1]))) for y in rows for x in columns]
    return [Tile(box, box) for box in boxes]


def fitting_size(shape: Shape, size: int, overlap: int, multiple: int = 1) -> Shape:
    """Height and width of the tiles of about `size` that cover a plane with the least work.

    A plane a little wider than its tiles would be looked at nearly twice: 2048 pixels take three tiles of 1024 per
    axis. Tiles that are an eighth larger at most do it with two of 1088.

    Parameters
    ----------
    shape
        Height and width of the plane in pixels.
    size, overlap
        As wanted; the overlap is kept, the size is not exceeded by more than an eighth.
    multiple
        What sides are best multiples of.

    Examples
    --------
    >>> fitting_size((2048, 1100), 1024, 128, multiple=32)
    (1088, 1100)
    """
    height, width = (_fitting_edge(length, size, overlap, multiple) for length in shape)
    return height, width


def blend_weights(shape: Shape, size: int | Shape, overlap: int, tile: Tile) -> NDArray[np.float32]:
    """Weight of each pixel of a tile of `overlapping_tiles`; over all tiles they sum to exactly 1."""
    (y, x), (height, width) = tile.core, _pair(size)
    rows = _weights_1d(shape[0], height, overlap)[y.start]
    columns = _weights_1d(shape[1], width, overlap)[x.start]
    return np.outer(rows, columns).astype(np.float32)


def _pair(size: int | Shape) -> Shape:
    return (size, size) if isinstance(size, int) else size


def _fitting_edge(length: int, size: int, overlap: int, multiple: int) -> int:
    largest = size + size // 8
    if length <= largest:
        return max(length, size)
    count = len(_starts(length, largest, overlap))
    least = -(-(length + (count - 1) * overlap) // count)
    return min(-(-least // multiple) * multiple, largest)


def _check(shape: Shape, size: int) -> None:
    if min(shape) < 1 or size < 1:
        raise ValueError(f"cannot cut a plane of shape {shape} into tiles of {size}")


def _starts(length: int, size: int, overlap: int) -> list[int]:
    if length <= size:
        return [0]
    count = 1 + -(-(length - size) // (size - overlap))
    return [round(i * (length - size) / (count - 1)) for i in range(count)]


@lru_cache(maxsize=64)
def _weights_1d(length: int, size: int, overlap: int) -> dict[int, NDArray[np.float64]]:
    """Weights along one axis, by tile start.

    Ramps of neighbours are complementary where two tiles lie over each other; where more do, the shares are
    handed out in whole steps of 2⁻¹², the rest to the largest, so the sum stays exact.
    """
    starts = _starts(length, size, overlap)
    raw = np.zeros((len(starts), length))
    for row, start in enumerate(starts):
        stop = min(start + size, length)
        distance: NDArray[Any] = np.minimum(np.arange(start, stop) - start, stop - 1 - np.arange(start, stop)) + 0.5
        # A tile that touches the border of the plane has no neighbour there and keeps its full weight.
        if start == 0:
            distance = stop - np.arange(start, stop) - 0.5
        if stop == length:
            distance = np.arange(start, stop) - start + 0.5 if start else np.full(stop - start, 1.0)
        raw[row, start:stop] = np.minimum(distance, max(overlap, 1))
    share = raw / raw.sum(axis=0)
    steps = np.floor(share * _WEIGHT_STEPS)
    columns = np.arange(length)
    steps[share.argmax(axis=0), columns] += _WEIGHT_STEPS - steps.sum(axis=0)
    weights = steps / _WEIGHT_STEPS
    return {start: weights[row, start : min(start + size, length)] for row, start in enumerate(starts)}
