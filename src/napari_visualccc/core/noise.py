"""How noisy a plane is."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

# A robust standard deviation from the median of absolute deviations of a normal distribution.
MAD = 0.6745


def noise_sigma(values: NDArray[Any]) -> float:
    """Standard deviation of white noise, from differences of neighbours in which structure cancels.

    Parameters
    ----------
    values
        Plane; NaN is left out.

    References
    ----------
    Immerkær, Comput. Vis. Image Underst. 64 (1996) 300, doi:10.1006/cviu.1996.0060 (robust version: median instead of
    mean).
    """
    rest = laplacian_residual(values)
    rest = rest[np.isfinite(rest)]
    return float(np.median(np.abs(rest)) / MAD) if rest.size else 0.0


def laplacian_residual(values: NDArray[Any]) -> NDArray[Any]:
    """Response to a Laplacian that is blind to planes and edges, scaled so that white noise keeps its variance."""
    if min(values.shape) < 3:
        return np.zeros((0, 0))
    columns = values[:, :-2] - 2 * values[:, 1:-1] + values[:, 2:]
    both = columns[:-2] - 2 * columns[1:-1] + columns[2:]
    return np.asarray(both / 6.0)
