"""Pictures that occur twice, exactly or nearly: across a split they make a model look better than it is.

Nearly means the same field of view saved again: other compression, brightness, contrast or size, a pixel of shift.
Two fields of one specimen are no duplicates; that is what groups are for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.classify.dataset import Dataset

# Thumbnails are compared: small enough to forgive a shift by a pixel or two and compression, large enough to tell
# fields of one specimen apart.
_THUMBNAIL = 24
# Correlation of thumbnails; fields of one specimen in uhcs stay below 0.9.
NEARLY = 0.97
_BLOCK = 2048
# First whole blocks of pixels are averaged, so that this many remain per pixel of the thumbnail: the rest is exact.
_COARSE = 6


@dataclass(frozen=True)
class Look:
    """What is remembered of a plane to recognise it.

    Attributes
    ----------
    digest
        Of all its values.
    thumbnail
        Means of blocks, mean 0 and norm 1 (all 0 for a constant plane); float32, shape (T·T,).
    """

    digest: str
    thumbnail: NDArray[np.float32]


@dataclass(frozen=True)
class Duplicate:
    """Two planes that show the same.

    Attributes
    ----------
    first, second
        Their places in the data set.
    likeness
        Correlation of their thumbnails; 1 if they are equal to the last bit.
    exact
        Whether they are.
    """

    first: int
    second: int
    likeness: float
    exact: bool


def look_at(values: NDArray[np.float32]) -> Look:
    """Remember a plane of shape (Y, X), NaN allowed."""
    digest = hashlib.blake2b(np.ascontiguousarray(values).tobytes(), digest_size=16)
    digest.update(repr(values.shape).encode())
    small = _block_means(np.nan_to_num(values, nan=float(np.nanmean(values)) if np.isfinite(values).any() else 0.0))
    small = small - small.mean()
    norm = float(np.linalg.norm(small))
    spread = 1e-6 * max(1e-30, float(np.abs(values[np.isfinite(values)]).max(initial=0.0))) * _THUMBNAIL
    flat = np.zeros(small.size) if norm <= spread else small.ravel() / norm
    return Look(digest.hexdigest(), flat.astype(np.float32))


def _block_means(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Means over a grid of equal parts, their borders cut through pixels where they have to."""
    coarse = max(1, min(values.shape) // (_COARSE * _THUMBNAIL))
    height, width = (n // coarse for n in values.shape)
    blocks = values[: height * coarse, : width * coarse].reshape(height, coarse, width, coarse)
    result = np.asarray(blocks.mean(axis=(1, 3)), np.float64)
    for axis in (0, 1):
        length = result.shape[axis]
        sums = np.concatenate([np.zeros_like(result.take([0], axis)), np.cumsum(result, axis)], axis)
        edges = np.linspace(0, length, _THUMBNAIL + 1)
        low = np.minimum(edges.astype(int), length - 1)
        share = (edges - low).reshape([-1 if a == axis else 1 for a in (0, 1)])
        at_edges = sums.take(low, axis) * (1 - share) + sums.take(low + 1, axis) * share
        result = np.diff(at_edges, axis=axis) * _THUMBNAIL / length
    return result


def find_duplicates(looks: Sequence[Look], *, nearly: float = NEARLY) -> list[Duplicate]:
    """Pairs of planes that are the same or nearly so; constant planes only count when they are equal.

    Parameters
    ----------
    looks
        What `look_at` remembered of each plane.
    nearly
        Least correlation of thumbnails.
    """
    thumbnails = np.stack([look.thumbnail for look in looks]) if looks else np.zeros((0, _THUMBNAIL**2), np.float32)
    by_digest: dict[str, int] = {}
    found: dict[tuple[int, int], Duplicate] = {}
    for number, look in enumerate(looks):
        first = by_digest.setdefault(look.digest, number)
        if first != number:
            found[first, number] = Duplicate(first, number, 1.0, True)
    for start in range(0, len(looks), _BLOCK):
        likeness = thumbnails[start : start + _BLOCK] @ thumbnails.T
        for first, second in zip(*np.nonzero(likeness >= nearly), strict=True):
            pair = (int(first) + start, int(second))
            if pair[0] < pair[1]:
                value = min(1.0, float(likeness[first, second]))
                found.setdefault(pair, Duplicate(*pair, value, looks[pair[0]].digest == looks[pair[1]].digest))
    return [found[pair] for pair in sorted(found)]


def report_of(duplicates: Sequence[Duplicate], dataset: Dataset, sides: NDArray[np.int64]) -> list[dict[str, object]]:
    """Duplicates that matter, in plain types: those across the sides of a split, and those with different classes.

    Parameters
    ----------
    sides
        Side of the split that each plane lies on.
    """
    rows: list[dict[str, object]] = []
    for one in duplicates:
        first, second = dataset.examples[one.first], dataset.examples[one.second]
        across, torn = bool(sides[one.first] != sides[one.second]), first.label != second.label
        if across or torn:
            rows.append(
                {
                    "first": first.title, "second": second.title, "likeness": round(one.likeness, 4),
                    "exact": one.exact, "across_split": across, "labels": [first.label, second.label],
                }
            )  # fmt: skip
    return rows
