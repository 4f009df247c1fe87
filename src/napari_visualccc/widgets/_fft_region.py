"""The rectangle in the viewer whose spectrum is shown: a Shapes layer that may be dragged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_visualccc.layers import METADATA_KEY, SEPARATOR
from napari_visualccc.widgets._source import array_of, is_rgb

if TYPE_CHECKING:
    from napari_visualccc.processing.lattice import ROI

TITLE = "FFT region"
_EDGE_PX = 512
_COLOUR = "#ffd23f"
_WIDTH_PX = 3  # on the screen, at the zoom at which the region was made


class RegionPicker(QObject):
    """Makes the region's layer and tells when it is moved, drawn anew or removed.

    Attributes
    ----------
    changed
        Emitted at every step of a drag.
    layer
        The Shapes layer; None while the whole plane is looked at.
    """

    changed = Signal()

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self.layer: Any = None
        self._of: Any = None
        viewer.layers.events.removed.connect(self._removed)

    def start(self, source: Any) -> None:
        """Lay a rectangle over the middle of the source, ready to be dragged; select it if it is there already."""
        if self.layer is None or self._of is not source:
            self.remove()
            self._make(source)
        self._viewer.layers.selection.active = self.layer
        self.layer.mode = "select"
        self.layer.selected_data = {0}
        self.changed.emit()

    def remove(self) -> None:
        """Take the rectangle away."""
        if self.layer is not None and self.layer in self._viewer.layers:
            self._viewer.layers.remove(self.layer)

    def roi(self) -> ROI | None:
        """Region as ``(y0, x0, height, width)`` in pixels of the source; None for the whole plane."""
        if self.layer is None or not len(self.layer.data):
            return None
        chosen = self.layer.selected_data
        corners = self.layer.data[next(iter(chosen)) if len(chosen) else -1][:, -2:]
        low, high = np.rint(corners.min(0) + 0.5).astype(int), np.rint(corners.max(0) + 0.5).astype(int)
        y, x, height, width = (int(n) for n in (*low, *(high - low)))
        return y, x, height, width

    def _make(self, source: Any) -> None:
        shape = np.array(array_of(source).shape[-3:-1] if is_rgb(source) else array_of(source).shape[-2:])
        edge = np.minimum(_EDGE_PX, np.maximum(shape // 2, 16))
        low = (shape - edge) // 2 - 0.5
        corners = np.array([low, low + edge])
        box = np.array([[corners[i, 0], corners[j, 1]] for i, j in ((0, 0), (0, 1), (1, 1), (1, 0))])
        self._of = source
        width = _WIDTH_PX / max(self._viewer.camera.zoom * float(source.scale[-1]), 1e-9)
        self.layer = self._viewer.add_shapes(
            [box], shape_type="rectangle", name=source.name + SEPARATOR + TITLE, edge_color=_COLOUR,
            face_color="transparent", edge_width=width,
            scale=source.scale[-2:], translate=source.translate[-2:], units=source.units[-2:],
            metadata={METADATA_KEY: {}},
        )  # fmt: skip
        self.layer.events.set_data.connect(self._moved)

    def _moved(self, event: object = None) -> None:
        self.changed.emit()

    def _removed(self, event: Any) -> None:
        if self.layer is not None and event.value is self.layer:
            self.layer.events.set_data.disconnect(self._moved)
            self.layer = self._of = None
            self.changed.emit()
        elif self.layer is not None and event.value is self._of:
            self.remove()
