"""Length of digital boundaries: pixel edges, each projected onto the local direction of its boundary."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize

# Radius of the window that looks for the direction, in pixels of the coarser axis. Measured on discs and straight
# lines: a smaller one sees the steps of the staircase, a larger one rounds the corners of small objects.
_RADIUS = 5.5
_MOST_REACH = 32  # pixels eight times as long as wide would else cost too much
_EDGES_AT_ONCE = 1 << 18


@dataclass(frozen=True)
class Edges:
    """Pixel edges that are part of a boundary.

    Attributes
    ----------
    here, there
        Values of the pixels on both sides, shape (edges,).
    length
        Length of the boundary that each edge stands for, in the unit of the pixel size.
    """

    here: NDArray[np.int32]
    there: NDArray[np.int32]
    length: NDArray[np.float64]


def outline_lengths(objects: NDArray[np.int32], count: int, pixel_size: PixelSize) -> NDArray[np.float64]:
    """Length of the outline of each object, holes included; an edge cut by the image counts.

    Parameters
    ----------
    objects
        Number of the object 1 … count of each pixel, 0 for none; shape (Y, X).
    count
        Number of objects.
    pixel_size
        Of the image.

    Returns
    -------
    numpy.ndarray
        Shape (count + 1,), in the unit of the pixel size; the first entry means nothing.

    Examples
    --------
    >>> y, x = np.mgrid[:50, :50] - 24.5
    >>> disc = (y**2 + x**2 < 20**2).astype(np.int32)
    >>> bool(abs(outline_lengths(disc, 1, PixelSize())[1] / (2 * np.pi * 20) - 1) < 0.01)
    True
    """
    lengths = np.zeros(count + 1)
    reach = _reach(pixel_size)
    for edges in _boundary_edges(np.pad(objects, [(r, r) for r in reach]), pixel_size):
        lengths += np.bincount(edges.here, edges.length, count + 1)
        lengths += np.bincount(edges.there, edges.length, count + 1)
    return lengths


def boundary_lengths(positions: NDArray[np.int32], phases: int, pixel_size: PixelSize) -> dict[tuple[int, int], float]:
    """Length of the boundary between each two phases; the edge of the image and of ignored pixels is none.

    Parameters
    ----------
    positions
        Phase 0 … phases - 1 of each pixel, negative where ignored; shape (Y, X).
    phases
        Number of phases.
    pixel_size
        Of the image.

    Returns
    -------
    dict
        Length by pair of phases, the smaller first, in the unit of the pixel size; pairs that do not meet are missing.

    Notes
    -----
    A boundary of direction t and length L crosses |t_y| L / h rows and |t_x| L / w columns, so that its pixel edges,
    each multiplied with the cosine between its own normal and that of the boundary, add up to L, whatever the
    direction. The normal is the gradient of the difference of the two phases, smoothed over 5.5 pixels around the
    edge; the image is mirrored at its edges. Measured on square pixels: straight lines of any direction within 1 %,
    discs of more than 3 pixels in radius within 0.5 % on average. Each corner loses about 0.7 pixels, and
    structures of a single pixel's width measure up to 10 % short.

    References
    ----------
    Lachaud, J.-O. and Thibert, B., "Properties of Gauss digitized shapes and digital surface integration",
    J. Math. Imaging Vis. 54 (2016) 162-180, https://doi.org/10.1007/s10851-015-0595-7.
    """
    found: dict[tuple[int, int], float] = {}
    for edges in _boundary_edges(positions, pixel_size):
        low, high = np.minimum(edges.here, edges.there), np.maximum(edges.here, edges.there)
        codes, places = np.unique(low.astype(np.int64) * phases + high, return_inverse=True)
        for code, length in zip(codes.tolist(), np.bincount(places, edges.length).tolist(), strict=True):
            pair = divmod(code, phases)
            found[pair] = found.get(pair, 0.0) + length
    return found


def _reach(pixel_size: PixelSize) -> tuple[int, int]:
    """Pixels that the window reaches along y and x: alike in physical units, so more of the smaller ones."""
    radius = _RADIUS * max(pixel_size.y, pixel_size.x)
    return tuple(min(math.ceil(radius / size), _MOST_REACH) for size in (pixel_size.y, pixel_size.x))  # type: ignore[return-value]  # two of them


def _boundary_edges(values: NDArray[np.int32], pixel_size: PixelSize) -> Iterator[Edges]:
    """Edges between pixels of different values that are not negative, in portions."""
    reach_y, reach_x = _reach(pixel_size)
    wide = np.pad(values, ((reach_y, reach_y), (reach_x, reach_x)), mode="symmetric")
    flat, row = wide.ravel(), wide.shape[1]
    y_axis, x_axis = _Axis(row, pixel_size.y, reach_y), _Axis(1, pixel_size.x, reach_x)
    for across, along in ((x_axis, y_axis), (y_axis, x_axis)):
        down, right = int(across is y_axis), int(across is x_axis)
        first, second = values[: len(values) - down, : values.shape[1] - right], values[down:, right:]
        y, x = np.nonzero((first != second) & (first >= 0) & (second >= 0))
        starts = (y + reach_y) * row + x + reach_x
        for begin in range(0, len(starts), _EDGES_AT_ONCE):
            at = starts[begin : begin + _EDGES_AT_ONCE]
            yield Edges(flat[at], flat[at + across.stride], along.size * _cosines(flat, at, across, along))


@dataclass(frozen=True)
class _Axis:
    """Way of a pixel edge: distance of the next pixel in the flat array, its size, and how far the window reaches."""

    stride: int
    size: float
    reach: int


def _cosines(flat: NDArray[np.int32], at: NDArray[np.intp], across: _Axis, along: _Axis) -> NDArray[np.float64]:
    """Cosine between the normal of each pixel edge and that of its boundary; `at` are the pixels before the edges."""
    here, there = flat[at], flat[at + across.stride]
    normal, tangent = np.zeros(len(at)), np.zeros(len(at))
    radius = _RADIUS * max(across.size, along.size)
    for a in range(-across.reach + 1, across.reach + 1):
        for b in range(-along.reach, along.reach + 1):
            x, y = (a - 0.5) * across.size, b * along.size
            weight = max(0.0, 1 - (x * x + y * y) / radius**2) ** 2
            if weight > 0:
                seen = flat[at + (a * across.stride + b * along.stride)]
                side = (seen == there).astype(np.int8) - (seen == here)
                normal += side * (weight * x)
                tangent += side * (weight * y)
    steepness = np.hypot(normal, tangent)
    return np.divide(np.abs(normal), steepness, out=np.ones_like(normal), where=steepness > 1e-9 * radius)
