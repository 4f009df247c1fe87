"""From fitted clusters to labels: every plane alike, tile by tile."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.cluster.histogram import Histogram, code_values
from napari_visualccc.cluster.kmeans import assign
from napari_visualccc.cluster.results import ClusterModel, ClusterResult
from napari_visualccc.cluster.sampling import FEATURE_TILE, FeatureStore, features_of
from napari_visualccc.cluster.tables import Moments
from napari_visualccc.core.errors import InputError
from napari_visualccc.core.params import to_arguments
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes, as_planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Provenance, Stopwatch, fingerprint
from napari_visualccc.core.runtime import allocate
from napari_visualccc.core.scan import scan
from napari_visualccc.core.tiles import Tile

_INTENSITY_TILE = 1024


def apply_clusters(
    model: ClusterModel,
    images: Any,
    *,
    pixel_size: PixelSize | None = None,
    name: str = "image",
    rgb: bool | None = None,
    store: FeatureStore | None = None,
    progress: Progress | None = None,
) -> ClusterResult:
    """Label an image or stack with clusters that were fitted before; see `cluster_pixels`."""
    planes = as_planes(images, rgb=rgb, name=name)
    return label_planes(model, planes, pixel_size, name, None, Stopwatch(), store or FeatureStore(), silent(progress))


def label_planes(
    model: ClusterModel,
    planes: Planes,
    pixel_size: PixelSize | None,
    name: str,
    arguments: Sequence[str] | None,
    watch: Stopwatch,
    store: FeatureStore,
    progress: Progress,
    counted: Histogram | None = None,
) -> ClusterResult:
    """Label all planes; a histogram of theirs saves measuring the intensities again."""
    labels = allocate(planes.shape, np.uint8)
    if model.thresholds is not None:
        moments = _label_by_intensity(model, planes, labels, counted, progress)
        inertia = moments.inertia
    else:
        moments, inertia = _label_by_features(model, planes, labels, store, progress)
    if not moments.counts[1:].any():
        raise InputError(f"{planes.name} has no finite pixel: there is nothing to cluster")
    options = model.options
    words = ["visualccc", "cluster", *(arguments or [name]), *to_arguments(options), "--output", "clusters"]
    provenance = Provenance(
        operation="cluster",
        parameters=options.as_dict(),
        input_name=name,
        input_hash=fingerprint(planes),
        command=shlex.join(words),
        seed=options.seed,
        seconds=round(watch.seconds, 4),
    )
    return ClusterResult(
        provenance=provenance,
        labels=planes.fold(labels),
        moments=moments.mapped(model.map.astype(np.int64)),
        model=model,
        inertia=inertia,
        pixel_size=pixel_size or PixelSize(),
    )


def _label_by_intensity(
    model: ClusterModel, planes: Planes, labels: NDArray[np.uint8], counted: Histogram | None, progress: Progress
) -> Moments:
    assert model.thresholds is not None
    lookup = _lookup_table(planes.dtype, model) if planes.is_integer else None
    moments = Moments.none(model.k, model.fill)

    def label(values: NDArray[Any], index: int, tile: Tile) -> Moments | None:
        if lookup is not None:
            labels[index][tile.core] = lookup[values.view(f"u{values.dtype.itemsize}")]
            found = None
        else:
            found = _by_thresholds(values, model)
            labels[index][tile.core] = model.map[found]
        if counted is not None:
            return None
        found = _by_thresholds(values, model) if found is None else found
        return Moments.of(found, values, model.k, model.fill)

    for _, _, part in scan(
        planes, label, tile_size=_INTENSITY_TILE, native=True, progress=progress, message="labelling pixels"
    ):
        if part is not None:
            moments.add(part)
    if counted is not None:
        clusters = 1 + np.searchsorted(model.thresholds, counted.values)
        return Moments.of_histogram(clusters, counted.values, counted.counts, model.k, model.fill)
    return moments


def _lookup_table(dtype: np.dtype[Any], model: ClusterModel) -> NDArray[np.uint8] | None:
    """Label of every value of an 8- or 16-bit type, by its bit pattern; None for wider types."""
    assert model.thresholds is not None
    values = code_values(dtype)
    return None if values is None else model.map[1 + np.searchsorted(model.thresholds, values)]


def _by_thresholds(values: NDArray[Any], model: ClusterModel) -> NDArray[np.uint8]:
    """Cluster of each value: one more than the thresholds that lie below it; 0 where it is not finite."""
    assert model.thresholds is not None
    clusters = np.ones(values.shape, np.uint8)
    for threshold in model.thresholds:
        clusters += values > threshold
    if values.dtype.kind == "f":
        clusters[~np.isfinite(values)] = 0
    return clusters


def _label_by_features(
    model: ClusterModel, planes: Planes, labels: NDArray[np.uint8], store: FeatureStore, progress: Progress
) -> tuple[Moments, float]:
    features = model.features
    store.bind(planes, features, model.fill)
    keep = store.fits(planes, features)
    centers = (model.centers - model.offset) * model.scale

    def label(values: NDArray[np.float32], index: int, tile: Tile) -> tuple[Moments, float]:
        made = store.get(index, tile, lambda: features_of(values, tile, features, model.fill, planes), keep=keep)
        points = (made.reshape(len(made), -1).T - model.offset.astype(np.float32)) * model.scale.astype(np.float32)
        own = values[tile.inner]
        finite = np.isfinite(own)
        if not finite.all():
            points = points[finite.ravel()]
        given = assign(points, centers)
        clusters = np.zeros(own.shape, np.uint8)
        clusters[finite] = given.labels + 1
        labels[index][tile.core] = model.map[clusters]
        return Moments.of(clusters, own, model.k, model.fill), given.inertia

    moments = Moments.none(model.k, model.fill)
    inertia = 0.0
    scanned = scan(
        planes, label, tile_size=FEATURE_TILE, halo=features.halo, progress=progress, message="labelling pixels"
    )
    # Tiles finish in any order; adding them up in a fixed one keeps the last digits the same from run to run.
    parts = {(index, *tile.place): part for index, tile, part in scanned}
    for place in sorted(parts):
        moments.add(parts[place][0])
        inertia += parts[place][1]
    return moments, inertia
