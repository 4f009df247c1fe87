"""What the Classify widget shows on the canvas: the class of the plane in words, and planes that are asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import numpy as np
from qtpy.QtCore import QObject

from napari_visualccc.core.colours import label_colour
from napari_visualccc.layers import METADATA_KEY, Placement, napari_unit
from napari_visualccc.widgets._classify_labels import classes_of
from napari_visualccc.widgets._layers import show_plane
from napari_visualccc.widgets._parts import window_of
from napari_visualccc.widgets._source import array_of, current_plane, is_rgb

if TYPE_CHECKING:
    from napari_visualccc.classify import Example, PredictionResult

_FONT_PX = 14
# Of the words on the canvas: what is wider than a canvas between two docks would be cut off.
_LINE = 36


class PlaneView(QObject):
    """Words on the canvas about the plane shown, and the way to other planes.

    Parameters
    ----------
    viewer
        napari viewer.
    widget
        The Classify widget: words are shown while it is visible.
    """

    def __init__(self, viewer: Any, widget: Any) -> None:
        super().__init__(widget)
        self._viewer, self._widget = viewer, widget
        self._kept: WeakKeyDictionary[Any, tuple[int, PredictionResult]] = WeakKeyDictionary()
        self._before: tuple[bool, str] | None = None
        viewer.dims.events.current_step.connect(self.refresh)

    def keep(self, layer: Any, first: int, result: PredictionResult) -> None:
        """Remember what was predicted of a layer's planes from number `first` on."""
        self._kept[layer] = (first, result)
        self.refresh()

    def go_to(self, layer: Any, plane: int) -> None:
        """Show a plane of a layer."""
        leading = array_of(layer).shape[: -3 if is_rgb(layer) else -2]
        if not leading:
            return
        place = np.unravel_index(plane, leading)
        show_plane(self._viewer, layer, (*place, *([0] * (layer.ndim - len(leading)))))

    def show_example(self, example: Example) -> None:
        """Show a plane of a data set: in its layer if it is open, else as a layer of its own."""
        for layer in self._viewer.layers:
            if layer.name == example.name and layer._type_string == "image":
                self._viewer.layers.selection.active = layer
                self.go_to(layer, example.plane)
                return
        name = example.title.rsplit("/", 1)[-1]
        if name in self._viewer.layers:
            self._viewer.layers.selection.active = self._viewer.layers[name]
            return
        words = Placement.of_plane(name, example.pixel_size).keywords()
        words["units"] = (napari_unit(example.pixel_size.unit),) * 2
        self._viewer.add_image(
            example.image.read(example.plane), name=name, metadata={METADATA_KEY: {"path": example.name}}, **words
        )

    def refresh(self, event: object = None) -> None:
        """Say what is known of the plane shown."""
        words, colour = self._words() if self._widget.isVisibleTo(window_of(self._widget)) else ("", None)
        overlay = text_overlay_of(self._viewer)
        if words:
            if self._before is None:
                self._before = (overlay.visible, overlay.text)
            overlay.text, overlay.visible, overlay.font_size = words, True, _FONT_PX
            overlay.position = "top_left"
            overlay.color = colour or (1.0, 1.0, 1.0, 1.0)
        elif self._before is not None:
            overlay.visible, overlay.text = self._before
            self._before = None

    def _words(self) -> tuple[str, Any]:
        layer = self._widget.chooser.layer
        if layer is None or self._widget.chooser.problem:
            return "", None
        plane = current_plane(layer, self._viewer)
        lines = []
        names = self._widget.classes.names
        label = classes_of(layer).get(plane)
        colour = None
        if label is not None:
            lines.append(f"labelled: {label}")
            colour = label_colour(names.index(label) + 1) if label in names else None
        first, result = self._kept.get(layer, (0, None))
        if result is not None and 0 <= plane - first < len(result.probabilities):
            chances = result.probabilities[plane - first]
            one = result.classes[int(chances.argmax())]
            strange = "(unlike anything learnt)" if result.unlike[plane - first] > 1 else ""
            # that a model is sure of what it learnt by heart must not be quoted
            sure = "(learnt from)" if result.learnt[plane - first] else f"{chances.max():.0%}"
            lines += _lines(f"predicted: {one.name}", sure, strange)
            colour = colour or one.colour
        return "\n".join(lines), colour


def _lines(*parts: str) -> list[str]:
    """Parts one after another, on as few lines as they fit on."""
    lines = [""]
    for part in filter(None, parts):
        longer = f"{lines[-1]} {part}".strip()
        if lines[-1] and len(longer) > _LINE:
            lines.append(part)
        else:
            lines[-1] = longer
    return lines


def text_overlay_of(viewer: Any) -> Any:
    """Words in the corner of the canvas; napari moved them in 0.9."""
    canvas = getattr(viewer, "canvas", None)
    return canvas.overlays.text if canvas is not None else viewer.text_overlay
