"""The table of candidate phases, which the user may edit, load and save."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import QFileDialog, QHeaderView, QTableWidget, QTableWidgetItem, QVBoxLayout, QWidget

from napari_visualccc.core.crystals import Crystal
from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.core.phases import built_in_phases, crystal_of, read_phases, record_of, write_phases
from napari_visualccc.widgets._jobs import show_problem
from napari_visualccc.widgets._parts import Problem, button, row
from napari_visualccc.widgets._saving import ask_path

_HEADINGS = ("Phase", "a, b, c (nm)", "α, β, γ (°)", "Group")
_TOOLTIPS = (
    "Name; a phase that is not ticked is not compared",
    "Edges of the cell; one number if all are alike",
    "Angles of the cell; empty for right angles",
    "Space group, or at least its first letter: says which reflections are absent",
)
_WRAPPED = (1, 2)  # columns with up to three numbers
_ROW_HEIGHT = 22
_MOST_ROWS_SHOWN = 9
_FILES = "Tables of phases (*.csv *.json)"


class PhaseTable(QWidget):
    """Candidate phases; ticked ones are compared.

    Attributes
    ----------
    changed
        Emitted when a cell, a tick or the list was changed.
    """

    changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._crystals: list[Crystal] = []
        self.table = QTableWidget(0, len(_HEADINGS))
        self.table.setHorizontalHeaderLabels(_HEADINGS)
        self.table.verticalHeader().hide()
        self.table.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        self.table.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.table.setSelectionBehavior(QTableWidget.SelectionBehavior.SelectRows)
        self.table.setTabKeyNavigation(False)
        self.table.setAccessibleName("Candidate phases")
        header = self.table.horizontalHeader()
        header.setMinimumSectionSize(24)
        for column, tooltip in enumerate(_TOOLTIPS):
            mode = QHeaderView.ResizeMode.Stretch if column in _WRAPPED else QHeaderView.ResizeMode.ResizeToContents
            header.setSectionResizeMode(column, mode)
            self.table.horizontalHeaderItem(column).setToolTip(tooltip)
        header.sectionResized.connect(self._fit_rows)
        self.table.itemChanged.connect(self._edited)
        self.problem = Problem()
        self.add = button("Add", "Add a phase: type its name, cell and space group")
        self.add.clicked.connect(self.add_phase)
        self.remove = button("Remove", "Remove the selected phases from the table")
        self.remove.clicked.connect(self.remove_phases)
        self.load = button("Load …", "Add the phases of a CSV or JSON table")
        self.load.clicked.connect(self._ask_load)
        self.save = button("Save …", "Save the table as CSV or JSON, for the command line or another day")
        self.save.clicked.connect(self._ask_save)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (self.table, self.problem, row(self.add, self.remove, self.load, self.save)):
            layout.addWidget(part)
        self.set_crystals(built_in_phases())

    def crystals(self) -> tuple[Crystal, ...]:
        """The ticked phases."""
        ticked = Qt.CheckState.Checked
        return tuple(c for i, c in enumerate(self._crystals) if self.table.item(i, 0).checkState() == ticked)

    def everything(self) -> tuple[list[Crystal], list[bool]]:
        """All phases, and which are ticked: to be remembered."""
        ticked = Qt.CheckState.Checked
        return list(self._crystals), [self.table.item(i, 0).checkState() == ticked for i in range(len(self._crystals))]

    def set_crystals(self, crystals: Any, ticks: list[bool] | None = None) -> None:
        """Show these phases, telling of the change once."""
        blocked = self.table.blockSignals(True)
        self._crystals = list(crystals)
        self.table.setRowCount(len(self._crystals))
        for number in range(len(self._crystals)):
            self._fill(number, True if ticks is None else ticks[number])
        self.table.blockSignals(blocked)
        self._fit_rows()
        self.problem.say("")
        self.changed.emit()

    def add_phase(self) -> None:
        """Add a phase to be edited."""
        crystals, ticks = self.everything()
        self.set_crystals([*crystals, Crystal("new phase", (0.4, 0.4, 0.4), space_group="P 1")], [*ticks, False])
        self.table.setCurrentCell(len(crystals), 0)
        self.table.editItem(self.table.item(len(crystals), 0))

    def remove_phases(self) -> None:
        """Remove the selected rows."""
        gone = {index.row() for index in self.table.selectionModel().selectedRows()}
        crystals, ticks = self.everything()
        kept = [i for i in range(len(crystals)) if i not in gone]
        self.set_crystals([crystals[i] for i in kept], [ticks[i] for i in kept])

    def load_file(self, path: str) -> None:
        """Add the phases of a table; those of the same name are replaced."""
        try:
            found = read_phases(path)
        except VisualCCCError as error:
            show_problem(error)
            return
        names = {crystal.name for crystal in found}
        crystals, ticks = self.everything()
        kept = [i for i in range(len(crystals)) if crystals[i].name not in names]
        self.set_crystals([*(crystals[i] for i in kept), *found], [*(ticks[i] for i in kept), *([True] * len(found))])

    def save_file(self, path: str) -> None:
        """Write the whole table."""
        try:
            write_phases(path, self._crystals)
        except VisualCCCError as error:
            show_problem(error)

    def _ask_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load phases", "", _FILES)
        if path:
            self.load_file(path)

    def _ask_save(self) -> None:
        path = ask_path(self, "Save phases", "phases.csv", _FILES, ending=".csv")
        if path:
            self.save_file(path)

    def _fill(self, number: int, ticked: bool) -> None:
        crystal = self._crystals[number]
        texts = (crystal.name, _short(crystal.lengths_nm), _short(crystal.angles_deg, 90.0), crystal.space_group)
        for column, text in enumerate(texts):
            item = QTableWidgetItem(text)
            item.setToolTip(
                f"{crystal.name}: {text}\n{crystal.source}" if crystal.source else f"{crystal.name}: {text}"
            )
            if column == 0:
                item.setFlags(item.flags() | Qt.ItemFlag.ItemIsUserCheckable)
                item.setCheckState(Qt.CheckState.Checked if ticked else Qt.CheckState.Unchecked)
            self.table.setItem(number, column, item)

    def _fit_rows(self, *_: int) -> None:
        """Give cells of low symmetry, which have three lengths and angles, the lines that they need."""
        heights = []
        for number in range(self.table.rowCount()):
            heights.append(max(self.table.sizeHintForRow(number), _ROW_HEIGHT))
            self.table.setRowHeight(number, heights[-1])
        shown = sum(heights[:_MOST_ROWS_SHOWN]) if heights else 2 * _ROW_HEIGHT
        self.table.setFixedHeight(self.table.horizontalHeader().sizeHint().height() + shown + 4)

    def _edited(self, item: QTableWidgetItem) -> None:
        number = item.row()
        before = self._crystals[number]
        name, lengths, angles, group = (self.table.item(number, column).text() for column in range(len(_HEADINGS)))
        edges, corners = (_parts(text) for text in (lengths, angles))
        record = record_of(before) | {"name": name, "space_group": group}
        for key, text in zip(("a_nm", "b_nm", "c_nm"), edges, strict=True):
            record[key] = text
        for key, text in zip(("alpha_deg", "beta_deg", "gamma_deg"), corners, strict=True):
            record[key] = text
        try:
            after = crystal_of(record)
        except VisualCCCError as error:
            self.problem.say(f"{error}; the earlier entry counts.")
            return
        # Atoms stay with another size of the cell, but not with another symmetry.
        atoms = before.atoms if after.space_group == before.space_group else ()
        self._crystals[number] = replace(after, atoms=atoms)
        self._fit_rows()
        self.problem.say("")
        self.changed.emit()


def _short(values: tuple[float, ...], usual: float | None = None) -> str:
    if usual is not None and all(value == usual for value in values):
        return ""
    return f"{values[0]:g}" if len(set(values)) == 1 else ", ".join(f"{value:g}" for value in values)


def _parts(text: str) -> list[str]:
    parts = [part.strip() for part in text.replace(";", ",").split(",")]
    return (parts + [""] * 3)[:3]
