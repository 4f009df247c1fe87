"""Cracks that cut a layer across are bridged, so that the layer is measured as one."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize

# Bridged are gaps of up to this share of the thickness …
_WIDEST = 0.25
# … that are no longer than so many thicknesses: a crack across is about one long, the gap between two layers longer.
_LONGEST = 2.0


def bridge_cracks(layer: NDArray[np.bool_], pixel_size: PixelSize) -> NDArray[np.bool_]:
    """Layer with its cracks filled.

    Parameters
    ----------
    layer
        True in the layer; shape (Y, X).
    pixel_size
        Of the plane.

    Returns
    -------
    numpy.ndarray
        The layer, and what a morphological closing adds where it joins parts of the layer. Notches of the surface join
        nothing and stay open; so does the gap between two layers, which is long.

    Examples
    --------
    >>> band = np.zeros((60, 100), bool)
    >>> band[20:40] = True
    >>> band[:, 50:53] = False
    >>> bool(bridge_cracks(band, PixelSize())[30].all())
    True
    """
    from scipy.ndimage import distance_transform_edt, find_objects
    from skimage.measure import label

    parts, count = label(layer, connectivity=2, return_num=True)
    if count < 2:
        return layer
    sampling = np.array([pixel_size.y, pixel_size.x])
    thickness = 2 * float(distance_transform_edt(layer, sampling=sampling).max())
    radius = max(_WIDEST * thickness / 2, float(sampling.max()))
    wide = distance_transform_edt(~layer, sampling=sampling) <= radius
    if wide.all():
        return layer
    closed = distance_transform_edt(wide, sampling=sampling) > radius
    gaps = label(closed & ~layer, connectivity=2)
    joined = layer.copy()
    for number, box in enumerate(find_objects(gaps), start=1):
        extent = np.array([side.stop - side.start for side in box]) * sampling
        if float(np.hypot(*extent)) > _LONGEST * thickness:
            continue
        y, x = (slice(max(side.start - 1, 0), side.stop + 1) for side in box)
        gap = gaps[y, x] == number
        around = parts[y, x][_grown(gap)]
        if len(np.unique(around[around > 0])) > 1:
            joined[y, x] |= gap
    return joined


def _grown(mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
    from scipy.ndimage import binary_dilation

    return np.asarray(binary_dilation(mask, np.ones((3, 3), bool)))
