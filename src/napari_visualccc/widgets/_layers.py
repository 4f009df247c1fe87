"""What every widget does with the viewer: show result layers, find what was clicked, open another widget."""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.compat import isalive

from napari_visualccc.core.lengths import pixel_size_text
from napari_visualccc.core.pixel_size import Axis, PixelSize
from napari_visualccc.layers import LIMITS_KEY, METADATA_KEY, SEPARATOR, LayerData, Placement

# Undoing takes about thirty bytes for each pixel that changed.
_MOST_UNDONE = 1 << 20
_STACK = 3


def file_arguments(layer: Any, plane: int | None, size: PixelSize) -> list[str]:
    """How the command line is told of a layer that came from a file or folder, or of one of its planes."""
    number = signal_number(layer)
    told = [str(layer.source.path), *([] if plane is None else ["--plane", str(plane)])]
    return [*told, *([] if number is None else ["--signal", str(number)]), *size_flags(layer, size)]


def signal_number(layer: Any) -> int | None:
    """Number of a layer's image in its file, if that holds several."""
    number: int | None = layer.metadata.get(METADATA_KEY, {}).get("signal")
    return number


def size_flags(layer: Any, size: PixelSize) -> list[str]:
    """How the command line is told of a pixel size that is not what the file, as it was read, says."""
    # Napari's own readers may not have read it.
    said = layer.metadata.get(METADATA_KEY, {}).get("pixel_size", pixel_size_text(PixelSize()))
    return [] if pixel_size_text(size) == said else ["--pixel-size", pixel_size_text(size)]


def is_image_folder(path: str) -> bool:
    """Whether a path is a folder of images; a Zarr store is one file to its user."""
    return Path(path).is_dir() and not path.rstrip("/").endswith(".zarr")


def file_of_plane(layer: Any, plane: int | None) -> str | None:
    """File of one plane of a layer that came from a folder of images; None where there is no such file."""
    names = layer.metadata.get(METADATA_KEY, {}).get("plane_names", ())
    if plane is None or layer.ndim != _STACK or plane >= len(names) or names.count(names[plane]) > 1:
        return None
    return str(Path(layer.source.path) / names[plane])


def kind_of(layer: Any) -> str:
    """``"image"``, ``"labels"``, ``"shapes"``, …, also of a user's own class of layer, or of one that napari wraps."""
    for one in layer.__class__.__mro__:  # of a wrapped layer `type` is the wrapper's
        if one.__module__.startswith("napari.layers."):
            return str(one.__name__).lower()
    return ""


def is_helper(layer: Any) -> bool:
    """True for layers that are no result: strokes, which cover next to nothing, and previews, gone in a moment."""
    return bool({"strokes_on", "preview"} & set(layer.metadata.get(METADATA_KEY, {})))


def is_by_product(layer: Any) -> bool:
    """True for layers that say something about their source, and strokes on it: seldom what one wants to work on next.

    Such are confidence and thickness of phases, heat, and numbered objects.
    """
    operation = str(layer.metadata.get(METADATA_KEY, {}).get("provenance", {}).get("operation", ""))
    if kind_of(layer) == "image":
        return operation.startswith(("segment", "explain"))
    return is_helper(layer) or operation == "segment measure"


def find_layer(viewer: Any, name: str, kind: str) -> Any:
    """Layer of that name and kind that we made, or None."""
    for layer in viewer.layers:
        if layer.name == name and kind_of(layer) == kind and METADATA_KEY in layer.metadata:
            return layer
    return None


