"""Keeping a map: its file, figures, pages and tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.maps.export import export_map
from napari_visualccc.maps.files import EXTENSION, save_map
from napari_visualccc.widgets._jobs import show_problem
from napari_visualccc.widgets._provenance import ProvenanceDialog
from napari_visualccc.widgets._saving import ask_path

if TYPE_CHECKING:
    from napari_visualccc.widgets._map_panel import MapPanel
    from napari_visualccc.widgets._map_results import MapResults

_EXPORTS = "Figure (*.svg);;Picture (*.png);;Page that works offline (*.html *.htm);;Table (*.csv)"
_MAPS = f"Map (*{EXTENSION})"


class MapExport(QObject):
    """Buttons that write what is shown."""

    def __init__(self, results: MapResults, panel: MapPanel) -> None:
        super().__init__(panel)
        self._results, self._panel = results, panel
        panel.save.clicked.connect(self._ask_save)
        panel.export.clicked.connect(self._ask_export)
        panel.provenance.clicked.connect(self._show_provenance)

    def _ask_save(self) -> None:
        path = ask_path(self._panel, "Save map", f"micrographs{EXTENSION}", _MAPS, ending=EXTENSION)
        if path:
            self.save(Path(path))

    def save(self, path: Path) -> None:
        """Write the map."""
        assert self._results.map is not None
        try:
            save_map(self._results.map, path)
        except VisualCCCError as error:
            show_problem(error)
            return
        self._results.changed.emit(f"Saved {path.name}.")

    def _ask_export(self) -> None:
        path = ask_path(self._panel, "Export map", "map.svg", _EXPORTS, ending=".svg")
        if path:
            self.export(Path(path))

    def export(self, path: Path) -> None:
        """Write figure, page or table; the table holds the encircled micrographs if there are any."""
        assert self._results.map is not None
        try:
            if path.suffix.lower() == ".png":
                self._export_picture(path)
            else:
                some = (
                    self._results.rows.tolist() if path.suffix.lower() == ".csv" and len(self._results.rows) else None
                )
                export_map(self._results.map, path, self._panel.colour_column, some)
        except VisualCCCError as error:
            show_problem(error)
            return
        self._results.changed.emit(f"Wrote {path.name}.")

    def _export_picture(self, path: Path) -> None:
        from napari_visualccc.widgets._map_picture import write_picture

        assert self._results.map is not None
        write_picture(self._results.map, path, self._panel.colour_column)

    def _show_provenance(self) -> None:
        if self._results.map is not None:
            ProvenanceDialog("Map of micrographs", self._results.map.provenance.as_dict(), self._panel).exec()
