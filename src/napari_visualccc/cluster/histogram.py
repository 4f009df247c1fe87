"""Grey-level histogram of whole stacks: all that exact k-means needs to know of an integer image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.planes import Planes
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.scan import scan

# Wider integers are counted as long as their values span no more than this.
_MAX_SPAN = 1 << 22
# Pixels counted at once: `bincount` widens them to 64 bits, which should not leave the cache.
_BLOCK = 1 << 16


@dataclass(frozen=True)
class Histogram:
    """Distinct values in ascending order and how often each occurs."""

    values: NDArray[np.float64]
    counts: NDArray[np.int64]


def code_values(dtype: np.dtype[Any]) -> NDArray[np.float64] | None:
    """Value of every bit pattern of an 8- or 16-bit integer type, in the order of the patterns; None if wider."""
    if dtype.itemsize > 2:
        return None
    return np.arange(1 << 8 * dtype.itemsize, dtype=f"u{dtype.itemsize}").view(dtype).astype(np.float64)


def histogram(planes: Planes, *, progress: Progress | None = None) -> Histogram | None:
    """Count the values of an integer image or stack.

    Returns
    -------
    Histogram or None
        None if the values are too spread out to be counted (32-bit and wider only).
    """
    progress = silent(progress)
    values = code_values(planes.dtype)
    if values is not None:
        unsigned = f"u{planes.dtype.itemsize}"
        counts = _count(planes, len(values), lambda tile: tile.view(unsigned), progress)
    else:
        low, high = _limits(planes, progress.part(0, 0.5))
        if high - low >= _MAX_SPAN:
            return None
        values = np.arange(low, high + 1, dtype=np.float64)
        counts = _count(planes, len(values), lambda tile: tile - tile.dtype.type(low), progress.part(0.5, 1))
    present = np.flatnonzero(counts)
    present = present[np.argsort(values[present])]
    return Histogram(values[present], counts[present])


def _count(planes: Planes, size: int, code: Any, progress: Progress) -> NDArray[np.int64]:
    def count(values: NDArray[Any], _index: int, _tile: Any) -> NDArray[np.int64]:
        codes = np.ascontiguousarray(code(values)).ravel()
        found = np.zeros(size, np.int64)
        block = max(_BLOCK, size)
        for begin in range(0, codes.size, block):
            found += np.bincount(codes[begin : begin + block], minlength=size)
        return found

    total = np.zeros(size, np.int64)
    for _, _, found in scan(
        planes, count, tile_size=1024, native=True, progress=progress, message="counting grey levels"
    ):
        total += found
    return total


def _limits(planes: Planes, progress: Progress) -> tuple[int, int]:
    scanned = scan(
        planes,
        lambda values, _index, _tile: (int(values.min()), int(values.max())),
        tile_size=1024,
        native=True,
        progress=progress,
        message="finding grey levels",
    )
    lows, highs = zip(*(found for _, _, found in scanned), strict=True)
    return min(lows), max(highs)
