"""The layers that strokes are painted into: one per image, kept on disk as one paints."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QObject, Signal

from napari_visualccc.core.errors import FileFormatError, OutputError
from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Progress
from napari_visualccc.core.results import Colour, fingerprint
from napari_visualccc.layers import METADATA_KEY, SEPARATOR
from napari_visualccc.segment.strokes import Strokes, autosave_path, load_strokes, renumbered, save_strokes
from napari_visualccc.widgets._jobs import JobRunner, bound
from napari_visualccc.widgets._layers import kind_of
from napari_visualccc.widgets._source import array_of

STROKES = "strokes"
_AFTER_PAINTING_MS = 500
_BRUSH = 8


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
    phase_chosen
        Emitted with the label that the user chose in the layer's own controls.
    """

    painted = Signal()
    counted = Signal(dict)
    restored = Signal(object, dict)
    phase_chosen = Signal(int)

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._keeper = JobRunner(parent, quiet=True, while_hidden=True)
        self._images: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()
        # Nothing is written for these: their file holds what they still lack.
        self._unrestored: weakref.WeakSet[Any] = weakref.WeakSet()
        self.names: dict[int, str] = {}
        self.colours: dict[int, Colour] = {}
        viewer.layers.events.removed.connect(self._removed)
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
        array = array_of(image)
        shape = array.shape[:-1] if image.rgb else array.shape
        layer = self._viewer.add_labels(
            np.zeros(shape, np.uint8),
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
        planes = Planes(array_of(one.image), rgb=bool(one.image.rgb))
        self._keeper.start(
            run_restore, planes, one.strokes.data.shape, in_turn=True, then=bound(self.adopt, one.strokes)
        )

    def _watch(self, strokes: Any, image: Any) -> None:
        self._images[strokes] = weakref.ref(image)
        strokes.events.labels_update.connect(self._painted)
        strokes.events.paint.connect(self._painted)
        strokes.events.set_data.connect(self._painted)  # the only event that an undo sends
        strokes.events.selected_label.connect(self._label_selected)

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

    def adopt(self, layer: Any, strokes: Strokes | None) -> None:
        """Put strokes that were kept into a layer, where nothing was painted meanwhile."""
        self._unrestored.discard(layer)
        if strokes is None or layer not in self._viewer.layers:
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

    def _label_selected(self, event: Any) -> None:
        self.phase_chosen.emit(int(event.source.selected_label))

    def _painted(self, event: object = None) -> None:
        self._keeper.later(self._settled, _AFTER_PAINTING_MS)
        self.painted.emit()

    def _settled(self) -> None:
        unrestored = [one for one in self.all if one.strokes in self._unrestored]
        if not self._keeper.is_running and not unrestored:
            images = [(Planes(array_of(one.image), rgb=bool(one.image.rgb)), one.strokes.data) for one in self.all]
            self._keeper.start(run_keep, images, self.names, in_turn=True, then=self._kept)
        else:
            for one in unrestored if not self._keeper.is_running else ():  # it was cut off
                self._restore(one)
            self._keeper.later(self._settled, _AFTER_PAINTING_MS)

    def _kept(self, outcome: tuple[dict[int, int], str]) -> None:
        counts, problem = outcome
        if problem:
            from napari.utils.notifications import show_warning

            show_warning(f"The strokes could not be kept on disk: {problem}")
        self.counted.emit(counts)

    def _removed(self, event: Any) -> None:
        if event.value in self._images:
            self._painted()


def run_restore(planes: Planes, shape: tuple[int, ...], progress: Progress) -> Strokes | None:
    """Strokes kept earlier for these pixels; None if there are none that can be read. Worker thread."""
    path = autosave_path(fingerprint(planes))
    if not path.exists():
        return None
    try:
        return load_strokes(path, shape)
    except FileFormatError:
        return None  # painting goes on; the file is replaced at the first stroke


def run_keep(
    images: list[tuple[Planes, Any]], names: Mapping[int, str], progress: Progress
) -> tuple[dict[int, int], str]:
    """Keep all strokes on disk and count them; the second value says what went wrong. Worker thread."""
    total: Counter[int] = Counter()
    problem = ""
    # Images with the same pixels share a file.
    kept: dict[Path, NDArray[np.uint8] | None] = {}
    for planes, painted in images:
        progress.check()
        labels = np.asarray(painted)
        counts = _counts(labels)
        total.update(counts)
        path = autosave_path(fingerprint(planes))
        others = kept.get(path)
        if not counts:
            kept[path] = others
        else:
            kept[path] = labels if others is None else np.where(labels == 0, others, labels)
    for path, strokes in kept.items():
        try:
            if strokes is None:
                path.unlink(missing_ok=True)
            else:
                save_strokes(path, Strokes(strokes, names))
        except (OutputError, OSError) as error:
            problem = str(error)
    return dict(total), problem


def _counts(labels: NDArray[Any]) -> dict[int, int]:
    """Painted pixels of each phase, plane by plane: a stack may be most of the memory, and is hardly painted."""
    counts: Counter[int] = Counter()
    for plane in labels.reshape(-1, *labels.shape[-2:]):
        values, numbers = np.unique(plane[plane != 0], return_counts=True)
        counts.update(dict(zip(values.tolist(), numbers.tolist(), strict=True)))
    return counts
