"""How far the mean thickness of layers may be trusted: stretches of layer are drawn anew, through slices that agree."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.runtime import random_generator
from napari_visualccc.segment.bootstrap import block_length, ratio_interval
from napari_visualccc.segment.chains import Piece
from napari_visualccc.segment.correlation import correlation_time, is_too_short


def mean_interval(planes: Sequence[Sequence[Piece]], resamples: int, seed: int) -> tuple[float, float]:
    """95 % interval of the mean thickness of the layers of all planes.

    Parameters
    ----------
    planes
        Unbroken stretches of layer of each plane.
    resamples
        Number of bootstrap samples.
    seed
        Of the bootstrap.

    Returns
    -------
    low, high : float
        NaN where there is only one block.

    Notes
    -----
    Blocks are stretches of at least two correlation lengths of the thickness along the layer. In slices of a volume
    the thickness at one place is much the same in the next slice: blocks then go through as many slices as belong
    together, so that more slices of the same thing make no narrower interval. Where slices are too few, and the layer
    too short, to tell whether they are alike, they are taken to be.
    """
    pieces = [piece for plane in planes for piece in plane]
    if not pieces:
        return np.nan, np.nan
    values = np.concatenate([piece.thickness for piece in pieces])
    deviation = values - values.mean()
    # A place without value parts the stretches, so that the end of one is no neighbour of the next.
    parted = np.insert(deviation, np.cumsum([len(piece.thickness) for piece in pieces]), np.nan)
    along = correlation_time(parted[:, None])
    blocks = _through_slices(planes, deviation, along)
    if blocks is None:
        blocks = _stretches(len(values), block_length(along, len(values)))
    sums, sizes = np.asarray(np.bincount(blocks, values), np.float64), np.asarray(np.bincount(blocks), np.float64)
    interval = ratio_interval(sums[:, None], sizes, resamples, random_generator(seed, 2))
    return float(interval.low[0]), float(interval.high[0])


def _through_slices(
    planes: Sequence[Sequence[Piece]], deviation: NDArray[np.float64], along: float
) -> NDArray[np.int64] | None:
    """Number of the block of each place if neighbouring planes are alike, else None.

    Places of all planes belong to the stretch of the nearest place in the plane that has the most.
    """
    from scipy.spatial import KDTree

    counts = [sum(len(piece.thickness) for piece in plane) for plane in planes]
    if np.count_nonzero(counts) < 2:  # noqa: PLR2004 - no neighbours
        return None
    most = int(np.argmax(counts))
    points = np.concatenate([piece.points for plane in planes for piece in plane])
    first = sum(counts[:most])
    _, nearest = KDTree(points[first : first + counts[most]]).query(points)
    plane = np.repeat(np.arange(len(planes)), counts)
    # As in the bootstrap of fractions, but of stretches that are just independent: few long ones could tell nothing.
    places = _stretches(counts[most], math.ceil(along))[nearest]
    shape = len(planes), int(places.max()) + 1
    cells = plane * shape[1] + places
    known = np.bincount(cells, minlength=math.prod(shape))
    sums = np.bincount(cells, deviation, math.prod(shape))
    means = np.divide(sums, known, out=np.full(len(known), np.nan), where=known > 0).reshape(shape)
    deep = len(planes) if is_too_short(means) else block_length(correlation_time(means), len(planes))
    if deep == 1:
        return None
    blocks = _stretches(counts[most], block_length(along, counts[most]))[nearest]
    slabs = _stretches(len(planes), deep)[plane]
    return np.asarray(slabs * (blocks.max() + 1) + blocks, np.int64)


def _stretches(samples: int, length: int) -> NDArray[np.int64]:
    """Number of the stretch of each sample: all about equally long, and no shorter than that."""
    return np.arange(samples) * max(1, samples // length) // samples
