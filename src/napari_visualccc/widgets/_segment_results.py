"""The segmentation that is shown: its layers, its table, and what can be done with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_visualccc.core.colours import colours_by_name
from napari_visualccc.core.results import Colour
from napari_visualccc.layers import METADATA_KEY, features_table, result_layers
from napari_visualccc.widgets import _segment_jobs as jobs
from napari_visualccc.widgets._comparison import COMPARING, TruthList
from napari_visualccc.widgets._comparison_jobs import Comparison, Named, run_agree
from napari_visualccc.widgets._corrections import Corrections
from napari_visualccc.widgets._edits import Edits
from napari_visualccc.widgets._jobs import JobRunner, bound
from napari_visualccc.widgets._layers import (
    axes_for_files,
    find_layer,
    free_stem,
    label_under,
    names_by_value,
    open_widget,
    plane_of,
    repaint,
    show_layer,
)
from napari_visualccc.widgets._phase_colours import recolour_layers
from napari_visualccc.widgets._provenance import open_provenance
from napari_visualccc.widgets._segment_panel import SegmentPanel
from napari_visualccc.widgets._source import Source, array_of, make_source, pixel_size_of, placement_of
from napari_visualccc.widgets._strokes import StrokeLayers

if TYPE_CHECKING:
    from napari_visualccc.segment import SegmentationResult

# Comparing larger results with the last ones, to paint only what changed, would halt the viewer.
_MOST_COMPARED = 1 << 26
_AFTER_PAINTING_MS = 500
_SIZE = ("scale", "units")


@dataclass(frozen=True)
class Shown:
    """A result and the layer that shows its phases."""

    result: SegmentationResult
    layer: Any
    source: Source
    shape: tuple[int, ...]

    @property
    def painted(self) -> SegmentationResult:
        """The result with its labels as they are now: the user may have corrected them."""
        labels = plane_of(self.layer.data, self.source.plane)
        return replace(self.result, labels=labels.reshape(self.result.labels.shape))


class SegmentResults(QObject):
    """Shows results as layers and in the panel."""

    def __init__(self, viewer: Any, panel: SegmentPanel, writer: JobRunner, strokes: StrokeLayers) -> None:
        super().__init__(panel)
        self._viewer, self.panel, self._writer, self._strokes = viewer, panel, writer, strokes
        self._counter = JobRunner(panel, quiet=True)
        self._edits = Edits(viewer, self)
        self._edits.edited.connect(self._edited)
        self._memory: dict[str, Any] = {}
        self._corrections = Corrections(viewer)
        self._truths = TruthList(viewer, panel.comparison)
        self.shown: Shown | None = None
        panel.table.labels_selected.connect(self._rows_selected)
        panel.export_clicked.connect(self._ask_folder)
        panel.provenance_clicked.connect(self.show_provenance)
        panel.comparison.compare_clicked.connect(self.compare)
        panel.measure_clicked.connect(self.open_measure)
        writer.finished.connect(panel.comparison.give_up)
        viewer.layers.events.removed.connect(self._layer_removed)

    def restore(self, memory: dict[str, Any]) -> None:
        """Show what an earlier widget of this viewer showed, if its layer is still there."""
        self._memory = memory
        self._corrections = memory.setdefault("corrections", self._corrections)
        shown = memory.get("shown")
        if shown is not None and shown.layer in self._viewer.layers:
            self._adopt(shown)
            self._calibrated()  # perhaps calibrated, or painted on, while the widget was closed
            self._edited(shown.layer)

    def show(self, source: Source, result: SegmentationResult) -> None:
        """Show a result over its source: in the layers of the last one, or in new ones if that is to be kept.

        A single plane goes into layers of the whole stack, whose other planes stay. What was corrected by hand is
        kept in a layer of its own.
        """
        if source.layer not in self._viewer.layers:
            return
        whole = make_source(source.layer)
        place = () if source.plane is None else tuple(map(int, np.unravel_index(source.plane, whole.planes.leading)))
        keep, layer = self.panel.keep_box.isChecked(), None
        for data, words, kind in result_layers(result, whole.placement):
            existing = None if keep else find_layer(self._viewer, words["name"], kind)
            if place and kind == "labels" and not _says_the_same(existing, words):
                self._put_aside(existing)
                existing = None
            if kind == "labels" and existing is not None:
                # One that the plane does not fit into is going to be replaced as a whole.
                shape = (*whole.planes.leading, *whole.planes.plane_shape)
                fits = (existing.data.shape, existing.data.dtype) == (shape, data.dtype)
                existing = self._corrections.keep(existing, source.plane if fits else None)
            if kind == "image":
                words |= {"colormap": "magma", "contrast_limits": (0.0, 1.0), "visible": False}
            elif place:
                words["features"] = words["features"][["index", "class"]]  # areas would be those of one plane
            with self._corrections.writing():
                shown = _write(existing, data, place, whole.planes.leading, words)
                layer = show_layer(
                    self._viewer, (shown, words, kind), like=source.layer, keep=keep,
                    below=self._strokes.of(source.layer),
                )  # fmt: skip
        self._corrections.follow(layer)
        self._adopt(Shown(result, layer, source, tuple(shown.shape)))

    def recolour(self, names: Mapping[int, str], colours: Mapping[int, Colour]) -> None:
        """Show phases of these names in these colours, in all results."""
        recolour_layers(self._viewer, names, colours)
        if self.shown is not None:
            result = self.shown.result
            found = {**result.colours, **colours_by_name(result.class_names, names, colours)}
            if found != result.colours:
                self.shown = self._memory["shown"] = replace(self.shown, result=replace(result, colours=found))
                self.panel.show_table(self.shown.result)

    def _put_aside(self, layer: Any) -> None:
        """Keep planes whose numbers mean other phases: beside those of now they would be misread."""
        if layer is not None and np.any(layer.data):
            from napari.utils.notifications import show_info

            name, layer.name = layer.name, f"{layer.name} (earlier phases)"
            show_info(f"“{name}” has other phases now; what was there is kept as “{layer.name}”.")

    def _adopt(self, shown: Shown) -> None:
        if self.shown is not None:
            self._edits.leave(self.shown.layer)
            self.shown.layer.events.selected_label.disconnect(self._label_selected)
            for name in _SIZE:
                getattr(self.shown.layer.events, name).disconnect(self._calibrated)
        self.shown = self._memory["shown"] = shown
        self._edits.follow(shown.layer)
        shown.layer.events.selected_label.connect(self._label_selected)
        for name in _SIZE:
            getattr(shown.layer.events, name).connect(self._calibrated)
        self._show_table(shown)
        self._truths.follow(shown.layer)

    def _show_table(self, shown: Shown) -> None:
        source, speed = shown.source, shown.result.megapixels_per_second
        self.panel.show_result(shown.result, f"Phases of {source.name} · {source.extent} · {speed:.2g} Mpx/s")

    def _calibrated(self, event: object = None) -> None:
        """Areas, files and scores are in the unit that the phases have now."""
        if self.shown is None or (size := pixel_size_of(self.shown.layer)) == self.shown.result.pixel_size:
            return
        here = replace(placement_of(self.shown.layer), name=self.shown.source.name)
        source = replace(self.shown.source, pixel_size=size, placement=here)
        shown = replace(self.shown, result=replace(self.shown.result, pixel_size=size), source=source)
        self.shown = self._memory["shown"] = shown
        if source.plane is None:
            shown.layer.features = features_table(shown.result.table)
        self.panel.comparison.hide_scores()
        self.panel.show_table(shown.result)

    def _edited(self, layer: Any) -> None:
        if self.shown is None or layer is not self.shown.layer:
            return
        if tuple(layer.data.shape) != self.shown.shape:  # the user put other labels into the layer
            self._forget()
        else:
            self.panel.comparison.hide_scores()  # they were of other phases
            self._counter.later(self._count, _AFTER_PAINTING_MS)

    def _count(self) -> None:
        """Count the pixels of each phase anew: the user corrects the phases with the brush."""
        if self.shown is not None:
            self._counter.start(
                jobs.run_count, self.shown.painted, self._is_corrected, then=bound(self._counted, self.shown)
            )

    @property
    def _is_corrected(self) -> bool:
        return self.shown is not None and self._corrections.has(self.shown.layer, self.shown.source.plane)

    def _counted(self, shown: Shown, result: SegmentationResult) -> None:
        if self.shown is None or shown.result.provenance is not self.shown.result.provenance:
            return  # another result came meanwhile
        if result.provenance is self.shown.result.provenance:  # nothing has changed
            return
        now = self.shown.result  # perhaps coloured or calibrated meanwhile
        result = replace(result, colours=now.colours, pixel_size=now.pixel_size)
        shown = self.shown = self._memory["shown"] = replace(self.shown, result=result)
        if shown.source.plane is None:
            shown.layer.features = features_table(result.table)
        record = {"provenance": result.provenance.as_dict()}
        shown.layer.metadata = {**shown.layer.metadata, METADATA_KEY: shown.layer.metadata[METADATA_KEY] | record}
        self.panel.show_table(result)

    def _layer_removed(self, event: Any) -> None:
        if self.shown is not None and self.shown.layer not in self._viewer.layers:
            self._forget()

    def _forget(self) -> None:
        self.shown = None
        self._memory.pop("shown", None)
        self._truths.follow(None)
        self.panel.result_part.hide()

    def _rows_selected(self, labels: list[int]) -> None:
        if labels and self.shown is not None:
            self.shown.layer.selected_label = labels[0]

    def _label_selected(self, event: object = None) -> None:
        if self.shown is None:
            return
        label = int(self.shown.layer.selected_label)
        if label in self.shown.result.class_names and label not in self.panel.table.selected_labels():
            self.panel.table.select_labels([label])

    def pick_at(self, *place: Any) -> None:
        """Select the row of the phase at a place, as `label_under` takes it."""
        label = label_under(self._viewer, self.shown.layer, *place) if self.shown is not None else 0
        if self.shown is not None and label:
            self.shown.layer.selected_label = label

    def compare(self) -> None:
        """Scores of the phases shown against other labels."""
        truth = self.panel.comparison.chosen_truth
        if self.shown is None or truth not in self._viewer.layers:
            return
        result, labels = self.shown.painted, plane_of(array_of(truth), self.shown.source.plane)
        self.panel.comparison.show_words(COMPARING)
        self._writer.start(
            run_agree, Named(labels, names_by_value(truth.features)), Named(result.labels, result.class_names),
            result.pixel_size, self.panel.comparison.tolerance.value(), phases="called", title="Compare", in_turn=True,
            then=bound(self._compared, (self.shown, truth.name)),
        )  # fmt: skip

    def _compared(self, of: tuple[Shown, str], comparison: Comparison) -> None:
        shown, name = of
        # Hidden: another result came meanwhile, or these phases were painted on.
        if shown.layer in self._viewer.layers and not self.panel.comparison.scores.isHidden():
            self.panel.comparison.show_comparison(comparison, name)

    def _ask_folder(self) -> None:
        folder = QFileDialog.getExistingDirectory(self.panel, "Folder for labels and tables")
        if folder:
            self.export(folder)

    def export(self, folder: str) -> None:
        """Write labels, tables and record into a folder."""
        if self.shown is None:
            return
        result, source = self.shown.painted, self.shown.source
        self._writer.start(
            jobs.run_export, result, self._is_corrected, folder, free_stem(folder, source.file_stem),
            axes_for_files(result.labels.shape, source.placement), title="Save", in_turn=True, then=self._say_saved,
        )  # fmt: skip

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


def _says_the_same(existing: Any, words: dict[str, Any]) -> bool:
    """True if each label that a layer names means what it means in the layer to come."""
    if existing is None:
        return False
    before, now = names_by_value(existing.features), names_by_value(words["features"])
    return all(now.get(value) == name for value, name in before.items())


def _write(existing: Any, data: Any, place: tuple[int, ...], leading: tuple[int, ...], words: dict[str, Any]) -> Any:
    """Array for a layer to show: the one it has, with the result written into it, where that can be done.

    So other planes and the undo history stay.
    """
    plane = data.reshape(data.shape[-2:]) if place else data
    shape = (*leading, *plane.shape) if place else data.shape
    fits = existing is not None and existing.data.shape == shape and existing.data.dtype == data.dtype
    if not place and data.size > _MOST_COMPARED:
        return data
    if fits and "features" in words:
        repaint(existing, plane, place)
        return existing.data
    if fits and place:
        existing.data[place] = plane
        existing.refresh()
        return existing.data
    if not place:
        return data
    stack = np.zeros(shape, data.dtype)  # takes memory only where it is written
    stack[place] = plane
    return stack
