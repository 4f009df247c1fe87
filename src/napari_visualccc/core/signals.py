"""What a reader understood of one image in a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from napari_visualccc.core.pixel_size import Axis, PixelSize
from napari_visualccc.core.planes import Planes


@dataclass(frozen=True)
class ImageSignal:
    """One image, stack or 4-D set as read from a file, calibrated and not yet loaded.

    Attributes
    ----------
    data
        NumPy array, memory map or dask array of shape ``(…, Y, X)``, or ``(…, Y, X, 3|4)`` if `rgb`.
    axes
        One `Axis` per dimension of `data`, the colour axis left out; the last two are Y and X.
    name
        Title in the file, or the file's stem.
    path
        File (or folder) that it came from.
    rgb
        True if the last dimension of `data` holds colours.
    metadata
        Instrument settings in plain JSON types: ``beam_energy_kv``, ``magnification``, ``detector`` …
    notes
        What was wrong with the file and how it was read instead, in words.
    plane_names
        File name of each plane when the signal is a folder; else empty.
    """

    data: Any
    axes: tuple[Axis, ...]
    name: str
    path: Path
    rgb: bool = False
    metadata: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    plane_names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shape = tuple(self.data.shape[:-1] if self.rgb else self.data.shape)
        if shape != tuple(axis.size for axis in self.axes):
            raise ValueError(f"axes {[axis.size for axis in self.axes]} do not fit data of shape {self.data.shape}")

    @property
    def pixel_size(self) -> PixelSize:
        """Size of a pixel in the (Y, X) plane."""
        return PixelSize.from_axes(self.axes[-2], self.axes[-1])

    def calibrated(self, size: PixelSize) -> ImageSignal:
        """The same image with pixels of another size; the place of the first pixel is kept if the unit is."""
        leading, plane = self.axes[:-2], []
        for axis, scale in zip(self.axes[-2:], (size.y, size.x), strict=True):
            offset = axis.offset if axis.unit == size.unit else 0.0
            plane.append(replace(axis, scale=scale, offset=offset, unit=size.unit))
        return replace(self, axes=(*leading, *plane))

    @property
    def planes(self) -> Planes:
        """The image as lazily read planes."""
        return Planes(self.data, rgb=self.rgb, name=self.name)

    def summary(self) -> dict[str, Any]:
        """What `visualccc info --json` says of the signal, in plain JSON types."""
        size = self.pixel_size
        return {
            "name": self.name,
            "shape": [int(n) for n in self.data.shape],
            "dtype": str(self.data.dtype),
            "rgb": self.rgb,
            "pixel_size": [size.y, size.x],
            "unit": size.unit,
            "axes": [
                {"name": a.name, "size": a.size, "scale": a.scale, "offset": a.offset, "unit": a.unit}
                for a in self.axes
            ],
            "metadata": dict(self.metadata),
            "notes": list(self.notes),
        }
