"""A sortable table of a result, one row per label, with colour swatches."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from qtpy.QtCore import QAbstractTableModel, QItemSelectionModel, QModelIndex, QSortFilterProxyModel, Qt, Signal
from qtpy.QtGui import QColor, QKeySequence
from qtpy.QtWidgets import QAbstractItemView, QApplication, QHeaderView, QSizePolicy, QTableView

Record = Mapping[str, Any]
_ROW_HEIGHT = 22
_MOST_ROWS_SHOWN = 10


@dataclass(frozen=True)
class Column:
    """One column as the user sees it.

    Attributes
    ----------
    title, tooltip
        Heading and its explanation.
    key
        Column of the data frame to sort by.
    text
        What to write into a cell, from the row.
    wide
        Takes the room that the others leave: names, which may be cut in the middle. If no column is, the first one is.
    """

    title: str
    key: str
    text: Callable[[Record], str]
    tooltip: str = ""
    wide: bool = False


class _Model(QAbstractTableModel):
    """Rows of a data frame through columns made for people."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[dict[str, Any]] = []
        self.columns: tuple[Column, ...] = ()
        self.colours: Mapping[int, tuple[float, ...]] = {}

    def fill(self, rows: list[dict[str, Any]], columns: tuple[Column, ...], colours: Mapping[int, Any]) -> None:
        self.beginResetModel()
        self.rows, self.columns, self.colours = rows, columns, colours
        self.endResetModel()

    def rowCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        return len(self.rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:  # noqa: N802 - Qt's name
        return len(self.columns)

    def data(self, index: QModelIndex, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        record, column = self.rows[index.row()], self.columns[index.column()]
        if role == Qt.ItemDataRole.DisplayRole:
            return column.text(record)
        if role == Qt.ItemDataRole.UserRole:
            value = record[column.key]
            return value if isinstance(value, str) else float(value)
        if role == Qt.ItemDataRole.DecorationRole and index.column() == 0:
            colour = self.colours.get(int(record["label"]))
            return QColor.fromRgbF(*colour) if colour else None
        if role == Qt.ItemDataRole.TextAlignmentRole and index.column() > 0 and not column.wide:
            return int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        if role == Qt.ItemDataRole.ToolTipRole:
            return "\n".join(f"{key}: {value:g}" if isinstance(value, float) else f"{key}: {value}"
                             for key, value in record.items())  # fmt: skip
        return None

    def headerData(self, section: int, orientation: Qt.Orientation,  # noqa: N802 - Qt's name
                   role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # fmt: skip
        if orientation != Qt.Orientation.Horizontal or section >= len(self.columns):
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        return self.columns[section].tooltip if role == Qt.ItemDataRole.ToolTipRole else None


class ResultTable(QTableView):
    """Table whose selected rows are labels.

    Attributes
    ----------
    labels_selected
        Emitted with the list of labels that the user selected.
    """

    labels_selected = Signal(list)

    def __init__(self) -> None:
        super().__init__()
        self.frame: Any = None
        self._model = _Model()
        self._order = QSortFilterProxyModel(self)
        self._order.setSourceModel(self._model)
        self._order.setSortRole(Qt.ItemDataRole.UserRole)
        self.setModel(self._order)
        self.setSortingEnabled(True)
        self.sortByColumn(0, Qt.SortOrder.AscendingOrder)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        self.setTabKeyNavigation(False)  # Tab leaves the table; arrows move in it
        self.verticalHeader().hide()
        self.verticalHeader().setDefaultSectionSize(_ROW_HEIGHT)
        self.horizontalHeader().setHighlightSections(False)
        self.horizontalHeader().setMinimumSectionSize(24)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Click a row to pick its label in the image; Ctrl or Shift picks several; click a heading to sort"
        )
        self.selectionModel().selectionChanged.connect(self._selection_changed)

    def show_table(self, frame: Any, columns: tuple[Column, ...], colours: Mapping[int, Any]) -> None:
        """Show a data frame that has a column ``label``; the rows that were selected stay so."""
        before = self.selected_labels()
        self.frame = frame
        blocked = self.blockSignals(True)
        self._model.fill(frame.to_dict("records"), columns, colours)
        header = self.horizontalHeader()
        wide = next((section for section, column in enumerate(columns) if column.wide), 0)
        for section in range(len(columns)):
            mode = QHeaderView.ResizeMode.Stretch if section == wide else QHeaderView.ResizeMode.ResizeToContents
            header.setSectionResizeMode(section, mode)
        rows = min(max(len(frame), 1), _MOST_ROWS_SHOWN)
        self.setFixedHeight(header.sizeHint().height() + rows * _ROW_HEIGHT + 4)
        self.select_labels(before)
        self.blockSignals(blocked)

    def selected_labels(self) -> list[int]:
        """Labels of the selected rows, ascending."""
        rows = (self._order.mapToSource(index).row() for index in self.selectionModel().selectedRows())
        return sorted(int(self._model.rows[row]["label"]) for row in rows)

    def select_labels(self, labels: Iterable[int]) -> None:
        """Select the rows of these labels and tell nobody."""
        wanted = set(labels)
        if wanted == set(self.selected_labels()):
            return
        blocked = self.blockSignals(True)
        chooser = self.selectionModel()
        chooser.clearSelection()
        flags = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
        for row, record in enumerate(self._model.rows):
            if int(record["label"]) in wanted:
                index = self._order.mapFromSource(self._model.index(row, 0))
                chooser.select(index, flags)
                self.scrollTo(index)
        self.blockSignals(blocked)

    def copy(self) -> None:
        """Put the whole table on the clipboard, ready for a spreadsheet."""
        if self.frame is not None:
            QApplication.clipboard().setText(self.frame.to_csv(sep="\t", index=False))

    def keyPressEvent(self, event: Any) -> None:  # noqa: N802 - Qt's name
        """Ctrl+C copies the table."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        else:
            super().keyPressEvent(event)

    def _selection_changed(self, *_: object) -> None:
        self.labels_selected.emit(self.selected_labels())
