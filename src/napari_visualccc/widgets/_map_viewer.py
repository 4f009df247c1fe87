"""A map and the viewer: opening micrographs, which of them is shown, layers that a map makes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes
from napari_visualccc.layers import METADATA_KEY, SEPARATOR, Placement, signal_layer
from napari_visualccc.maps.reading import Stack
from napari_visualccc.widgets._layers import show_layer, show_plane
from napari_visualccc.widgets._map_jobs import Plane
from napari_visualccc.widgets._source import (
    array_of,
    current_plane,
    is_rgb,
    pixel_size_of,
    placement_of,
    plane_count,
    problem_with,
)

if TYPE_CHECKING:
    from napari_visualccc.core.results import Provenance
    from napari_visualccc.maps import MicrographMap, Regions
    from napari_visualccc.maps.mosaic import Mosaic

MOSAIC = "map of thumbnails"
_ROWS = "map_rows"
_OVER, _PLANE = "map_regions_over", "map_regions_plane"
# Below this share of the largest contribution a region is not shown: it would tint everything.
_HEAT_PERCENTILE = 99.0


def stack_of(layer: Any) -> Stack:
    """Planes of a layer with the names and files that they have."""
    about = layer.metadata.get(METADATA_KEY, {})
    planes = Planes(array_of(layer), rgb=is_rgb(layer), name=layer.name)
    count = len(planes)
    known = list(about.get("plane_names") or [])
    folder = Path(str(about.get("path") or layer.source.path or ""))
    if len(known) == count and folder.is_dir():
        return Stack(planes, pixel_size_of(layer), tuple(Path(n).stem for n in known),
                     tuple(str(folder / n) for n in known), layer.name)  # fmt: skip
    names = (layer.name,) if count == 1 else tuple(f"{layer.name} [{i}]" for i in range(count))
    path = str(folder) if folder.is_file() else ""
    return Stack(planes, pixel_size_of(layer), names, (path,) * count, layer.name)


def shown_plane(viewer: Any, made: MicrographMap) -> tuple[Any, Plane] | None:
    """Active image layer and its current plane; None if there is none that can be looked at."""
    layer = viewer.layers.selection.active
    if layer is None or layer._type_string != "image" or problem_with(layer):
        return None
    planes = Planes(array_of(layer), rgb=is_rgb(layer), name=layer.name)
    index = current_plane(layer, viewer) if plane_count(layer) > 1 else 0
    place, row, name = index, row_shown(viewer, made), stack_of(layer).names[index]
    if row >= 0:
        size = tuple(int(made.entries[side].iloc[row]) for side in ("height", "width"))
        if size != planes.plane_shape and all(n <= m for n, m in zip(size, planes.plane_shape, strict=True)):
            part = planes.read(index, (slice(0, size[0]), slice(0, size[1])))
            planes, index = Planes(part, rgb=False, name=layer.name), 0
        name = made.names[row]
    return layer, Plane(planes, index, pixel_size_of(layer), name, place, row)


def row_shown(viewer: Any, made: MicrographMap) -> int:
    """Row of the map that the active layer shows at its current plane; -1 if none."""
    layer = viewer.layers.selection.active
    if layer is None or layer._type_string != "image":
        return -1
    rows = layer.metadata.get(METADATA_KEY, {}).get(_ROWS)
    index = current_plane(layer, viewer) if plane_count(layer) > 1 else 0
    if rows is not None:
        return int(rows[index]) if index < len(rows) and rows[index] < len(made) else -1
    stack = stack_of(layer)
    if index >= len(stack.names):
        return -1
    paths, names = made.entries["path"], made.entries["name"]
    hit = np.flatnonzero((paths == stack.paths[index]) if stack.paths[index] else (names == stack.names[index]))
    if len(hit) > 1:  # several planes of one file
        hit = hit[made.entries["plane"].iloc[hit].to_numpy() == index]
    return int(hit[0]) if len(hit) else -1


def show_row(viewer: Any, made: MicrographMap, row: int) -> bool:
    """Bring a micrograph into view if a layer holds it; False if none does."""
    return any(layer._type_string == "image" and _show_in(viewer, layer, made, row) for layer in viewer.layers)


def show_signals(viewer: Any, made: MicrographMap, row: int, signals: list[Any]) -> None:
    """Bring a micrograph into view in a new layer, from what was read of its file."""
    signal, place = _signal_of(signals, int(made.entries["plane"].iloc[row]))
    data, words, _ = signal_layer(signal)
    about = words["metadata"][METADATA_KEY]
    if len(signal.planes) == 1:
        about[_ROWS] = [row]
    layer = viewer.add_image(data, **words)
    _look_at(viewer, layer, place)


def _signal_of(signals: list[Any], plane: int) -> tuple[Any, int]:
    """Signal of a file and the plane in it, counted over all signals."""
    for signal in signals:
        if plane < len(signal.planes):
            return signal, plane
        plane -= len(signal.planes)
    return signals[0], 0


def _show_in(viewer: Any, layer: Any, made: MicrographMap, row: int) -> bool:
    rows = layer.metadata.get(METADATA_KEY, {}).get(_ROWS)
    if rows is None:
        stack = stack_of(layer)
        path, name = made.entries["path"].iloc[row], made.entries["name"].iloc[row]
        if path and path in stack.paths:
            many = stack.paths.count(path) > 1
            index = int(made.entries["plane"].iloc[row]) if many else stack.paths.index(path)
        elif not path and name in stack.names:
            index = stack.names.index(name)
        else:
            return False
    elif row in rows:
        index = list(rows).index(row)
    else:
        return False
    _look_at(viewer, layer, index)
    return True


def _look_at(viewer: Any, layer: Any, index: int) -> None:
    viewer.layers.selection.active = layer
    for other in viewer.layers:
        # Micrographs on top of each other: the one asked for is to be seen.
        if other is not layer and other._type_string == "image" and METADATA_KEY in other.metadata:
            other.visible = False
    layer.visible = True
    if plane_count(layer) > 1:
        leading = layer.data.shape[: layer.ndim - 2]
        place = np.unravel_index(min(index, plane_count(layer) - 1), leading)
        show_plane(viewer, layer, (*place, *([0] * (layer.ndim - len(leading)))))
    viewer.reset_view()


def show_stacks(viewer: Any, signals: list[Any], made: MicrographMap, rows: list[int]) -> None:
    """Add stacks of encircled micrographs."""
    by_name = {Path(made.entries["path"].iloc[row]).name: row for row in rows}
    for signal in signals:
        data, words, _ = signal_layer(signal)
        found = [by_name.get(name, -1) for name in signal.plane_names]
        words["metadata"][METADATA_KEY][_ROWS] = found
        layer = viewer.add_image(data, **words)
        _look_at(viewer, layer, 0)


def show_regions(viewer: Any, source: Any, plane: int, found: Regions, provenance: Provenance) -> Any:
    """Heatmap over its micrograph: red raises the prediction, blue lowers it."""
    place = placement_of(source)
    flat = Placement(place.name, place.scale[-2:], place.translate[-2:], place.units[-2:])
    most = float(np.nanpercentile(np.abs(found.heatmap), _HEAT_PERCENTILE)) or 1.0
    words = flat.keywords() | {
        "name": f"{source.name}{SEPARATOR}drives {found.regressor.target}",
        "metadata": {METADATA_KEY: {"provenance": provenance.as_dict(), _OVER: source.name, _PLANE: plane}},
        "colormap": "coolwarm", "contrast_limits": (-most, most), "opacity": 0.55, "blending": "translucent",
    }  # fmt: skip
    active = viewer.layers.selection.active
    layer = show_layer(viewer, (np.nan_to_num(found.heatmap), words, "image"))
    layer.contrast_limits = (-most, most)
    layer.visible = True
    viewer.layers.selection.active = active
    return layer


def follow_regions(viewer: Any) -> None:
    """Show heatmaps over the plane that they belong to, and hide them over others."""
    for layer in viewer.layers:
        about = layer.metadata.get(METADATA_KEY, {})
        source = next((one for one in viewer.layers if one.name == about.get(_OVER)), None)
        if source is not None and plane_count(source) > 1:
            layer.visible = bool(source.visible) and current_plane(source, viewer) == about[_PLANE]


def show_mosaic(viewer: Any, mosaic: Mosaic, made: MicrographMap) -> Any:
    """Thumbnails as a layer; napari's multiscale if they are many."""
    many = len(mosaic.levels) > 1
    words = Placement.of_plane(MOSAIC, PixelSize()).keywords() | {
        "name": MOSAIC, "metadata": {METADATA_KEY: {"provenance": made.provenance.as_dict()}}, "multiscale": many,
    }  # fmt: skip
    for layer in [layer for layer in viewer.layers if layer.name == MOSAIC]:
        viewer.layers.remove(layer)
    layer = viewer.add_image(list(mosaic.levels) if many else mosaic.levels[0], **words)
    _look_at(viewer, layer, 0)
    return layer
