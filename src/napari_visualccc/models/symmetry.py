"""Which mirrored and turned views of a micrograph are micrographs of the same kind."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Quarter turns after mirroring left and right.
View = tuple[int, bool]

VIEWS: dict[str, tuple[View, ...]] = {
    "all": tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4)),
    "left-right": ((0, False), (0, True)),
    "up-down": ((0, False), (2, True)),
    "none": ((0, False),),
}
SYMMETRIES = tuple(VIEWS)

_SAMPLES = 32
# Fewer images than this do not tell whether they have a direction in common.
_LEAST_IMAGES = 4
# Share of an image's variance that lies between its rows, correlation of row profiles between images, and how much
# smaller it must be when one is turned round, for rows to differ in meaning. Isotropic micrographs stay far below the
# first.
_LAYERED, _ALIKE, _TURNED = 0.2, 0.5, 0.25


def symmetry_of(images: Sequence[NDArray[Any]]) -> str:
    """Symmetry that images have in common, judged from the grey values of their rows and columns.

    Cross-sections through layers (substrate below, coating above) look alike mirrored left and right, but not upside
    down: a network that is shown them upside down has to unlearn what it needs most. Images without layers have all
    eight views of the square.

    Parameters
    ----------
    images
        Grey values, shape (Y, X), any sizes.

    Returns
    -------
    str
        One of `SYMMETRIES`; ``"all"`` for fewer than four images.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> layers = [np.repeat([0.0, 1.0, 0.5], 20)[:, None] + rng.normal(0, 0.1, (60, 80)) for _ in range(4)]
    >>> symmetry_of(layers), symmetry_of([layer.T for layer in layers]), symmetry_of(layers[:1])
    ('left-right', 'up-down', 'all')
    """
    if len(images) < _LEAST_IMAGES:
        return "all"
    rows, columns = (_have_direction(images, axis) for axis in (0, 1))
    return {(False, False): "all", (True, False): "left-right", (False, True): "up-down", (True, True): "none"}[
        rows, columns
    ]


def _have_direction(images: Sequence[NDArray[Any]], axis: int) -> bool:
    """True if the images change along the axis, in the same way, and not so when turned round."""
    profiles, shares = zip(*(_profile(image, axis) for image in images), strict=True)
    if np.median(shares) < _LAYERED:
        return False
    pairs = list(combinations(profiles, 2))
    straight = float(np.mean([a @ b for a, b in pairs]))
    turned = float(np.mean([a @ b[::-1] for a, b in pairs]))
    return straight >= _ALIKE and straight - turned >= _TURNED


def _profile(image: NDArray[Any], axis: int) -> tuple[NDArray[np.float64], float]:
    """Mean grey along an axis at a few places (mean 0, norm 1), and the share of the variance that it explains."""
    along = image.mean(axis=1 - axis, dtype=np.float64)
    variance = float(image.var(dtype=np.float64))
    share = float(along.var()) / variance if variance > 0 else 0.0
    # Means of stretches, so that what is smaller than a stretch does not count.
    edges = np.linspace(0, len(along), _SAMPLES + 1)
    sums = np.interp(edges, np.arange(len(along) + 1), np.concatenate([[0.0], np.cumsum(along)]))
    values = np.diff(sums)
    values -= values.mean()
    norm = float(np.linalg.norm(values))
    return (values / norm if norm > 0 else values), share
