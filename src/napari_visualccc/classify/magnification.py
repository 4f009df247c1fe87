"""Whether planes are magnified like those that a classifier learnt from: it sees structure in pixels, not in nm."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.models.card import ModelCard

# The encoder looks at planes at full, half and quarter resolution: what is up to twice as large or small as learnt
# still falls on scales that it has looked at.
_MOST = 2.0
_KEY = "pixel_sizes"


def record_of_sizes(sizes: Sequence[PixelSize]) -> dict[str, Any]:
    """Entry of a model's record: smallest and largest pixel of the planes that it learnt from.

    Empty unless all of them are calibrated in the same unit: what else would be near them is not known.

    Examples
    --------
    >>> record_of_sizes([PixelSize(2, 2, "nm"), PixelSize(4, 4, "nm")])
    {'pixel_sizes': {'smallest': 2.0, 'largest': 4.0, 'unit': 'nm'}}
    >>> record_of_sizes([PixelSize(2, 2, "nm"), PixelSize()])
    {}
    """
    if len({size.unit for size in sizes}) != 1 or not sizes[0].is_calibrated:
        return {}
    edges = [size.edge for size in sizes]
    return {_KEY: {"smallest": min(edges), "largest": max(edges), "unit": sizes[0].unit}}


def words_on_size(card: ModelCard, size: PixelSize) -> str:
    """What is to be said if pixels are more than twice as large or small as any that a model learnt from, else nothing.

    Nothing is said where the size of either is not known. Files of earlier versions know it if all planes had the same.
    """
    learnt = card.training.get(_KEY)
    if learnt is None and card.pixel_size.is_calibrated:
        learnt = record_of_sizes([card.pixel_size])[_KEY]
    if not learnt or not size.is_calibrated:
        return ""
    low, high, unit = learnt["smallest"], learnt["largest"], learnt["unit"]
    if size.unit != unit:
        return (
            f"its pixels are measured in {size.unit}, those that the model learnt from in {unit}: this is another kind "
            "of image, whose class means nothing"
        )
    edge = size.edge
    factor = max(edge / high, low / edge)
    if factor <= _MOST:
        return ""
    known = f"{low:.4g} {unit}" if math.isclose(low, high, rel_tol=0.01) else f"{low:.4g} … {high:.4g} {unit}"
    return (
        f"its pixels ({edge:.4g} {unit}) are {factor:.3g} times {'larger' if edge > high else 'smaller'} than any that "
        f"the model learnt from ({known}): at another magnification structure looks different, the class may be wrong"
    )
