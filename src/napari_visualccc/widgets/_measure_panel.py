"""The lower half of the Measure widget: tables and plots of what was measured."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QMenu, QVBoxLayout, QWidget

from napari_visualccc.core.pixel_size import NANOMETRE, PixelSize
from napari_visualccc.segment.interfaces import density_column
from napari_visualccc.widgets._cluster_panel import compact
from napari_visualccc.widgets._measure_plots import ProfilePlot, SizePlot
from napari_visualccc.widgets._parts import Fold, Hint, Title, button, provenance_button, row
from napari_visualccc.widgets._tables import Column, Record, ResultTable

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.segment import MeasureResult

# A table of more rows is no reading matter and slow to fill; all objects are in the files.
MOST_OBJECTS = 1000
_ALL = "all phases"
_ELLIPSE = "Long by short axis of the ellipse with the same second moments"
# From this pixel size on (nm), lengths are read more easily in µm.
_COARSE_NM = 20.0


@dataclass(frozen=True)
class Lengths:
    """Unit in the names of the columns, and the one that people read.

    Attributes
    ----------
    column
        Unit as the tables name it.
    shown
        Unit for people.
    factor
        What to multiply the tables' lengths by.
    """

    column: str
    shown: str
    factor: float = 1.0

    @classmethod
    def of(cls, size: PixelSize) -> Lengths:
        """Units that suit a pixel size."""
        if size.unit == NANOMETRE and max(size.y, size.x) >= _COARSE_NM:
            return cls(size.column_unit, "µm", 1e-3)
        return cls(size.column_unit, size.unit)

    def text(self, record: Record, name: str, power: int = 1) -> str:
        """Value of the column ``<name>_<unit>``, a length to some power, in few characters."""
        value = record[f"{name}_{self.column}{power if power == 2 else ''}"]  # noqa: PLR2004 - nm2
        return compact(value * self.factor**power) if math.isfinite(value) else "–"

    def column_of(self, title: str, name: str, tooltip: str, power: int = 1) -> Column:
        """Column that shows ``<name>_<unit>``."""
        key = f"{name}_{self.column}{power if power == 2 else ''}"  # noqa: PLR2004 - nm2
        return Column(title, key, lambda record: self.text(record, name, power), tooltip)


class MeasurePanel(QWidget):
    """Phases, objects with their sizes, layer thickness and interfaces, each under a heading that folds."""

    objects_selected = Signal(list)
    isolate_toggled = Signal(bool)
    export_clicked = Signal()
    provenance_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._result: MeasureResult | None = None
        self.title = Title()
        self.notes = Hint()
        self.phases, self.objects, self.interfaces = ResultTable(), ResultTable(), ResultTable()
        for table in (self.phases, self.interfaces):
            table.setToolTip("Click a heading to sort; Ctrl+C copies the table")
        self.objects.setToolTip("Click a row to find its object in the image, or an object to find its row")
        self.objects.labels_selected.connect(self._object_picked)
        self.objects.sortByColumn(2, Qt.SortOrder.DescendingOrder)
        self.about = Hint()
        self.isolate = QCheckBox("Show only the selected object")
        self.isolate.setToolTip("Hide all other objects in the viewer")
        self.isolate.toggled.connect(self.isolate_toggled)
        self.phase = QComboBox()
        self.phase.setToolTip("Phase whose objects are counted in the histogram")
        self.phase.currentIndexChanged.connect(self._draw_sizes)
        self.log = QCheckBox("log")
        self.log.setToolTip("Classes of equal ratio instead of equal width")
        self.log.setChecked(True)
        self.log.toggled.connect(self._draw_sizes)
        self.sizes, self.sizes_words = SizePlot(), Hint()
        self.thickness_words, self.profile = Hint(), ProfilePlot()
        self.phases_fold = Fold("Phases", self.phases)
        self.objects_fold = Fold("Objects", _column(self.objects, self.about, self.isolate))
        self.sizes_fold = Fold("Sizes", _column(row(self.phase, self.log, stretch=0), self.sizes, self.sizes_words))
        self.layer_fold = Fold("Layer thickness", _column(self.thickness_words, self.profile))
        self.interfaces_fold = Fold("Interfaces", self.interfaces)
        self.export_button = button("Export …", "Save tables and layers, or copy a table")
        menu = QMenu(self.export_button)
        menu.addAction("Tables and layers into a folder …", self.export_clicked.emit)
        for name, table in (("phases", self.phases), ("objects", self.objects), ("interfaces", self.interfaces)):
            menu.addAction(f"Copy table of {name}", table.copy)
        self.export_button.setMenu(menu)
        self.provenance_button = provenance_button()
        self.provenance_button.clicked.connect(self.provenance_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (self.title, self.notes, self.phases_fold, self.objects_fold, self.sizes_fold, self.layer_fold,
                     self.interfaces_fold, row(self.provenance_button, self.export_button)):  # fmt: skip
            layout.addWidget(part)
        for fold in (self.phases_fold, self.sizes_fold):
            fold.set_open(True)

    def set_colours(self, *, foreground: str, background: str) -> None:
        """Colours of the viewer's theme, for the plots."""
        for plot in (self.sizes, self.profile):
            plot.set_colours(foreground=foreground, background=background)

    def show_result(self, result: MeasureResult, title: str, colours: Mapping[int, Any]) -> None:
        """Fill tables and plots."""
        self._result = result
        self.title.say(title)
        self.notes.setText("\n".join(result.notes))
        self.notes.setVisible(bool(result.notes))
        lengths = Lengths.of(result.pixel_size)
        self.phases.show_table(result.phases, phase_columns(lengths), colours)
        objects = result.objects
        if len(objects) > MOST_OBJECTS:
            objects = objects.nlargest(MOST_OBJECTS, "pixels")
        # The table's rows are known by their label, which here is the number of the object.
        rows = objects.rename(columns={"label": "class_label", "object": "label"})
        self.objects.show_table(rows, object_columns(lengths), {})
        of = f"the {MOST_OBJECTS} largest of " if len(objects) < len(result.objects) else ""
        self.objects_fold.set_title(f"Objects: {of}{len(result.objects)}")
        self.about.setText("")
        self._list_phases(result)
        self._draw_sizes()
        self._show_thickness(result, lengths)
        self.interfaces_fold.setVisible(result.interfaces is not None and len(result.interfaces) > 0)
        if result.interfaces is not None:
            numbered = result.interfaces.assign(label=range(len(result.interfaces)))
            self.interfaces.show_table(numbered, interface_columns(lengths), {})

    def _list_phases(self, result: MeasureResult) -> None:
        before = self.phase.currentText()
        blocked = self.phase.blockSignals(True)
        self.phase.clear()
        self.phase.addItem(_ALL, None)
        for label, name in zip(result.sizes["label"], result.sizes["class"], strict=True):
            self.phase.addItem(str(name), int(label))
        # The matrix is one huge object: what the user wants to see is the phase of many.
        most = 1 + int(result.sizes["objects"].argmax()) if len(result.sizes) else 0
        found = self.phase.findText(before)
        self.phase.setCurrentIndex(found if found >= 0 else most)
        self.phase.blockSignals(blocked)

    def _draw_sizes(self, *_: object) -> None:
        result = self._result
        self.sizes_fold.setVisible(result is not None and len(result.objects) > 0)
        if result is None or not len(result.objects):
            return
        label, lengths, log = self.phase.currentData(), Lengths.of(result.pixel_size), self.log.isChecked()
        histogram = result.histogram(label, scale="log" if log else "linear")
        histogram[["low", "high"]] *= lengths.factor
        self.sizes.show_histogram(histogram, lengths.shown, log=log)
        chosen = result.sizes if label is None else result.sizes[result.sizes["label"] == label]
        self.sizes_words.setText("\n".join(size_sentence(one, lengths) for one in _records(chosen)))

    def _show_thickness(self, result: MeasureResult, lengths: Lengths) -> None:
        profile, summary = result.thickness, result.thickness_summary
        self.layer_fold.setVisible(profile is not None)
        if profile is None or summary is None:
            return
        if not len(profile):
            self.thickness_words.setText("No layer was found, see above.")
            self.profile.hide()
            return
        self.profile.show()
        self.profile.show_profile(profile, lengths.column, lengths.shown, lengths.factor)
        self.thickness_words.setText(thickness_sentence(_records(summary)[0], lengths))
        self.layer_fold.set_open(True)

    def _object_picked(self, labels: list[int]) -> None:
        self.objects_selected.emit(labels)
        self.describe(labels[0] if len(labels) == 1 else 0)

    def describe(self, number: int) -> None:
        """Say what is known of an object."""
        result = self._result
        if result is None or not number:
            self.about.setText("")
            return
        record = _records(result.objects.loc[result.objects["object"] == number])
        self.about.setText(object_sentence(record[0], Lengths.of(result.pixel_size)) if record else "")

    def pick(self, number: int) -> None:
        """Select the row of an object, as a click on it does; objects that have no row are described all the same."""
        self.objects.select_labels([number])
        self.objects_fold.set_open(True)
        self.describe(number)


