"""What surrounds the pixels of a plane: its size, its place on the source, its unit, and what its values are."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from napari_visualccc.core.lengths import Length
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Region
from napari_visualccc.core.tiles import Tile

Content = Literal["image", "labels"]
Shape = tuple[int, int]
Pair = tuple[float, float]


@dataclass(frozen=True)
class Frame:
    """Geometry and content of the planes at one place of a pipeline.

    ::

        source   ├─┼─┼─┼─┼─┼─┼─┼─┤      centres of its pixels at 0, 1, 2 …
        here         ├───┼───┤          centres at origin + i · spacing, in pixels of the source

    Attributes
    ----------
    count, shape
        Number of planes; height and width in pixels.
    pixel_size
        Size of a pixel here.
    content
        ``"image"`` (float32, NaN where there is no value) or ``"labels"`` (whole numbers, 0 for none).
    holes
        True if values may be NaN.
    spacing, origin
        Distance of neighbouring pixels along y and x, and centre of the first, in pixels of the source.
    """

    count: int
    shape: Shape
    pixel_size: PixelSize = PixelSize()
    content: Content = "image"
    holes: bool = False
    spacing: Pair = (1.0, 1.0)
    origin: Pair = (0.0, 0.0)

    def pixels(self, length: str) -> Pair:
        """A length of an option (``"3px"``, ``"1.5nm"``) in pixels along y and x.

        Raises
        ------
        OptionError
            If the planes are not calibrated in its unit.
        """
        return Length.parse(length).pixels(self.pixel_size)

    def regridded(self, shape: Shape, factors: Pair, first: Pair) -> Frame:
        """Frame of pixels that are `factors` old ones wide, the centre of the first at `first` old ones."""
        size = self.pixel_size
        if size.is_calibrated:
            size = PixelSize(size.y * factors[0], size.x * factors[1], size.unit)
        spacing = (self.spacing[0] * factors[0], self.spacing[1] * factors[1])
        origin = tuple(o + f * s for o, f, s in zip(self.origin, first, self.spacing, strict=True))
        return replace(self, shape=shape, pixel_size=size, spacing=spacing, origin=(origin[0], origin[1]))

    @property
    def whole(self) -> Region:
        """Slices of a whole plane."""
        return slice(0, self.shape[0]), slice(0, self.shape[1])

    def around(self, region: Region, halo: tuple[int, int]) -> Tile:
        """The region with a margin as far as the plane reaches."""
        (y, x), (height, width) = region, self.shape
        outer = (
            slice(max(y.start - halo[0], 0), min(y.stop + halo[0], height)),
            slice(max(x.start - halo[1], 0), min(x.stop + halo[1], width)),
        )
        return Tile(region, outer)
