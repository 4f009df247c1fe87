"""How thick a layer is along its length: an oxide on metal, an interphase on lithium, a coating, a shell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.segment.bridges import bridge_cracks
from napari_visualccc.segment.chains import Piece, chain_pieces
from napari_visualccc.segment.layer_patch import LayerPatch
from napari_visualccc.segment.thickness_interval import mean_interval

if TYPE_CHECKING:
    import pandas as pd

# Patches smaller than this share of the largest are specks and no part of a layer.
_SPECK = 0.01


@dataclass(frozen=True)
class PlaneThickness:
    """Thickness of the layers of one plane.

    Attributes
    ----------
    pieces
        Unbroken stretches of layer.
    map
        Thickness at the pixels of the layer, NaN elsewhere; float32, shape (Y, X).
    """

    pieces: tuple[Piece, ...]
    map: NDArray[np.float32]


def measure_thickness(
    layer: NDArray[np.bool_], pixel_size: PixelSize, *, progress: Progress | None = None
) -> PlaneThickness:
    """Measure the thickness of layers perpendicular to their centre line.

    Parameters
    ----------
    layer
        True in the layer; shape (Y, X).
    pixel_size
        Of the plane. Pixels need not be square.
    progress
        Reports and cancels.

    Notes
    -----
    The skeleton of each patch gives a first centre line, which is smoothed over half a thickness and moved to the
    middle of what is perpendicular to it, three times over. Thickness is the distance between the two points where
    the perpendicular leaves the layer, found between pixels on a mask blurred by about a pixel (which moves straight
    boundaries nowhere). Left out are places where the perpendicular meets the edge of the image first, the last half
    thickness before a free end, and branchings. Pores smaller than the square of half the thickness are filled, and
    cracks across the layer bridged (`bridges.bridge_cracks`);
    patches less than two and a half times as long as thick are no layers.

    Examples
    --------
    >>> band = np.zeros((60, 200), bool)
    >>> band[20:40] = True
    >>> found = measure_thickness(band, PixelSize(0.5, 0.5, "nm"))
    >>> round(float(found.pieces[0].thickness.mean()), 2), len(found.pieces)
    (10.0, 1)
    """
    from scipy.ndimage import find_objects
    from skimage.measure import label

    progress = silent(progress)
    progress(0.0, "measuring thickness")
    result = np.full(layer.shape, np.nan, np.float32)
    patches, count = label(bridge_cracks(layer, pixel_size), connectivity=2, return_num=True)
    if not count or layer.all():
        return PlaneThickness((), result)
    sizes = np.bincount(patches.ravel())[1:]
    boxes = find_objects(patches)
    wanted = np.flatnonzero(sizes >= max(_SPECK * int(sizes.max()), 3)).tolist()
    pieces: list[Piece] = []
    for number in progress.steps(wanted, message="measuring thickness"):
        # One pixel of margin, so that the patch ends where it ends, except at the edge of the image.
        y, x = (slice(max(side.start - 1, 0), side.stop + 1) for side in boxes[number])
        inside = patches[y, x] == number + 1
        cut = ((y.start == 0, y.stop >= layer.shape[0]), (x.start == 0, x.stop >= layer.shape[1]))
        if inside.all():
            continue
        patch = LayerPatch(inside, cut, pixel_size)
        found = [piece for line in patch.lines for piece in patch.measure(line, progress)]
        _draw(result[y, x], inside, found, pixel_size)
        origin = np.array([y.start * pixel_size.y, x.start * pixel_size.x])
        pieces += [piece.moved(origin) for piece in found]
    result[~layer] = np.nan
    return PlaneThickness(chain_pieces(pieces), result)


def _draw(target: NDArray[np.float32], inside: NDArray[np.bool_], pieces: list[Piece], pixel_size: PixelSize) -> None:
    """Give each pixel of a patch the thickness at the nearest place of the centre line, unless that is far away."""
    from scipy.ndimage import distance_transform_edt

    if not pieces:
        return
    sampling = (pixel_size.y, pixel_size.x)
    seeds = np.full(inside.shape, np.nan, np.float32)
    for piece in pieces:
        index = np.clip(np.rint(piece.points / sampling).astype(np.intp), 0, np.array(inside.shape) - 1)
        seeds[index[:, 0], index[:, 1]] = piece.thickness
    distance, nearest = distance_transform_edt(np.isnan(seeds), sampling=sampling, return_indices=True)
    thickness = seeds[tuple(nearest)]
    near = inside & (distance <= 0.75 * thickness + max(sampling))
    target[near] = thickness[near]


def thickness_table(planes: Sequence[PlaneThickness], pixel_size: PixelSize) -> pd.DataFrame:
    """One row per place on a centre line.

    Columns are ``plane``, ``layer`` (0 is the longest of its plane), ``position_nm`` along the layer with its gaps,
    ``y_nm``, ``x_nm`` of the place, and ``thickness_nm``; ``px`` if not calibrated. Places are a pixel apart.
    """
    import pandas as pd

    unit = pixel_size.column_unit
    pieces = [(index, piece) for index, plane in enumerate(planes) for piece in plane.pieces]

    def column(values: list[NDArray[Any]], dtype: type) -> NDArray[Any]:
        return np.concatenate(values) if values else np.zeros(0, dtype)

    return pd.DataFrame(
        {
            "plane": column([np.full(len(piece.position), index) for index, piece in pieces], int),
            "layer": column([np.full(len(piece.position), piece.layer) for _, piece in pieces], int),
            f"position_{unit}": column([piece.position for _, piece in pieces], float),
            f"y_{unit}": column([piece.points[:, 0] for _, piece in pieces], float),
            f"x_{unit}": column([piece.points[:, 1] for _, piece in pieces], float),
            f"thickness_{unit}": column([piece.thickness for _, piece in pieces], float),
        }
    )


def thickness_summary(
    planes: Sequence[PlaneThickness], pixel_size: PixelSize, resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """Statistics of the thickness over all planes and, if there are several, of each.

    Columns are ``plane`` (``"all"`` or its number), ``mean_nm``, its 95 % interval ``mean_low_nm`` and
    ``mean_high_nm``, ``std_nm``, ``median_nm``, ``p5_nm``, ``p95_nm``, ``length_nm`` (of the centre lines that were
    measured), ``layers`` and ``n`` (places).

    Notes
    -----
    Neighbouring places are no independent measurements, nor are neighbouring slices of a volume: the interval comes
    from a block bootstrap, see `thickness_interval.mean_interval`. It is NaN where there are fewer than three blocks.
    """
    import pandas as pd

    unit = pixel_size.column_unit
    several = len(planes) > 1
    groups = [("all", list(planes)), *((str(index), [plane]) for index, plane in enumerate(planes) if several)]
    rows = []
    for name, group in groups:
        pieces = [piece for plane in group for piece in plane.pieces]
        values = np.concatenate([piece.thickness for piece in pieces]) if pieces else np.zeros(0)
        low, high = mean_interval([plane.pieces for plane in group], resamples, seed)
        some = len(values) > 0
        p5, median, p95 = np.quantile(values, [0.05, 0.5, 0.95]).tolist() if some else (np.nan,) * 3
        rows.append(
            {
                "plane": name,
                f"mean_{unit}": float(values.mean()) if some else np.nan,
                f"mean_low_{unit}": low, f"mean_high_{unit}": high,
                f"std_{unit}": float(values.std()) if some else np.nan,
                f"median_{unit}": median, f"p5_{unit}": p5, f"p95_{unit}": p95,
                f"length_{unit}": float(sum(len(piece.thickness) * piece.step for piece in pieces)),
                "layers": sum(len({piece.layer for piece in plane.pieces}) for plane in group),
                "n": len(values),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)