def _records(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]


def _column(*widgets: QWidget) -> QWidget:
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for widget in widgets:
        layout.addWidget(widget)
    return holder


def phase_columns(lengths: Lengths) -> tuple[Column, ...]:
    """Columns of the table of phases that fit into a narrow dock."""

    def share(record: Record) -> str:
        low, high = record["fraction_low"], record["fraction_high"]
        interval = f" ({100 * low:.1f}–{100 * high:.1f})" if math.isfinite(low) else ""
        return f"{100 * record['fraction']:.2f}{interval}"

    return (
        Column("Phase", "label", lambda r: str(r["class"]), "Phases, in their colours"),
        Column(
            "Area % (95 %)",
            "fraction",
            share,
            "Share of all pixels that count, and its 95 % interval, from blocks of the image drawn anew",
        ),  # fmt: skip
        lengths.column_of(f"{lengths.shown}²", "area", f"Area in {lengths.shown}²", 2),
    )


def object_columns(lengths: Lengths) -> tuple[Column, ...]:
    """Columns of the table of objects; the tooltip of a row has all of them."""
    unit = lengths.shown
    return (
        Column("Phase", "class", lambda r: str(r["class"]), "Phase that the object is of"),
        Column("No.", "label", lambda r: str(r["label"]), "Number of the object in the layer “objects”"),
        lengths.column_of(f"d/{unit}", "equivalent_diameter", f"Diameter of the circle of equal area, in {unit}"),
        lengths.column_of("Feret", "feret_max", f"Largest width in any direction, in {unit}"),
        Column("AR", "aspect_ratio", lambda r: compact(r["aspect_ratio"]), _ELLIPSE),
    )