def show_layer(viewer: Any, entry: LayerData, *, like: Any = None, keep: bool = False, below: Any = None) -> Any:
    """Show one result layer.

    Parameters
    ----------
    viewer
        napari viewer.
    entry
        Data, keywords and kind, from `napari_visualccc.layers.result_layers`.
    like
        Source layer, whose rotation, shear and affine the result takes over.
    keep
        True leaves an earlier result as it is and adds another layer.
    below
        Layer that a new one goes under: strokes must not be covered.

    Returns
    -------
    napari.layers.Layer
        The updated or new layer. What the user set on it (opacity, visibility, order) stays.
    """
    data, words, kind = entry
    existing = None if keep else find_layer(viewer, words["name"], kind)
    if existing is not None and tuple(existing.data.shape) == tuple(data.shape):
        update_layer(existing, data, words)
        return existing
    extra = {}
    if like is not None and like.ndim == data.ndim:
        extra = {"rotate": like.rotate, "shear": like.shear, "affine": like.affine}
    place = viewer.layers.index(below) if below in viewer.layers else None
    if existing is not None:
        words = words | {"opacity": existing.opacity, "visible": existing.visible}
        place = viewer.layers.index(existing)
        viewer.layers.remove(existing)
    with selection_kept(viewer):
        layer = getattr(viewer, f"add_{kind}")(data, **words, **extra)
        if place is not None:
            viewer.layers.move(len(viewer.layers) - 1, place)
    return layer


_keeping_selection: list[Any] = []


@contextmanager
def selection_kept(viewer: Any) -> Iterator[None]:
    """Let the user go on with what is selected: napari selects each layer that is added."""
    active = viewer.layers.selection.active
    _keeping_selection.append(viewer)
    try:
        yield
        if active is not None and active in viewer.layers:
            viewer.layers.selection.active = active
    finally:
        _keeping_selection.pop()


def is_selected_by_user() -> bool:
    """False for selections that come and go while a layer of ours is added."""
    return not _keeping_selection


def update_layer(layer: Any, data: Any, words: dict[str, Any]) -> None:
    """Give a layer new data, colours, table and record; contrast limits, too, unless the user has chosen some."""
    if data is not layer.data:
        layer.data = data
    given = layer.metadata.get(METADATA_KEY, {}).get(LIMITS_KEY)
    if given is not None and "contrast_limits" in words and tuple(layer.contrast_limits) == tuple(given):
        layer.contrast_limits = words["contrast_limits"]
    for name in ("scale", "translate", "units", "colormap", "features"):
        if name in words:
            setattr(layer, name, words[name])
    layer.metadata = {**layer.metadata, **words.get("metadata", {})}


def repaint(layer: Any, labels: NDArray[Any], place: tuple[int, ...] = ()) -> None:
    """Put labels into a labels layer, or into its plane at `place`.

    It can be undone unless very much changes. What is put where there were no labels needs no undoing.
    """
    before = layer.data[place]
    changed = before != labels
    count = np.count_nonzero(changed)
    if not before.any():
        layer.data[place] = labels
        layer.refresh()
    elif 0 < count <= _MOST_UNDONE:
        where = np.nonzero(changed)
        layer.data_setitem((*(np.full(count, one) for one in place), *where), labels[where])
    elif count:
        layer.data[place] = labels
        layer.refresh()
        _forget_history(layer)


def _forget_history(layer: Any) -> None:
    """Drop what could be undone: it does not fit what the layer shows now, and would bring back part of it."""
    mode = layer.mode
    layer.editable = False  # napari has no other way that is meant for us
    layer.editable = True
    layer.mode = mode


def names_by_value(features: Any) -> dict[int, str]:
    """Name of each label value from the table of a labels layer; empty if it names none."""
    column = next((name for name in ("class", "name") if name in features), None)
    if column is None or "index" not in features:
        return {}
    return {int(value): str(name) for value, name in zip(features["index"], features[column], strict=True)}


def pick_on_click(viewer: Any, widget: Any) -> None:
    """Let a click on the canvas call ``widget.results.pick_at`` with `label_under`'s position, direction and axes.

    Without keeping the widget alive.
    """
    reference = weakref.ref(widget)

    def click(viewer: Any, event: Any) -> Iterator[None]:
        yield
        if event.type == "mouse_release":  # a drag would come here as mouse_move
            alive = reference()
            if alive is not None and isalive(alive):
                alive.results.pick_at(event.position, event.view_direction, event.dims_displayed)

    viewer.mouse_drag_callbacks.append(click)


