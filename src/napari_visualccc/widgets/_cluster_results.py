"""The clusters that are shown: their layer and their table kept in step, and what can be done with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_visualccc.layers import METADATA_KEY, SEPARATOR, features_table, result_layers
from napari_visualccc.widgets import _cluster_jobs as jobs
from napari_visualccc.widgets._cluster_panel import ClusterPanel
from napari_visualccc.widgets._jobs import JobRunner, bound
from napari_visualccc.widgets._layers import file_stem, label_under, show_layer, update_layer
from napari_visualccc.widgets._provenance import open_provenance
from napari_visualccc.widgets._saving import ask_path
from napari_visualccc.widgets._source import Source, make_source

if TYPE_CHECKING:
    from napari_visualccc.cluster import ClusterResult

CLUSTERS, PREVIEW = "clusters", "clusters (preview)"
# Labels of more pixels than this are not measured again by themselves after painting.
_MEASURED_AGAIN_PIXELS = 1 << 26
_AFTER_PAINTING_MS = 400


@dataclass(frozen=True)
class Shown:
    """A result and the layer that shows it."""

    result: ClusterResult
    layer: Any
    source: Source
    title: str


class ClusterResults(QObject):
    """Shows results as layers and in the panel, and does what the panel's buttons say.

    Parameters
    ----------
    viewer
        napari viewer.
    panel
        Table and buttons.
    runner, measurer
        For edits that the user waits for, and for measuring again after painting.
    memory
        What the session remembers.

    Attributes
    ----------
    shown
        What table and buttons work on; None if nothing is shown.
    changed
        Emitted when something else is shown or selected.
    """

    changed = Signal()

    def __init__(
        self, viewer: Any, panel: ClusterPanel, runner: JobRunner, measurer: JobRunner, memory: dict[str, Any]
    ) -> None:
        super().__init__(panel)
        self._viewer, self.panel, self._runner, self._measurer, self._memory = viewer, panel, runner, measurer, memory
        # Saving ends no clustering that runs, and goes on while the dock is hidden.
        self.writer = JobRunner(panel, quiet=True, while_hidden=True)
        self.shown: Shown | None = None
        self._updating = False
        panel.table.labels_selected.connect(self._rows_selected)
        panel.isolate_toggled.connect(self._isolate)
        panel.merge_clicked.connect(self.merge)
        panel.mask_clicked.connect(self.to_mask)
        panel.clean_clicked.connect(self.clean)
        panel.table_export_clicked.connect(self._ask_table_path)
        panel.labels_export_clicked.connect(self._ask_labels_path)
        panel.provenance_clicked.connect(self.show_provenance)
        viewer.layers.events.removed.connect(self._layer_removed)

    def restore(self) -> None:
        """Show what an earlier widget of this viewer showed, if its layer is still there."""
        shown = self._memory.get("shown")
        if shown is not None and shown.layer in self._viewer.layers:
            self.adopt(shown)

    def recalibrate(self) -> None:
        """Take over a new pixel size of the source into table and record."""
        shown = self.shown
        if shown is None or shown.source.layer not in self._viewer.layers:
            return
        source = make_source(shown.source.layer, shown.source.plane)
        if source.pixel_size == shown.result.pixel_size:
            return
        result = replace(shown.result, pixel_size=source.pixel_size)
        shown.layer.features = features_table(result.table)
        self.adopt(replace(shown, result=result, source=source))

    def _layer_removed(self, event: Any) -> None:
        if self.shown is not None and event.value is self.shown.layer:
            self.forget()

    def forget(self) -> None:
        """Show nothing; the layer was taken away."""
        self.shown = None
        self._memory.pop("shown", None)
        self.panel.hide()
        self.changed.emit()

    def show(self, source: Source, result: ClusterResult, title: str, *, keep: bool) -> None:
        """Show a result over its source: in the layer of the last one, or in a new one if that is kept."""
        if source.layer not in self._viewer.layers:
            return
        source = replace(source, placement=replace(source.placement, name=source.layer.name))  # renamed meanwhile
        ((data, words, kind),) = result_layers(result, source.placement)
        words["name"] = source.layer.name + SEPARATOR + title
        before = self.shown
        same = before is not None and before.source.layer is source.layer and before.title == title and not keep
        self._updating = True
        try:
            if same and before is not None and not before.layer.name.endswith("]"):
                before.layer.name = words["name"]
            elif same and before is not None:
                words["name"] = before.layer.name
            layer = show_layer(self._viewer, (source.fold(data), words, kind), like=source.layer, keep=keep)
        finally:
            self._updating = False
        self.adopt(Shown(result, layer, source, title))

    def adopt(self, shown: Shown) -> None:
        """Make a result the one that table and buttons work on."""
        if self.shown is not None and self.shown.layer is not shown.layer:
            self._watch(self.shown.layer, on=False)
        if self.shown is None or self.shown.layer is not shown.layer:
            self._watch(shown.layer, on=True)
        self.shown = self._memory["shown"] = shown
        result = shown.result
        best = " · optimal" if result.exact else ""
        self.panel.show_result(result, f"{result.k} {shown.title} · {shown.source.extent}{best}")
        self.panel.show()
        self.panel.isolate.setChecked(bool(shown.layer.show_selected_label))
        self.changed.emit()

    def _watch(self, layer: Any, *, on: bool) -> None:
        pairs: tuple[tuple[Any, Callable[..., None]], ...] = (
            (layer.events.selected_label, self._label_selected),
            (layer.events.paint, self._labels_edited),
            (layer.events.set_data, self._labels_edited),  # the only event that an undo sends
        )
        for event, callback in pairs:
            if on:
                event.connect(callback)
            else:
                event.disconnect(callback)

    def remove_preview(self) -> None:
        """Take away preview layers."""
        for layer in list(self._viewer.layers):
            if layer.name.endswith(SEPARATOR + PREVIEW) and METADATA_KEY in layer.metadata:
                self._viewer.layers.remove(layer)

    def _rows_selected(self, labels: list[int]) -> None:
        if labels and self.shown is not None and self.shown.layer.selected_label not in labels:
            self.shown.layer.selected_label = labels[0]
        self.changed.emit()

    def _label_selected(self, event: object = None) -> None:
        if self.shown is not None and self.shown.layer.selected_label not in self.panel.table.selected_labels():
            self.pick(self.shown.layer.selected_label)

    def pick(self, label: int) -> None:
        """Select the row and the label, as a click on the image does."""
        if self.shown is None or not 1 <= label <= self.shown.result.k:
            return
        self.panel.table.select_labels([label])
        self.shown.layer.selected_label = label
        self.panel.follow_selection()
        self.changed.emit()

    def pick_at(self, *place: Any) -> None:
        """Select the cluster at a place, as `label_under` takes it."""
        label = label_under(self._viewer, self.shown.layer, *place) if self.shown is not None else 0
        if label:
            self.pick(label)

    def _isolate(self, on: bool) -> None:
        if self.shown is not None:
            self.shown.layer.show_selected_label = on

    def merge(self) -> None:
        """Make one cluster of the selected rows."""
        self._start_edit(jobs.run_merge, self.panel.table.selected_labels(), title="Merge clusters")

    def clean(self, min_size: int) -> None:
        """Remove specks smaller than `min_size` pixels."""
        if self.shown is not None:
            self._start_edit(jobs.run_clean, self.shown.source.planes, min_size, title="Remove specks")

    def _start_edit(self, function: Callable[..., jobs.Edit], *args: Any, title: str) -> None:
        if self.shown is not None:
            shown = self.shown
            self._runner.start(function, shown.result, *args, title=title, then=bound(self._apply_edit, shown))

    def _apply_edit(self, shown: Shown, edit: jobs.Edit) -> None:
        layer = shown.layer
        if layer not in self._viewer.layers:
            return
        ((data, words, _),) = result_layers(edit.result, shown.source.placement)
        data = shown.source.fold(data)
        self._updating = True
        try:
            if edit.places is not None and edit.values is not None:
                lead = (edit.places[0] * 0,) * (data.ndim - len(edit.places))
                layer.data_setitem((*lead, *edit.places), edit.values)  # can be undone
                data = layer.data
            update_layer(layer, data, words)
        finally:
            self._updating = False
        self.panel.table.clearSelection()
        self.adopt(replace(shown, result=replace(edit.result, labels=data.reshape(edit.result.labels.shape))))

    def _labels_edited(self, event: object = None) -> None:
        """Painting or an undo may have changed the labels: measure them again in a moment."""
        if self.shown is None or self._updating or self.shown.result.labels.size > _MEASURED_AGAIN_PIXELS:
            return
        self._measurer.later(self._measure_again, _AFTER_PAINTING_MS)

    def _measure_again(self) -> None:
        if self.shown is None or self._runner.is_running:
            return
        shown = self.shown
        self._measurer.start(
            jobs.run_measure, shown.result, shown.layer.data, shown.source.planes,
            then=bound(self._show_measured, shown),
        )  # fmt: skip

    def _show_measured(self, shown: Shown, result: ClusterResult | None) -> None:
        if result is None or self.shown is not shown:
            return
        ((_, words, _),) = result_layers(result, shown.source.placement)
        self._updating = True
        try:
            update_layer(shown.layer, shown.layer.data, words)
        finally:
            self._updating = False
        self.adopt(replace(shown, result=result))

    def to_mask(self) -> None:
        """Turn the selected clusters into a layer of their own."""
        labels = self.panel.table.selected_labels()
        if self.shown is not None and labels:
            then = bound(self._show_mask, (self.shown, labels))
            self._runner.start(jobs.run_mask, self.shown.result, labels, title="To mask", then=then)

    def _show_mask(self, of: tuple[Shown, list[int]], mask: Any) -> None:
        shown, labels = of
        ((_, words, kind),) = result_layers(shown.result, shown.source.placement)
        del words["features"]
        clear = (0.0, 0.0, 0.0, 0.0)
        words["colormap"] = {None: clear, 0: clear, 1: shown.result.colours[labels[0]]}
        what = "cluster" if len(labels) == 1 else "clusters"
        words["name"] = f"{shown.source.layer.name}{SEPARATOR}mask ({what} {'+'.join(map(str, labels))})"
        about = words["metadata"][METADATA_KEY]
        about["provenance"]["parameters"]["mask of clusters"] = labels
        show_layer(self._viewer, (shown.source.fold(mask), words, kind), like=shown.source.layer)

    def _ask_table_path(self) -> None:
        self._ask_path("Save table", "CSV (*.csv)", ".csv", jobs.run_export_table)

    def _ask_labels_path(self) -> None:
        self._ask_path("Save labels", "TIFF (*.tif *.tiff)", ".tif", jobs.run_export_labels)

    def _ask_path(self, title: str, pattern: str, ending: str, job: Callable[..., str]) -> None:
        shown = self.shown  # while the dialog is open, another result may come
        if shown is None:
            return
        path = ask_path(self.panel, title, file_stem(shown.layer.name) + ending, pattern, ending=ending)
        if path:
            self._save(job, shown, path)

    def _save(self, job: Callable[..., str], shown: Shown, path: str) -> None:
        self.writer.start(job, shown.result, path, title="Save", in_turn=True, then=self._say_saved)

    def export_table(self, path: str) -> None:
        """Write the cluster table as CSV."""
        if self.shown is not None:
            self._save(jobs.run_export_table, self.shown, path)

    def export_labels(self, path: str) -> None:
        """Write the labels as a calibrated TIFF."""
        if self.shown is not None:
            self._save(jobs.run_export_labels, self.shown, path)

    def _say_saved(self, path: str) -> None:
        from napari.utils.notifications import show_info

        show_info(f"Saved {path}")

    def show_provenance(self) -> None:
        """Show how the result was made."""
        if self.shown is not None:
            self.dialog = open_provenance(self.shown.layer, self.panel)
