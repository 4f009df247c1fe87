"""The segmentation that is shown: its layers, its table, and what can be done with them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_visualccc.layers import METADATA_KEY, SEPARATOR, result_layers
from napari_visualccc.widgets import _segment_jobs as jobs
from napari_visualccc.widgets._jobs import JobRunner, bound
from napari_visualccc.widgets._layers import find_layer, names_by_value, open_widget, repaint, show_layer
from napari_visualccc.widgets._provenance import open_provenance
from napari_visualccc.widgets._segment_panel import SegmentPanel, choices
from napari_visualccc.widgets._source import Source, make_source
from napari_visualccc.widgets._strokes import StrokeLayers

if TYPE_CHECKING:
    from napari_visualccc.segment import SegmentationResult, Suggestion

# Comparing larger results with the last ones, to paint only what changed, would halt the viewer.
_MOST_COMPARED = 1 << 26
PREVIEW, PLACES = "phases (preview)", "paint here"


@dataclass(frozen=True)
class Shown:
    """A result and the layer that shows its phases."""

    result: SegmentationResult
    layer: Any
    source: Source

    def part(self, labels: Any) -> Any:
        """What the result is about of labels of the whole image: its plane, or all."""
        return labels if self.source.plane is None else labels.reshape(-1, *labels.shape[-2:])[self.source.plane]


class SegmentResults(QObject):
    """Shows results as layers and in the panel."""

    def __init__(self, viewer: Any, panel: SegmentPanel, runner: JobRunner, strokes: StrokeLayers) -> None:
        super().__init__(panel)
        self._viewer, self.panel, self._runner, self._strokes = viewer, panel, runner, strokes
        self._memory: dict[str, Any] = {}
        self.shown: Shown | None = None
        panel.table.labels_selected.connect(self._rows_selected)
        panel.export_clicked.connect(self._ask_folder)
        panel.provenance_clicked.connect(self.show_provenance)
        panel.compare_clicked.connect(self.compare)
        panel.measure_clicked.connect(self.open_measure)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._layers_changed)

    def restore(self, memory: dict[str, Any]) -> None:
        """Show what an earlier widget of this viewer showed, if its layer is still there."""
        self._memory = memory
        shown = memory.get("shown")
        if shown is not None and shown.layer in self._viewer.layers:
            self._adopt(shown)

    def show(self, source: Source, result: SegmentationResult) -> None:
        """Show a result over its source: in the layers of the last one, or in new ones if that is to be kept.

        A single plane goes into layers of the whole stack, whose other planes stay.
        """
        if source.layer not in self._viewer.layers:
            return
        whole = make_source(source.layer)
        place = () if source.plane is None else tuple(map(int, np.unravel_index(source.plane, whole.planes.leading)))
        keep, layer = self.panel.keep_box.isChecked(), None
        for data, words, kind in result_layers(result, whole.placement):
            existing = None if keep else find_layer(self._viewer, words["name"], kind)
            if kind == "image":
                words |= {"colormap": "magma", "contrast_limits": (0.0, 1.0), "visible": False}
            elif place:
                words["features"] = words["features"][["index", "class"]]  # areas would be those of one plane
            shown = _write(existing, data, place, whole.planes.leading, words)
            layer = show_layer(
                self._viewer, (shown, words, kind), like=source.layer, keep=keep, below=self._strokes.of(source.layer)
            )
        self._adopt(Shown(result, layer, source))

    def _adopt(self, shown: Shown) -> None:
        self.shown = self._memory["shown"] = shown
        extent = "this plane" if shown.source.plane is not None else f"{shown.result.labels.size / 1e6:.3g} Mpx"
        speed = shown.result.megapixels_per_second
        self.panel.show_result(shown.result, f"Phases · {extent} · {speed:.2g} Mpx/s")
        self._list_truths()

    def show_preview(self, image: Any, plane: int, picture: Any, colours: Any) -> None:
        """Show what a running training makes of the current plane."""
        if image not in self._viewer.layers:
            return
        name = image.name + SEPARATOR + PREVIEW
        shape = image.data.shape[-3:-1] if image.rgb else image.data.shape[-2:]
        if tuple(picture.shape) != tuple(shape):
            return
        leading = image.ndim - 2
        translate = np.array(image.translate, float)
        if leading:
            array = image.data[0] if image.multiscale else image.data
            place = np.unravel_index(plane, array.shape[:leading])
            translate[:leading] += np.array(image.scale)[:leading] * np.array(place)
        clear = (0.0, 0.0, 0.0, 0.0)
        words = {
            "name": name, "scale": image.scale, "translate": translate, "units": image.units, "opacity": 0.4,
            "colormap": {None: clear, 0: clear, **colours}, "metadata": {METADATA_KEY: {"preview": True}},
        }  # fmt: skip
        show_layer(self._viewer, (picture.reshape((1,) * leading + picture.shape), words, "labels"), like=image,
                   below=self._strokes.of(image))  # fmt: skip

    def remove_preview(self) -> None:
        """Take away preview layers."""
        for layer in list(self._viewer.layers):
            if layer.name.endswith(SEPARATOR + PREVIEW) and METADATA_KEY in layer.metadata:
                self._viewer.layers.remove(layer)

    def mark(self, source: Source, places: list[Suggestion]) -> None:
        """Mark places to paint as points; the viewer goes to the first."""
        if source.layer not in self._viewer.layers:
            return
        name = source.layer.name + SEPARATOR + PLACES
        old = find_layer(self._viewer, name, "points")
        if old is not None:
            self._viewer.layers.remove(old)
        if not places:
            return
        leading = source.layer.ndim - 2
        array_shape = source.layer.data[0].shape if source.layer.multiscale else source.layer.data.shape
        rows = []
        for one in places:
            plane = one.plane if source.plane is None else source.plane
            rows.append([*np.unravel_index(plane, array_shape[:leading]), one.y, one.x] if leading else [one.y, one.x])
        active = self._viewer.layers.selection.active
        size = max(10.0, 0.04 * min(source.planes.plane_shape))
        layer = self._viewer.add_points(
            np.array(rows, float), name=name, scale=source.layer.scale, translate=source.layer.translate,
            units=source.layer.units, face_color="transparent", border_color="yellow", border_width=0.12, size=size,
            features={"uncertainty": [one.uncertainty for one in places]},
            metadata={METADATA_KEY: {"suggestions": True}},
        )  # fmt: skip
        if active is not None:
            self._viewer.layers.selection.active = active
        first = layer.data_to_world(layer.data[0])
        for axis in range(leading):
            self._viewer.dims.set_point(axis, first[axis])

    def _layers_changed(self, event: Any) -> None:
        if self.shown is not None and self.shown.layer not in self._viewer.layers:
            self.shown = None
            self._memory.pop("shown", None)
            self.panel.result_part.hide()
        self._list_truths()

    def _list_truths(self) -> None:
        layer = self.shown.layer if self.shown is not None else None
        self.panel.list_truths([one.name for one in choices(self._viewer, layer)])

    def _rows_selected(self, labels: list[int]) -> None:
        if labels and self.shown is not None:
            self.shown.layer.selected_label = labels[0]

    def compare(self) -> None:
        """Scores of the phases shown against other labels."""
        name = self.panel.truth.currentText()
        if self.shown is None or name not in self._viewer.layers:
            return
        truth, result = self._viewer.layers[name], self.shown.result
        values = {phase: value for value, phase in names_by_value(truth.features).items()}
        self._runner.start(
            jobs.run_compare, self.shown.part(truth.data), values, self.shown.part(self.shown.layer.data), result,
            title="Compare", then=bound(self._compared, name),
        )  # fmt: skip

    def _compared(self, name: str, comparison: jobs.Comparison) -> None:
        self.panel.show_scores(comparison.evaluation, f"{name} ({comparison.matched})")

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self.panel, "Folder for labels and tables")
        if folder:
            self.export(folder)

    def export(self, folder: str) -> None:
        """Write labels, tables and record into a folder."""
        if self.shown is None:
            return
        from napari_visualccc.core.pixel_size import PixelSize

        shown = self.shown
        stem = shown.source.name.replace(SEPARATOR, " ").replace("/", "-")
        size: PixelSize = shown.result.pixel_size
        painted = shown.part(shown.layer.data)  # by hand since, perhaps
        result = replace(shown.result, labels=painted.reshape(shown.result.labels.shape))
        self._runner.start(jobs.run_export, result, folder, stem, size, title="Save", then=self._say_saved)

    def _say_saved(self, paths: Any) -> None:
        from napari.utils.notifications import show_info

        show_info(f"Saved {len(paths)} files in {paths[0].parent}")

    def show_provenance(self) -> None:
        """Show how the result was made."""
        if self.shown is not None:
            self.dialog = open_provenance(self.shown.layer, self.panel)

    def open_measure(self) -> None:
        """Open the Measure widget on the phases shown."""
        if self.shown is not None:
            open_widget(self._viewer, "Measure", self.shown.layer)


def _write(existing: Any, data: Any, place: tuple[int, ...], leading: tuple[int, ...], words: dict[str, Any]) -> Any:
    """Array for a layer to show: the one it has, with the result written into it, where that can be done.

    So other planes and the undo history stay. Planes with other phases cannot stay beside these.
    """
    plane = data.reshape(data.shape[-2:]) if place else data
    shape = (*leading, *plane.shape) if place else data.shape
    fits = existing is not None and existing.data.shape == shape and existing.data.dtype == data.dtype
    if not place and data.size > _MOST_COMPARED:
        return data
    if fits and "features" in words:
        if not place or names_by_value(existing.features) == names_by_value(words["features"]):
            repaint(existing, plane, place)
            return existing.data
    elif fits and place:
        existing.data[place] = plane
        existing.refresh()
        return existing.data
    if not place:
        return data
    stack = np.zeros(shape, data.dtype)  # takes memory only where it is written
    stack[place] = plane
    return stack
