"""Which parts of a large micrograph a network looks at: crops spread evenly, instead of the whole shrunk to mush."""

from __future__ import annotations

import math

from napari_visualccc.core.planes import Region

CROP = 512


def crop_regions(shape: tuple[int, int], most: int, side: int = CROP) -> list[Region]:
    """Regions of a plane to look at.

    Parameters
    ----------
    shape
        Height and width of the plane.
    most
        Largest number of crops. A plane that has no more pixels than they have together is looked at whole.
    side
        Height and width of a crop in pixels.

    Returns
    -------
    list of Region
        In reading order; all of the same size if there are several. First and last touch the borders.

    Examples
    --------
    >>> crop_regions((480, 640), 4)
    [(slice(0, 480, None), slice(0, 640, None))]
    >>> [(y.start, x.start) for y, x in crop_regions((2048, 4096), 2)]
    [(768, 0), (768, 3584)]
    """
    height, width = shape
    if height * width <= most * side * side:
        return [(slice(0, height), slice(0, width))]
    rows, columns = _grid(shape, most, side)
    return [(y, x) for y in _spread(height, rows, side) for x in _spread(width, columns, side)]


def covering_regions(shape: tuple[int, int], side: int = CROP) -> list[Region]:
    """Regions that cover a plane without overlap, the last of each row and column narrower."""
    return [
        (slice(y, min(y + side, shape[0])), slice(x, min(x + side, shape[1])))
        for y in range(0, shape[0], side)
        for x in range(0, shape[1], side)
    ]


def _grid(shape: tuple[int, int], most: int, side: int) -> tuple[int, int]:
    """Rows and columns of crops, as many as allowed, in the plane's aspect and not more than cover it."""
    needed = tuple(math.ceil(n / side) for n in shape)
    choices = [(rows, min(needed[1], most // rows)) for rows in range(1, min(needed[0], most) + 1)]
    # Most crops first; of equally many those whose gaps are alike in both directions.
    return max(choices, key=lambda grid: (grid[0] * grid[1], -abs(math.log(shape[0] / grid[0] / (shape[1] / grid[1])))))


def _spread(length: int, count: int, side: int) -> list[slice]:
    side = min(side, length)
    room = length - side
    starts = [round(i * room / (count - 1)) for i in range(count)] if count > 1 else [room // 2]
    return [slice(start, start + side) for start in starts]
