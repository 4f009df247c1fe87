"""Keeps phases that were corrected by hand when a new result is about to be written over them."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from napari_visualccc.core.runtime import allocate
from napari_visualccc.widgets._layers import selection_kept
from napari_visualccc.widgets._segment_jobs import CORRECTED
from napari_visualccc.widgets._source import current_plane


class Corrections:
    """Follows the result layers of a viewer as long as they live, also while the widget is closed.

    Parameters
    ----------
    viewer
        napari viewer.
    """

    def __init__(self, viewer: Any) -> None:
        self._viewer = viewer
        # Planes corrected since they were written; None for somewhere in the layer.
        self._planes: weakref.WeakKeyDictionary[Any, set[int | None]] = weakref.WeakKeyDictionary()
        self._is_writing = False

    def follow(self, layer: Any) -> None:
        """Notice from now on what is painted on a layer."""
        if layer not in self._planes:
            self._planes[layer] = set()
            layer.events.paint.connect(self._painted)
            layer.events.data.connect(self._replaced)

    @contextmanager
    def writing(self) -> Iterator[None]:
        """What is written within is no correction."""
        self._is_writing = True
        try:
            yield
        finally:
            self._is_writing = False

    def has(self, layer: Any, plane: int | None) -> bool:
        """Whether a plane of a layer (None: any) was corrected."""
        corrected = self._planes.get(layer, set())
        return bool(corrected if plane is None else corrected & {plane, None})

    def keep(self, layer: Any, plane: int | None) -> Any:
        """Keep corrections that a new result would overwrite, in a hidden layer.

        Parameters
        ----------
        layer
            Result layer.
        plane
            Plane that is going to be written; None for all of them.

        Returns
        -------
        napari.layers.Labels or None
            Layer to write into: the one given, or None if that is what is kept.
        """
        if not self.has(layer, plane):
            return layer
        name = layer.name
        if plane is None:
            kept, goes_on = layer, None
        else:
            kept, goes_on = self._copy(layer, plane), layer
            corrected = self._planes[layer]
            if None in corrected:  # any of them
                corrected.update(range(int(np.prod(layer.data.shape[:-2], dtype=np.int64))))
            corrected -= {plane, None}
        kept.name, kept.visible = f"{name} ({CORRECTED})", False
        from napari.utils.notifications import show_info

        show_info(f"The new phases are in “{name}”; what you had corrected is kept, hidden, as “{kept.name}”.")
        return goes_on

    def _copy(self, layer: Any, plane: int) -> Any:
        """A layer with nothing but that plane of another: stacks may be as large as memory."""
        place = np.unravel_index(plane, layer.data.shape[:-2])
        data = allocate(layer.data.shape, layer.data.dtype)
        data[place] = layer.data[place]
        _, words, _ = layer.as_layer_data_tuple()
        with selection_kept(self._viewer):
            copy = self._viewer.add_labels(data, **words)
            self._viewer.layers.move(len(self._viewer.layers) - 1, self._viewer.layers.index(layer))
        return copy

    def _painted(self, event: Any) -> None:
        layer, dims = event.source, self._viewer.dims
        is_plane = dims.ndisplay == 2 and list(dims.order) == sorted(dims.order) and layer.n_edit_dimensions == 2  # noqa: PLR2004
        self._note(layer, current_plane(layer, self._viewer) if is_plane else None)

    def _replaced(self, event: Any) -> None:
        self._note(event.source, None)

    def _note(self, layer: Any, plane: int | None) -> None:
        if not self._is_writing:
            self._planes[layer].add(plane)
