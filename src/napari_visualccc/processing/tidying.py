"""One number per crystal: pieces that windows at its rim saw as crystals of their own are given back to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.processing.peaks import Peaks

Labels = NDArray[np.int32]

_SAME_BINS = 1.5  # at a rim, windows see frequencies this far off
_GAP_PX = 3  # outlines of pieces of one crystal leave at most this between them
_PIECE = 0.25  # a piece that shows one spot only is a piece if it is no larger than this share of the crystal


def tidied(labels: Labels, peaks: Sequence[Peaks], bin_size: float) -> Labels:
    """Join touching grains that show the same spots, and give stray parts to the grain that they border on.

    Parameters
    ----------
    labels
        Number of the grain at each pixel, 0 for none, shape (Y, X).
    peaks
        Spots of each grain from 1 on.
    bin_size
        Frequency per bin of the windows, in the unit of the spots.

    Returns
    -------
    ndarray of int32, shape (Y, X)
        Numbers of the larger grain of each pair that was joined; numbers may be missing.

    Notes
    -----
    Twins share spots along one direction only: to be joined, grains need two spots in common that are not each
    other's harmonics, or the smaller one must be a sliver that shows nothing else.
    """
    area = np.bincount(labels.ravel(), minlength=len(peaks) + 1)
    belongs = np.arange(len(peaks) + 1)
    pairs = sorted(_touching(labels), key=lambda pair: -max(area[list(pair)]))
    for pair in pairs:
        large, small = sorted((int(belongs[n]) for n in pair), key=lambda n: -area[n])
        if large != small and _same(peaks[small - 1], peaks[large - 1], _SAME_BINS * bin_size,
                                    sliver=area[small] < _PIECE * area[large]):  # fmt: skip
            belongs[belongs == small] = large
            area[large] += area[small]
    joined = _without_strays(belongs.astype(np.int32)[labels])
    _fill(joined)
    return joined


def _touching(labels: Labels) -> set[tuple[int, int]]:
    found: set[tuple[int, int]] = set()
    for axis in (0, 1):
        for gap in range(1, _GAP_PX + 1):
            ahead, behind = (np.take(labels, np.arange(i, labels.shape[axis] - gap + i), axis) for i in (gap, 0))
            both = (ahead != behind) & (ahead > 0) & (behind > 0)
            found |= set(zip(ahead[both].tolist(), behind[both].tolist(), strict=True))
    return found


def _same(small: Peaks, large: Peaks, reach: float, *, sliver: bool) -> bool:
    apart = np.minimum(*(_distances(small.frequency, sign * large.frequency) for sign in (1, -1)))
    shared = apart.min(1) <= reach
    if not shared[int(small.power.argmax())]:
        return False
    y, x = small.frequency[shared].T
    crossed = np.abs(np.outer(y, x) - np.outer(x, y)).max() > 0.1 * float(np.hypot(y, x).max()) ** 2
    return bool(crossed or (sliver and shared.all()))


def _distances(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.hypot(*np.moveaxis(first[:, None] - second[None], -1, 0)))


def _fill(labels: Labels) -> None:
    """Fill what grains enclose, and gaps along the seams of what was joined."""
    from scipy.ndimage import binary_closing, binary_fill_holes, find_objects

    for number, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        # Closing takes the border of its array for background: a margin keeps it away from the grain.
        wide = tuple(slice(max(s.start - 2 * _GAP_PX, 0), s.stop + 2 * _GAP_PX) for s in box)
        own = labels[wide]
        closed = binary_fill_holes(binary_closing(own == number, iterations=_GAP_PX) | (own == number))
        own[closed & (own == 0)] = number


def _without_strays(labels: Labels) -> Labels:
    """Parts of a grain apart from its largest go to the grain that makes up most of their border, if one does."""
    from scipy.ndimage import binary_dilation, find_objects, label

    result = labels.copy()
    for number, box in enumerate(find_objects(labels), start=1):
        if box is None:
            continue
        wide = tuple(slice(max(s.start - 1, 0), s.stop + 1) for s in box)
        parts, count = label(labels[wide] == number)
        if count < 2:
            continue
        largest = int(np.bincount(parts.ravel())[1:].argmax()) + 1
        for part in range(1, count + 1):
            if part == largest:
                continue
            inside = parts == part
            around = labels[wide][binary_dilation(inside) & ~inside]
            votes = np.bincount(around)
            if votes[1:].size and votes[1:].max() > len(around) / 2:
                result[wide][inside] = int(votes[1:].argmax()) + 1
    return result
