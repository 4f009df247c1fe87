"""Which image, and how much of it: the chooser at the top of every widget."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QComboBox, QLabel, QRadioButton, QSizePolicy, QVBoxLayout, QWidget

from napari_visualccc.core.errors import InputError
from napari_visualccc.layers import METADATA_KEY
from napari_visualccc.widgets._layers import is_by_product, is_selected_by_user, kind_of
from napari_visualccc.widgets._parts import Hint, Problem, row
from napari_visualccc.widgets._source import (
    Source,
    current_plane,
    make_source,
    pixel_size_of,
    plane_count,
    problem_with,
    remark_on,
)

# Readable on napari's dark and on its light background; Qt's own link blue is not.
_LINK = "#4c8fe0"


class SourceChooser(QWidget):
    """Combo box of image layers, current plane or whole stack, calibration, and what is wrong, in words.

    Attributes
    ----------
    changed
        Emitted when another layer or the other switch position was chosen, or the layer was calibrated.
    calibrate_clicked
        Emitted when the user asks to set the pixel size.
    """

    changed = Signal()
    calibrate_clicked = Signal()

    def __init__(self, viewer: Any, *, kinds: tuple[str, ...] = ("image",), label: str = "Image",
                 whole_stack: bool = True, switch: bool = True) -> None:  # fmt: skip
        super().__init__()
        self.viewer = self._viewer = viewer
        self._kinds, self._switchable = kinds, switch
        self._layers: list[Any] = []
        self._watched: Any = None
        self.combo = QComboBox()
        self.combo.setToolTip("Layer to work on; follows the layer selected in the layer list")
        self.combo.setAccessibleName(label)
        self.combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.combo.setMinimumContentsLength(8)
        self.combo.currentIndexChanged.connect(self._chosen)
        self.plane_button = QRadioButton("Current plane")
        self.plane_button.setToolTip("Work on the plane of the stack that is shown")
        self.stack_button = QRadioButton("Whole stack")
        self.stack_button.setToolTip("Work on all planes of the stack at once")
        group = QButtonGroup(self)
        group.addButton(self.plane_button)
        group.addButton(self.stack_button)
        (self.stack_button if whole_stack else self.plane_button).setChecked(True)
        self.stack_button.toggled.connect(self._emit)
        self._extent = row(self.plane_button, self.stack_button)
        self.calibration = QLabel()
        self.calibration.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.calibration.setToolTip("Size of a pixel; tables are in this unit. Click the link to set it.")
        self.calibration.linkActivated.connect(self._link)
        self.remark = Hint()
        self.problem_label = Problem()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(3)
        heading = QLabel(label)
        heading.setBuddy(self.combo)
        layout.addWidget(row(heading, self.combo, stretch=1))
        for part in (self._extent, self.calibration, self.remark, self.problem_label):
            layout.addWidget(part)
        events = viewer.layers.events
        events.inserted.connect(self._list)
        events.removed.connect(self._list)
        events.reordered.connect(self._list)
        viewer.layers.selection.events.active.connect(self._selected)
        self._list()
        self._selected()

    @property
    def layer(self) -> Any:
        """The chosen layer, or None."""
        index = self.combo.currentIndex()
        return self._layers[index] if 0 <= index < len(self._layers) else None

    @property
    def whole_stack(self) -> bool:
        """True if the switch stands on *Whole stack*, or there is but one plane."""
        return bool(self.stack_button.isChecked()) or not self._extent.isVisibleTo(self)

    @property
    def problem(self) -> str:
        """Why nothing can be done with the choice, in words; empty if something can."""
        if self.layer is None:
            if "image" not in self._kinds:
                return "There are no labels yet: segment or paint some, or open a label image."
            return "There is no image yet: open one, or File › Open Sample › Visual-CCC."
        return problem_with(self.layer) if self._kinds == ("image",) else ""

    def source(self, *, current_plane_only: bool = False) -> Source:
        """What the engine gets.

        Raises
        ------
        InputError
            If the choice is wrong; the words stand in the widget as well.
        """
        if self.problem:
            raise InputError(self.problem)
        one = current_plane_only or not self.whole_stack
        return make_source(self.layer, current_plane(self.layer, self._viewer) if one else None)

    def choose(self, layer: Any) -> None:
        """Choose a layer of the list."""
        if layer in self._layers:
            self.combo.setCurrentIndex(self._layers.index(layer))

    def refresh(self) -> None:
        """Say anew what is known of the chosen layer."""
        layer, problem = self.layer, self.problem
        self.problem_label.say(problem)
        fine = layer is not None and not problem
        self._extent.setVisible(bool(fine and self._switchable and plane_count(layer) > 1))
        self.remark.setText(remark_on(layer) if fine and self._switchable else "")
        self.remark.setVisible(bool(self.remark.text()))
        self.calibration.setVisible(fine)
        if fine:
            size = pixel_size_of(layer)
            link = f'<a href="#" style="color: {_LINK}">{"change" if size.is_calibrated else "set pixel size"} …</a>'
            text = f"Pixel: {size}" if size.is_calibrated else "Pixel: px, not calibrated"
            self.calibration.setText(text + (f" {link}" if self._switchable else ""))

    def _list(self, event: object = None) -> None:
        """List the layers anew and keep the choice if it is still there."""
        before = self.layer
        for layer in self._layers:
            layer.events.name.disconnect(self._list)
        self._layers = [layer for layer in reversed(self._viewer.layers) if self._is_offered(layer)]
        blocked = self.combo.blockSignals(True)
        self.combo.clear()
        for layer in self._layers:
            layer.events.name.connect(self._list)
            self.combo.addItem(layer.name)
        sources = [layer for layer in self._layers if not is_by_product(layer)]
        wanted = before if before in self._layers else next(iter(sources), None)
        if wanted is not None:
            self.combo.setCurrentIndex(self._layers.index(wanted))
        self.combo.blockSignals(blocked)
        if self.layer is not before:
            self._chosen()
        else:
            self.refresh()

    def _is_offered(self, layer: Any) -> bool:
        """True for layers of the right kind; a preview is no image to work on, it is gone in a moment."""
        is_preview = layer.metadata.get(METADATA_KEY, {}).get("preview", False)
        return kind_of(layer) in self._kinds and not is_preview

    def _selected(self, event: object = None) -> None:
        active = self._viewer.layers.selection.active
        if active is not None and is_selected_by_user() and not is_by_product(active):
            self.choose(active)

    def _chosen(self, index: int = 0) -> None:
        if self._watched is not None:
            for event in (self._watched.events.scale, self._watched.events.units, self._watched.events.data):
                event.disconnect(self._emit)
        self._watched = self.layer
        if self._watched is not None:
            for event in (self._watched.events.scale, self._watched.events.units, self._watched.events.data):
                event.connect(self._emit)
        self._emit()

    def _emit(self, event: object = None) -> None:
        self.refresh()
        self.changed.emit()

    def _link(self, target: str) -> None:
        self.calibrate_clicked.emit()
