"""Which class was called which: a table in colours."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Qt
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QAbstractItemView, QSizePolicy, QTableWidget, QTableWidgetItem

_RIGHT, _WRONG = (34, 136, 51), (238, 102, 119)
_ROW = 24
_LONGEST_NAME = 110


class ConfusionTable(QTableWidget):
    """Rows: the true class; columns: what it was called.

    Parameters
    ----------
    unit
        What is counted, in the plural: planes, pixels.
    counts
        Whether the counts stand in the cells beside the shares; else they stand in the tooltips alone.
    """

    def __init__(self, unit: str, *, counts: bool) -> None:
        super().__init__()
        self._unit, self._counts = unit, counts
        self.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.setSelectionMode(QAbstractItemView.SelectionMode.NoSelection)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip("Rows: the true class; columns: what it was called")

    def show_matrix(self, matrix: NDArray[np.int64], names: Sequence[str]) -> None:
        """Show counts (true class, called class)."""
        self.setRowCount(len(names))
        self.setColumnCount(len(names))
        for i, name in enumerate(names):
            # Long names are cut in the middle: the whole one stands in the tooltip.
            for place in (self.setHorizontalHeaderItem, self.setVerticalHeaderItem):
                item = QTableWidgetItem(name)
                item.setToolTip(name)
                place(i, item)
        total = matrix.sum(axis=1)
        share = matrix / np.maximum(total, 1)[:, None]
        for i in range(len(names)):
            for j in range(len(names)):
                cell = QTableWidgetItem(self._words(int(matrix[i, j]), float(share[i, j])))
                cell.setTextAlignment(Qt.AlignmentFlag.AlignCenter)
                red, green, blue = _RIGHT if i == j else _WRONG
                cell.setBackground(QColor(red, green, blue, int(170 * share[i, j])))
                cell.setToolTip(f"{matrix[i, j]} of {total[i]} {self._unit} of “{names[i]}” were called “{names[j]}”")
                self.setItem(i, j, cell)
        self.horizontalHeader().setSectionResizeMode(self.horizontalHeader().ResizeMode.Stretch)
        self.verticalHeader().setMaximumWidth(_LONGEST_NAME)
        for header in (self.horizontalHeader(), self.verticalHeader()):
            header.setTextElideMode(Qt.TextElideMode.ElideMiddle)
            header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for i in range(len(names)):
            self.setRowHeight(i, _ROW)
        self.setFixedHeight(self.horizontalHeader().sizeHint().height() + _ROW * len(names) + 4)

    def _words(self, count: int, share: float) -> str:
        if not count:
            return "0"
        return f"{count}  ({share:.0%})" if self._counts else f"{share:.1%}"
