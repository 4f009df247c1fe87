"""The lower part of the Process widget: what the result is, the drift of its planes, its record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_visualccc.widgets._parts import Fold, Hint, button, provenance_button, row
from napari_visualccc.widgets._tables import Column, Record, ResultTable

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.core.pixel_size import PixelSize
    from napari_visualccc.processing.apply import ProcessResult


class ProcessPanel(QWidget):
    """Summary of a result, its drift table, and buttons.

    Attributes
    ----------
    plane_chosen
        Emitted with the number of a plane whose row was clicked.
    """

    plane_chosen = Signal(int)
    export_clicked = Signal()
    provenance_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.summary = Hint()
        self.table = ResultTable()
        self.table.setToolTip("Drift of each plane from the first; click a row to see the plane")
        self.table.labels_selected.connect(self._rows_selected)
        self.export = button("Export drift …", "Save the drift table as CSV")
        self.export.clicked.connect(self.export_clicked)
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.table)
        inner.addWidget(self.export)
        self.drift = Fold("Drift", content)
        self.provenance = provenance_button()
        self.provenance.clicked.connect(self.provenance_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (self.summary, self.drift, row(self.provenance, stretch=0)):
            layout.addWidget(part)

    def show_result(self, name: str, result: ProcessResult) -> None:
        """Tell of a result."""
        frame = result.frame
        planes = f"{frame.count} planes of " if frame.count > 1 else ""
        self.summary.setText(f"{name}: {planes}{frame.shape[0]} × {frame.shape[1]} px, {_size(frame.pixel_size)}")
        self.drift.setVisible(result.drift is not None)
        if result.drift is not None:
            self._show_drift(result.tables["drift"], result.drift_pixel_size.column_unit)

    def _show_drift(self, table: pd.DataFrame, unit: str) -> None:
        far = float(table[f"drift_{unit}"].max())
        self.drift.set_title(f"Drift: up to {_three_figures(far)} {unit}")
        columns = (
            Column("Plane", "plane", lambda record: str(record["plane"])),
            _length(f"y ({unit})", f"drift_y_{unit}", "How far the sample moved down since the first plane"),
            _length(f"x ({unit})", f"drift_x_{unit}", "How far it moved to the right"),
            _length("distance", f"drift_{unit}", "Both together"),
        )
        self.table.show_table(table.assign(label=table["plane"]), columns, {})

    def _rows_selected(self, planes: list[int]) -> None:
        if planes:
            self.plane_chosen.emit(planes[0])


def _three_figures(value: float) -> str:
    """Value without a power of ten where it is above a thousand: 1550, not 1.55e+03."""
    return f"{value:.3g}" if abs(value) < 999.5 else f"{value:.0f}"  # noqa: PLR2004 - what three figures hold


def _length(title: str, key: str, tooltip: str) -> Column:
    def text(record: Record) -> str:
        return _three_figures(record[key])

    return Column(title, key, text, tooltip)


def _size(size: PixelSize) -> str:
    return str(size) if size.is_calibrated else "not calibrated"
