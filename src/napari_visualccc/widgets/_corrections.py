"""Keeps phases that were corrected by hand when a new result is about to be written over them."""

from __future__ import annotations

import weakref
from typing import Any

import numpy as np

from napari_visualccc.widgets._layers import selection_kept

CORRECTED = "corrected by hand"


class Corrections:
    """Which planes of result layers were corrected by hand since they were written.

    Parameters
    ----------
    viewer
        napari viewer.
    memory
        What the widget remembers for the session: it may be closed in between.
    """

    def __init__(self, viewer: Any, memory: dict[str, Any]) -> None:
        self._viewer = viewer
        self._planes: weakref.WeakKeyDictionary[Any, set[int | None]] = memory.setdefault(
            "corrected", weakref.WeakKeyDictionary()
        )

    def note(self, layer: Any, plane: int | None) -> None:
        """A plane of a layer was corrected; None for somewhere in the whole of it."""
        self._planes.setdefault(layer, set()).add(plane)

    def keep(self, layer: Any, plane: int | None) -> None:
        """Copy a layer, as a hidden one, if writing this plane (None: all) would overwrite corrections."""
        corrected = self._planes.get(layer, set())
        if not (corrected if plane is None else corrected & {plane, None}):
            return
        from napari.utils.notifications import show_info

        data, words, _ = layer.as_layer_data_tuple()
        words = words | {"name": f"{layer.name} ({CORRECTED})", "visible": False}
        with selection_kept(self._viewer):
            copy = self._viewer.add_labels(np.array(data), **words)
            self._viewer.layers.move(len(self._viewer.layers) - 1, self._viewer.layers.index(layer))
        del self._planes[layer]
        show_info(f"The new phases are in “{layer.name}”; what you had corrected is kept, hidden, as “{copy.name}”.")
