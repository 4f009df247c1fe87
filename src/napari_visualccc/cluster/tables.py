"""The cluster table: how much of the image each label covers, and how bright it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize

if TYPE_CHECKING:
    import pandas as pd


@dataclass
class Moments:
    """Running count, sum and sum of squares of intensity per label 0 … k.

    Sums are taken about `level`, a typical intensity, so that their differences keep their digits.
    """

    counts: NDArray[Any]
    sums: NDArray[Any]
    squares: NDArray[Any]
    level: float

    @classmethod
    def none(cls, k: int, level: float) -> Moments:
        """Nothing counted yet for labels 0 … k."""
        return cls(np.zeros(k + 1, np.int64), np.zeros(k + 1), np.zeros(k + 1), level)

    @classmethod
    def of(cls, labels: NDArray[Any], intensity: NDArray[Any], k: int, level: float) -> Moments:
        """Moments of a tile; pixels that are not finite count as intensity `level`."""
        flat = labels.ravel()
        shifted = np.nan_to_num(intensity.ravel().astype(np.float64) - level, nan=0.0, posinf=0.0, neginf=0.0)
        return cls(
            np.bincount(flat, minlength=k + 1),
            np.bincount(flat, shifted, k + 1),
            np.bincount(flat, shifted * shifted, k + 1),
            level,
        )

    @classmethod
    def of_histogram(
        cls, labels: NDArray[Any], values: NDArray[np.float64], counts: NDArray[Any], k: int, level: float
    ) -> Moments:
        """Moments when each value has one label and occurs `counts` times."""
        shifted = values - level
        return cls(
            np.bincount(labels, counts, k + 1).astype(np.int64),
            np.bincount(labels, counts * shifted, k + 1),
            np.bincount(labels, counts * shifted**2, k + 1),
            level,
        )

    def add(self, other: Moments) -> None:
        """Count another tile in."""
        self.counts += other.counts
        self.sums += other.sums
        self.squares += other.squares

    def mapped(self, label_map: NDArray[np.int64]) -> Moments:
        """Moments after label i has become ``label_map[i]``."""
        k = int(label_map.max())
        merged = Moments.none(k, self.level)
        for mine, target in ((self.counts, merged.counts), (self.sums, merged.sums), (self.squares, merged.squares)):
            np.add.at(target, label_map, mine)
        return merged

    @property
    def means(self) -> NDArray[np.float64]:
        """Mean intensity per label; NaN for a label without pixels."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.level + self.sums / self.counts)

    @property
    def deviations(self) -> NDArray[np.float64]:
        """Standard deviation of intensity per label."""
        with np.errstate(invalid="ignore", divide="ignore"):
            variance = self.squares / self.counts - (self.sums / self.counts) ** 2
        return np.asarray(np.sqrt(np.maximum(variance, 0)))

    @property
    def inertia(self) -> float:
        """Sum of squared distances of labelled pixels from the mean of their label."""
        used = self.counts[1:] > 0
        return float((self.squares[1:][used] - self.sums[1:][used] ** 2 / self.counts[1:][used]).sum())

    def table(self, pixel_size: PixelSize) -> pd.DataFrame:
        """One row per label 1 … k.

        Columns are ``label``, ``name``, ``pixels``, ``area_fraction`` (of all pixels that are not masked), the area
        in physical units (``area_nm2``; ``area_px2`` if not calibrated), ``mean_intensity``, ``std_intensity``.
        """
        import pandas as pd

        counts = self.counts[1:]
        return pd.DataFrame(
            {
                "label": np.arange(1, len(counts) + 1),
                "name": [f"cluster {label}" for label in range(1, len(counts) + 1)],
                "pixels": counts,
                "area_fraction": counts / max(counts.sum(), 1),
                area_column(pixel_size): counts * pixel_size.area,
                "mean_intensity": self.means[1:],
                "std_intensity": self.deviations[1:],
            }
        )


def area_column(pixel_size: PixelSize) -> str:
    """Name of the area column: ``area_nm2``, ``area_px2``, ``area_per_nm2`` for reciprocal space."""
    return f"area_{pixel_size.column_unit}2"
