"""One plane as an encoder is to see it: on one grey scale, at the wanted pixel size, without marks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.pixel_size import NANOMETRE, PixelSize
from napari_visualccc.core.planes import Planes, Region
from napari_visualccc.core.resample import Read, ResampledPlane
from napari_visualccc.models.embedding_options import EmbeddingOptions
from napari_visualccc.models.normalise import GreyScale
from napari_visualccc.models.windows import rescale_factors

Mask = NDArray[np.bool_]
# Finds what was written into a plane; None if nothing was.
FindMask = Callable[[Planes, int], Mask | None]


@dataclass(frozen=True)
class Micrograph:
    """One plane to look at.

    Attributes
    ----------
    planes, index
        Where the plane is.
    pixel_size
        Of the plane; used if a common pixel size is wanted.
    mask
        True where something was written into the picture (scale bar, text); left out. Shape (Y, X). Or what finds it:
        that is called when the plane is looked at, and not if its vector is known.
    """

    planes: Planes
    index: int = 0
    pixel_size: PixelSize = field(default_factory=PixelSize)
    mask: Mask | FindMask | None = None

    def __post_init__(self) -> None:
        if isinstance(self.mask, np.ndarray) and self.mask.shape != self.planes.plane_shape:
            raise OptionError(
                f"the mask of {self.planes.name} has shape {self.mask.shape}, the plane {self.planes.plane_shape}"
            )

    @property
    def found_mask(self) -> Mask | None:
        """The mask itself."""
        return self.mask(self.planes, self.index) if callable(self.mask) else self.mask


def source_of(item: Micrograph, options: EmbeddingOptions) -> tuple[Read, Read, tuple[int, int]]:
    """Functions that give normalised values of a region and which of them count, and the shape of the plane.

    At the wanted pixel size, if there is one and the plane is calibrated. What lies under the mask is neither counted
    nor does it set the grey scale; to the network it looks like the typical grey.
    """
    planes, index, mask = item.planes, item.index, item.found_mask
    if mask is None or mask.all():
        mask = None
        scale = GreyScale.of_plane(planes, index)
    else:
        values = planes.plane(index)[~mask]
        values = values[np.isfinite(values)]
        scale = GreyScale.of(values) if values.size else GreyScale.of_plane(planes, index)

    def read(region: Region) -> NDArray[np.float32]:
        values = scale.read(planes, index, region)
        if mask is not None:
            values[mask[region]] = 0
        return values

    def counts(region: Region) -> NDArray[np.float32]:
        if mask is None and planes.is_integer:
            return np.ones((region[0].stop - region[0].start, region[1].stop - region[1].start), np.float32)
        counted = np.isfinite(planes.plane(index, region))
        return np.asarray(counted if mask is None else counted & ~mask[region], np.float32)

    wanted = PixelSize(options.pixel_nm, options.pixel_nm, NANOMETRE) if options.pixel_nm else PixelSize()
    factors = rescale_factors(item.pixel_size, wanted)
    if factors == (1.0, 1.0):
        return read, counts, planes.plane_shape
    resampled = ResampledPlane(read, planes.plane_shape, factors)
    return resampled.read, ResampledPlane(counts, planes.plane_shape, factors).read, resampled.shape
