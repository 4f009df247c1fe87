"""Labels that are there already, to learn from: masks made elsewhere, or a result that was corrected by hand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QMenu, QToolButton

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.progress import Progress
from napari_visualccc.segment.measure_options import NO_DATA
from napari_visualccc.segment.strokes import Strokes, renumbered
from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._jobs import JobRunner, bound
from napari_visualccc.widgets._layers import is_by_product, is_helper, kind_of, names_by_value
from napari_visualccc.widgets._phases import MOST_PHASES, PhaseTable
from napari_visualccc.widgets._source import array_of, current_plane

if TYPE_CHECKING:
    from napari_visualccc.widgets._strokes import StrokeLayers


@dataclass(frozen=True)
class Labels:
    """Labels to learn from.

    Attributes
    ----------
    values
        Integer array of shape (…, Y, X), or of one plane.
    names
        Of values, where they have one.
    called
        Name of their layer, for messages.
    place
        Of their plane in the layer; empty for all planes.
    """

    values: Any
    names: Mapping[int, str]
    called: str
    place: tuple[Any, ...] = ()


def run_take(labels: Labels, phases: Mapping[int, str], progress: Progress) -> Strokes:
    """Labels as strokes of these phases, matched by name in any case, or else by number.

    0 means nothing unless it has a name or is one of only two values, as in a mask of one phase. Where labels have
    names, those without one mean nothing, either.

    Raises
    ------
    InputError
        If there is nothing to learn from, or these are numbered objects.
    """
    values = np.asarray(labels.values)
    progress.check()
    found = [int(value) for value in np.unique(values) if value != NO_DATA]
    if labels.names:
        found = [value for value in found if value in labels.names]
    elif 0 in found and len(found) > 2:  # noqa: PLR2004 - else it is the other phase
        found.remove(0)
    if not 0 < len(found) <= MOST_PHASES:
        why = f"its {len(found)} values are no phases but numbered objects" if found else "it is empty"
        raise InputError(f"nothing can be learnt from “{labels.called}”: {why}")
    progress.check()
    numbers = found if not labels.names and 0 < found[0] <= found[-1] <= MOST_PHASES else range(1, len(found) + 1)
    painted = np.zeros(values.shape, np.uint8)
    for value, number in zip(found, numbers, strict=True):
        painted[values == value] = number
    if not labels.names:
        return Strokes(painted, {number: phases.get(number, f"phase {number}") for number in numbers})
    known = {name.casefold(): name for name in phases.values()}
    names = {number: labels.names[value] for value, number in zip(found, numbers, strict=True)}
    return Strokes(painted, {number: known.get(name.casefold(), name) for number, name in names.items()})


def fitted(strokes: Strokes, phases: Mapping[int, str], *, in_use: bool) -> Strokes:
    """Strokes numbered as the phases are, if those are in use or one of them is meant; else these are the phases."""
    if in_use or set(strokes.names.values()) & set(phases.values()):
        return renumbered(strokes, phases)
    return strokes


class LabelsMenu(QToolButton):
    """Button with a menu of the labels layers that lie on the chosen image.

    Attributes
    ----------
    chosen
        Emitted with the layer.
    """

    chosen = Signal(object)

    def __init__(self, viewer: Any, chooser: SourceChooser) -> None:
        super().__init__()
        self._viewer, self._chooser = viewer, chooser
        self.setText("From labels ▾")
        self.setToolTip("Learn from labels that are there: a mask, or phases that you have corrected by hand")
        self.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.setStyleSheet("QToolButton::menu-indicator { image: none; }")
        self.choices = QMenu(self)
        self.choices.aboutToShow.connect(self._list)
        self.setMenu(self.choices)

    def _list(self) -> None:
        self.choices.clear()
        image = self._chooser.layer
        layers = [] if image is None else [one for one in self._viewer.layers if self._fits(one, image)]
        for layer in layers:
            self.choices.addAction(layer.name).triggered.connect(lambda _=False, one=layer: self.chosen.emit(one))
        if not layers:
            self.choices.addAction("no labels of this image's shape").setEnabled(False)

    def _fits(self, layer: Any, image: Any) -> bool:
        if kind_of(layer) != "labels" or is_helper(layer) or is_by_product(layer):
            return False
        shape = array_of(image).shape[:-1] if image.rgb else array_of(image).shape
        return tuple(array_of(layer).shape) == tuple(shape)


def labels_of(layer: Any, plane: int | None) -> Labels:
    """Labels of a layer, or of one plane of it."""
    values = array_of(layer)
    place = () if plane is None else np.unravel_index(plane, values.shape[:-2])
    return Labels(values[place], names_by_value(layer.features), layer.name, place)


class LabelsDesk(QObject):
    """Paints labels that are chosen in a `LabelsMenu` into the strokes of the chosen image.

    Attributes
    ----------
    taken
        Emitted with words about it.
    """

    taken = Signal(str)

    def __init__(
        self, menu: LabelsMenu, chooser: SourceChooser, phases: PhaseTable, strokes: StrokeLayers, runner: JobRunner
    ) -> None:
        super().__init__(menu)
        self._chooser, self._phases, self._strokes, self._runner = chooser, phases, strokes, runner
        menu.chosen.connect(self.take)
        strokes.taken.connect(phases.rename)

    def take(self, layer: Any) -> None:
        """Learn from labels as if they had been painted: those of the plane, or of the whole stack."""
        image, viewer = self._chooser.layer, self._chooser.viewer
        labels = labels_of(layer, None if self._chooser.whole_stack else current_plane(image, viewer))
        self._runner.start(
            run_take, labels, self._phases.names, in_turn=True, then=bound(self._taken, (image, labels))
        )  # fmt: skip

    def _taken(self, of: tuple[Any, Labels], strokes: Strokes) -> None:
        image, labels = of
        if image in self._chooser.viewer.layers:
            self._strokes.take((self._strokes.paint(image, self._phases.chosen), labels.place), strokes)
            self.taken.emit(f"“{labels.called}” is painted: mend it with the brush if need be, then train.")
