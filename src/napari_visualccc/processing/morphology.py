"""Steps on shapes: opening, closing and kin; filling holes, removing specks, parting particles."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, pi

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.params import Options, option
from napari_visualccc.processing.frames import Frame
from napari_visualccc.processing.holes import fill_holes
from napari_visualccc.processing.step import Here, Step, Values

_OPERATIONS = ("open", "close", "erode", "dilate", "tophat", "bottomhat")
_TWO_PASSES = ("open", "close", "tophat", "bottomhat")


@dataclass(frozen=True)
class MorphologyOptions(Options):
    """Open, close, erode, dilate, or keep what opening or closing takes away (top hats); grey values or labels."""

    operation: str = option(
        "open", label="Do", choices=_OPERATIONS,
        help="open removes small bright spots, close small dark ones; tophat keeps small bright spots alone, bottomhat "
        "dark ones.",
    )  # fmt: skip
    radius: str = option(
        "2px", kind="length", label="Radius", minimum=0.5, maximum=100.0, help="Radius of the round neighbourhood."
    )


def ellipse(radii: tuple[float, float]) -> NDArray[np.bool_]:
    """Round neighbourhood; an ellipse in pixels where pixels are not square."""
    half = [max(0, int(radius + 0.5)) for radius in radii]
    y, x = np.ogrid[-half[0] : half[0] + 1, -half[1] : half[1] + 1]
    ry, rx = (max(radius, 0.5) for radius in radii)
    return np.asarray((y / ry) ** 2 + (x / rx) ** 2 <= 1 + 1e-9)


def _morphology(values: Values, options: MorphologyOptions, here: Here) -> Values:
    from scipy import ndimage

    footprint = ellipse(here.frame.pixels(options.radius))
    # What lies outside must not count: erosion sees the largest value there, dilation the smallest.
    low, high = (values.min(), values.max()) if values.size else (0, 0)

    def erode(array: Values) -> Values:
        return np.asarray(ndimage.grey_erosion(array, footprint=footprint, mode="constant", cval=high))

    def dilate(array: Values) -> Values:
        return np.asarray(ndimage.grey_dilation(array, footprint=footprint, mode="constant", cval=low))

    match options.operation:
        case "open":
            return dilate(erode(values))
        case "close":
            return erode(dilate(values))
        case "erode":
            return erode(values)
        case "dilate":
            return dilate(values)
        case "tophat":
            return values - dilate(erode(values))
        case _:
            return erode(dilate(values)) - values


def _reach(options: MorphologyOptions, frame: Frame) -> tuple[int, int]:
    passes = 2 if options.operation in _TWO_PASSES else 1
    y, x = (passes * ceil(radius + 0.5) for radius in frame.pixels(options.radius))
    return y, x


@dataclass(frozen=True)
class FillHolesOptions(Options):
    """Fill holes that a label surrounds completely."""

    largest: str = option(
        "0px", kind="length", label="Up to", minimum=0.0, maximum=1e6,
        help="Holes up to the area of a disc of this diameter are filled; 0 fills all.",
    )  # fmt: skip


def _area(diameter: str, frame: Frame) -> float:
    """Pixels in a disc of this diameter."""
    y, x = frame.pixels(diameter)
    return pi / 4 * y * x


def _fill_holes(values: Values, options: FillHolesOptions, here: Here) -> Values:
    from scipy import ndimage

    empty = values == 0
    holes, _ = ndimage.label(empty)
    sizes = np.bincount(holes.ravel())
    border = np.unique(np.concatenate([holes[0], holes[-1], holes[:, 0], holes[:, -1]]))
    largest = _area(options.largest, here.frame)
    filled = (sizes <= largest) if largest > 0 else np.ones(len(sizes), bool)
    filled[border] = filled[0] = False
    chosen = filled[holes]
    return np.where(chosen, fill_holes(values, empty), values) if chosen.any() else values


@dataclass(frozen=True)
class RemoveSmallOptions(Options):
    """Remove patches of labels that are smaller than a disc of this diameter."""

    smallest: str = option(
        "5px", kind="length", label="Smaller than", minimum=0.0, maximum=1e6,
        help="Diameter of a disc of the area below which a patch is removed.",
    )  # fmt: skip


def _remove_small(values: Values, options: RemoveSmallOptions, here: Here) -> Values:
    from skimage.measure import label

    patches = label(values, background=0, connectivity=2)
    small = np.bincount(patches.ravel()) < _area(options.smallest, here.frame)
    small[0] = False
    return np.where(small[patches], 0, values)


@dataclass(frozen=True)
class WatershedOptions(Options):
    """Part particles that touch and number them, by the watershed of the distance to the background."""

    smallest: str = option(
        "10px", kind="length", label="Particles from", minimum=2.0, maximum=10000.0,
        help="Diameter of the smallest particles: centres nearer than half of it belong to one particle.",
    )  # fmt: skip


def _watershed(values: Values, options: WatershedOptions, here: Here) -> Values:
    from scipy import ndimage
    from skimage.feature import peak_local_max
    from skimage.segmentation import watershed

    inside = values > 0
    if not inside.any():
        return np.zeros(values.shape, np.int32)
    radius = float(np.mean(here.frame.pixels(options.smallest))) / 2
    size = here.frame.pixel_size
    aspect = (size.y / size.x, 1.0)
    # Outside of the image is neither particle nor background: distances are to background that is seen.
    distance = ndimage.distance_transform_edt(inside, sampling=aspect) if not inside.all() else inside.astype(float)
    # Small bumps on the distance map of a rough outline are not centres of particles; the necks are where they are.
    smooth = ndimage.gaussian_filter(distance, radius / 4)
    patches, count = ndimage.label(inside, np.ones((3, 3)))
    peaks = peak_local_max(smooth, min_distance=max(1, round(radius)), labels=patches, exclude_border=False)
    markers = np.zeros(values.shape, np.int32)
    markers[tuple(peaks.T)] = np.arange(1, len(peaks) + 1)
    # A patch too small for a peak of its own keeps a number of its own.
    without = np.setdiff1d(np.arange(1, count + 1), patches[tuple(peaks.T)])
    for number, place in enumerate(ndimage.maximum_position(distance, patches, without) if len(without) else [], 1):
        markers[place] = len(peaks) + number
    return np.asarray(watershed(-distance, markers, mask=inside), np.int32)


_GROUP = "Shapes"
STEPS = (
    Step("morphology", "Morphology", _GROUP, MorphologyOptions, _morphology, _reach, takes=None),
    Step("fill_holes", "Fill holes", _GROUP, FillHolesOptions, _fill_holes, takes="labels"),
    Step("remove_small", "Remove small patches", _GROUP, RemoveSmallOptions, _remove_small, takes="labels"),
    Step("watershed", "Watershed (part particles)", _GROUP, WatershedOptions, _watershed, takes="labels",
         gives="labels", dtype=np.int32),
)  # fmt: skip
