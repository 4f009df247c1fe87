"""What is mapped: a folder or a layer, and the table that says what was measured."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_visualccc.widgets._map_viewer import stack_of
from napari_visualccc.widgets._parts import Hint, Problem, button, row
from napari_visualccc.widgets._source import plane_count, problem_with

_TABLES = "Tables (*.csv *.tsv *.txt *.xlsx)"


class MapSource(QWidget):
    """Choose micrographs and a table.

    Attributes
    ----------
    changed
        Emitted when another source or table was chosen.
    open_clicked
        Emitted when a finished map is to be opened.
    """

    changed = Signal()
    open_clicked = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__()
        self._viewer = viewer
        self.folder: Path | None = None
        self.layer: Any = None
        self.table: Path | None = None
        self._what, self._properties = _line(), _line()
        self.folder_button = button("Folder …", "Map all micrographs of a folder; they need not be open")
        self.layer_button = button("Layer", "Map the planes of the image that is selected in the layer list")
        self.open_button = button("Open map …", "Open a map that was saved, without looking at the micrographs again")
        self.table_button = button("Table …", "Measured properties: CSV or XLSX with file names in a column 'path' "
                                   "or 'id'")  # fmt: skip
        self.no_table_button = button("✕", "Use no table")
        self._wrong = Problem()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (
            row(self.folder_button, self.layer_button, self.open_button), self._what,
            row(self.table_button, self._properties, self.no_table_button, stretch=1), self._wrong,
        ):  # fmt: skip
            layout.addWidget(part)
        self.folder_button.clicked.connect(self._ask_folder)
        self.layer_button.clicked.connect(self.take_layer)
        self.open_button.clicked.connect(self.open_clicked)
        self.table_button.clicked.connect(self._ask_table)
        self.no_table_button.clicked.connect(self._no_table)
        self._say()

    @property
    def problem(self) -> str:
        """Why nothing can be mapped; empty if it can."""
        if self.folder is None and self.layer is None:
            return "nothing is chosen"
        if self.layer is not None and self.layer not in self._viewer.layers:
            return "the layer is gone: choose another"
        return ""

    def value(self) -> Any:
        """Folder, or planes of the layer."""
        return self.folder if self.folder is not None else stack_of(self.layer)

    @property
    def title(self) -> str:
        """Name for people."""
        if self.folder is not None:
            return self.folder.name
        return str(self.layer.name) if self.layer is not None else ""

    def take_folder(self, folder: Path) -> None:
        """Map the micrographs of a folder."""
        self.folder, self.layer = folder, None
        self._wrong.say("")
        self._say()
        self.changed.emit()

    def take_layer(self, checked: bool = False) -> None:
        """Map the planes of the active layer."""
        layer = self._viewer.layers.selection.active
        wrong = (
            "select an image in the layer list"
            if layer is None or layer._type_string != "image"
            else (problem_with(layer))
        )
        self._wrong.say(wrong)
        if not wrong:
            self.folder, self.layer = None, layer
            self._say()
            self.changed.emit()

    def take_table(self, table: Path | None) -> None:
        """Join this table, or none."""
        self.table = table
        self._say()
        self.changed.emit()

    def refresh(self) -> None:
        """Say anew what is chosen."""
        self._say()

    def _say(self) -> None:
        if self.folder is not None:
            self._what.setText(f"Folder: {self.folder.name}")
            self._what.setToolTip(str(self.folder))
        elif self.layer is not None and self.problem:
            self._what.setText(self.problem[:1].upper() + self.problem[1:])
        elif self.layer is not None:
            count = plane_count(self.layer)
            self._what.setText(f"Layer: {self.layer.name}, {count} plane{'s' if count != 1 else ''}")
        else:
            self._what.setText("No micrographs chosen")
        self._properties.setText(self.table.name if self.table else "no properties")
        self._properties.setToolTip(str(self.table) if self.table else "")
        self.no_table_button.setVisible(self.table is not None)

    def _ask_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Folder of micrographs")
        if path:
            self.take_folder(Path(path))

    def _ask_table(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Measured properties", "", _TABLES)
        if path:
            self.take_table(Path(path))

    def _no_table(self) -> None:
        self.take_table(None)


def _line() -> QLabel:
    """A line that is cut off rather than widening its dock."""
    made = Hint()
    made.setWordWrap(True)
    made.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    return made
