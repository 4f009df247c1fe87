"""The Pixel size widget: from the tags of the file, typed, or measured on the scale bar in the picture."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from qtpy.QtWidgets import QCheckBox, QComboBox, QGroupBox, QLabel, QLineEdit, QVBoxLayout, QWidget

from napari_visualccc.core.errors import InputError, VisualCCCError
from napari_visualccc.core.pixel_size import PIXEL, PixelSize
from napari_visualccc.widgets._calibrate import calibrate, plane_shape, read_tags, scale_bar
from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._jobs import JobRunner, show_problem
from napari_visualccc.widgets._parts import Hint, Problem, button, column, row
from napari_visualccc.widgets._session import bare
from napari_visualccc.widgets._source import array_of, pixel_size_of

UNITS = ("nm", "µm", "Å", "pm", "mm", "1/nm", "1/Å", "mrad")
LINE_NAME = "line on the scale bar"


class PixelSizeWidget(QWidget):
    """Set the pixel size of a layer and of everything made from it."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = bare(napari_viewer)
        self._line_layer: Any = None
        self._line_over: Any = None
        self.hint = Hint()
        self.chooser = SourceChooser(self._viewer, kinds=("image", "labels"), label="Layer", switch=False)
        column(self, self.hint, self.chooser, self._file_box(), self._typing_box(), self._line_box())
        self.runner = JobRunner(self)
        self.runner.failed.connect(self._not_read)
        self.runner.finished.connect(self._refresh)
        self.chooser.changed.connect(self._chosen)
        self._viewer.layers.events.removed.connect(self._layer_removed)
        self._refresh()

    # --- building -------------------------------------------------------------------------------------------------

    def _file_box(self) -> QGroupBox:
        box, layout = _group("1 · From the file")
        self.tags_button = button(
            "Calibrate layer from file tags", "Look up the pixel size in the file that the layer came from"
        )
        self.tags_button.clicked.connect(self.read_file)
        self.file_words = Hint()
        self.file_problem = Problem()
        for part in (self.tags_button, self.file_words, self.file_problem):
            layout.addWidget(part)
        return box

    def _typing_box(self) -> QGroupBox:
        box, layout = _group("2 · Typed")
        self.width_field = _number_field("0.0123", "Width of one pixel")
        self.height_field = _number_field("same", "Height of one pixel, if it is not square")
        self.unit_box = _unit_box("Unit of the pixel size")
        self.oblong_box = QCheckBox("Pixels are not square")
        self.oblong_box.setToolTip("Type height and width separately")
        self.height_label = QLabel("height")
        self.height_row = row(self.height_label, self.height_field, stretch=1)
        self.height_row.hide()
        self.oblong_box.toggled.connect(self.height_row.setVisible)
        self.typed_problem = Problem()
        self.apply_button = button("Set pixel size", "Give the layer and its results this pixel size")
        self.apply_button.clicked.connect(self.apply_typed)
        self.reset_button = button("Back to px", "Forget the calibration of the layer and of its results")
        self.reset_button.clicked.connect(self.reset)
        self.width_field.returnPressed.connect(self.apply_typed)
        layout.addWidget(row(self.width_field, self.unit_box, QLabel("per px"), stretch=0))
        for part in (self.oblong_box, self.height_row, self.typed_problem, row(self.apply_button, self.reset_button)):
            layout.addWidget(part)
        return box

    def _line_box(self) -> QGroupBox:
        box, layout = _group("3 · From the scale bar in the picture")
        self.line_button = button(
            "Draw a line on the scale bar", "Then drag from one end of the burnt-in bar to the other"
        )
        self.line_button.clicked.connect(self.draw_line)
        self.line_words = Hint("No line yet.")
        self.length_field = _number_field("100", "Length that is written at the scale bar")
        self.length_unit_box = _unit_box("Unit written at the scale bar")
        self.line_problem = Problem()
        self.line_apply_button = button("Set from line", "Length divided by the pixels of the line is the pixel size")
        self.line_apply_button.clicked.connect(self.apply_line)
        self.length_field.returnPressed.connect(self.apply_line)
        layout.addWidget(self.line_button)
        layout.addWidget(self.line_words)
        layout.addWidget(row(QLabel("is"), self.length_field, self.length_unit_box, stretch=1))
        layout.addWidget(self.line_problem)
        layout.addWidget(self.line_apply_button)
        return box

    # --- doing ----------------------------------------------------------------------------------------------------

    def read_file(self) -> None:
        """Take the pixel size from the tags of the layer's file."""
        layer, path = self.chooser.layer, self._path()
        if layer is None or not path:
            return
        shape = tuple(array_of(layer).shape)
        shape = shape[:-1] if getattr(layer, "rgb", False) else shape

        def done(size: PixelSize) -> None:
            self._set(layer, size)

        self.runner.start(read_tags, path, shape, title="Read pixel size", then=done)
        self.file_problem.say("")
        self.file_words.setText("Reading …")

    def _not_read(self, error: BaseException) -> None:
        self.file_problem.say(str(error))

    def apply_typed(self) -> None:
        """Set what is typed."""
        oblong = self.oblong_box.isChecked() and self.height_field.text().strip()
        try:
            width = _positive(self.width_field.text(), "the width of a pixel")
            height = _positive(self.height_field.text(), "the height of a pixel") if oblong else width
            size = _plausible(height, width, self.unit_box.currentText())
        except VisualCCCError as error:
            self.typed_problem.say(str(error))
            return
        self.typed_problem.say("")
        self._set(self.chooser.layer, size)

    def apply_line(self) -> None:
        """Set length divided by pixels of the line."""
        try:
            length = _positive(self.length_field.text(), "the length of the scale bar")
            pixels = self.line_pixels()
            if not pixels:
                raise InputError("Draw a line on the scale bar first")
            size = _plausible(length / pixels, length / pixels, self.length_unit_box.currentText())
        except VisualCCCError as error:
            self.line_problem.say(str(error))
            return
        self.line_problem.say("")
        layer = self.chooser.layer
        self._set(layer, size)
        if self._line_layer is not None:
            self._viewer.layers.remove(self._line_layer)
            self._viewer.layers.selection.active = layer  # what was selected before, for the next widget

    def reset(self) -> None:
        """Make the layer uncalibrated."""
        self._set(self.chooser.layer, PixelSize())

    def _set(self, layer: Any, size: PixelSize) -> None:
        if layer is None or layer not in self._viewer.layers:
            show_problem(InputError("The layer is gone: choose another"))
            return
        calibrate(self._viewer, layer, size)
        scale_bar(self._viewer).visible = size.unit != PIXEL
        self._viewer.reset_view()
        self._refresh()

    # --- the line -------------------------------------------------------------------------------------------------

    def draw_line(self) -> None:
        """Add a layer in which the next drag draws a line."""
        layer = self.chooser.layer
        if layer is None:
            return
        if self._line_layer is None:
            self._line_layer = self._viewer.add_shapes(ndim=2, name=LINE_NAME, edge_color="#ffcc00", **_plane_of(layer))
            self._line_layer.mouse_drag_callbacks.insert(0, _forget_lines)
            self._line_layer.events.data.connect(self._line_changed)
            self._line_layer.events.set_data.connect(self._line_changed)  # while the mouse moves
        self._put_line_over(layer)
        self._viewer.layers.selection.active = self._line_layer
        self._line_layer.mode = "add_line"
        self._line_changed()

    def _put_line_over(self, layer: Any) -> None:
        """Let a pixel of the line's layer be a pixel of this layer; a line over another layer says nothing of it."""
        line = self._line_layer
        if layer is not self._line_over:
            self._line_over = layer
            line.data = []
            line.current_edge_width = max(2, max(plane_shape(layer) or (0,)) // 250)
        for name, value in _plane_of(layer).items():
            setattr(line, name, value)

    def line_pixels(self) -> float:
        """Length of the last line in pixels; 0 if there is none."""
        if self._line_layer is None or not len(self._line_layer.data):
            return 0.0
        start, stop = np.asarray(self._line_layer.data[-1])[[0, -1]]
        length = float(math.dist(start, stop))
        return length if length >= 1 else 0.0  # a click without a drag is no line

    def _line_changed(self, event: object = None) -> None:
        pixels = self.line_pixels()
        self.line_words.setText(
            f"The line is {pixels:.1f} px long; drawing again replaces it. Now type the length it stands for."
            if pixels
            else "Drag from one end of the scale bar to the other."
        )

    def _layer_removed(self, event: Any) -> None:
        if event.value is self._line_layer:
            self._line_layer = self._line_over = None
            self.line_words.setText("No line yet.")

    # --- words ----------------------------------------------------------------------------------------------------

    def _path(self) -> str:
        layer = self.chooser.layer
        path = getattr(layer.source, "path", None) if layer is not None else None
        return str(path) if path else ""

    def _chosen(self) -> None:
        self.file_problem.say("")
        if self._line_layer is not None and self.chooser.layer is not None:
            self._put_line_over(self.chooser.layer)
            self._line_changed()
        self._refresh()

    def _refresh(self) -> None:
        layer, path = self.chooser.layer, self._path()
        for widget in (self.apply_button, self.reset_button, self.line_button, self.line_apply_button):
            widget.setEnabled(layer is not None)
        self.tags_button.setEnabled(bool(path))
        nowhere = "The layer does not come from a file." if layer is not None else ""
        self.file_words.setText(Path(path).name if path else nowhere)
        self.file_words.setToolTip(path)
        if layer is None:
            self.hint.setText("Open an image to begin.")
        elif pixel_size_of(layer).is_calibrated:
            self.hint.setText("The layer is calibrated. Change it here if that is wrong.")
        else:
            self.hint.setText("Not calibrated: tables are in px. Set the pixel size in one of three ways.")


def _forget_lines(layer: Any, event: object) -> None:
    """Before a line is drawn: it replaces the one before."""
    if layer.mode == "add_line":
        layer.data = []


def _plane_of(layer: Any) -> dict[str, Any]:
    """Place of a layer's planes, for a layer of two axes."""
    return {
        "units": tuple(str(u) for u in layer.units[-2:]), "scale": layer.scale[-2:], "translate": layer.translate[-2:]
    }  # fmt: skip


def _group(title: str) -> tuple[QGroupBox, QVBoxLayout]:
    box = QGroupBox(title)
    layout = QVBoxLayout(box)
    layout.setContentsMargins(6, 6, 6, 6)
    layout.setSpacing(4)
    return box, layout


def _number_field(example: str, tooltip: str) -> QLineEdit:
    field = QLineEdit()
    field.setPlaceholderText(example)
    field.setToolTip(tooltip)
    field.setAccessibleName(tooltip)
    field.setMinimumWidth(50)
    return field


def _unit_box(tooltip: str) -> QComboBox:
    box = QComboBox()
    box.addItems(UNITS)
    box.setToolTip(tooltip)
    box.setAccessibleName(tooltip)
    return box


def _positive(text: str, what: str) -> float:
    """Number typed by a person, with a decimal comma or point."""
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError:
        value = math.nan
    if not (value > 0 and math.isfinite(value)):
        raise InputError(
            f"Type {what} as a number above 0, like 0.25" + (f", not “{text.strip()}”" if text.strip() else "")
        )
    return value


def _plausible(height: float, width: float, unit: str) -> PixelSize:
    size = PixelSize.of(height, width, unit=unit)
    if not size.is_calibrated:
        raise InputError(f"{width:.3g} {unit} per pixel cannot be true for an electron micrograph")
    return size
