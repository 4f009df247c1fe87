"""What was measured, shown: objects and thickness as layers, kept in step with the tables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog

from napari_visualccc.layers import result_layers
from napari_visualccc.widgets import _measure_jobs as jobs
from napari_visualccc.widgets._jobs import JobRunner
from napari_visualccc.widgets._layers import (
    axes_for_files,
    free_stem,
    label_under,
    put_brush_away,
    show_layer,
    show_plane,
    units_per_world,
)
from napari_visualccc.widgets._measure_panel import MeasurePanel
from napari_visualccc.widgets._provenance import open_provenance
from napari_visualccc.widgets._source import Source

if TYPE_CHECKING:
    from napari_visualccc.segment import MeasureResult

_COLOURMAP = "viridis"
# Outlines of objects that lie over a map of thickness, in pixels: filled, their colours would mix with the map's.
_OUTLINE = 2


@dataclass(frozen=True)
class Measured:
    """A result, the layer of its objects, and what was measured."""

    result: MeasureResult
    layer: Any
    source: Source


class MeasureResults(QObject):
    """Shows results as layers and in the panel, and does what the panel's buttons say.

    Attributes
    ----------
    shown
        What tables and buttons are about; None if nothing is shown.
    changed
        Emitted when something else is shown.
    """

    changed = Signal()

    def __init__(self, viewer: Any, panel: MeasurePanel, writer: JobRunner, memory: dict[str, Any]) -> None:
        super().__init__(panel)
        self._viewer, self.panel, self._writer, self._memory = viewer, panel, writer, memory
        self.shown: Measured | None = None
        panel.objects_selected.connect(self._rows_selected)
        panel.isolate_toggled.connect(self._isolate)
        panel.export_clicked.connect(self._ask_folder)
        panel.provenance_clicked.connect(self.show_provenance)
        viewer.layers.events.removed.connect(self._layer_removed)

    def restore(self) -> None:
        """Show what an earlier widget of this viewer showed, if its layer is still there."""
        shown = self._memory.get("shown")
        if shown is not None and shown.layer in self._viewer.layers:
            self._adopt(shown)

    def show(self, source: Source, result: MeasureResult, *, keep: bool = False) -> None:
        """Show a result over the labels that were measured: in the layers of the last one, or in new ones."""
        if source.layer not in self._viewer.layers:
            return
        before = set(self._viewer.layers)
        shown: dict[str, Any] = {}
        for data, words, kind in result_layers(result, source.placement):
            if kind == "image" and not np.isfinite(data).any():
                continue  # no layer was found; the panel says so
            look = _thickness_look(data) if kind == "image" else {}
            entry = (source.fold(data), words | look, kind)
            shown[kind] = show_layer(self._viewer, entry, like=source.layer, keep=keep)
        objects = shown["labels"]
        if shown.keys() == {"image", "labels"} and shown["image"] not in before and objects.contour == 0:
            objects.contour = _OUTLINE
        self._adopt(Measured(result, objects, source))
        put_brush_away(self._viewer)  # a click on an object must not paint on strokes below

    def _adopt(self, shown: Measured) -> None:
        if self.shown is not None and self.shown.layer is not shown.layer:
            self.shown.layer.events.selected_label.disconnect(self._label_selected)
        if self.shown is None or self.shown.layer is not shown.layer:
            shown.layer.events.selected_label.connect(self._label_selected)
        self.shown = self._memory["shown"] = shown
        title = f"{shown.source.name} · {shown.source.extent} · {shown.result.pixel_size}"
        self.panel.show_result(shown.result, title, _colours(shown.source.layer, shown.result.phases["label"]))
        self.panel.show()
        self.panel.isolate.setChecked(bool(shown.layer.show_selected_label))
        self.changed.emit()

    def _layer_removed(self, event: Any) -> None:
        if self.shown is not None and self.shown.layer not in self._viewer.layers:
            self.shown = None
            self._memory.pop("shown", None)
            self.panel.hide()
            self.changed.emit()

    def _rows_selected(self, numbers: list[int]) -> None:
        if self.shown is None or not numbers:
            return
        if self.shown.layer.selected_label not in numbers:
            self.shown.layer.selected_label = numbers[0]
        self._go_to(numbers[0])

    def _go_to(self, number: int) -> None:
        """Bring an object into sight: its plane, and its place if that is off the canvas."""
        assert self.shown is not None
        layer, result = self.shown.layer, self.shown.result
        record = result.objects.loc[result.objects["object"] == number].iloc[0]
        unit, size = result.pixel_size.column_unit, result.pixel_size
        plane = np.unravel_index(int(record["plane"]), layer.data.shape[:-2]) if layer.ndim > 2 else ()
        place = (*plane, record[f"y_{unit}"] / size.y, record[f"x_{unit}"] / size.x)
        show_plane(self._viewer, layer, place)
        low, high = layer.corner_pixels[:, -2:]
        if not ((low <= place[-2:]) & (place[-2:] <= high)).all():
            scene = getattr(self._viewer, "scene", self._viewer)  # napari before 0.9 kept the camera in the viewer
            world = np.asarray(layer.data_to_world(place)) / units_per_world(self._viewer, layer)
            scene.camera.center = (0.0, *world[-2:])

    def _label_selected(self, event: object = None) -> None:
        if self.shown is None:
            return
        number = int(self.shown.layer.selected_label)
        if number not in self.panel.objects.selected_labels() and 1 <= number <= len(self.shown.result.objects):
            self.panel.pick(number)

    def pick_at(self, *place: Any) -> None:
        """Select the object at a place, as `label_under` takes it."""
        label = label_under(self._viewer, self.shown.layer, *place) if self.shown is not None else 0
        if self.shown is not None and label:
            self.shown.layer.selected_label = label

    def _isolate(self, on: bool) -> None:
        if self.shown is not None:
            self.shown.layer.show_selected_label = on

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self.panel, "Folder for tables and layers")
        if folder:
            self.export(folder)

    def export(self, folder: str) -> None:
        """Write tables, layers and record into a folder."""
        if self.shown is not None:
            result, source = self.shown.result, self.shown.source
            self._writer.start(
                jobs.run_export, result, folder, free_stem(folder, source.file_stem),
                axes_for_files(result.object_labels.shape, source.placement), title="Save", in_turn=True,
                then=self._say_saved,
            )  # fmt: skip

    def _say_saved(self, paths: Any) -> None:
        from napari.utils.notifications import show_info

        show_info(f"Saved {len(paths)} files in {paths[0].parent}")

    def show_provenance(self) -> None:
        """Show how the result was made."""
        if self.shown is not None:
            self.dialog = open_provenance(self.shown.layer, self.panel)


def _colours(layer: Any, labels: Any) -> dict[int, Any]:
    """Colours in which a labels layer shows its values."""
    return {int(label): tuple(map(float, layer.get_color(int(label)))) for label in labels if label != 0}


def _thickness_look(data: Any) -> dict[str, Any]:
    """How the thickness map is shown: from the thinnest to the thickest place, clear where there is no layer."""
    known = data[np.isfinite(data)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return {
        "colormap": _COLOURMAP, "contrast_limits": (low, high if high > low else low + 1.0),
        "blending": "translucent", "interpolation2d": "nearest",
    }  # fmt: skip
