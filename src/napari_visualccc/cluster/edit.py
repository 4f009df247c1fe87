"""Work on finished clusters: merge them, remove specks, make masks, measure again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.cluster.results import ClusterResult
from napari_visualccc.cluster.tables import Moments
from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes, as_planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.scan import scan
from napari_visualccc.core.tiles import Tile

if TYPE_CHECKING:
    import pandas as pd

# Patches and distances are found with the interpreter locked: small tiles keep the viewer alive meanwhile.
_SPECK_TILE = 384


def merge(result: ClusterResult, labels: Iterable[int]) -> ClusterResult:
    """Make one cluster of several; all are numbered anew from dark to bright.

    Raises
    ------
    OptionError
        If fewer than two labels are given or one does not exist.
    """
    chosen = sorted({int(label) for label in labels})
    if len(chosen) < 2 or chosen[0] < 1 or chosen[-1] > result.k:
        raise OptionError(f"merging needs at least two of the labels 1 … {result.k}, not {chosen}")
    joined = np.arange(result.k + 1)
    joined[chosen] = chosen[0]
    moments = result.moments.mapped(joined)
    used = np.unique(joined[1:])
    order = used[np.argsort(np.nan_to_num(moments.means[used], nan=np.inf), kind="stable")]
    renumbered = np.zeros(result.k + 1, np.int64)
    renumbered[order] = np.arange(1, len(order) + 1)
    final = renumbered[joined]
    lookup = final.astype(np.uint8)
    model = replace(result.model, exact=False, label_map=tuple(int(label) for label in lookup[result.model.map]))
    moments = result.moments.mapped(final)
    record = replace(
        result.provenance,
        parameters={
            **result.provenance.parameters,
            "merged": [*result.provenance.parameters.get("merged", []), chosen],
        },
    )
    inertia = moments.inertia if model.thresholds is not None else float("nan")
    return replace(
        result, provenance=record, labels=lookup[result.labels], moments=moments, model=model, inertia=inertia
    )


def relabel(labels: NDArray[np.uint8], lookup: NDArray[np.uint8], progress: Progress) -> None:
    """Replace each label by its entry in the look-up table, in place and on all cores."""
    planes = labels.reshape(-1, *labels.shape[-2:])

    def replace_tile(values: NDArray[np.uint8], index: int, tile: Tile) -> None:
        planes[index][tile.core] = lookup[values]

    for _ in scan(Planes(planes), replace_tile, native=True, progress=progress, message="numbering clusters"):
        pass


def remove_specks(labels: NDArray[np.uint8], min_size: int, *, progress: Progress | None = None) -> NDArray[np.uint8]:
    """Give patches smaller than `min_size` pixels to what surrounds them, plane by plane.

    Parameters
    ----------
    labels
        Shape (…, Y, X); 0 is never filled and never spreads.
    min_size
        Patches (connected by their edges) with fewer pixels go to the nearest larger patch.
    """
    cleaned = np.array(labels)
    planes = cleaned.reshape(-1, *labels.shape[-2:])

    def fill(values: NDArray[np.uint8], index: int, tile: Tile) -> None:
        planes[index][tile.core] = _without_specks(values, min_size)[tile.inner]

    # A patch that reaches from the core beyond the halo has more than `min_size` pixels: tiles judge like the whole.
    for _ in scan(
        Planes(labels),
        fill,
        tile_size=max(_SPECK_TILE, 4 * min_size),
        halo=2 * min_size,
        native=True,
        progress=progress,
        message="removing specks",
    ):
        pass
    return cleaned


def _without_specks(values: NDArray[np.uint8], min_size: int) -> NDArray[np.uint8]:
    from scipy import ndimage
    from skimage.measure import label as connected

    patches = connected(values, background=0, connectivity=1)
    small = np.bincount(patches.ravel()) < min_size
    small[0] = False
    specks = small[patches]
    anchors = ~specks & (values > 0)
    if not (specks.any() and anchors.any()):
        return values
    nearest = ndimage.distance_transform_edt(~anchors, return_distances=False, return_indices=True)
    filled = values.copy()
    filled[specks] = values[tuple(nearest)][specks]
    return filled


def clean(result: ClusterResult, images: Any, min_size: int, *, rgb: bool | None = None,
          progress: Progress | None = None) -> ClusterResult:  # fmt: skip
    """Remove specks from a result and measure it again on its images."""
    progress = silent(progress)
    labels = remove_specks(result.labels, min_size, progress=progress.part(0, 0.7))
    moments = _moments(labels, images, result.k, result.moments.level, rgb, progress.part(0.7, 1))
    parameters = {**result.provenance.parameters, "min_size": min_size}
    record = replace(result.provenance, parameters=parameters)
    return replace(result, provenance=record, labels=labels, moments=moments)


def remeasure(
    result: ClusterResult, labels: NDArray[Any], images: Any, *, progress: Progress | None = None
) -> ClusterResult:
    """Result with labels that were painted or undone by hand, measured again.

    Labels of the model stay in the table even if the last pixel of one was painted over.
    """
    k = max(int(labels.max(initial=0)), int(result.model.map.max()))
    moments = _moments(labels, images, k, result.moments.level, None, silent(progress))
    record = replace(result.provenance, parameters={**result.provenance.parameters, "edited": "by hand"})
    return replace(result, provenance=record, labels=labels.reshape(result.labels.shape), moments=moments)


def to_mask(labels: NDArray[Any] | ClusterResult, chosen: Iterable[int]) -> NDArray[np.uint8]:
    """Mask of the pixels that carry one of the chosen labels: 1 there, 0 elsewhere."""
    array = labels.labels if isinstance(labels, ClusterResult) else np.asarray(labels)
    return np.isin(array, list(chosen)).astype(np.uint8)


def measure_clusters(
    labels: NDArray[Any],
    images: Any,
    *,
    pixel_size: PixelSize | None = None,
    rgb: bool | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """Table of areas and intensities for labels that were painted or edited; columns as in `Moments.table`.

    Raises
    ------
    InputError
        If the labels do not have the shape of the image.
    """
    k = int(labels.max(initial=0))
    return _moments(labels, images, k, 0.0, rgb, silent(progress)).table(pixel_size or PixelSize())


def _moments(labels: NDArray[Any], images: Any, k: int, level: float, rgb: bool | None, progress: Progress) -> Moments:
    planes = as_planes(images, rgb=rgb)
    if labels.size != planes.size or labels.shape[-2:] != planes.plane_shape:
        raise InputError(f"labels of shape {labels.shape} do not fit {planes.name} of shape {planes.shape}")
    folded = labels.reshape(planes.shape)

    def count(values: NDArray[Any], index: int, tile: Tile) -> Moments:
        return Moments.of(folded[index][tile.core], values, k, level)

    moments = Moments.none(k, level)
    for _, _, part in scan(planes, count, tile_size=1024, native=True, progress=progress, message="measuring"):
        moments.add(part)
    return moments
