"""Which class was called which: a table in colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor, QResizeEvent
from qtpy.QtWidgets import QAbstractItemView, QSizePolicy, QTableWidget, QTableWidgetItem

_RIGHT, _WRONG = (34, 136, 51), (238, 102, 119)
_ROW_MARGIN = 10
_LONGEST_NAME = 110
# What stands in a cell, from wide to narrow: the widest that no cell of the table is too narrow for.
_SHARES: tuple[str, ...] = ("{share:.1%}", "{share:.0%}", "{percent:.0f}")
_COUNTS: tuple[str, ...] = ("{count}\n{share:.0%}", "{count}")


class ConfusionTable(QTableWidget):
    """Rows: the true class; columns: what it was called.

    Parameters
    ----------
    unit
        What is counted, in the plural: planes, pixels.
    counts
        Whether the counts stand in the cells above the shares; else they stand in the tooltips alone.
    """

    def __init__(self, unit: str, *, counts: bool) -> None:
        super().__init__()
        self._unit = unit
        self._forms, self._lines = (_COUNTS, 2) if counts else (_SHARES, 1)
        self._matrix = np.zeros((0, 0), np.int64)
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip("Rows: the true class; columns: what it was called; shares are of a row, in per cent")

    def show_matrix(self, matrix: NDArray[np.int64], names: Sequence[str]) -> None:
        """Show counts (true class, called class)."""
        self._matrix = matrix[:0, :0]  # scroll bars that come and go resize the table before all its cells are there
        self.setRowCount(len(names))
        self.setColumnCount(len(names))
        for i, name in enumerate(names):
            # Long names are cut in the middle: the whole one stands in the tooltip.
            for place in (self.setHorizontalHeaderItem, self.setVerticalHeaderItem):
                item = QTableWidgetItem(name)
                item.setToolTip(name)
                place(i, item)
        total, share = matrix.sum(axis=1), _shares(matrix)
        for i in range(len(names)):
            for j in range(len(names)):
                cell = QTableWidgetItem()
                cell.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                red, green, blue = _RIGHT if i == j else _WRONG
                cell.setBackground(QColor(red, green, blue, int(170 * share[i, j])))
                cell.setToolTip(
                    f"{matrix[i, j]} of {total[i]} {self._unit} ({share[i, j]:.1%}) of “{names[i]}” were called "
                    f"“{names[j]}”"
                )
                self.setItem(i, j, cell)
        self.horizontalHeader().setSectionResizeMode(self.horizontalHeader().ResizeMode.Stretch)
        self.verticalHeader().setMaximumWidth(_LONGEST_NAME)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setTextElideMode(Qt.TextElideMode.ElideMiddle)
            header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        height = self._lines * self.fontMetrics().lineSpacing() + _ROW_MARGIN
        for i in range(len(names)):
            self.setRowHeight(i, height)
        self.setFixedHeight(self.horizontalHeader().sizeHint().height() + height * len(names) + 4)
        self._matrix = matrix
        self._write()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Write as much into the cells as fits now."""
        super().resizeEvent(event)
        self._write()

    def _write(self) -> None:
        share, columns = _shares(self._matrix), range(self.columnCount())
        for form in self._forms:
            for (i, j), count in np.ndenumerate(self._matrix):
                words = form.format(count=count, share=share[i, j], percent=100 * share[i, j])
                self.item(i, j).setText(words if count else "0")
            if all(self.sizeHintForColumn(j) <= self.columnWidth(j) for j in columns):
                break


def _shares(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Shares of each true class."""
    return np.asarray(matrix / np.maximum(matrix.sum(axis=1), 1)[:, None])
