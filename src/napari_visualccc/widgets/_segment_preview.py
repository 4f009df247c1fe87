"""The live picture of the Segment widget: a layer over one plane of the image, gone when the work is done."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_visualccc.layers import METADATA_KEY, SEPARATOR
from napari_visualccc.widgets._layers import show_layer

PREVIEW = "phases (preview)"


def show_preview(viewer: Any, image: Any, plane: int, picture: Any, colours: Any, *, below: Any = None) -> None:
    """Show what a running training or a quick model makes of a plane, under the layer `below`."""
    if image not in viewer.layers:
        return
    name = image.name + SEPARATOR + PREVIEW
    shape = image.data.shape[-3:-1] if image.rgb else image.data.shape[-2:]
    if tuple(picture.shape) != tuple(shape):
        return
    remove_preview(viewer, besides=name)  # that of the image in sight before
    leading = image.ndim - 2
    translate = np.array(image.translate, float)
    if leading:
        place = np.unravel_index(plane, image.data.shape[:leading])
        translate[:leading] += np.array(image.scale)[:leading] * np.array(place)
    clear = (0.0, 0.0, 0.0, 0.0)
    words = {
        "name": name, "scale": image.scale, "translate": translate, "units": image.units, "opacity": 0.4,
        "colormap": {None: clear, 0: clear, **colours}, "metadata": {METADATA_KEY: {"preview": True}},
    }  # fmt: skip
    layer = (picture.reshape((1,) * leading + picture.shape), words, "labels")
    show_layer(viewer, layer, like=image, below=below)


def has_preview(viewer: Any) -> bool:
    """Whether a live picture is shown."""
    return any(_is_preview(layer) for layer in viewer.layers)


def remove_preview(viewer: Any, *, besides: str = "") -> None:
    """Take away preview layers, all or those of other names."""
    for layer in list(viewer.layers):
        if _is_preview(layer) and layer.name != besides:
            viewer.layers.remove(layer)


def _is_preview(layer: Any) -> bool:
    return layer.name.endswith(SEPARATOR + PREVIEW) and METADATA_KEY in layer.metadata
