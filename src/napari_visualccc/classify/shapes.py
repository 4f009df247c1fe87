"""Shapes of the bright and the dark regions of a micrograph, as histograms: round or long, fine or coarse, how many.

Texture does not know objects. A threshold does, roughly: Otsu's on the grey values, and on their difference from the
neighbourhood, where shading or overlapping grey levels defeat the first. For each connected region of either side

- the ratio of the axes of its moments (1 round, 0 a line),
- how well it fills the ellipse of these moments (1 convex, less if branched or bent),
- its length in widths, from its area and the mean distance to its border, which also holds for a net of touching rods

are counted in bins, once by number and once by area.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_CLIP = 4.0
_SMOOTH = 1.0
_NEIGHBOURHOOD = 24.0
# Smaller regions are noise.
_LEAST_AREA = 25
_RATIO_BINS = np.linspace(0, 1, 7)
_FILL_BINS = np.array([0.0, 0.45, 0.6, 0.7, 0.8, 0.9, np.inf])
_LENGTH_BINS = np.array([-np.inf, 0.25, 0.75, 1.5, 2.5, 4.0, np.inf])
_HISTOGRAMS = 3 * 6 * 2
_SUMMARY = 7
SIZE = 4 * (_HISTOGRAMS + _SUMMARY)
_TINY = 1e-9


def shapes_of(values: Floats, counts: NDArray[np.bool_] | None = None) -> Floats:
    """Shapes of the regions of a part of a plane.

    Parameters
    ----------
    values
        On the grey scale of the whole plane, finite, shape (Y, X).
    counts
        True where the picture is to be looked at; everywhere by default.

    Returns
    -------
    ndarray of float32, shape (SIZE,)
        For bright and dark regions of the global, then of the local threshold.
    """
    from scipy.ndimage import gaussian_filter

    from napari_visualccc.processing.thresholds import otsu

    image = gaussian_filter(np.clip(values, -_CLIP, _CLIP).astype(np.float32), _SMOOTH, mode="nearest")
    around = gaussian_filter(image[::4, ::4], _NEIGHBOURHOOD / 4, mode="nearest", truncate=3.0)
    around = around.repeat(4, axis=0).repeat(4, axis=1)[: image.shape[0], : image.shape[1]]
    seen = np.ones(image.shape, bool) if counts is None else counts
    parts = []
    for plane in (image, image - around):
        threshold = otsu(plane[seen] if seen.any() else plane)
        bright = np.zeros(plane.shape, bool) if threshold is None else plane > threshold
        parts += [_described(bright & seen), _described(~bright & seen)]
    return np.concatenate(parts).astype(np.float32)


def _described(member: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Histograms over the regions of a mask, and its area, number of regions and widths."""
    from scipy import ndimage

    labels, count = ndimage.label(member, np.ones((3, 3)))
    width = ndimage.distance_transform_edt(member).astype(np.float32)
    y, x = (place.astype(np.float32) for place in np.nonzero(member))
    flat = labels[member]
    area = np.bincount(flat, minlength=count + 1)[1:].astype(float)
    kept = area >= _LEAST_AREA
    if not kept.any():
        return np.concatenate([np.zeros(_HISTOGRAMS), [member.mean(), 0, 0, 0, 0, 0, 0]])
    sums = [np.bincount(flat, weights, count + 1)[1:][kept] for weights in (y, x, y * y, x * x, x * y, width[member])]
    area = area[kept]
    my, mx = sums[0] / area, sums[1] / area
    # a pixel is a square, whose own second moment is 1/12
    yy, xx, xy = sums[2] / area - my * my + 1 / 12, sums[3] / area - mx * mx + 1 / 12, sums[4] / area - mx * my
    half, lean = (yy + xx) / 2, np.hypot((yy - xx) / 2, xy)
    minor, major = np.sqrt(np.maximum(half - lean, 1 / 12)), np.sqrt(half + lean)
    fill = area / (4 * np.pi * np.maximum(major * minor, _TINY))
    mean_width = sums[5] / area
    # 0 for a disc, whose mean distance to the border is a third of its radius
    length = np.log2(area / (9 * np.pi * mean_width**2))
    histograms = []
    for weights in (np.ones(len(area)), area):
        for numbers, bins in ((minor / major, _RATIO_BINS), (fill, _FILL_BINS), (length, _LENGTH_BINS)):
            histograms.append(np.histogram(numbers, bins, weights=weights)[0] / weights.sum())
    order = np.log2(np.quantile(area, [0.25, 0.5, 0.9]))
    widths = [np.log2(np.average(mean_width, weights=area) + _TINY), float(np.average(length, weights=area))]
    return np.concatenate([*histograms, [member.mean(), np.log2(len(area))], order, widths])
