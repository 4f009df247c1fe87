"""What the engine gets of a layer: its planes or one of them, its pixel size and place, and where it came from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes
from napari_visualccc.layers import METADATA_KEY, Placement
from napari_visualccc.widgets._layers import (
    file_arguments,
    file_of_plane,
    file_stem,
    is_image_folder,
    size_flags,
    units_per_world,
)

_INHERITED = ("plane_names",)


def pixel_size_of(layer: Any) -> PixelSize:
    """Pixel size of a layer's (Y, X) plane; plain pixels if its units span no area."""
    y, x = layer.scale[-2:]
    units = [f"{unit:~}" for unit in layer.units[-2:]]
    size_y, size_x = PixelSize.of(abs(y), unit=units[0]), PixelSize.of(abs(x), unit=units[1])
    if size_y.unit != size_x.unit:
        return PixelSize()
    return PixelSize(size_y.y, size_x.x, size_y.unit)


def placement_of(layer: Any) -> Placement:
    """Place of a layer in the world, for its results."""
    about = layer.metadata.get(METADATA_KEY, {})
    return Placement(
        name=layer.name,
        scale=tuple(float(s) for s in layer.scale),
        translate=tuple(float(t) for t in layer.translate),
        units=tuple(str(unit) for unit in layer.units),
        axis_labels=tuple(layer.axis_labels),
        metadata={key: about[key] for key in _INHERITED if about.get(key)},
    )


def array_of(layer: Any) -> Any:
    """Array of the layer, at full resolution if it is a pyramid."""
    return layer.data[0] if layer.multiscale else layer.data


def is_rgb(layer: Any) -> bool:
    """True if the last axis of the layer's array holds colours; labels have none."""
    return bool(getattr(layer, "rgb", False))


def problem_with(layer: Any) -> str:
    """Why the layer cannot be worked on, in words; empty if it can."""
    from napari.layers import Image

    if not isinstance(layer, Image):
        kind = type(layer).__name__
        return f"“{layer.name}” is a {kind} layer: choose an image."
    try:
        Planes(array_of(layer), rgb=bool(layer.rgb), name=f"“{layer.name}”")
    except InputError as error:
        return f"{error}."
    return ""


def remark_on(layer: Any) -> str:
    """How an unusual layer will be read, in words; empty if there is nothing unusual."""
    remarks = []
    if layer.multiscale:
        remarks.append("full resolution of the pyramid is used")
    if is_rgb(layer):
        remarks.append("colours are read as brightness")
    elif np.dtype(array_of(layer).dtype).kind == "c":
        remarks.append("complex values are read as amplitude")
    return "; ".join(remarks)


def plane_count(layer: Any) -> int:
    """Number of planes of an image layer."""
    shape = array_of(layer).shape
    return int(np.prod(shape[: -3 if is_rgb(layer) else -2], dtype=np.int64))


def current_plane(layer: Any, viewer: Any) -> int:
    """Index of the plane of the layer that the viewer shows."""
    leading = array_of(layer).shape[: -3 if is_rgb(layer) else -2]
    if not leading:
        return 0
    point = np.asarray(viewer.dims.point)[-layer.ndim :]
    point = point * units_per_world(viewer, layer)[-len(point) :]  # fewer while the last layers are taken away
    place = np.rint(layer.world_to_data(point))[: len(leading)].astype(int)
    return int(np.ravel_multi_index(tuple(np.clip(place, 0, np.array(leading) - 1)), leading))


@dataclass(frozen=True)
class Source:
    """What the engine gets of a layer.

    Attributes
    ----------
    layer
        The layer itself.
    planes
        Its planes, or the one plane chosen.
    pixel_size, placement
        Its calibration and its place, that of the one plane if `plane` is a number.
    plane
        Index of the chosen plane; None for the whole stack.
    path
        File that the layer came from; None if it came from none.
    """

    layer: Any
    planes: Planes
    pixel_size: PixelSize
    placement: Placement
    plane: int | None
    path: str | None = None

    @property
    def name(self) -> str:
        """Name of the layer when the job began."""
        return self.placement.name

    @property
    def arguments(self) -> list[str]:
        """How the command line is told of this image: the layer's file, if it came from one, and what of it."""
        if self.path is not None:
            return file_arguments(self.layer, self.plane, self.pixel_size)
        # It has to be saved first, and its pixel size is saved with it.
        return [self.name] if self.plane is None else [self.name, "--plane", str(self.plane)]

    @property
    def file_arguments(self) -> list[str]:
        """As `arguments`, of a command that looks at the files of a folder one by one."""
        if self.path is None or not is_image_folder(self.path):
            return self.arguments
        return [file_of_plane(self.layer, self.plane) or self.path, *size_flags(self.layer, self.pixel_size)]

    @property
    def extent(self) -> str:
        """How much of the layer this is, in words."""
        return f"{self.planes.size / 1e6:.3g} Mpx" if self.plane is None else f"plane {self.plane}"

    @property
    def file_stem(self) -> str:
        """Beginning of the names of files of results."""
        return file_stem(self.name) + ("" if self.plane is None else f"_plane{self.plane}")

    def fold(self, result: Any) -> Any:
        """Result of the engine with as many axes as the layer has."""
        return (
            result if self.plane is None else result.reshape((1,) * (len(self.placement.scale) - 2) + result.shape[-2:])
        )


def make_source(layer: Any, plane: int | None = None) -> Source:
    """Everything the engine needs of a layer, or of one of its planes."""
    planes = Planes(array_of(layer), rgb=is_rgb(layer), name=layer.name)
    place = placement_of(layer)
    path = str(layer.source.path) if layer.source.path else None
    if plane is None or len(planes) == 1:
        return Source(layer, planes, pixel_size_of(layer), place, None, path)
    index = np.unravel_index(plane, planes.leading)
    moved = tuple(
        t + s * int(i) for t, s, i in zip(place.translate, place.scale, index, strict=False)
    ) + place.translate[-2:]  # fmt: skip
    here = Placement(place.name, place.scale, moved, place.units, place.axis_labels)
    return Source(layer, planes.only(plane), pixel_size_of(layer), here, plane, path)
