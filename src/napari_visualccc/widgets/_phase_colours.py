"""Phases in colours that the user chose, in the layers of earlier results, too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_visualccc.core.colours import colours_by_name
from napari_visualccc.core.results import Colour
from napari_visualccc.layers import METADATA_KEY, SEPARATOR
from napari_visualccc.widgets._layers import is_by_product, kind_of, names_by_value

_PHASES = f"{SEPARATOR}phases"


def recolour_layers(viewer: Any, names: Mapping[int, str], colours: Mapping[int, Colour]) -> None:
    """Show phases of these names in these colours in all layers of phases that we made."""
    for layer in viewer.layers:
        ours = kind_of(layer) == "labels" and _PHASES in layer.name and METADATA_KEY in layer.metadata
        if ours and not is_by_product(layer):  # numbered objects have names, too
            _recolour(layer, colours_by_name(names_by_value(layer.features), names, colours))


def _recolour(layer: Any, colours: Mapping[int, Colour]) -> None:
    from napari.utils.colormaps import DirectLabelColormap

    if not isinstance(layer.colormap, DirectLabelColormap):
        return  # the user chose napari's own colours
    before = layer.colormap.color_dict
    if any(tuple(before.get(value, ())) != colour for value, colour in colours.items()):
        layer.colormap = DirectLabelColormap(color_dict={**before, **colours})
