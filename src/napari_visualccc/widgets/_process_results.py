"""What was processed, shown: preview and results as layers over their source."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal

from napari_visualccc.layers import METADATA_KEY, SEPARATOR, result_layers
from napari_visualccc.widgets import _process_jobs as jobs
from napari_visualccc.widgets._jobs import JobRunner
from napari_visualccc.widgets._layers import file_stem, find_layer, kind_of, show_layer, show_plane
from napari_visualccc.widgets._process_panel import ProcessPanel
from napari_visualccc.widgets._provenance import open_provenance
from napari_visualccc.widgets._saving import ask_path
from napari_visualccc.widgets._source import Source, make_source

if TYPE_CHECKING:
    from napari_visualccc.processing.apply import ProcessResult
    from napari_visualccc.processing.preview import Preview

PREVIEW = "processed (preview)"
_LABELS_OPACITY = 0.5


@dataclass(frozen=True)
class Processed:
    """A result, the uppermost of its layers, and what was processed."""

    result: ProcessResult
    layer: Any
    source: Source


class ProcessResults(QObject):
    """Shows previews and results, and does what the panel's buttons say.

    Attributes
    ----------
    shown
        What the panel is about; None if nothing is shown.
    changed
        Emitted when something else is shown.
    """

    changed = Signal()

    def __init__(self, viewer: Any, panel: ProcessPanel, memory: dict[str, Any]) -> None:
        super().__init__(panel)
        self._viewer, self.panel, self._memory = viewer, panel, memory
        # Saving ends no processing that runs, and goes on while the dock is hidden.
        self.writer = JobRunner(panel, quiet=True, while_hidden=True)
        self.shown: Processed | None = None
        self._preview: Any = None
        panel.plane_chosen.connect(self._go_to_plane)
        panel.export_clicked.connect(self._ask_path)
        panel.provenance_clicked.connect(self.show_provenance)
        viewer.layers.events.removed.connect(self._layer_removed)

    def restore(self) -> None:
        """Show what an earlier widget of this viewer showed, if its layer is still there."""
        shown = self._memory.get("shown")
        if shown is not None and shown.layer in self._viewer.layers:
            self._adopt(shown)
        for kind in ("image", "labels"):
            self._preview = self._preview or self._find_preview(kind)

    def show(self, source: Source, shown: jobs.Shown, *, keep: bool = False) -> None:
        """Show a result over its source: in the layers of the last one, or in new ones."""
        if source.layer not in self._viewer.layers:
            return
        result = shown.result
        place = source.placement.regridded(result.frame.spacing, result.frame.origin)
        layer = None
        for made, (data, words, kind) in zip(result.layers, result_layers(result, place), strict=True):
            if not keep:
                other = find_layer(self._viewer, words["name"], "image" if kind == "labels" else "labels")
                if other is not None:
                    self._viewer.layers.remove(other)
            look = {} if kind == "labels" else {"contrast_limits": shown.limits.get(made.title, (0.0, 1.0))}
            extra = {"rgb": False} if kind == "image" else {}
            layer = show_layer(
                self._viewer, (_with_axes(data, source), words | look | extra, kind), like=source.layer, keep=keep
            )
            if look:
                _set_limits(layer, look["contrast_limits"])
        self._adopt(Processed(result, layer, source))

    def show_preview(self, source: Source, index: int, preview: Preview) -> None:
        """Show what the seen part of a plane looks like, in one layer that is updated."""
        if source.layer not in self._viewer.layers:
            return
        here = make_source(source.layer, index) if len(source.planes) > 1 else source
        place = here.placement.regridded(preview.frame.spacing, preview.origin)
        kind = preview.frame.content
        name = source.name + SEPARATOR + PREVIEW
        words = place.keywords() | {"name": name, "metadata": {METADATA_KEY: {"preview": True}}}
        data = jobs.fold(preview.values, source.layer.ndim)
        layer = self._preview
        if layer is not None and (layer not in self._viewer.layers or kind_of(layer) != kind or layer.name != name):
            self.remove_preview()
            layer = None
        if layer is not None and layer.data.shape == data.shape:
            layer.data = data
            for key in ("scale", "translate"):
                if not np.allclose(getattr(layer, key), words[key]):
                    setattr(layer, key, words[key])
            _set_limits(layer, preview.limits)
            return
        look = {"opacity": _LABELS_OPACITY} if kind == "labels" else {"contrast_limits": preview.limits, "rgb": False}
        if layer is not None:
            # Another part of the image is seen: napari has no layer that grows, so it is another layer.
            look["opacity"], look["visible"] = layer.opacity, layer.visible
            self.remove_preview()
        self._preview = show_layer(self._viewer, (data, words | look, kind), like=source.layer, keep=True)

    def remove_preview(self) -> None:
        """Take the preview away."""
        if self._preview is not None and self._preview in self._viewer.layers:
            self._viewer.layers.remove(self._preview)
        self._preview = None

    def _find_preview(self, kind: str) -> Any:
        for layer in self._viewer.layers:
            if kind_of(layer) == kind and layer.metadata.get(METADATA_KEY, {}).get("preview"):
                return layer
        return None

    def _adopt(self, shown: Processed) -> None:
        self.shown = self._memory["shown"] = shown
        self.panel.show_result(shown.layer.name, shown.result)
        self.panel.show()
        self.changed.emit()

    def _layer_removed(self, event: Any) -> None:
        if self.shown is not None and self.shown.layer not in self._viewer.layers:
            self.shown = None
            self._memory.pop("shown", None)
            self.panel.hide()
            self.changed.emit()

    def _go_to_plane(self, plane: int) -> None:
        if self.shown is None or self.shown.source.plane is not None:
            return
        layer = self.shown.layer
        place = np.unravel_index(plane, layer.data.shape[:-2]) if layer.ndim > 2 else ()
        show_plane(self._viewer, layer, (*place, 0, 0))

    def _ask_path(self) -> None:
        shown = self.shown  # while the dialog is open, another result may come
        if shown is None:
            return
        proposal = file_stem(shown.source.name) + " drift.csv"
        path = ask_path(self.panel, "Save drift table", proposal, "CSV (*.csv)", ending=".csv")
        if path:
            self.writer.start(jobs.run_export, shown.result, path, title="Save", in_turn=True, then=self._say_saved)

    def _say_saved(self, path: str) -> None:
        from napari.utils.notifications import show_info

        show_info(f"Saved {path}")

    def show_provenance(self) -> None:
        """Show how the result was made."""
        if self.shown is not None:
            self.dialog = open_provenance(self.shown.layer, self.panel)


def _with_axes(data: Any, source: Source) -> Any:
    """Result of one plane with as many axes as its layer has."""
    missing = len(source.placement.scale) - data.ndim
    return data[(np.newaxis,) * missing] if missing > 0 else data


def _set_limits(layer: Any, limits: tuple[float, float]) -> None:
    if kind_of(layer) == "image" and tuple(layer.contrast_limits) != limits:
        low, high = layer.contrast_limits_range
        if limits[0] < low or limits[1] > high or limits[1] - limits[0] < 0.05 * (high - low):
            layer.contrast_limits_range = limits
        layer.contrast_limits = limits
