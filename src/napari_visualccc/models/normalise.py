"""Grey values of any instrument on one scale, so that a network sees structure and not detector settings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.planes import NO_DATA_FROM, Planes, Region
from napari_visualccc.core.runtime import random_generator
from napari_visualccc.core.scan import sample_pixels

# Dead pixels and charging spots must not set the scale.
_CLIP_PERCENTILES = (0.5, 99.5)
_SAMPLE = 1 << 20


@dataclass(frozen=True)
class GreyScale:
    """Scale of one plane: values are given to a network as ``(value - centre) / spread``.

    Attributes
    ----------
    centre, spread
        Mean and standard deviation of the values between the 0.5th and 99.5th percentile, clipped there.
    """

    centre: float
    spread: float

    METHOD = "per plane: (value - mean) / standard deviation, both of values clipped to percentiles 0.5 … 99.5"

    @classmethod
    def of(cls, values: NDArray[Any]) -> GreyScale:
        """Scale of finite values; a constant image gets spread 1."""
        values = np.asarray(values, np.float64)
        clipped = values.clip(*np.percentile(values, _CLIP_PERCENTILES))
        spread = float(clipped.std())
        centre = float(clipped.mean())
        return cls(centre, spread if spread > 1e-9 * max(abs(centre), 1e-30) else 1.0)

    @classmethod
    def of_plane(cls, planes: Planes, index: int) -> GreyScale:
        """Scale of a plane: from all its pixels, or from a million drawn at random if it has more.

        Raises
        ------
        InputError
            If no pixel is finite.
        """
        if planes.plane_pixels <= _SAMPLE:
            values = planes.plane(index)
            values = values[np.isfinite(values)]
        else:
            values = sample_pixels(planes.only(index), _SAMPLE, random_generator(0))
            values = values[np.abs(values) < NO_DATA_FROM]
        if not values.size:
            raise InputError(f"plane {index} of {planes.name} has no finite pixel")
        return cls.of(values)

    def apply(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Values on the scale; those that are not finite become 0, the typical grey."""
        scaled = (values - np.float32(self.centre)) * np.float32(1 / self.spread)
        return np.asarray(np.nan_to_num(scaled, copy=False, nan=0.0, posinf=0.0, neginf=0.0), np.float32)

    def read(self, planes: Planes, index: int, region: Region) -> NDArray[np.float32]:
        """Scaled values of a region of a plane."""
        return self.apply(planes.plane(index, region))
