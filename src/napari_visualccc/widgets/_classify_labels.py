"""The classes of the Classify widget, and which planes of which layers have been given one."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QCheckBox, QGridLayout, QLabel, QLineEdit, QPushButton, QVBoxLayout, QWidget

from napari_visualccc.core.colours import label_colour
from napari_visualccc.layers import METADATA_KEY
from napari_visualccc.widgets._parts import button, row
from napari_visualccc.widgets._source import array_of, is_rgb, pixel_size_of, plane_count

if TYPE_CHECKING:
    from napari_visualccc.classify import Dataset, Example
    from napari_visualccc.core.results import Colour

_KEY = "class_of_plane"
MOST_CLASSES = 9
_FIRST = ("class 1", "class 2")


def classes_of(layer: Any) -> dict[int, str]:
    """Class of each labelled plane of a layer; kept with the layer."""
    return dict(layer.metadata.get(METADATA_KEY, {}).get(_KEY, {})) if layer is not None else {}


def set_class(layer: Any, plane: int, name: str | None) -> None:
    """Label a plane, or take its label away."""
    found = classes_of(layer)
    if name is None:
        found.pop(plane, None)
    else:
        found[plane] = name
    about = dict(layer.metadata.get(METADATA_KEY, {}))
    layer.metadata = {**layer.metadata, METADATA_KEY: about | {_KEY: found}}


def examples_of_layers(layers: Any, *, together: bool) -> list[Example]:
    """Labelled planes of all layers; with `together` the planes of a layer are one group."""
    from napari_visualccc.classify import examples_of_stack

    found: list[Example] = []
    for layer in layers:
        labels = classes_of(layer)
        if layer._type_string != "image" or not labels:
            continue
        labels = {plane: name for plane, name in labels.items() if plane < plane_count(layer)}
        groups = dict.fromkeys(labels, layer.name) if together else None
        found += examples_of_stack(
            array_of(layer), labels, name=layer.name, pixel_size=pixel_size_of(layer), rgb=is_rgb(layer), groups=groups
        )
    return found


def relabel(layers: Any, before: str, after: str) -> None:
    """Rename a class in the labels of all layers, or take it away if it has no name any more."""
    for layer in layers:
        for plane, name in classes_of(layer).items():
            if before and name == before:
                set_class(layer, plane, after or None)


def counts_of(layers: Any, dataset: Dataset | None) -> Counter[str]:
    """How many planes have each class, in the viewer and in files."""
    counts: Counter[str] = Counter()
    for layer in layers:
        counts.update(classes_of(layer).values())
    if dataset is not None:
        counts.update(one.label for one in dataset.examples)
    return counts


class ClassList(QWidget):
    """Names of the classes with their keys, colours and numbers of planes.

    Attributes
    ----------
    changed
        Emitted when a class was added, removed or renamed (old and new name, empty if there is none).
    label_clicked
        Emitted with the name of a class whose key button was pressed: the plane shown gets it.
    """

    changed = Signal(str, str)
    label_clicked = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self._names: list[str] = list(_FIRST)
        self._counts: Counter[str] = Counter()
        self._grid = QGridLayout()
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(3)
        self._grid.setColumnStretch(1, 1)
        self.fields: list[QLineEdit] = []
        self._numbers: list[QLabel] = []
        self.keys_box = QCheckBox("Number keys label the plane shown")
        self.keys_box.setToolTip(
            "1 … 9 give the plane its class, 0 takes it away; napari's own number keys rest meanwhile"
        )
        self.advance_box = QCheckBox("then go to the next plane")
        self.advance_box.setChecked(True)
        self.advance_box.setToolTip("After a number key, show the next plane of the stack")
        self.add_button = button("Add class", "One more class")
        self.remove_button = button("Remove last", "Remove the last class and its labels")
        self.add_button.clicked.connect(self.add)
        self.remove_button.clicked.connect(self.remove_last)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addLayout(self._grid)
        for part in (row(self.add_button, self.remove_button), self.keys_box, self.advance_box):
            layout.addWidget(part)
        self._fill()

    @property
    def names(self) -> list[str]:
        """Names of the classes in the order of their keys."""
        return list(self._names)

    @property
    def colours(self) -> dict[str, Colour]:
        """Colour of each class."""
        return {name: label_colour(number) for number, name in enumerate(self._names, start=1)}

    def set_names(self, names: list[str]) -> None:
        """Show these classes; others are dropped."""
        self._names = list(names)
        self._fill()

    def include(self, names: list[str]) -> None:
        """Add classes that are not there yet; untouched first ones make room."""
        if self._names == list(_FIRST) and not self._counts:
            self._names = []
        self._names += [name for name in names if name not in self._names]
        self._fill()

    def show_counts(self, counts: Counter[str]) -> None:
        """Show how many planes have each class."""
        self._counts = counts
        for name, number in zip(self._names, self._numbers, strict=True):
            number.setText(f"{counts[name]} plane{'' if counts[name] == 1 else 's'}")

    def add(self) -> None:
        """One more class."""
        number = len(self._names) + 1
        while f"class {number}" in self._names:
            number += 1
        self._names.append(f"class {number}")
        self._fill()
        self.changed.emit("", self._names[-1])

    def remove_last(self) -> None:
        """Drop the last class."""
        if len(self._names) > 2:
            name = self._names.pop()
            self._fill()
            self.changed.emit(name, "")

    def _fill(self) -> None:
        while self._grid.count():
            part = self._grid.takeAt(0).widget()
            part.hide()
            part.deleteLater()
        self.fields, self._numbers = [], []
        for place, name in enumerate(self._names):
            key = QPushButton(str(place + 1) if place < MOST_CLASSES else "·")
            key.setFixedWidth(30)
            red, green, blue, _ = label_colour(place + 1)
            colour = QColor.fromRgbF(red, green, blue)
            ink = "black" if colour.lightnessF() > 0.5 else "white"
            key.setStyleSheet(f"background: {colour.name()}; color: {ink}; font-weight: bold;")
            key.setToolTip(f"Call the plane shown “{name}” (key {place + 1})")
            key.clicked.connect(self._key_clicked)
            key.setProperty("place", place)
            field = QLineEdit(name)
            field.setToolTip("Name of the class; type another")
            field.setAccessibleName(f"Name of class {place + 1}")
            field.setProperty("place", place)
            field.editingFinished.connect(self._renamed)
            # else the number keys that follow would be typed into the name
            field.returnPressed.connect(field.clearFocus)
            number = QLabel()
            for column, part in enumerate((key, field, number)):
                self._grid.addWidget(part, place, column)
            self.fields.append(field)
            self._numbers.append(number)
        self.remove_button.setEnabled(len(self._names) > 2)
        self.show_counts(self._counts)

    def _key_clicked(self) -> None:
        self.label_clicked.emit(self._names[self.sender().property("place")])

    def _renamed(self) -> None:
        field = self.sender()
        place = field.property("place")
        before, after = self._names[place], field.text().strip()
        if after == before:
            return
        if not after or after in self._names:
            field.setText(before)  # two classes of one name would be one
            return
        self._names[place] = after
        self.changed.emit(before, after)
