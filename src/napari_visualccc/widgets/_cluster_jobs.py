"""What the Cluster widget does in the background: plain functions of arrays, without Qt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Progress
from napari_visualccc.core.results import fingerprint
from napari_visualccc.widgets._source import Source

if TYPE_CHECKING:
    from napari_visualccc.cluster import ClusterOptions, ClusterResult, FeatureStore
    from napari_visualccc.cluster.choose_k import KCurve

# An edit of up to this many pixels goes into the layer's undo history, which keeps their places (24 bytes each).
_UNDOABLE_PIXELS = 1 << 22


class KeptFeatures:
    """Features of the image worked on last, so that trying another k takes a moment.

    The planes are kept with them: the store knows an array by its identity, and a plane cut out of a stack is
    another array every time.
    """

    def __init__(self) -> None:
        self._key: object = None
        self._source: Source | None = None
        self._hash = ""
        self._store: FeatureStore | None = None

    def planes_of(self, source: Source, array: Any) -> Planes:
        """Planes of the source, the same object as long as array and plane are the same. GUI thread."""
        key = (id(array), source.plane, source.planes.is_rgb)
        if self._source is None or key != self._key:
            self._key, self._source = key, source
        return self._source.planes

    def store_of(self, planes: Planes) -> FeatureStore:
        """Store for the planes, emptied if their pixels changed. Worker thread."""
        from napari_visualccc.cluster import FeatureStore

        self._store = self._store or FeatureStore()
        found = fingerprint(planes)
        if found != self._hash:
            self._store.clear()
            self._hash = found
        return self._store


@cache
def prepare_colours() -> None:
    """Let napari compile what colours labels, which takes a second: here it does not hold up the viewer."""
    from napari.utils.colormaps import direct_colormap

    clear, red = (0.0, 0.0, 0.0, 0.0), (1.0, 0.0, 0.0, 1.0)
    direct_colormap({None: clear, 0: clear, 1: red}).map(np.zeros((2, 2), np.uint8))


def run_preparation(*, progress: Progress) -> None:
    """Do in the background, while the user looks at the widget, what the first run would have to wait for."""
    import scipy.ndimage  # noqa: F401
    import skimage.measure  # noqa: F401

    progress(0.0)
    prepare_colours()


def run_cluster(
    planes: Planes, options: ClusterOptions, source: Source, kept: KeptFeatures, *, progress: Progress
) -> ClusterResult:
    """Cluster the planes."""
    from napari_visualccc.cluster import cluster_pixels

    result = cluster_pixels(
        planes,
        options,
        pixel_size=source.pixel_size,
        name=source.name,
        arguments=source.arguments,
        store=kept.store_of(planes),
        progress=progress,
    )
    prepare_colours()
    return result


def run_choose_k(planes: Planes, options: ClusterOptions, kept: KeptFeatures, *, progress: Progress) -> KCurve:
    """Quality over k."""
    import pyqtgraph  # noqa: F401 - takes 0.4 s: here it does not hold up the viewer

    from napari_visualccc.cluster import choose_k

    return choose_k(planes, options, store=kept.store_of(planes), progress=progress)


@dataclass(frozen=True)
class Edit:
    """A changed result, and how to change the labels so that it can be undone.

    Attributes
    ----------
    result
        The new result.
    places, values
        Indices of the changed pixels in `result.labels` and their new labels; None if there are too many.
    """

    result: ClusterResult
    places: tuple[NDArray[Any], ...] | None
    values: NDArray[Any] | None


def run_merge(result: ClusterResult, labels: Sequence[int], *, progress: Progress) -> Edit:
    """Make one cluster of several."""
    from napari_visualccc.cluster import merge

    progress(0.1, "merging")
    return _edit(result, merge(result, labels))


def run_clean(result: ClusterResult, planes: Planes, min_size: int, *, progress: Progress) -> Edit:
    """Remove specks."""
    from napari_visualccc.cluster import clean

    return _edit(result, clean(result, planes, min_size, progress=progress))


def run_mask(result: ClusterResult, labels: Sequence[int], *, progress: Progress) -> NDArray[np.uint8]:
    """Mask of some clusters."""
    from napari_visualccc.cluster import to_mask

    progress(0.1, "making the mask")
    return to_mask(result, labels)


def run_measure(
    result: ClusterResult, labels: NDArray[Any], planes: Planes, *, progress: Progress
) -> ClusterResult | None:
    """Measure labels that were painted or undone by hand; None if they are those of the result."""
    from napari_visualccc.cluster import remeasure

    measured = remeasure(result, labels, planes, progress=progress)
    return None if np.array_equal(measured.moments.counts, result.moments.counts) else measured


def run_export_table(result: ClusterResult, path: str, *, progress: Progress) -> str:
    """Write the cluster table; gives the path back."""
    from napari_visualccc.io import write_csv

    progress(0.0, "saving the table")
    write_csv(path, result.table)
    return path


def run_export_labels(result: ClusterResult, path: str, *, progress: Progress) -> str:
    """Write the labels with their pixel size; gives the path back."""
    from napari_visualccc.io import write_tiff

    progress(0.0, "saving the labels")
    write_tiff(
        path, result.labels, result.pixel_size, labels=True, metadata={"provenance": result.provenance.as_dict()}
    )
    return path


def _edit(before: ClusterResult, after: ClusterResult) -> Edit:
    changed = before.labels != after.labels
    if np.count_nonzero(changed) > _UNDOABLE_PIXELS:
        return Edit(after, None, None)
    return Edit(after, np.nonzero(changed), after.labels[changed])