def label_under(viewer: Any, layer: Any, position: Any, direction: Any = None, axes: Any = None) -> int:
    """Label of a layer at a place in world coordinates; 0 where it has none, is hidden, or while the user paints.

    In 3D the first one that is met from the place on along the direction of view, within the axes displayed.
    """
    active = viewer.layers.selection.active
    if not layer.visible or getattr(active, "mode", "pan_zoom") != "pan_zoom":
        return 0
    found = layer.get_value(position, view_direction=direction, dims_displayed=axes, world=True)
    return int(found) if found else 0


def units_per_world(viewer: Any, layer: Any) -> NDArray[np.float64]:
    """How many units of the layer one unit of the viewer's sliders is, per axis of the layer.

    Layers may have units of their own: a stack in µm below an image in nm.
    """
    world = getattr(viewer.dims, "units", None)
    if world is None or len(world) < layer.ndim:
        return np.ones(layer.ndim)
    factors = []
    for theirs, ours in zip(world[-layer.ndim :], layer.units, strict=True):
        comparable = theirs.dimensionality == ours.dimensionality
        factors.append(float((1 * theirs).to(ours).magnitude) if comparable else 1.0)
    return np.array(factors)


def show_plane(viewer: Any, layer: Any, place: Any) -> None:
    """Move the sliders to the plane of a layer in which a place, in its data coordinates, lies."""
    world = np.asarray(layer.data_to_world(place)) / units_per_world(viewer, layer)
    for axis in range(layer.ndim - 2):
        viewer.dims.set_point(viewer.dims.ndim - layer.ndim + axis, world[axis])


def plane_of(labels: Any, plane: int | None) -> Any:
    """One plane of labels, or all of them; nothing if they were made shorter than that."""
    if plane is None:
        return labels
    planes = labels.reshape(-1, *labels.shape[-2:])
    return planes[plane] if plane < len(planes) else planes[:0]


def axes_for_files(shape: tuple[int, ...], place: Placement) -> tuple[Axis, ...]:
    """Axes that a result of this shape has in files: those of the layer it was made from, or of one plane of it."""
    from napari_visualccc.io.napari_hooks import axes_of_layer

    # In files axes count upwards; a layer that was mirrored has a negative scale.
    return axes_of_layer(shape, place.keywords() | {"scale": tuple(abs(step) for step in place.scale)})


def file_stem(name: str) -> str:
    """Name of a layer as a file name that every system takes."""
    from napari_visualccc.io.writers import file_part

    return file_part(name.replace(SEPARATOR, " "))


def free_stem(folder: str, stem: str) -> str:
    """Beginning of the names of files in a folder: numbered where a result of that name was saved there before."""
    name, number = stem, 1
    while Path(folder, f"{name}_provenance.json").exists():
        number += 1
        name = f"{stem}-{number}"
    return name


def put_brush_away(viewer: Any) -> None:
    """Let clicks point instead of paint: the layer that is active may still be one of strokes."""
    active = viewer.layers.selection.active
    if active is not None and kind_of(active) == "labels":
        active.mode = "pan_zoom"


def open_widget(viewer: Any, name: str, layer: Any) -> None:
    """Open another of our widgets on a layer, as a tab of what is open: two side by side squeeze each other."""
    dock, widget = viewer.window.add_plugin_dock_widget("napari-visualccc", name, tabify=True)
    dock.show()
    dock.raise_()
    widget.chooser.choose(layer)


def theme_colours(viewer: Any) -> dict[str, str]:
    """Foreground and background of the viewer's theme, for plots."""
    from napari.utils.theme import get_theme

    theme = get_theme(viewer.theme)
    return {"foreground": theme.text.as_hex(), "background": theme.background.as_hex()}
