"""Places to paint next, as points over the image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_visualccc.layers import METADATA_KEY, SEPARATOR
from napari_visualccc.widgets._layers import find_layer, selection_kept, show_plane
from napari_visualccc.widgets._source import Source, array_of

if TYPE_CHECKING:
    from napari_visualccc.segment import Suggestion

PLACES = "paint here"


def mark_places(viewer: Any, source: Source, places: Sequence[Suggestion]) -> None:
    """Mark places to paint as points instead of those marked before; the viewer goes to the first."""
    if source.layer not in viewer.layers:
        return
    name = source.layer.name + SEPARATOR + PLACES
    old = find_layer(viewer, name, "points")
    if old is not None:
        viewer.layers.remove(old)
    if not places:
        return
    leading = array_of(source.layer).shape[: source.layer.ndim - 2]
    rows = []
    for one in places:
        plane = one.plane if source.plane is None else source.plane
        rows.append([*np.unravel_index(plane, leading), one.y, one.x] if leading else [one.y, one.x])
    like = {name: getattr(source.layer, name) for name in ("units", "scale", "translate", "rotate", "shear")}
    size = max(10.0, 0.04 * min(source.planes.plane_shape))
    with selection_kept(viewer):
        layer = viewer.add_points(
            np.array(rows, float), name=name, size=size, **like, affine=source.layer.affine,
            face_color="transparent", border_color="yellow", border_width=0.12,
            features={"uncertainty": [one.uncertainty for one in places]},
            metadata={METADATA_KEY: {"suggestions": True}},
        )  # fmt: skip
    show_plane(viewer, layer, layer.data[0])
