"""Finding what was written into a picture: information bars, boxes with text, scale bars and the words beside them.

What is written is pure black or white, or nearly so in a JPEG, and has straight, upright borders; a micrograph seldom
is both. Letters that stand alone, without a box and away from the scale bar, are not looked for: particles look like
them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.planes import Planes
from napari_visualccc.processing.step import Values, value_range

Mask = NDArray[np.bool_]

# Share of the grey range that counts as pure; JPEG rings by a few levels around letters.
_PURE = 0.06
# A row of an information bar is pure over most of its width; what is not is text.
_BAR_ROW = 0.6
_BAR_HIGHEST = 0.2
# Its border is straight: that share of the width changes within three rows.
_BAR_STEP = 0.3
_BAR_LOWEST_PX = 8
# A box or a scale bar fills the upright rectangle around it.
_RECTANGULAR = 0.9
_BOX_LEAST, _BOX_MOST = 0.001, 0.25
_BOX_TEXT = 0.02
_SCALE_BAR_ASPECT = 3.0
_SCALE_BAR_WIDTHS = (0.05, 0.7)
_SCALE_BAR_HEIGHT = 0.05
# Its ends are upright and its sides sharp: rows end within so many pixels of each other, and so many pixels further out
# little is as bright or dark: a facet narrows, and in a texture something always is. Letters may touch a long bar.
_SCALE_BAR_END_PX = 2
_SCALE_BAR_EDGE_PX = 4
_SCALE_BAR_BESIDE, _LONG_BAR_BESIDE, _LONG_BAR = 0.1, 0.3, 0.15
# A picture has one scale bar, perhaps with a line around it: more of them are lamellae.
_MOST_SCALE_BARS = 3
# Letters lie within so many times their own height (a twelfth of the picture at most) of the scale bar.
_LETTER = 1 / 12
# A mask of more than this is no writing.
_MOST_WRITTEN = 0.5
# Instruments write into pictures of up to 8k × 8k.
_MOST_SEARCHED = 1 << 26


def overlay_mask(values: Values, *, bar: bool = True, text: bool = True, margin: int = 2) -> Mask:
    """Pixels that were written into a picture.

    Parameters
    ----------
    values
        Plane, NaN allowed.
    bar
        Look for an information bar at the upper or lower border.
    text
        Look for boxes, scale bars and words beside them within the picture.
    margin
        Pixels by which the mask is widened.

    Returns
    -------
    ndarray of bool
        True where something was written.
    """
    from scipy.ndimage import binary_dilation

    mask = np.zeros(values.shape, bool)
    low, high = value_range(values)
    if high <= low:
        return mask
    scaled = np.nan_to_num((values - low) / (high - low), nan=0.5)
    pure = (scaled <= _PURE, scaled >= 1 - _PURE)
    if bar:
        _mark_bars(mask, pure[0] | pure[1])
    if text:
        for black_or_white in pure:
            _mark_marks(mask, black_or_white & ~mask)
    if margin and mask.any():
        mask = binary_dilation(mask, np.ones((2 * margin + 1,) * 2, bool))
    return mask


def marks_of(planes: Planes, index: int = 0) -> Mask | None:
    """Mask of what was written into a plane, for those that look at it.

    None if nothing was, if that would hide most of the picture itself, or if the plane is larger than the pictures that
    instruments write into.
    """
    if planes.plane_pixels > _MOST_SEARCHED:
        return None
    mask = overlay_mask(planes.plane(index))
    return mask if 0 < mask.mean() <= _MOST_WRITTEN else None


# To be counted up when other pixels are found: vectors that were kept are not those of such a mask.
marks_of.version = 2  # type: ignore[attr-defined]


def _mark_bars(mask: Mask, pure: Mask) -> None:
    """Mark rows at the lower and upper border that are mostly pure."""
    height = len(pure)
    shares = pure.mean(axis=1)
    for lower in (True, False):
        inward = shares[::-1] if lower else shares
        depth = _run_length(inward >= _BAR_ROW, gap=max(2, height // 40))
        # A dark field is pure black all over, and the edge of dark sample is rough: those are no bars.
        fits = _BAR_LOWEST_PX <= depth <= _BAR_HIGHEST * height
        if fits and inward[depth - 2 : depth].mean() - inward[depth + 1 : depth + 3].mean() >= _BAR_STEP:
            mask[slice(height - depth, height) if lower else slice(0, depth)] = True


def _run_length(column: NDArray[np.bool_], gap: int) -> int:
    """Length of the run of True at the start, short gaps (lines of dense text, frames) included."""
    length = missed = 0
    for place, is_bar in enumerate(column, 1):
        missed = 0 if is_bar else missed + 1
        if missed > gap:
            break
        length = place if is_bar else length
    return length


def _mark_marks(mask: Mask, pure: Mask) -> None:
    """Mark boxes with text, scale bars, and letters near scale bars."""
    from scipy import ndimage

    patches, sizes = _patches(pure)
    for number, box in enumerate(ndimage.find_objects(patches), 1):
        if box is not None and sizes[number] >= 4 and _is_box(patches[box] == number, box, pure.shape):
            mask[box] = True
    pure = pure & ~mask
    bars = _scale_bars(pure)
    if not bars:
        return
    for y, x in bars:  # a letter may touch the bar
        pure[max(0, y.start - 1) : y.stop + 1, max(0, x.start - 1) : x.stop + 1] = False
    patches, sizes = _patches(pure)
    for bar in bars:
        around = _around(bar, pure.shape)
        mask[around] |= own_letters(patches, sizes, around, pure.shape)
        mask[bar] = True


def _patches(pure: Mask) -> tuple[NDArray[Any], NDArray[Any]]:
    """Number of the patch of each pixel, and sizes by number."""
    from scipy import ndimage

    patches, _ = ndimage.label(pure, np.ones((3, 3)))
    return patches, np.bincount(patches.ravel())


def own_letters(
    patches: NDArray[Any], sizes: NDArray[Any], region: tuple[slice, slice], shape: tuple[int, ...]
) -> Mask:
    """Patches in a region that are small enough to be letters."""
    found = patches[region]
    most = (_LETTER * shape[0]) ** 2
    small = sizes <= most
    small[0] = False
    return np.asarray(small[found])


def _around(box: tuple[slice, slice], shape: tuple[int, ...]) -> tuple[slice, slice]:
    """Where the words of a scale bar stand: above, below or beside it."""
    reach = round(1.5 * _LETTER * shape[0])
    y, x = box
    side = max(reach, (x.stop - x.start) // 2)
    return (
        slice(max(0, y.start - reach), min(shape[0], y.stop + reach)),
        slice(max(0, x.start - side), min(shape[1], x.stop + side)),
    )


def _is_box(own: Mask, box: tuple[slice, slice], shape: tuple[int, ...]) -> bool:
    """True for a filled rectangle with something written into it."""
    from scipy.ndimage import binary_fill_holes

    share = own.size / (shape[0] * shape[1])
    if not _BOX_LEAST <= share <= _BOX_MOST or min(own.shape) < 6:
        return False
    filled = binary_fill_holes(own)
    return bool(filled.mean() >= _RECTANGULAR and 1 - own.sum() / max(filled.sum(), 1) >= _BOX_TEXT)


def _scale_bars(pure: Mask) -> list[tuple[slice, slice]]:
    """Upright rectangles that stand out on all sides, wide and low as scale bars are.

    They are put together from runs of pixels along the rows, so that letters that touch a bar do not spoil it.
    """
    found: list[tuple[slice, slice]] = []
    growing: list[tuple[int, int, int]] = []  # first row, start and stop of rectangles that the row before belongs to
    for y, runs in enumerate([*_long_runs(pure), []]):
        going_on = []
        for top, start, stop in growing:
            same = [run for run in runs if max(abs(run[0] - start), abs(run[1] - stop)) <= _SCALE_BAR_END_PX]
            if same:
                runs.remove(same[0])
                going_on.append((top, start, stop))
            elif _is_scale_bar(pure, box := (slice(top, y), slice(start, stop))):
                found.append(box)
        growing = going_on + [(y, *run) for run in runs]
    return found if len(found) <= _MOST_SCALE_BARS else []


def _long_runs(pure: Mask) -> list[list[tuple[int, int]]]:
    """Start and stop of the runs in each row that are as long as scale bars."""
    least, most = (share * pure.shape[1] for share in _SCALE_BAR_WIDTHS)
    rows, edges = np.nonzero(np.diff(pure, axis=1, prepend=False, append=False))
    rows, starts, stops = rows[::2], edges[::2], edges[1::2]
    long = (stops - starts >= least) & (stops - starts <= most)
    found: list[list[tuple[int, int]]] = [[] for _ in pure]
    for y, start, stop in zip(rows[long].tolist(), starts[long].tolist(), stops[long].tolist(), strict=True):
        found[y].append((start, stop))
    return found


def _is_scale_bar(pure: Mask, box: tuple[slice, slice]) -> bool:
    """True for a rectangle of the right shape beside which little is as bright or dark."""
    y, x = box
    height, width = y.stop - y.start, x.stop - x.start
    if not 2 <= height <= _SCALE_BAR_HEIGHT * len(pure) + 2 or width < _SCALE_BAR_ASPECT * height:
        return False
    out = _SCALE_BAR_EDGE_PX
    sides = (
        pure[max(0, y.start - out) : max(0, y.start - out + 2), x], pure[y.stop + out - 2 : y.stop + out, x],
        pure[y, max(0, x.start - out) : max(0, x.start - out + 2)].T, pure[y, x.stop + out - 2 : x.stop + out].T,
    )  # fmt: skip
    most = _LONG_BAR_BESIDE if width >= _LONG_BAR * pure.shape[1] else _SCALE_BAR_BESIDE
    # Of two lines the clearer one counts: JPEG rings beside sharp sides.
    return all(side.mean(axis=1).min() <= most for side in sides if side.size)
