"""What the FFT widget shows: spots in its table, filtered images and maps as layers, and what can be done with them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QInputDialog

from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.layers import METADATA_KEY, SEPARATOR, result_layers
from napari_visualccc.widgets import _fft_jobs as jobs
from napari_visualccc.widgets._calibrate import calibrate
from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._fft_panel import FftPanel
from napari_visualccc.widgets._jobs import JobRunner, show_problem
from napari_visualccc.widgets._layers import show_layer
from napari_visualccc.widgets._provenance import ProvenanceDialog, open_provenance
from napari_visualccc.widgets._saving import ask_path
from napari_visualccc.widgets._source import Source

if TYPE_CHECKING:
    from napari_visualccc.processing import LatticeMap, SpectrumResult

BRAGG = "Bragg filtered"
_HIDDEN = ("crystallinity", "crystal-confidence", "crystals")


class FftResults(QObject):
    """Shows results and answers the buttons below them.

    Attributes
    ----------
    spectrum, map
        What the tables show; None if nothing.
    """

    def __init__(self, viewer: Any, panel: FftPanel, chooser: SourceChooser) -> None:
        super().__init__(panel)
        self._viewer, self.panel, self._chooser = viewer, panel, chooser
        # Saving ends no map that is being made, and goes on while the dock is hidden.
        self.writer = JobRunner(panel, quiet=True, while_hidden=True)
        self.spectrum: SpectrumResult | None = None
        self.map: LatticeMap | None = None
        self.layers: dict[str, Any] = {}
        self.dialog: Any = None
        panel.export_clicked.connect(self._export_spectrum)
        panel.provenance_clicked.connect(self.show_provenance)
        panel.map.export_clicked.connect(self._export_map)
        panel.map.provenance_clicked.connect(self._show_map_provenance)
        panel.map.table.labels_selected.connect(self._crystal_picked)
        viewer.layers.events.removed.connect(self._layer_removed)

    def show_spectrum(self, source: Source, result: SpectrumResult) -> None:
        """Show spots with their phases."""
        self.spectrum = result
        self.panel.show_result(result)

    def forget_spectrum(self) -> None:
        """Another image was chosen."""
        self.spectrum = None
        self.panel.hide()

    def show_bragg(self, made: tuple[Source, SpectrumResult, list[int]], image: Any) -> None:
        """Show the filtered image over its source, with a record of the spots it is made of."""
        source, result, labels = made
        if source.layer not in self._viewer.layers:
            return
        spots = [round(float(result.peaks.spacing[label - 1]), 5) for label in labels]
        record = result.provenance.as_dict()
        record["operation"] = "Bragg filter"
        record["command"] = record["command"].replace(" --output", " --bragg --output")
        record["parameters"] = record["parameters"] | {f"d of spots ({result.spectrum.length_unit})": spots}
        words = source.placement.keywords() | {
            "name": source.layer.name + SEPARATOR + BRAGG, "metadata": {METADATA_KEY: {"provenance": record}},
        }  # fmt: skip
        show_layer(self._viewer, (source.fold(image), words, "image"), like=source.layer)

    def show_map(self, source: Source, result: LatticeMap) -> None:
        """Show crystallinity, confidence, crystals and phases over the source; phases on top, the others hidden."""
        if source.layer not in self._viewer.layers:
            return
        self.map = result
        placement = replace(source.placement, name=source.layer.name)
        for title, (data, words, kind) in zip(
            [layer.title for layer in result.layers], result_layers(result, placement), strict=True
        ):
            extra: dict[str, Any] = {"visible": False} if title in _HIDDEN else {}
            extra |= {"colormap": "magma"} if kind == "image" else {}
            self.layers[title] = show_layer(self._viewer, (source.fold(data), words | extra, kind), like=source.layer)
        self.panel.map.show_map(result)

    def _crystal_picked(self, labels: list[int]) -> None:
        layer = self.layers.get("crystals")
        if layer is not None and layer in self._viewer.layers and labels:
            layer.visible = True
            layer.selected_label = labels[0]
            layer.show_selected_label = True
            if self.map is not None and layer.ndim > 2:  # go to its plane
                plane, _ = self.map.found[labels[0] - 1]
                self._viewer.dims.set_current_step(0, plane)
        elif layer is not None and layer in self._viewer.layers:
            layer.show_selected_label = False

    def calibrate(self) -> None:
        """Ask what the picked spot's spacing is, and set the pixel size of image and results."""
        result = self.spectrum
        if result is None or not len(result.peaks):
            return
        label = (self.panel.table.selected_labels() or [1])[0]
        measured, unit = float(result.peaks.spacing[label - 1]), result.spectrum.length_unit
        known, fine = QInputDialog.getDouble(
            self.panel, "Calibrate", f"Spot {label} is measured as d = {measured:.5g} {unit}.\nIts true spacing in nm:",
            measured if unit == "nm" else 0.2, 0.01, 1000.0, 5,
        )  # fmt: skip
        if fine:
            self.calibrate_to(label, known)

    def calibrate_to(self, label: int, known_nm: float) -> None:
        """Set the pixel size so that a spot has the spacing given."""
        from napari_visualccc.processing import pixel_size_from_spacing

        result, layer = self.spectrum, self._chooser.layer
        if result is None or layer is None:
            return
        try:
            size = pixel_size_from_spacing(float(result.peaks.spacing[label - 1]), known_nm, result.pixel_size)
        except VisualCCCError as error:
            show_problem(error)
            return
        calibrate(self._viewer, layer, size)

    def show_provenance(self) -> None:
        """Show how the spots were found."""
        if self.spectrum is not None:
            self.dialog = ProvenanceDialog("spots", self.spectrum.provenance.as_dict(), self.panel)
            self.dialog.show()

    def _show_map_provenance(self) -> None:
        layer = self.layers.get("crystal-phases")
        if layer is not None:
            self.dialog = open_provenance(layer, self.panel)

    def _export_spectrum(self) -> None:
        self._save("spots.csv", self.spectrum)

    def export_profile(self) -> None:
        """Ask where to write the radial profile, and do so."""
        self._save("profile.csv", self.spectrum and self.spectrum.profile)

    def _export_map(self) -> None:
        self._save("crystals.csv", self.map)

    def _save(self, name: str, result: Any) -> None:
        """Write a table, of what was shown when the user asked for it: meanwhile other spots may be."""
        if result is None:
            return
        path = ask_path(self.panel, "Save table", name, "CSV (*.csv)", ending=".csv")
        if path:
            self.writer.start(jobs.run_export, result, path, title="Save table", in_turn=True, then=_say_saved)

    def _layer_removed(self, event: Any) -> None:
        self.layers = {title: layer for title, layer in self.layers.items() if layer is not event.value}
        if not self.layers and self.map is not None:
            self.map = None
            self.panel.map.hide()


def _say_saved(path: str) -> None:
    from napari.utils.notifications import show_info

    show_info(f"Saved {path}")
