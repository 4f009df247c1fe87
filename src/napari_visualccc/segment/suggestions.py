"""Where to paint next: places where the model is unsure, far enough apart to teach it different things."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.planes import as_planes
from napari_visualccc.core.progress import Progress, silent

# A brush dab looks at about this many pixels; single unsure pixels are noise.
_NEIGHBOURHOOD_PX = 8.0
# Places of one plane keep this distance, as a share of its shorter side.
_APART = 0.12
# Neighbouring planes of a stack are alike: the same place counts half this many planes away, a fifth in the next one.
_HALF_NEW = 4


@dataclass(frozen=True)
class Suggestion:
    """A place to paint.

    Attributes
    ----------
    plane, y, x
        Index of the plane and pixel.
    uncertainty
        Mean normalised entropy around it, 0 … 1.
    """

    plane: int
    y: int
    x: int
    uncertainty: float


def suggest_places(
    entropy: Any,
    painted: Any = None,
    *,
    count: int = 5,
    neighbourhood: float = _NEIGHBOURHOOD_PX,
    progress: Progress | None = None,
) -> list[Suggestion]:
    """Most uncertain places of a segmentation, most uncertain first.

    Parameters
    ----------
    entropy
        Normalised entropy, shape (Y, X) or (…, Y, X); NaN does not count.
    painted
        Strokes of the same shape; places that are painted already do not count.
    count
        How many at most.
    neighbourhood
        Standard deviation of the Gaussian over which uncertainty is averaged, in pixels.

    Notes
    -----
    Outlines are always a little unsure. Averaged over a neighbourhood they count less than patches that the model has
    no opinion about. Chosen places suppress their surroundings, and the less the farther away in other planes, so that
    five places are five different ones.
    """
    from scipy.ndimage import gaussian_filter

    planes = as_planes(entropy, rgb=False)
    strokes = None if painted is None else as_planes(painted, rgb=False)
    reach = max(1, round(_APART * min(planes.plane_shape)))
    found: list[Suggestion] = []
    for index in silent(progress).steps(range(len(planes)), message="looking for uncertain places"):
        values = planes.plane(index)
        known = np.isfinite(values)
        if strokes is not None:
            known &= strokes.read(index) == 0
        weight = gaussian_filter(known.astype(np.float32), neighbourhood, mode="constant")
        mean = gaussian_filter(np.where(known, values, 0).astype(np.float32), neighbourhood, mode="constant")
        level = np.where(known & (weight > 0.2), mean / np.maximum(weight, 1e-6), -1.0)
        found += _peaks(level, index, count, reach)
    return sorted(_different(found, count, reach), key=lambda one: -one.uncertainty)


def _different(found: list[Suggestion], count: int, reach: int) -> list[Suggestion]:
    """The most uncertain places, each judged by how new it is beside those chosen before it."""
    left, chosen = list(found), list[Suggestion]()
    while left and len(chosen) < count:
        best = max(left, key=lambda one: one.uncertainty * _newness(one, chosen, reach))
        left.remove(best)
        chosen.append(best)
    return chosen


def _newness(place: Suggestion, chosen: Sequence[Suggestion], reach: int) -> float:
    """1 for a place that is near none of the chosen ones, towards 0 the nearer the planes of those that it is near."""
    near = [one for one in chosen if max(abs(one.y - place.y), abs(one.x - place.x)) <= reach]
    apart = [abs(one.plane - place.plane) for one in near]
    return math.prod(planes / (planes + _HALF_NEW) for planes in apart)


def _peaks(level: NDArray[Any], plane: int, count: int, reach: int) -> list[Suggestion]:
    """Highest values of a plane, each clearing its surroundings."""
    level = level.copy()
    found = []
    for _ in range(count):
        y, x = (int(i) for i in np.unravel_index(int(level.argmax()), level.shape))
        if level[y, x] <= 0:
            break
        found.append(Suggestion(plane, y, x, float(level[y, x])))
        level[max(0, y - reach) : y + reach + 1, max(0, x - reach) : x + reach + 1] = -1
    return found
