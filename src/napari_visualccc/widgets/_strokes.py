"""The layers that strokes are painted into: one per image, kept on disk as one paints."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from qtpy.QtCore import QEvent, QObject, Signal

from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Progress
from napari_visualccc.core.results import Colour
from napari_visualccc.layers import METADATA_KEY, SEPARATOR
from napari_visualccc.segment.annotations import Annotated
from napari_visualccc.segment.strokes import Strokes, renumbered
from napari_visualccc.widgets._edits import Edits
from napari_visualccc.widgets._jobs import JobRunner, bound
from napari_visualccc.widgets._labels_taken import fitted
from napari_visualccc.widgets._layers import kind_of, repaint
from napari_visualccc.widgets._parts import window_of
from napari_visualccc.widgets._source import array_of, pixel_size_of
from napari_visualccc.widgets._stroke_keeping import Kept, Restored, run_keep, run_restore

STROKES = "strokes"
_AFTER_PAINTING_MS = 500
_BRUSH = 8
_LONGEST_WAIT_S = 1.0
# Where an image lies: its strokes lie there, too.
_PLACING = ("units", "scale", "translate", "rotate", "shear", "affine")


@dataclass(frozen=True)
class Painted:
    """An image layer and the layer of strokes on it."""

    image: Any
    strokes: Any


class StrokeLayers(QObject):
    """Makes, finds and watches the layers of strokes.

    Attributes
    ----------
    painted
        Emitted a moment after a stroke (or an undo) with nothing.
    counted
        Emitted with the painted pixels of each phase over all images, once counted and kept on disk.
    restored
        Emitted with (layer, names of all phases from now on) when strokes kept earlier were found.
    taken
        Emitted with the names of all phases from now on when labels were taken over.
    phase_chosen
        Emitted with the label that the user chose in the layer's own controls.
    """

    painted = Signal()
    counted = Signal(dict)
    restored = Signal(object, dict)
    taken = Signal(dict)
    phase_chosen = Signal(int)

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._edits = Edits(viewer, self)
        self._edits.edited.connect(self._painted)
        self._keeper = JobRunner(parent, quiet=True, while_hidden=True)
        self._images: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        # Nothing is written for these: their file holds what they still lack.
        self._unrestored: weakref.WeakSet[Any] = weakref.WeakSet()
        self.names: dict[int, str] = {}
        self.colours: dict[int, Colour] = {}
        self._changes = self._changes_kept = 0
        viewer.layers.events.removed.connect(self._removed)
        parent.installEventFilter(self)
        self._find()

    def _find(self) -> None:
        """Take over strokes that an earlier widget of this viewer made."""
        by_name = {layer.name: layer for layer in self._viewer.layers}
        for layer in self._viewer.layers:
            about = layer.metadata.get(METADATA_KEY, {})
            image = by_name.get(str(about.get("strokes_on", "")))
            if kind_of(layer) == "labels" and image is not None:
                self._watch(layer, image)

    @property
    def all(self) -> list[Painted]:
        """Layers of strokes that are in the viewer with their image."""
        layers = self._viewer.layers
        pairs = ((image(), strokes) for strokes, image in self._images.items())
        found = [Painted(image, strokes) for image, strokes in pairs if image in layers and strokes in layers]
        return sorted(found, key=lambda one: layers.index(one.image))

    @property
    def annotated(self) -> tuple[Annotated, ...]:
        """Images with the strokes on them, for the engine."""
        return tuple(
            Annotated(
                Planes(array_of(one.image), rgb=bool(one.image.rgb), name=one.image.name),
                Planes(one.strokes.data, rgb=False, name=one.strokes.name), pixel_size_of(one.image), one.image.name,
            )
            for one in self.all
        )  # fmt: skip

    def of(self, image: Any) -> Any:
        """Layer of strokes on an image, or None."""
        return next((one.strokes for one in self.all if one.image is image), None)

    def paint(self, image: Any, phase: int) -> Any:
        """Get the brush ready on an image; makes its layer of strokes if there is none."""
        strokes = self.of(image)
        if strokes is None:
            strokes = self._make(image)
        strokes.visible = True
        self._viewer.layers.selection.active = strokes
        strokes.mode = "paint"
        strokes.selected_label = phase
        return strokes

    def _make(self, image: Any) -> Any:
        layer = self._viewer.add_labels(
            np.zeros(_shape(image), np.uint8),
            name=image.name + SEPARATOR + STROKES,
            scale=image.scale, translate=image.translate, rotate=image.rotate, shear=image.shear, affine=image.affine,
            units=image.units, axis_labels=image.axis_labels, opacity=0.7,
            metadata={METADATA_KEY: {"strokes_on": image.name}},
        )  # fmt: skip
        layer.brush_size = _BRUSH
        self._watch(layer, image)
        self.recolour()
        self._unrestored.add(layer)
        self._restore(Painted(image, layer))
        return layer

    def _restore(self, one: Painted) -> None:
        self._keeper.start(
            run_restore, _planes(one.image), one.strokes.data.shape, in_turn=True, then=bound(self.adopt, one.strokes)
        )

    def _watch(self, strokes: Any, image: Any) -> None:
        self._images[strokes] = weakref.ref(image)
        self._edits.follow(strokes)
        strokes.events.selected_label.connect(self._label_selected)
        for name in _PLACING:
            getattr(image.events, name).connect(self._image_moved)
        image.events.name.connect(self._image_renamed)
        image.events.data.connect(self._image_replaced)

    def image_of(self, strokes: Any) -> Any:
        """Image that a layer holds the strokes of, or None."""
        return next((one.image for one in self.all if one.strokes is strokes), None)

    def select(self, phase: int) -> None:
        """Let the brush paint this phase, on whichever image it is used next."""
        for one in self.all:
            one.strokes.selected_label = phase

    def _image_moved(self, event: Any) -> None:
        strokes = self.of(event.source)
        if strokes is not None:
            for name in _PLACING:
                setattr(strokes, name, getattr(event.source, name))

    def _image_renamed(self, event: Any) -> None:
        image, strokes = event.source, self.of(event.source)
        if strokes is not None:
            strokes.metadata[METADATA_KEY]["strokes_on"] = image.name
            strokes.name = image.name + SEPARATOR + STROKES

    def _image_replaced(self, event: Any) -> None:
        """Strokes on pixels that are gone stay as a layer, but teach nothing any more."""
        image, strokes = event.source, self.of(event.source)
        if strokes is None or tuple(strokes.data.shape) == _shape(image):
            return
        self._put_aside(strokes, "of other pixels")
        self._warn(f"“{image.name}” has another shape now: its strokes were put aside. Paint anew.")
        self._painted()

    def _put_aside(self, strokes: Any, why: str) -> None:
        """Keep a layer that teaches nothing any more, and say so in its name; painted on anew, it is a labels layer."""
        del self._images[strokes]
        self._edits.leave(strokes)
        strokes.events.selected_label.disconnect(self._label_selected)
        self._unrestored.discard(strokes)
        del strokes.metadata[METADATA_KEY]["strokes_on"]
        strokes.name = f"{strokes.name} ({why})"

    def set_phases(self, names: Mapping[int, str], colours: Mapping[int, Colour]) -> None:
        """Give the phases to all layers; strokes of phases that are gone are erased."""
        fewer = len(names) < len(self.names)
        self.names, self.colours = dict(names), dict(colours)
        if fewer:
            for one in self.all:
                gone = np.nonzero(np.asarray(one.strokes.data) > len(names))
                if gone[0].size:
                    one.strokes.data_setitem(gone, 0)
                one.strokes.selected_label = min(one.strokes.selected_label, len(names))
        self.recolour()
        self._painted()

    def recolour(self) -> None:
        """Colours of the phases, on all layers."""
        from napari.utils.colormaps import DirectLabelColormap

        clear = (0.0, 0.0, 0.0, 0.0)
        colours: dict[int | None, Colour] = {None: clear, 0: clear, **dict(self.colours.items())}
        for one in self.all:
            one.strokes.colormap = DirectLabelColormap(color_dict=colours)

    def adopt(self, layer: Any, restored: Restored) -> None:
        """Put strokes that were kept into a layer, where nothing was painted meanwhile."""
        self._unrestored.discard(layer)
        strokes = restored.strokes
        if restored.problem:
            self._warn(f"Strokes of an earlier session are lost: {restored.problem}")
        if strokes is None or layer not in self._viewer.layers or layer not in self._images:
            return
        names = dict(strokes.names)
        if any(np.any(one.strokes.data) for one in self.all):  # the session has phases of its own
            strokes = renumbered(strokes, self.names)
            names = dict(strokes.names)
        missing = (layer.data == 0) & (strokes.labels != 0)
        layer.data[missing] = strokes.labels[missing]  # in place: the user can still undo what was painted since
        layer.refresh()
        self.restored.emit(layer, names)
        self._painted()

    def take(self, into: tuple[Any, tuple[int, ...]], strokes: Strokes) -> None:
        """Paint these strokes into a layer, or its plane at a place, over what is there."""
        layer, place = into
        if layer not in self._images or layer not in self._viewer.layers:
            return
        strokes = fitted(strokes, self.names, in_use=any(np.any(one.strokes.data) for one in self.all))
        before = layer.data[place]
        repaint(layer, np.where(strokes.labels != 0, strokes.labels, before), place)
        self.taken.emit(dict(strokes.names))
        self._painted()

    def _label_selected(self, event: Any) -> None:
        self.phase_chosen.emit(int(event.source.selected_label))

    def _painted(self, event: object = None) -> None:
        self._changes += 1
        self._recount()

    def _recount(self) -> None:
        self._keeper.later(self._settled, _AFTER_PAINTING_MS)
        self.painted.emit()

    @property
    def is_counted(self) -> bool:
        """Whether the last count is of all that is painted now, and it is on disk."""
        return self._changes == self._changes_kept

    def _settled(self) -> None:
        unrestored = [one for one in self.all if one.strokes in self._unrestored]
        if not self._keeper.is_running and not unrestored:
            self._keeper.start(
                run_keep, self._to_keep(self.all), self.names, in_turn=True, then=bound(self._kept, self._changes)
            )
        else:
            for one in unrestored if not self._keeper.is_running else ():  # it was cut off
                self._restore(one)
            self._keeper.later(self._settled, _AFTER_PAINTING_MS)

    def _to_keep(self, pairs: list[Painted]) -> list[tuple[Planes, Any]]:
        return [(_planes(one.image), one.strokes.data) for one in pairs]

    def _kept(self, changes: int, kept: Kept) -> None:
        self._changes_kept = changes
        self._tell(kept)
        self.counted.emit(kept.pixels)

    def _tell(self, kept: Kept) -> None:
        if kept.problem:
            self._warn(f"The strokes could not be kept on disk: {kept.problem}")

    def _warn(self, words: str) -> None:
        from napari.utils.notifications import show_warning

        show_warning(words)

    def _removed(self, event: Any) -> None:
        pairs = [(image(), strokes) for strokes, image in self._images.items()]
        gone = [Painted(*pair) for pair in pairs if event.value in pair]
        if gone:
            self._keep_now(gone)
            for one in gone:
                if one.strokes in self._viewer.layers:  # its image was removed
                    self._put_aside(one.strokes, "image removed")
            self._recount()

    def _keep_now(self, pairs: list[Painted]) -> None:
        """Keep what was painted a moment ago; afterwards it is gone."""
        pairs = [one for one in pairs if one.image is not None and one.strokes not in self._unrestored]
        if not self.is_counted and pairs:
            self._keeper.wait(_LONGEST_WAIT_S)  # it writes the same files
            self._tell(run_keep(self._to_keep(pairs), self.names, Progress()))

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """The viewer is closed: nothing may wait any longer."""
        if event.type() == QEvent.Type.Hide and not event.spontaneous() and not window_of(watched).isVisible():
            self._keep_now(self.all)
        return False


def _shape(image: Any) -> tuple[int, ...]:
    """Shape of an image without its colours."""
    array = array_of(image)
    return tuple(array.shape[:-1] if image.rgb else array.shape)


def _planes(image: Any) -> Planes:
    return Planes(array_of(image), rgb=bool(image.rgb))