def interface_columns(lengths: Lengths) -> tuple[Column, ...]:
    """Columns of the table of interfaces."""
    unit, density = lengths.shown, density_column(lengths.column)
    return (
        Column("Between", "class_a", lambda r: f"{r['class_a']} | {r['class_b']}", "Phases on both sides"),
        lengths.column_of(unit, "length", f"Length of the boundary in {unit}"),
        Column(
            f"{unit}⁻¹", density, lambda r: compact(r[density] / lengths.factor), "Length by area that was looked at"
        ),
    )


def size_sentence(record: Record, lengths: Lengths) -> str:
    """Number and size of the objects of a phase, in words."""

    def value(name: str) -> str:
        return lengths.text(record, name)

    return (
        f"{record['class']}: {record['objects']} objects, {value('mean_diameter')} ± {value('std_diameter')} "
        f"{lengths.shown}; D10/50/90 {value('d10_number')}/{value('d50_number')}/{value('d90_number')} {lengths.shown}"
    )


def thickness_sentence(record: Record, lengths: Lengths) -> str:
    """Thickness of all layers, in words."""

    def value(name: str) -> str:
        return lengths.text(record, name)

    unit = lengths.shown
    return (
        f"mean {value('mean')} {unit} (95 %: {value('mean_low')} – {value('mean_high')}), ± {value('std')}, median "
        f"{value('median')}; 5 – 95 % of the length: {value('p5')} – {value('p95')} {unit}; measured along "
        f"{value('length')} {unit}"
    )


def object_sentence(record: Record, lengths: Lengths) -> str:
    """One object, in words."""
    unit = lengths.shown
    parts = [
        f"{record['class']} no. {record['object']}: {lengths.text(record, 'area', 2)} {unit}²",
        f"d {lengths.text(record, 'equivalent_diameter')} {unit}",
        f"Feret {lengths.text(record, 'feret_max')} × {lengths.text(record, 'feret_min')} {unit}",
        f"long axis at {compact(record['orientation_deg'])}°" if math.isfinite(record["orientation_deg"]) else "",
        f"solidity {compact(record['solidity'])}",
    ]
    if "mean_intensity" in record:
        parts.append(f"intensity {compact(record['mean_intensity'])} ± {compact(record['std_intensity'])}")
    if record["touches_border"]:
        parts.append("touches the border")
    return ", ".join(filter(None, parts))
