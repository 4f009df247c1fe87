"""Where the Classify widget asks for files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject
from qtpy.QtWidgets import QFileDialog

from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.widgets._jobs import show_problem
from napari_visualccc.widgets._provenance import ProvenanceDialog
from napari_visualccc.widgets._saving import ask_path

if TYPE_CHECKING:
    from napari_visualccc.widgets.classify import ClassifyWidget

_PATTERN = "Models (*.safetensors)"
_TABLES = "Tables (*.csv)"


class FileDialogs(QObject):
    """Asks for a path, and has the widget read or write it."""

    def __init__(self, widget: ClassifyWidget) -> None:
        super().__init__(widget)
        self._widget = widget
        widget.data_menu.addAction("Folder with a folder per class …", self._folder)
        widget.data_menu.addAction("CSV file (path, label, group, split) …", self._table)
        widget.data_menu.addAction("Forget them", widget.forget_files)
        widget.model_panel.save_clicked.connect(self._save)
        widget.model_panel.load_clicked.connect(self._load)
        widget.prediction.export_clicked.connect(self._export)
        widget.prediction.provenance_clicked.connect(self._explain)
        widget.quality.report_clicked.connect(self._report)

    def _folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self._widget, "Folder with a folder per class")
        if path:
            self._widget.read_files(path)

    def _table(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self._widget, "Table of labelled images", "", _TABLES)
        if path:
            self._widget.read_files(path)

    def _save(self) -> None:
        path = ask_path(self._widget, "Save the model", "classifier.safetensors", _PATTERN, ending=".safetensors")
        if path:
            self._widget.save(path)

    def _load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self._widget, "Load a model", "", _PATTERN)
        if path:
            self._widget.load(path)

    def _export(self) -> None:
        from napari_visualccc.io import write_csv

        path = ask_path(self._widget, "Save the table", "classes.csv", _TABLES, ending=".csv")
        planes = self._widget.prediction.planes
        if path and planes is not None:
            try:
                write_csv(path, planes)
            except VisualCCCError as error:
                show_problem(error)

    def _explain(self) -> None:
        if self._widget.predicted is not None:
            ProvenanceDialog("classes", self._widget.predicted.provenance.as_dict(), self._widget).show()

    def _report(self) -> None:
        folder = QFileDialog.getExistingDirectory(self._widget, "Folder for the report")
        if folder:
            self._widget.write_report(folder)
