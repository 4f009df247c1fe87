"""Tells when labels are painted on: an undo sends the same event as the move of a slider."""

from __future__ import annotations

import weakref
from typing import Any

from qtpy.QtCore import QObject, Signal


class Edits(QObject):
    """Watches labels layers.

    Attributes
    ----------
    edited
        Emitted with a layer whose labels may have changed: painted, undone, replaced, or refreshed by a script that
        wrote into them. A change of look, such as another contour, may do so as well.
    """

    edited = Signal(object)

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._seen: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()

    def follow(self, layer: Any) -> None:
        """Watch a layer, if it is not watched yet."""
        if layer not in self._seen:
            self._seen[layer] = self._view(layer)
            for event in (layer.events.labels_update, layer.events.paint):
                event.connect(self._painted)
            layer.events.set_data.connect(self._refreshed)

    def leave(self, layer: Any) -> None:
        """Watch a layer no longer."""
        if self._seen.pop(layer, None) is not None:
            for event in (layer.events.labels_update, layer.events.paint):
                event.disconnect(self._painted)
            layer.events.set_data.disconnect(self._refreshed)

    def _view(self, layer: Any) -> tuple[Any, ...]:
        """What of the viewer decides which part of the layer is shown: other sliders send no event to it."""
        dims = self._viewer.dims
        first, displayed = dims.ndim - layer.ndim, dims.order[-dims.ndisplay :]
        hidden = [dims.point[axis] for axis in range(max(first, 0), dims.ndim) if axis not in displayed]
        return tuple(hidden), tuple(axis - first for axis in displayed)

    def _painted(self, event: Any) -> None:
        self._seen[event.source] = self._view(event.source)
        self.edited.emit(event.source)

    def _refreshed(self, event: Any) -> None:
        """An undo, or another plane is shown."""
        layer, view = event.source, self._view(event.source)
        if self._seen.get(layer) == view:
            self.edited.emit(layer)
        else:
            self._seen[layer] = view
