"""Thumbnails laid out at their places on a map, as one picture to zoom into."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# Cells of the grid per thumbnail: enough room that groups stay apart.
_ROOM = 2.2
# A viewer keeps pictures of this edge in one texture; larger ones get a pyramid.
_LARGEST_LEVEL = 4096


@dataclass(frozen=True)
class Mosaic:
    """The picture.

    Attributes
    ----------
    levels
        uint8 images, each half of the one before; one if it is small.
    corners
        Top left pixel (y, x) of each thumbnail in the first level, shape (N, 2).
    size
        Height and width of a thumbnail.
    """

    levels: tuple[NDArray[np.uint8], ...]
    corners: NDArray[np.int64]
    size: tuple[int, int]

    def row_at(self, y: float, x: float) -> int:
        """Row of the thumbnail at a pixel; -1 if there is none."""
        hit = ((self.corners <= (y, x)) & (np.array([y, x]) < self.corners + np.array(self.size))).all(axis=1)
        return int(np.flatnonzero(hit)[0]) if hit.any() else -1


def mosaic_of(thumbnails: NDArray[np.uint8], coordinates: NDArray[np.float32]) -> Mosaic:
    """Put each thumbnail into the free cell of a grid that is nearest to its place; y of the map points up."""
    thumbnails = _trimmed(thumbnails)
    count, height, width = thumbnails.shape
    cells = max(1, int(np.ceil(np.sqrt(count * _ROOM))))
    places = grid_places(coordinates, cells)
    canvas = np.zeros((cells * height, cells * width), np.uint8)
    corners = places * np.array([height, width])
    for (y, x), thumbnail in zip(corners, thumbnails, strict=True):
        canvas[y : y + height, x : x + width] = thumbnail
    levels = [canvas]
    while max(levels[-1].shape) > _LARGEST_LEVEL:
        levels.append(levels[-1][::2, ::2])
    return Mosaic(tuple(levels), corners, (height, width))


def _trimmed(thumbnails: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Without the lines that are black in all of them: micrographs of one shape then touch each other."""
    used = np.asarray((thumbnails > 0).any(axis=0))
    rows, columns = np.flatnonzero(used.any(axis=1)), np.flatnonzero(used.any(axis=0))
    if not len(rows):
        return thumbnails
    return thumbnails[:, rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def grid_places(coordinates: NDArray[np.float32], cells: int) -> NDArray[np.int64]:
    """Cell (line, column) of each point, no two alike: the nearest that is free, those in the middle choose first."""
    low, high = coordinates.min(axis=0), coordinates.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    wanted = (coordinates - low) / span * (cells - 1)
    wanted = np.stack([cells - 1 - wanted[:, 1], wanted[:, 0]], axis=1)
    offsets = np.stack(np.meshgrid(np.arange(-cells, cells + 1), np.arange(-cells, cells + 1), indexing="ij"), -1)
    offsets = offsets.reshape(-1, 2)
    offsets = offsets[np.argsort((offsets**2).sum(axis=1), kind="stable")]
    taken = np.zeros((cells, cells), bool)
    result = np.empty((len(coordinates), 2), np.int64)
    for row in np.argsort(((wanted - wanted.mean(axis=0)) ** 2).sum(axis=1), kind="stable"):
        start = np.rint(wanted[row]).astype(int)
        step = 64
        for begin in range(0, len(offsets), step):
            tried = start + offsets[begin : begin + step]
            inside = ((tried >= 0) & (tried < cells)).all(axis=1)
            tried = tried[inside]
            free = np.flatnonzero(~taken[tried[:, 0], tried[:, 1]])
            if len(free):
                result[row] = tried[free[0]]
                break
        taken[tuple(result[row])] = True
    return result
