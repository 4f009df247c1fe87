"""How many clusters? Elbow and silhouette over k, on a sample.

References
----------
.. [1] Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis",
   J. Comput. Appl. Math. 20 (1987) 53, doi 10.1016/0377-0427(87)90125-7.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.cluster.histogram import histogram
from napari_visualccc.cluster.kmeans import assign, exact_1d, fit
from napari_visualccc.cluster.options import INTENSITY, ClusterOptions
from napari_visualccc.cluster.sampling import (
    FeatureStore,
    draw_intensities,
    feature_set,
    sample_features,
    standardisation,
)
from napari_visualccc.core.planes import Planes, as_planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import random_generator

if TYPE_CHECKING:
    import pandas as pd

_SILHOUETTE_POINTS = 2000
# The curve needs no last digits: fewer points and seedings than for the clusters themselves.
_FIT_POINTS = 1 << 15
_RESTARTS = 4
# Differences below this are within what another sample of pixels would give: then fewer clusters are better.
_SILHOUETTE_TIE = 0.02


@dataclass(frozen=True)
class KCurve:
    """Quality of the clustering for each k.

    Attributes
    ----------
    k
        1, 2, … as many as can be told apart.
    inertia
        Mean squared distance to the nearest centre; falls with k, look for the elbow.
    silhouette
        Mean silhouette of a random sample, -1 … 1, higher is better; NaN for k = 1.
    best
        The smallest k whose silhouette comes within 0.02 of the highest.
    """

    k: NDArray[np.int64]
    inertia: NDArray[np.float64]
    silhouette: NDArray[np.float64]
    best: int

    @property
    def table(self) -> pd.DataFrame:
        """The curve with the columns k, inertia, silhouette."""
        import pandas as pd

        return pd.DataFrame({"k": self.k, "inertia": self.inertia, "silhouette": self.silhouette})


def choose_k(
    images: Any,
    options: ClusterOptions | None = None,
    *,
    maximum: int = 10,
    rgb: bool | None = None,
    store: FeatureStore | None = None,
    progress: Progress | None = None,
) -> KCurve:
    """Try k = 1 … maximum on a sample of the pixels.

    Parameters
    ----------
    images, options, rgb, store, progress
        As in `cluster_pixels`; the k of the options plays no part.
    maximum
        Largest k to try.

    Returns
    -------
    KCurve
        A constant image gives k = 1 alone.
    """
    options = options or ClusterOptions()
    planes = as_planes(images, rgb=rgb)
    progress = silent(progress)
    if options.features == (INTENSITY,):
        return _by_intensity(planes, options, maximum, progress)
    return _by_features(planes, options, maximum, store or FeatureStore(), progress)


def _by_intensity(planes: Planes, options: ClusterOptions, maximum: int, progress: Progress) -> KCurve:
    counted = histogram(planes, progress=progress.part(0, 0.5)) if planes.is_integer else None
    if counted is not None:
        values, counts = counted.values, counted.counts
    else:
        values, counts = np.unique(draw_intensities(planes, options), return_counts=True)
    best = exact_1d(values, counts, maximum)
    rng = random_generator(options.seed, 3)
    drawn = rng.choice(values, _SILHOUETTE_POINTS, p=counts / counts.sum())
    partitions = [np.searchsorted(best.thresholds(k), drawn) for k in range(1, len(best.inertias) + 1)]
    return _curve(drawn[:, None], partitions, best.inertias / counts.sum(), progress.part(0.5, 1))


def _by_features(
    planes: Planes, options: ClusterOptions, maximum: int, store: FeatureStore, progress: Progress
) -> KCurve:
    intensities = draw_intensities(planes, options)
    features = feature_set(options, intensities)
    points = sample_features(planes, features, float(intensities.mean()), options, store, progress.part(0, 0.4))
    offset, scale = standardisation(points, features, options)
    rng = random_generator(options.seed, 3)
    points = points[rng.permutation(len(points))[:_FIT_POINTS]]
    points = ((points - offset) * scale).astype(np.float32)
    drawn = points[:_SILHOUETTE_POINTS]
    partitions, inertias = [], []
    for k in range(1, maximum + 1):
        part = progress.part(0.4 + 0.5 * (k - 1) / maximum, 0.4 + 0.5 * k / maximum)
        found = fit(points, k, seed=options.seed, restarts=_RESTARTS, progress=part)
        if len(found.centers) < k:
            break
        partitions.append(assign(drawn, found.centers).labels)
        inertias.append(assign(points, found.centers).inertia / len(points))
    return _curve(drawn, partitions, np.array(inertias), progress.part(0.9, 1))


def _curve(
    points: NDArray[Any], partitions: list[NDArray[Any]], inertia: NDArray[np.float64], progress: Progress
) -> KCurve:
    silhouette = [
        _silhouette(points, partition) for partition in progress.steps(partitions, message="measuring silhouettes")
    ]
    k = np.arange(1, len(partitions) + 1)
    scores = np.array(silhouette)
    best = int(k[scores >= np.nanmax(scores) - _SILHOUETTE_TIE][0]) if np.isfinite(scores).any() else 1
    return KCurve(k, inertia, scores, best)


def _silhouette(points: NDArray[Any], partition: NDArray[Any]) -> float:
    from sklearn.metrics import silhouette_score

    if not 1 < len(np.unique(partition)) < len(points):
        return float("nan")
    return float(silhouette_score(points, partition))
