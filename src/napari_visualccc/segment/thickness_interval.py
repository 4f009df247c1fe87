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

# Layers differ if chance explains their differences with less than this probability.
_SIGNIFICANT = 0.01


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
        NaN where there are fewer than three blocks.

    Notes
    -----
    Blocks are stretches of at least two correlation times of the thickness along the layer, so that one layer that
    is shorter than about six of them has no interval. If layers differ more than their stretches explain (F test), a
    block is a layer, and a plane if planes differ more than their layers explain. In slices of a volume
    the thickness at one place is much the same in the next slice: blocks then go through as many slices as belong
    together, so that more slices of the same thing make no narrower interval. Where slices are too few, and the layer
    too short, to tell whether they are alike, they are taken to be.
    """
    pieces = [piece for plane in planes for piece in plane]
    if not pieces:
        return np.nan, np.nan
    values = np.concatenate([piece.thickness for piece in pieces])
    blocks = _blocks(planes, values)
    sums, sizes = np.asarray(np.bincount(blocks, values), np.float64), np.asarray(np.bincount(blocks), np.float64)
    interval = ratio_interval(sums[:, None], sizes, resamples, random_generator(seed, 2))
    return max(float(interval.low[0]), 0.0), float(interval.high[0])


def _blocks(planes: Sequence[Sequence[Piece]], values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Number of the block of each place."""
    numbered = [(number, piece) for number, plane in enumerate(planes) for piece in plane]
    sizes = [len(piece.thickness) for _, piece in numbered]
    plane = np.repeat([number for number, _ in numbered], sizes)
    layer = _joint(plane, np.repeat([piece.layer for _, piece in numbered], sizes))
    # A place without value parts the stretches, so that the end of one is no neighbour of the next.
    ends = np.cumsum(sizes)
    deviation = values - values.mean()
    along = correlation_time(np.insert(deviation, ends, np.nan)[:, None])
    own = values - _means(values, layer)[layer]
    within = correlation_time(np.insert(own, ends, np.nan)[:, None], int(layer.max()) + 1)
    place, slab = _through_slices(planes, plane, deviation, along)
    samples = len(np.unique(place))
    layers = _joint(slab, layer[place])
    blocks = _joint(slab, _stretches(layer, block_length(within, samples))[place])
    if _differ(values, blocks, layers):
        blocks = layers
    else:
        blocks = _joint(slab, _stretches(layer, block_length(along, samples))[place])
    return slab if _differ(values, blocks, slab) else blocks


def _through_slices(
    planes: Sequence[Sequence[Piece]], plane: NDArray[np.int64], deviation: NDArray[np.float64], along: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Place that each place stands for, and number of the slab of planes in which it does.

    If neighbouring planes are alike, places of all of them stand for the nearest place in the plane that has the
    most; else each for itself, and a plane is a slab.
    """
    from scipy.spatial import KDTree

    themselves = np.arange(len(plane)), plane
    counts = np.bincount(plane, minlength=len(planes))
    if np.count_nonzero(counts) < 2:  # noqa: PLR2004 - no neighbours
        return themselves
    most = int(np.argmax(counts))
    points = np.concatenate([piece.points for one in planes for piece in one])
    first = int(counts[:most].sum())
    _, nearest = KDTree(points[first : first + counts[most]]).query(points)
    # As in the bootstrap of fractions, but of stretches that are just independent: few long ones could tell nothing.
    stretch = _stretches(np.zeros(counts[most], np.int64), math.ceil(along))[nearest]
    shape = len(planes), int(stretch.max()) + 1
    cells = plane * shape[1] + stretch
    known = np.bincount(cells, minlength=math.prod(shape))
    sums = np.bincount(cells, deviation, math.prod(shape))
    means = np.divide(sums, known, out=np.full(len(known), np.nan), where=known > 0).reshape(shape)
    deep = len(planes) if is_too_short(means) else block_length(correlation_time(means), len(planes))
    if deep == 1:
        return themselves
    return first + nearest, np.arange(len(planes))[plane] * max(1, len(planes) // deep) // len(planes)


def _joint(major: NDArray[np.integer], minor: NDArray[np.integer]) -> NDArray[np.int64]:
    """Number of each combination of two numbers, ascending from 0."""
    _, joint = np.unique(major * (int(minor.max()) + 1) + minor, return_inverse=True)
    return np.asarray(joint, np.int64)


def _means(values: NDArray[np.float64], group: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.asarray(np.bincount(group, values) / np.bincount(group))


def _stretches(layer: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Number of the stretch of each place: those of a layer, whose places follow each other, are about equally long.

    None is shorter than `length`, unless its layer is.
    """
    size = np.bincount(layer)
    parts = np.maximum(1, size // length)
    rank = np.arange(len(layer)) - (np.cumsum(size) - size)[layer]
    return np.asarray((np.cumsum(parts) - parts)[layer] + rank * parts[layer] // size[layer], np.int64)


def _differ(values: NDArray[np.float64], blocks: NDArray[np.int64], group: NDArray[np.int64]) -> bool:
    """Whether groups of blocks differ more than the blocks of a group do, by an F test."""
    from scipy.special import fdtrc

    means = _means(values, blocks)
    _, first = np.unique(blocks, return_index=True)
    _, of_block = np.unique(group[first], return_inverse=True)  # planes may hold no layer
    sizes = np.bincount(of_block)
    groups, spare = len(sizes), len(means) - len(sizes)
    if groups < 2 or spare < 1:  # noqa: PLR2004
        return False
    centre = _means(means, of_block)
    between = float((sizes * (centre - means.mean()) ** 2).sum()) / (groups - 1)
    rest = float(((means - centre[of_block]) ** 2).sum()) / spare
    rounding = 1e-12 * float(means.mean()) ** 2
    return between > rounding and bool(fdtrc(groups - 1, spare, between / max(rest, rounding)) < _SIGNIFICANT)
