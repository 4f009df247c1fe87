"""Cluster the pixels of an image or stack: the whole way from array to labels and table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from napari_visualccc.cluster.edit import clean, relabel
from napari_visualccc.cluster.fitting import fit_planes, intensity_histogram, with_known_k
from napari_visualccc.cluster.labelling import label_planes
from napari_visualccc.cluster.options import ClusterOptions
from napari_visualccc.cluster.results import ClusterResult
from napari_visualccc.cluster.sampling import FeatureStore
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import as_planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Stopwatch


def cluster_pixels(
    images: Any,
    options: ClusterOptions | None = None,
    *,
    pixel_size: PixelSize | None = None,
    name: str = "image",
    arguments: Sequence[str] | None = None,
    rgb: bool | None = None,
    store: FeatureStore | None = None,
    progress: Progress | None = None,
) -> ClusterResult:
    """Group the pixels of an image or stack into k clusters, labelled dark to bright.

    Parameters
    ----------
    images
        Array of shape (Y, X), (…, Y, X) or RGB(A), of any number type, NumPy or dask; or `Planes`.
    options
        See `ClusterOptions`.
    pixel_size
        Size of a pixel, for the areas of the table.
    name
        Name of the source, for the record.
    arguments
        How the command line is told of this image, for the record: its path and, say, ``--plane 3``. Default: name.
    rgb
        Whether the last axis holds colours; None guesses.
    store
        Keeps features between calls.
    progress
        Reports and cancels.

    Returns
    -------
    ClusterResult

    Raises
    ------
    InputError
        If there is no finite pixel or no image.
    Cancelled
        From `progress`.

    Notes
    -----
    With the one feature *intensity* of an integer image the partition is the provable optimum: exact 1-D
    k-means on the grey-level histogram, then a look-up table. With several features, k-means++ and Lloyd on
    a random sample, then every pixel goes to its nearest centre.

    Examples
    --------
    >>> result = cluster_pixels(np.array([[0, 1, 1], [9, 10, 10]], np.uint8), ClusterOptions(k=2))
    >>> result.labels.tolist(), result.exact
    ([[1, 1, 1], [2, 2, 2]], True)
    """
    options = options or ClusterOptions()
    progress = silent(progress)
    watch = Stopwatch()
    planes = as_planes(images, rgb=rgb, name=name)
    store = store or FeatureStore()
    options = with_known_k(planes, options, store, progress.part(0, 0.2))
    counted = intensity_histogram(planes, options, progress.part(0.2, 0.5))
    model = fit_planes(planes, options, store, progress.part(0.2, 0.5), counted)
    result = label_planes(model, planes, pixel_size, name, arguments, watch, store, progress.part(0.5, 0.88), counted)
    if model.thresholds is None:
        result = _sorted_by_brightness(result, progress.part(0.88, 0.9))
    if options.min_size:
        result = clean(result, planes, options.min_size, progress=progress.part(0.9, 1))
    progress(1.0)
    return result


def _sorted_by_brightness(result: ClusterResult, progress: Progress) -> ClusterResult:
    """Number the labels by their mean intensity over all pixels, where the fitted sample had another order."""
    means = result.moments.means[1:]
    order = np.argsort(np.where(np.isnan(means), np.inf, means), kind="stable")
    if (order == np.arange(len(order))).all():
        return result
    label_map = np.zeros(len(order) + 1, np.int64)
    label_map[order + 1] = np.arange(1, len(order) + 1)
    lookup = label_map.astype(np.uint8)
    model = replace(result.model, label_map=tuple(int(label) for label in lookup[result.model.map]))
    relabel(result.labels, lookup, progress)
    return replace(result, model=model, moments=result.moments.mapped(label_map))
