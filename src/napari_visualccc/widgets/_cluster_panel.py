"""The lower half of the Cluster widget: the table of clusters and what can be done with them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QMenu,
    QPushButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from napari_visualccc.core.pixel_size import NANOMETRE, PixelSize
from napari_visualccc.widgets._parts import Title, button, provenance_button
from napari_visualccc.widgets._tables import Column, Record, ResultTable

if TYPE_CHECKING:
    from napari_visualccc.cluster import ClusterResult

# From here on areas are read more easily in µm².
_MANY_NM2 = 1e5


class ClusterPanel(QWidget):
    """Table of clusters, and buttons that say what the user wants done with the selected rows."""

    isolate_toggled = Signal(bool)
    merge_clicked = Signal()
    mask_clicked = Signal()
    clean_clicked = Signal(int)
    table_export_clicked = Signal()
    labels_export_clicked = Signal()
    provenance_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.title = Title()
        self.table = ResultTable()
        self.table.labels_selected.connect(self._follow_selection)
        self.isolate = QCheckBox("Show only the selected cluster")
        self.isolate.setToolTip("Hide all other clusters in the viewer")
        self.isolate.toggled.connect(self.isolate_toggled)
        self.merge = button("Merge", "Make one cluster of the selected rows (Ctrl+Z in the labels layer takes it back)")
        self.merge.clicked.connect(self.merge_clicked)
        self.mask = button("To mask", "Make a new labels layer that is 1 in the selected clusters")
        self.mask.clicked.connect(self.mask_clicked)
        self.min_size = QSpinBox()
        self.min_size.setRange(2, 10**6)
        self.min_size.setValue(20)
        self.min_size.setSuffix(" px")
        self.min_size.setToolTip("Patches with fewer pixels than this are specks")
        self.clean = button("Remove specks <", "Give patches that are smaller than this to the cluster around them")
        self.clean.clicked.connect(self._clean)
        self.provenance = provenance_button()
        self.provenance.clicked.connect(self.provenance_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        buttons = QWidget()
        grid = QGridLayout(buttons)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        for place, widget in {
            (0, 0): self.merge, (0, 1): self.mask, (1, 0): self.clean, (1, 1): self.min_size,
            (2, 0): self.provenance, (2, 1): self._export_button(),
        }.items():  # fmt: skip
            grid.addWidget(widget, *place)
        grid.setColumnStretch(0, 1)
        grid.setColumnStretch(1, 1)
        for widget in (self.title, self.table, self.isolate, buttons):
            layout.addWidget(widget)
        self._follow_selection([])

    def _export_button(self) -> QPushButton:
        export = button("Export …", "Save or copy the table, save the labels")
        menu = QMenu(export)
        menu.addAction("Table as CSV …", self.table_export_clicked.emit)
        menu.addAction("Labels as TIFF …", self.labels_export_clicked.emit)
        menu.addAction("Copy table", self.table.copy)
        export.setMenu(menu)
        self.export = export
        return export

    def show_result(self, result: ClusterResult, title: str) -> None:
        """Show the table of a result."""
        self.title.say(title)
        self.table.show_table(
            result.table,
            columns_for(result.pixel_size, float(result.moments.counts.max(initial=0)) * result.pixel_size.area),
            result.colours,
        )
        self._follow_selection(self.table.selected_labels())

    def follow_selection(self) -> None:
        """Enable what the selected rows allow."""
        self._follow_selection(self.table.selected_labels())

    def _follow_selection(self, labels: list[int]) -> None:
        self.merge.setEnabled(len(labels) > 1)
        self.mask.setEnabled(bool(labels))

    def _clean(self) -> None:
        self.clean_clicked.emit(self.min_size.value())


def columns_for(size: PixelSize, largest: float = 0.0) -> tuple[Column, ...]:
    """Columns of the cluster table that fit in a narrow dock; the whole row is in the tooltip."""
    area = f"area_{size.column_unit}2"
    in_um = size.unit == NANOMETRE and largest >= _MANY_NM2
    area_unit, per_unit = ("µm²", 1e-6) if in_um else (size.area_unit, 1.0)

    def fraction(record: Record) -> str:
        return f"{100 * record['area_fraction']:.1f}"

    def physical(record: Record) -> str:
        return compact(per_unit * record[area])

    def intensity(record: Record) -> str:
        mean, std = record["mean_intensity"], record["std_intensity"]
        return f"{compact(mean)} ± {compact(std)}" if math.isfinite(mean) else "–"  # NaN: a cluster without pixels

    return (
        Column("Cluster", "label", _label, "Clusters from dark to bright, in their colours"),
        Column("Area %", "area_fraction", fraction, "Share of all pixels that have a value"),
        Column(area_unit, area, physical, f"Area in {area_unit}"),
        Column("Intensity", "mean_intensity", intensity, "Mean ± standard deviation of the image in the cluster"),
    )


def _label(record: Record) -> str:
    return str(record["label"])


def compact(value: Any) -> str:
    """Number in few characters: three digits, SI-like powers as e+06.

    Examples
    --------
    >>> compact(1234567.0), compact(0.01234), compact(152.0)
    ('1.23e6', '0.0123', '152')
    """
    text = f"{float(value):.3g}"
    if "e" not in text:
        return text
    digits, exponent = text.split("e")
    power = int(exponent)
    return f"{float(value):.0f}" if 0 < power < 6 else f"{digits}e{power}"
