"""Give layers a pixel size, and find the one that a file holds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress
from napari_visualccc.layers import SEPARATOR, napari_unit
from napari_visualccc.widgets._layers import kind_of
from napari_visualccc.widgets._source import array_of


def calibrate(viewer: Any, layer: Any, size: PixelSize) -> list[Any]:
    """Give a layer and all layers made from it a pixel size.

    Layers made from it are those named ``<layer> · …`` whose planes have the same height and width. Stack axes keep
    their scale, and offsets move along so that layers stay over each other.

    Returns
    -------
    list
        The layers that were changed.
    """
    shape = plane_shape(layer)
    related = [
        other
        for other in viewer.layers
        if other is layer or (other.name.startswith(layer.name + SEPARATOR) and plane_shape(other) == shape)
    ]
    for other in related:
        _set_scale(other, size)
    return related


def scale_bar(viewer: Any) -> Any:
    """The viewer's scale bar, wherever this napari keeps it (napari 0.9 moved it)."""
    canvas = getattr(viewer, "canvas", None)
    return viewer.scale_bar if canvas is None else canvas.overlays.scale_bar


def _set_scale(layer: Any, size: PixelSize) -> None:
    before = np.array(layer.scale, float)
    after = before.copy()
    after[-2:] = size.y, size.x
    unit = napari_unit(size.unit)
    translate = np.array(layer.translate, float)
    translate[-2:] *= after[-2:] / before[-2:]
    layer.units = (*(str(u) for u in layer.units[:-2]), unit, unit)
    layer.scale = after
    layer.translate = translate


def plane_shape(layer: Any) -> tuple[int, ...] | None:
    """Height and width of a layer's planes; None if it is neither image nor labels."""
    if kind_of(layer) not in ("image", "labels"):
        return None
    shape = array_of(layer).shape
    return tuple(shape[-3:-1] if getattr(layer, "rgb", False) else shape[-2:])


def read_tags(path: str, shape: tuple[int, ...], *, progress: Progress) -> PixelSize:
    """Pixel size that a file gives for an image of this shape.

    Raises
    ------
    InputError
        If the file gives none.
    """
    from napari_visualccc.io import calibration_from_file

    progress(0.1, "reading the file")
    signal = calibration_from_file(path, shape)
    if signal is None:
        raise InputError(f"{Path(path).name} holds no image of shape {shape}: type the pixel size instead")
    if not signal.pixel_size.is_calibrated:
        raise InputError(f"{Path(path).name} says nothing of the pixel size: type it, or draw a line on the scale bar")
    return signal.pixel_size
