"""The list of processing steps: added from a menu, ticked on and off, dragged or moved into order, removed."""

from __future__ import annotations

from itertools import count
from typing import Any

from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QKeySequence, QShortcut
from qtpy.QtWidgets import (
    QAbstractItemView,
    QListWidget,
    QListWidgetItem,
    QMenu,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_visualccc.core.params import specs
from napari_visualccc.processing.pipeline import Pipeline, PipelineStep
from napari_visualccc.processing.registry import groups
from napari_visualccc.widgets._parts import button, row

_ROWS_SHOWN = (3, 7)
_ROW_HEIGHT = 24
_KEY = Qt.ItemDataRole.UserRole


class StepList(QWidget):
    """Steps in order.

    Attributes
    ----------
    changed
        Emitted when steps were added, removed, moved, switched, or given other options.
    chosen
        Emitted when another step is the current one.
    recipe_load_clicked, recipe_save_clicked
        Emitted when the user asks for it.
    """

    changed = Signal()
    chosen = Signal()
    recipe_load_clicked = Signal()
    recipe_save_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        # Items carry a number, which survives being dragged; the steps themselves are kept here.
        self._steps: dict[int, PipelineStep] = {}
        self._numbers = count()
        self._busy = False
        self.list = QListWidget()
        self.list.setAccessibleName("Steps")
        self.list.setToolTip("Done from top to bottom. Untick to leave one out, drag to move it, Delete removes it.")
        self.list.setDragDropMode(QAbstractItemView.DragDropMode.InternalMove)
        self.list.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.list.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.list.setTextElideMode(Qt.TextElideMode.ElideRight)
        self.list.itemChanged.connect(self._item_changed)
        self.list.currentItemChanged.connect(self._current_changed)
        self.list.model().rowsMoved.connect(self._moved)
        self.add_button = button("Add step", "Choose a step to add after the current one")
        self.add_button.setMenu(self._add_menu())
        self.remove_button = _tool("✕", "Remove the current step (Delete)", self.remove)
        self.up_button = _tool("▲", "Do the current step earlier (Alt+Up)", self.move_up)
        self.down_button = _tool("▼", "Do the current step later (Alt+Down)", self.move_down)
        self.recipe_button = self._recipe_button()
        for keys, act in (("Del", self.remove), ("Alt+Up", self.move_up), ("Alt+Down", self.move_down)):
            shortcut = QShortcut(QKeySequence(keys), self.list)
            shortcut.setContext(Qt.ShortcutContext.WidgetShortcut)
            shortcut.activated.connect(act)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(
            row(self.add_button, self.up_button, self.down_button, self.remove_button, self.recipe_button, stretch=0)
        )
        layout.addWidget(self.list)
        self._refresh()

    def _add_menu(self) -> QMenu:
        menu = QMenu(self)
        menu.setToolTipsVisible(True)
        for group, steps in groups().items():
            part = menu.addMenu(group)
            part.setToolTipsVisible(True)
            for step in steps:
                action = part.addAction(step.title)
                action.setToolTip(step.help)
                action.setData(step.name)
        menu.triggered.connect(self._add_chosen)
        return menu

    def _recipe_button(self) -> QPushButton:
        made = button("Recipe", "Save these steps to a file, or load them from one")
        menu = QMenu(made)
        menu.addAction("Load …", self.recipe_load_clicked.emit)
        menu.addAction("Save …", self.recipe_save_clicked.emit)
        made.setMenu(menu)
        return made

    @property
    def pipeline(self) -> Pipeline:
        """The steps as they stand."""
        return Pipeline(tuple(self._step_of(self.list.item(place)) for place in range(self.list.count())))

    @property
    def current(self) -> PipelineStep | None:
        """The step whose options are shown."""
        item = self.list.currentItem()
        return None if item is None else self._step_of(item)

    def set_pipeline(self, pipeline: Pipeline) -> None:
        """Show other steps, the last of them current."""
        self._busy = True
        self.list.clear()
        self._steps.clear()
        for step in pipeline.steps:
            self._insert(self.list.count(), step)
        self.list.setCurrentRow(self.list.count() - 1)
        self._busy = False
        self._tell()
        self.chosen.emit()

    def add(self, name: str) -> None:
        """Add a step with its default options after the current one, and make it current."""
        place = self.list.currentRow() + 1 if self.list.count() else 0
        self._busy = True
        self._insert(place, PipelineStep(name))
        self.list.setCurrentRow(place)
        self._busy = False
        self._tell()
        self.chosen.emit()

    def remove(self) -> None:
        """Remove the current step."""
        item = self.list.takeItem(self.list.currentRow())
        if item is not None:
            del self._steps[item.data(_KEY)]
            self._tell()
            self.chosen.emit()

    def move_up(self) -> None:
        """Do the current step one place earlier."""
        self._move(-1)

    def move_down(self) -> None:
        """Do the current step one place later."""
        self._move(1)

    def set_options(self, options: Any) -> None:
        """Give the current step other options."""
        item = self.list.currentItem()
        if item is not None:
            self._steps[item.data(_KEY)] = PipelineStep(self._step_of(item).name, options)
            self._busy = True
            self._describe(item)
            self._busy = False
            self.changed.emit()

    def _insert(self, place: int, step: PipelineStep) -> None:
        item = QListWidgetItem()
        number = next(self._numbers)
        self._steps[number] = step
        item.setData(_KEY, number)
        # Dropped between steps, never onto one.
        item.setFlags((item.flags() | Qt.ItemFlag.ItemIsUserCheckable) & ~Qt.ItemFlag.ItemIsDropEnabled)
        item.setCheckState(Qt.CheckState.Checked if step.enabled else Qt.CheckState.Unchecked)
        item.setSizeHint(QSize(40, _ROW_HEIGHT))
        self.list.insertItem(place, item)
        self._describe(item)

    def _describe(self, item: QListWidgetItem) -> None:
        step = self._step_of(item)
        changed = (s for s in specs(type(step.options)) if getattr(step.options, s.name) != s.default)
        words = ", ".join(spec.text(getattr(step.options, spec.name)) for spec in changed)
        item.setText(f"{step.step.title}   {words}" if words else step.step.title)
        item.setToolTip(f"{step.step.help}\nOn the command line: --step {step}")

    def _step_of(self, item: QListWidgetItem) -> PipelineStep:
        step = self._steps[item.data(_KEY)]
        return PipelineStep(step.name, step.options, item.checkState() == Qt.CheckState.Checked)

    def _move(self, by: int) -> None:
        place = self.list.currentRow()
        if place < 0 or not 0 <= place + by < self.list.count():
            return
        self._busy = True
        item = self.list.takeItem(place)
        self.list.insertItem(place + by, item)
        self.list.setCurrentRow(place + by)
        self._busy = False
        self._tell()

    def _moved(self, *_: object) -> None:
        if not self._busy:
            self._tell()

    def _item_changed(self, item: QListWidgetItem) -> None:
        if not self._busy:
            self._tell()

    def _current_changed(self, *_: object) -> None:
        if not self._busy:
            self._refresh()
            self.chosen.emit()

    def _add_chosen(self, action: Any) -> None:
        self.add(str(action.data()))

    def _tell(self) -> None:
        self._refresh()
        self.changed.emit()

    def _refresh(self) -> None:
        place, total = self.list.currentRow(), self.list.count()
        self.remove_button.setEnabled(place >= 0)
        self.up_button.setEnabled(place > 0)
        self.down_button.setEnabled(0 <= place < total - 1)
        rows = min(max(total, _ROWS_SHOWN[0]), _ROWS_SHOWN[1])
        self.list.setFixedHeight(rows * _ROW_HEIGHT + 6)


def _tool(text: str, tooltip: str, act: Any) -> QToolButton:
    made = QToolButton()
    made.setText(text)
    made.setToolTip(tooltip)
    made.setAccessibleName(tooltip)
    made.clicked.connect(act)
    return made
