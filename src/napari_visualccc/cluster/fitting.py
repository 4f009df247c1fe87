"""From pixels to fitted clusters."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.cluster.features import FeatureSet
from napari_visualccc.cluster.histogram import Histogram, histogram
from napari_visualccc.cluster.kmeans import exact_1d, fit
from napari_visualccc.cluster.options import INTENSITY, ClusterOptions
from napari_visualccc.cluster.results import ClusterModel
from napari_visualccc.cluster.sampling import (
    FeatureStore,
    draw_intensities,
    feature_set,
    sample_features,
    standardisation,
)
from napari_visualccc.core.params import AUTO
from napari_visualccc.core.planes import Planes, as_planes
from napari_visualccc.core.progress import Progress, silent


def fit_clusters(
    images: Any,
    options: ClusterOptions | None = None,
    *,
    rgb: bool | None = None,
    store: FeatureStore | None = None,
    progress: Progress | None = None,
) -> ClusterModel:
    """Fit clusters to the pixels of an image or stack, without labelling it; see `cluster_pixels`."""
    options = options or ClusterOptions()
    planes = as_planes(images, rgb=rgb)
    store = store or FeatureStore()
    progress = silent(progress)
    options = with_known_k(planes, options, store, progress.part(0, 0.4))
    return fit_planes(planes, options, store, progress.part(0.4, 1))


def with_known_k(planes: Planes, options: ClusterOptions, store: FeatureStore, progress: Progress) -> ClusterOptions:
    """Options with a number in place of ``k = "auto"``."""
    if options.k != AUTO:
        return options
    from napari_visualccc.cluster.choose_k import choose_k

    return replace(options, k=choose_k(planes, options, store=store, progress=progress).best)


def fit_planes(
    planes: Planes,
    options: ClusterOptions,
    store: FeatureStore,
    progress: Progress,
    counted: Histogram | None = None,
) -> ClusterModel:
    """Fit clusters, exactly if a histogram of the intensities is at hand or can be made."""
    if counted is None:
        counted = intensity_histogram(planes, options, progress)
    if counted is not None:
        return _fit_histogram(counted, options)
    intensities = draw_intensities(planes, options)
    if options.features == (INTENSITY,):
        values, counts = np.unique(intensities, return_counts=True)
        return replace(_fit_histogram(Histogram(values, counts), options), exact=False)
    features = feature_set(options, intensities)
    points = sample_features(planes, features, float(intensities.mean()), options, store, progress.part(0, 0.6))
    offset, scale = standardisation(points, features, options)
    found = fit(
        ((points - offset) * scale).astype(np.float32), options.k, seed=options.seed, progress=progress.part(0.6, 1)
    )
    centers = found.centers / np.where(scale > 0, scale, 1) + offset
    model = ClusterModel(options, centers, features, offset, scale, float(intensities.mean()))
    return replace(model, centers=centers[_brightness_order(model)])


def _fit_histogram(counted: Histogram, options: ClusterOptions) -> ClusterModel:
    best = exact_1d(counted.values, counted.counts, options.k)
    k = len(best.inertias)
    return ClusterModel(
        options,
        centers=best.centers(k)[:, None],
        features=FeatureSet((INTENSITY,)),
        offset=np.zeros(1),
        scale=np.ones(1),
        fill=float(np.average(counted.values, weights=counted.counts)),
        thresholds=best.thresholds(k),
        exact=True,
    )


def intensity_histogram(planes: Planes, options: ClusterOptions, progress: Progress) -> Histogram | None:
    """Histogram of the whole stack, if intensity alone counts and its values are countable integers."""
    if options.features != (INTENSITY,) or not planes.is_integer:
        return None
    return histogram(planes, progress=progress)


def _brightness_order(model: ClusterModel) -> NDArray[np.int64]:
    """Order of the clusters from dark to bright, by the first feature that tells brightness, else by the first."""
    names = model.features.names
    bright = [i for i, name in enumerate(names) if name.startswith((INTENSITY, "smoothed", "local mean"))]
    return np.argsort(model.centers[:, bright[0] if bright else 0], kind="stable")
