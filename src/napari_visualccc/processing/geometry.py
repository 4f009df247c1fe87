"""Steps that change the grid of pixels: binning, cropping, resampling; the result knows its pixel size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.lengths import Length
from napari_visualccc.core.params import Options, option
from napari_visualccc.core.planes import Region
from napari_visualccc.core.resample import ResampledPlane
from napari_visualccc.processing.frames import Frame
from napari_visualccc.processing.holes import filled
from napari_visualccc.processing.step import Here, Source, Step, Values


@dataclass(frozen=True)
class BinOptions(Options):
    """Make one pixel of several: less noise, smaller image, larger pixel size."""

    factor: int = option(2, label="Factor", minimum=1, maximum=256, help="Pixels along each edge that become one.")
    by: str = option(
        "mean", label="By", choices=("mean", "sum"), help="Mean of the values, or their sum (counted electrons)."
    )


def _binned_frame(frame: Frame, options: BinOptions, learned: Any) -> Frame:
    factor = options.factor
    shape = (frame.shape[0] // factor, frame.shape[1] // factor)
    if 0 in shape:
        raise OptionError(f"factor {factor} is larger than the image of {frame.shape[0]} × {frame.shape[1]} px")
    return frame.regridded(shape, (factor, factor), ((factor - 1) / 2, (factor - 1) / 2))


def _binned(source: Source, index: int, region: Region, options: BinOptions, here: Here) -> Values:
    factor = options.factor
    y, x = (slice(part.start * factor, part.stop * factor) for part in region)
    values = source.read(index, (y, x))
    if here.frame.content == "labels":  # a mean of labels is none: the pixel in the middle stands for the block
        return values[factor // 2 :: factor, factor // 2 :: factor]
    blocks = values.reshape(values.shape[0] // factor, factor, values.shape[1] // factor, factor)
    if here.frame.holes:
        counts = np.isfinite(blocks).sum(axis=(1, 3))
        sums = np.nansum(blocks, axis=(1, 3), dtype=np.float64)
        means = np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0)
    else:
        means = blocks.mean(axis=3).mean(axis=1)
    return np.asarray(means * factor**2 if options.by == "sum" else means, np.float32)


@dataclass(frozen=True)
class CropOptions(Options):
    """Keep a rectangle of the image."""

    top: str = option("0px", kind="length", label="Top", minimum=0.0, help="Distance of the rectangle from the top.")
    left: str = option("0px", kind="length", label="Left", minimum=0.0, help="Its distance from the left border.")
    height: str = option(
        "0px", kind="length", label="Height", minimum=0.0, help="Height; 0 keeps all down to the bottom."
    )
    width: str = option(
        "0px", kind="length", label="Width", minimum=0.0, help="Width; 0 keeps all to the right border."
    )


def crop_region(frame: Frame, options: CropOptions) -> Region:
    """The rectangle in pixels.

    Raises
    ------
    OptionError
        If nothing of the image lies in it.
    """
    parts = []
    for axis, (start, length) in enumerate(((options.top, options.height), (options.left, options.width))):
        first, total = round(frame.pixels(start)[axis]), frame.shape[axis]
        wanted = frame.pixels(length)[axis]
        stop = min(total, first + max(1, round(wanted))) if wanted > 0 else total
        if first >= stop:
            raise OptionError(
                f"the rectangle begins at {first} px, outside of the image of {frame.shape[0]} × {frame.shape[1]} px"
            )
        parts.append(slice(first, stop))
    return parts[0], parts[1]


def _cropped_frame(frame: Frame, options: CropOptions, learned: Any) -> Frame:
    y, x = crop_region(frame, options)
    return frame.regridded((y.stop - y.start, x.stop - x.start), (1, 1), (y.start, x.start))


def _cropped(source: Source, index: int, region: Region, options: CropOptions, here: Here) -> Values:
    y, x = (
        slice(kept.start + part.start, kept.start + part.stop)
        for kept, part in zip(crop_region(here.frame, options), region, strict=True)
    )
    return source.read(index, (y, x))


@dataclass(frozen=True)
class ResampleOptions(Options):
    """Bring the image to a pixel size: to compare micrographs of different magnification, or to make pixels square."""

    pixel: str = option(
        "2px", kind="length", label="Pixel size", minimum=0.01, maximum=1000.0,
        help="Edge of the new pixels; in nm for calibrated images, in old pixels otherwise.",
    )  # fmt: skip


def _factors(frame: Frame, options: ResampleOptions) -> tuple[float, float]:
    """New pixels per old one along y and x; the result is square also if the old pixels are not."""
    length = Length.parse(options.pixel)
    if length.unit == "px":
        square = min(frame.pixel_size.y, frame.pixel_size.x)
        return frame.pixel_size.y / square / length.value, frame.pixel_size.x / square / length.value
    y, x = frame.pixels(options.pixel)
    return 1 / y, 1 / x


def _resampled_shape(frame: Frame, options: ResampleOptions) -> tuple[int, int]:
    y, x = (max(1, round(n * factor)) for n, factor in zip(frame.shape, _factors(frame, options), strict=True))
    return y, x


def _resampled_frame(frame: Frame, options: ResampleOptions, learned: Any) -> Frame:
    shape = _resampled_shape(frame, options)
    if shape[0] * shape[1] > 1 << 32:
        raise OptionError(f"a pixel size of {options.pixel} would make {shape[0]} × {shape[1]} px: choose a larger one")
    # The borders of the field of view coincide, so that the true size follows from whole numbers of pixels.
    wide = (frame.shape[0] / shape[0], frame.shape[1] / shape[1])
    return frame.regridded(shape, wide, ((wide[0] - 1) / 2, (wide[1] - 1) / 2))


def _resampled(source: Source, index: int, region: Region, options: ResampleOptions, here: Here) -> Values:
    shape = _resampled_shape(here.frame, options)
    if here.frame.content == "labels":
        return _nearest(source, index, region, shape)
    factors = _factors(here.frame, options)

    def read(part: Region) -> Values:
        return filled(source.read(index, part))

    found = ResampledPlane(read, here.frame.shape, factors).read(region)
    if here.frame.holes:
        missing = _nearest(source, index, region, shape)
        found[~np.isfinite(missing)] = np.nan
    return found


def _nearest(source: Source, index: int, region: Region, shape: tuple[int, int]) -> Values:
    places = [
        np.minimum(((np.arange(part.start, part.stop) + 0.5) * old / new).astype(int), old - 1)
        for part, old, new in zip(region, source.frame.shape, shape, strict=True)
    ]
    (y, x) = places
    values = source.read(index, (slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1)))
    return np.asarray(values[np.ix_(y - y[0], x - x[0])])


_GROUP = "Geometry"
STEPS = (
    Step("bin", "Bin", _GROUP, BinOptions, regrid=_binned_frame, read=_binned, takes=None),
    Step("crop", "Crop", _GROUP, CropOptions, regrid=_cropped_frame, read=_cropped, takes=None),
    Step("resample", "Resample to a pixel size", _GROUP, ResampleOptions, regrid=_resampled_frame, read=_resampled,
         takes=None),
)  # fmt: skip
