"""The phases to paint: names and colours, how much of each is painted, which one the brush paints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import (
    QAbstractItemView,
    QColorDialog,
    QHeaderView,
    QSizePolicy,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from napari_visualccc.core.colours import label_colour
from napari_visualccc.core.results import Colour
from napari_visualccc.widgets._parts import Problem, button, row

_ROW_HEIGHT = 24
_MOST_ROWS_SHOWN = 8
# Strokes are kept in eight bits, 255 meaning nothing.
MOST_PHASES = 64


class PhaseTable(QWidget):
    """List of phases 1, 2, …; names are edited in place.

    Attributes
    ----------
    phase_chosen
        Emitted with the number of the phase that the brush should paint.
    changed
        Emitted when a phase was added, removed, renamed or given another colour.
    """

    phase_chosen = Signal(int)
    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = []
        self._own_colours: dict[int, Colour] = {}  # that the user chose
        self._beyond = 0  # a label that is painted and can be no phase
        self.table = QTableWidget(0, 2)
        self.table.setHorizontalHeaderLabels(["Phase", "painted"])
        self.table.setToolTip("Click a phase to paint it; double-click its name to change it")
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        header = self.table.horizontalHeader()
        header.setSectionResizeMode(0, QHeaderView.ResizeMode.Stretch)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.ResizeToContents)
        self.table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.table.setTabKeyNavigation(False)
        self.add_button = button("Add phase", "Add another phase to paint")
        self.remove_button = button("Remove last", "Take the last phase away; its strokes are erased")
        self.colour_button = button("Colour …", "Choose another colour for the selected phase")
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        layout.addWidget(self.table)
        self._problem = Problem()
        layout.addWidget(self._problem)
        layout.addWidget(row(self.add_button, self.remove_button, self.colour_button))
        self.set_names(("phase 1", "phase 2"))
        self.table.itemSelectionChanged.connect(self._selected)
        self.table.itemChanged.connect(self._renamed)
        self.add_button.clicked.connect(self._add)
        self.remove_button.clicked.connect(self._remove)
        self.colour_button.clicked.connect(self._ask_colour)

    @property
    def names(self) -> dict[int, str]:
        """Name of each phase."""
        return dict(enumerate(self._names, start=1))

    @property
    def colours(self) -> dict[int, Colour]:
        """RGBA of each phase."""
        return {number: self._own_colours.get(number, label_colour(number)) for number in self.names}

    @property
    def own_colours(self) -> dict[int, Colour]:
        """RGBA of the phases that the user chose a colour for."""
        return dict(self._own_colours)

    @property
    def chosen(self) -> int:
        """Number of the selected phase, 1 if none is."""
        return max(int(self.table.currentRow()), 0) + 1

    @property
    def problem(self) -> str:
        """What is wrong with the phases, in words; empty if nothing."""
        twice = next((name for name in self._names if self._names.count(name) > 1), None)
        if twice is not None:
            return f"Two phases are called “{twice}”: give them different names."
        beyond = f"Label {self._beyond} is painted, but phases go up to {MOST_PHASES}: erase it or paint another."
        return beyond if self._beyond else ""

    def reach(self, number: int) -> None:
        """Add phases until there is one of that number."""
        if len(self._names) < number <= MOST_PHASES:
            self.set_names((*self._names, *(self._unused(i) for i in range(len(self._names) + 1, number + 1))))
            self.changed.emit()

    def _unused(self, number: int) -> str:
        """Name for a new phase; people name phases so themselves, too."""
        name = f"phase {number}"
        return f"{name} (new)" if name in self._names else name

    def set_names(self, names: Any, own_colours: Mapping[int, Colour] | None = None) -> None:
        """Show these phases, some in colours of the user's own: those that there are by default."""
        chosen = self.chosen
        self._names = [str(name) for name in names]
        own = self._own_colours if own_colours is None else own_colours
        self._own_colours = {number: colour for number, colour in own.items() if number <= len(self._names)}
        blocked = self.table.blockSignals(True)
        self.table.setRowCount(len(self._names))
        for index, name in enumerate(self._names):
            item = QTableWidgetItem(name)
            item.setData(Qt.ItemDataRole.DecorationRole, QColor.fromRgbF(*self.colours[index + 1]))
            self.table.setItem(index, 0, item)
            painted = QTableWidgetItem("–")
            painted.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
            painted.setTextAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
            self.table.setItem(index, 1, painted)
        self.table.selectRow(min(chosen, len(self._names)) - 1)
        self.table.blockSignals(blocked)
        self._fit()
        self._problem.say(self.problem)
        self.remove_button.setEnabled(len(self._names) > 2)
        self.add_button.setEnabled(len(self._names) < MOST_PHASES)

    def _fit(self) -> None:
        """Make the table as high as its rows."""
        rows = sum(self.table.rowHeight(index) for index in range(min(len(self._names), _MOST_ROWS_SHOWN)))
        header = self.table.horizontalHeader().sizeHint().height()
        self.table.setFixedHeight(header + rows + 2 * self.table.frameWidth())

    def showEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Only now the viewer's style is known, whose headings are higher."""
        super().showEvent(event)
        self._fit()

    def rename(self, names: Mapping[int, str]) -> None:
        """Give these phases these names; there are as many phases as before, or as that needs."""
        named = self.names | dict(names)
        self.set_names([named.get(number, f"phase {number}") for number in range(1, max(named) + 1)])
        self.changed.emit()

    def show_counts(self, pixels: Mapping[int, int]) -> None:
        """Say how much of each phase is painted."""
        blocked = self.table.blockSignals(True)
        for number in self.names:
            count = pixels.get(number, 0)
            self.table.item(number - 1, 1).setText(f"{count:,} px" if count else "–")
        self.table.blockSignals(blocked)
        self._beyond = max((number for number in pixels if number > MOST_PHASES), default=0)
        self._problem.say(self.problem)

    def choose(self, number: int) -> None:
        """Select a phase and tell nobody."""
        if 1 <= number <= len(self._names) and number != self.chosen:
            blocked = self.table.blockSignals(True)
            self.table.selectRow(number - 1)
            self.table.blockSignals(blocked)

    def _selected(self) -> None:
        self.phase_chosen.emit(self.chosen)

    def _renamed(self, item: QTableWidgetItem) -> None:
        if item.column() == 0:
            name = item.text().strip() or f"phase {item.row() + 1}"
            self._names[item.row()] = name
            if item.text() != name:
                item.setText(name)
            self._problem.say(self.problem)
            self.changed.emit()

    def _add(self) -> None:
        self.reach(len(self._names) + 1)
        self.table.selectRow(len(self._names) - 1)

    def _ask_colour(self) -> None:
        number = self.chosen
        title = f"Colour of {self.names[number]}"
        colour = QColorDialog.getColor(QColor.fromRgbF(*self.colours[number]), self, title)
        if colour.isValid():  # not cancelled
            self.set_colour(number, (colour.redF(), colour.greenF(), colour.blueF(), 1.0))

    def set_colour(self, number: int, colour: Colour) -> None:
        """Show a phase in another colour, everywhere."""
        self.set_names(self._names, {**self._own_colours, number: colour})
        self.changed.emit()

    def _remove(self) -> None:
        self.set_names(self._names[:-1])
        self.changed.emit()
