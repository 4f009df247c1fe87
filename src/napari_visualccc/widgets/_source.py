"""Which image, and how much of it: the chooser at the top of every widget, and what the engine gets from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QButtonGroup, QComboBox, QLabel, QRadioButton, QSizePolicy, QVBoxLayout, QWidget

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes
from napari_visualccc.layers import METADATA_KEY, Placement
from napari_visualccc.widgets._layers import file_arguments, is_by_product, kind_of, units_per_world
from napari_visualccc.widgets._parts import Hint, Problem, row

# Readable on napari's dark and on its light background; Qt's own link blue is not.
_LINK = "#4c8fe0"
_INHERITED = ("plane_names",)


def pixel_size_of(layer: Any) -> PixelSize:
    """Pixel size of a layer's (Y, X) plane; plain pixels if its units span no area."""
    y, x = layer.scale[-2:]
    units = [f"{unit:~}" for unit in layer.units[-2:]]
    size_y, size_x = PixelSize.of(abs(y), unit=units[0]), PixelSize.of(abs(x), unit=units[1])
    if size_y.unit != size_x.unit:
        return PixelSize()
    return PixelSize(size_y.y, size_x.x, size_y.unit)


def placement_of(layer: Any) -> Placement:
    """Place of a layer in the world, for its results."""
    about = layer.metadata.get(METADATA_KEY, {})
    return Placement(
        name=layer.name,
        scale=tuple(float(s) for s in layer.scale),
        translate=tuple(float(t) for t in layer.translate),
        units=tuple(str(unit) for unit in layer.units),
        axis_labels=tuple(layer.axis_labels),
        metadata={key: about[key] for key in _INHERITED if about.get(key)},
    )


def array_of(layer: Any) -> Any:
    """Array of the layer, at full resolution if it is a pyramid."""
    return layer.data[0] if layer.multiscale else layer.data


def is_rgb(layer: Any) -> bool:
    """True if the last axis of the layer's array holds colours; labels have none."""
    return bool(getattr(layer, "rgb", False))


def problem_with(layer: Any) -> str:
    """Why the layer cannot be worked on, in words; empty if it can."""
    from napari.layers import Image

    if not isinstance(layer, Image):
        kind = type(layer).__name__
        return f"“{layer.name}” is a {kind} layer: choose an image."
    try:
        Planes(array_of(layer), rgb=bool(layer.rgb), name=f"“{layer.name}”")
    except InputError as error:
        return f"{error}."
    return ""


def remark_on(layer: Any) -> str:
    """How an unusual layer will be read, in words; empty if there is nothing unusual."""
    remarks = []
    if layer.multiscale:
        remarks.append("full resolution of the pyramid is used")
    if is_rgb(layer):
        remarks.append("colours are read as brightness")
    elif np.dtype(array_of(layer).dtype).kind == "c":
        remarks.append("complex values are read as amplitude")
    return "; ".join(remarks)


def plane_count(layer: Any) -> int:
    """Number of planes of an image layer."""
    shape = array_of(layer).shape
    return int(np.prod(shape[: -3 if is_rgb(layer) else -2], dtype=np.int64))


def current_plane(layer: Any, viewer: Any) -> int:
    """Index of the plane of the layer that the viewer shows."""
    leading = array_of(layer).shape[: -3 if is_rgb(layer) else -2]
    if not leading:
        return 0
    point = np.asarray(viewer.dims.point)[-layer.ndim :]
    point = point * units_per_world(viewer, layer)[-len(point) :]  # fewer while the last layers are taken away
    place = np.rint(layer.world_to_data(point))[: len(leading)].astype(int)
    return int(np.ravel_multi_index(tuple(np.clip(place, 0, np.array(leading) - 1)), leading))


@dataclass(frozen=True)
class Source:
    """What the engine gets of a layer.

    Attributes
    ----------
    layer
        The layer itself.
    planes
        Its planes, or the one plane chosen.
    pixel_size, placement
        Its calibration and its place, that of the one plane if `plane` is a number.
    plane
        Index of the chosen plane; None for the whole stack.
    path
        File that the layer came from; None if it came from none.
    """

    layer: Any
    planes: Planes
    pixel_size: PixelSize
    placement: Placement
    plane: int | None
    path: str | None = None

    @property
    def name(self) -> str:
        """Name of the layer when the job began."""
        return self.placement.name

    @property
    def arguments(self) -> list[str]:
        """How the command line is told of this image: the layer's file, if it came from one, and what of it."""
        if self.path is not None:
            return file_arguments(self.layer, self.plane, self.pixel_size)
        # It has to be saved first, and its pixel size is saved with it.
        return [self.name] if self.plane is None else [self.name, "--plane", str(self.plane)]

    def fold(self, result: Any) -> Any:
        """Result of the engine with as many axes as the layer has."""
        return (
            result if self.plane is None else result.reshape((1,) * (len(self.placement.scale) - 2) + result.shape[-2:])
        )


def make_source(layer: Any, plane: int | None = None) -> Source:
    """Everything the engine needs of a layer, or of one of its planes."""
    planes = Planes(array_of(layer), rgb=is_rgb(layer), name=layer.name)
    place = placement_of(layer)
    path = str(layer.source.path) if layer.source.path else None
    if plane is None or len(planes) == 1:
        return Source(layer, planes, pixel_size_of(layer), place, None, path)
    index = np.unravel_index(plane, planes.leading)
    moved = tuple(
        t + s * int(i) for t, s, i in zip(place.translate, place.scale, index, strict=False)
    ) + place.translate[-2:]  # fmt: skip
    here = Placement(place.name, place.scale, moved, place.units, place.axis_labels)
    return Source(layer, planes.only(plane), pixel_size_of(layer), here, plane, path)


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
        if active is not None and not is_by_product(active):
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
