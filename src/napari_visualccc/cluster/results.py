"""Fitted clusters, and what they make of an image."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.cluster.features import FeatureSet
from napari_visualccc.cluster.options import ClusterOptions
from napari_visualccc.cluster.tables import Moments
from napari_visualccc.core.colours import label_colours
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.results import Colour, Result, ResultLayer

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ClusterModel:
    """Fitted clusters, which label any plane alike.

    Attributes
    ----------
    options
        What was asked for.
    centers
        Cluster centres in the units of the features, dark to bright, shape (k, features).
    features
        How the features are computed.
    offset, scale
        Features are compared as ``(feature - offset) · scale``.
    fill
        Intensity that stands in for pixels that are not finite.
    thresholds
        With intensity alone: values that separate neighbouring clusters, ascending. Otherwise None.
    exact
        True if the centres are the provable optimum.
    label_map
        Label of each cluster, index 0 being the masked pixels. Differs from 0, 1, 2 … after merging.
    """

    options: ClusterOptions
    centers: NDArray[np.float64]
    features: FeatureSet
    offset: NDArray[np.float64]
    scale: NDArray[np.float64]
    fill: float
    thresholds: NDArray[np.float64] | None = None
    exact: bool = False
    label_map: tuple[int, ...] = ()

    @property
    def k(self) -> int:
        """Number of clusters before merging."""
        return len(self.centers)

    @property
    def map(self) -> NDArray[np.uint8]:
        """Look-up table from cluster (0 = masked) to label."""
        return np.asarray(self.label_map or range(self.k + 1), np.uint8)


@dataclass(frozen=True)
class ClusterResult(Result):
    """Labels of all pixels, and what each label amounts to.

    Attributes
    ----------
    labels
        uint8, shape of the source without colours: 0 not finite, 1 … k dark to bright.
    moments
        Pixels and intensity per label.
    model
        What made the labels.
    inertia
        Sum of squared distances to the centres (grey levels² with intensity alone, else standardised features).
    pixel_size
        Of the source.
    """

    labels: NDArray[np.uint8]
    moments: Moments
    model: ClusterModel
    inertia: float
    pixel_size: PixelSize = field(default_factory=PixelSize)

    @property
    def exact(self) -> bool:
        """True if the partition is the provable optimum."""
        return self.model.exact

    @property
    def k(self) -> int:
        """Number of labels."""
        return len(self.moments.counts) - 1

    @property
    def table(self) -> pd.DataFrame:
        """Area and intensity per label; see `Moments.table`."""
        return self.moments.table(self.pixel_size)

    @property
    def colours(self) -> Mapping[int, Colour]:
        """RGBA per label."""
        return label_colours(self.k)

    @property
    def layers(self) -> tuple[ResultLayer, ...]:
        """The labels."""
        return (ResultLayer(self.labels, "labels", "clusters", self.colours, self.table),)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The cluster table."""
        return {"clusters": self.table}
