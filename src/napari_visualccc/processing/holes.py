"""Pixels without a value (NaN): filled before a step that cannot do without, empty again afterwards."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.processing.step import Values


def fill_holes(values: Values, holes: NDArray[np.bool_]) -> Values:
    """Values in which holes have the value of the nearest pixel that has one; zero if none has."""
    from scipy.ndimage import distance_transform_edt

    if holes.all():
        return np.zeros_like(values)
    nearest = distance_transform_edt(holes, return_distances=False, return_indices=True)
    return np.asarray(values[tuple(nearest)])


def filled(values: Values) -> Values:
    """Values without NaN; see `fill_holes`."""
    holes = ~np.isfinite(values)
    return fill_holes(values, holes) if holes.any() else values
