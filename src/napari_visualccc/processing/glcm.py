"""Grey-level co-occurrence (GLCM) texture of every pixel's surroundings, without a matrix per pixel.

Contrast, dissimilarity, homogeneity and correlation are sums over the pairs of pixels in a window: box filters of maps
with one value per pair. Energy and entropy are not: they need to know how often each pair of levels occurs. For them a
window slides over the columns, all rows at once, each row with a histogram of its own; a pair that comes in or goes
out changes ``Σ n²`` and ``Σ n ln n`` by an amount that depends on its count alone and is looked up::

        column x-w leaves ──▶ ┌───────────┐ ◀── column x enters
                              │  window   │      one take, one look-up, one add per row of the window
                              └───────────┘

The work per pixel grows with the height of the window, not with its area nor with the number of grey levels.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.progress import Progress, silent

Property = Literal["contrast", "dissimilarity", "homogeneity", "energy", "correlation", "entropy"]
PROPERTIES: tuple[Property, ...] = get_args(Property)
Offset = tuple[int, int]
Map = NDArray[np.float64]

_COUNTED = ("energy", "entropy")
# Sums of whole numbers are exact: a smaller share of variance is rounding.
_FLAT = 1e-12
# How often the sliding window tells that it is alive.
_REPORT_COLUMNS = 32


def offsets_of(distances: Iterable[float], angles_deg: Iterable[float]) -> list[Offset]:
    """Offsets (rows, columns) of second pixels, rounded as in scikit-image.

    Examples
    --------
    >>> offsets_of([1], [0, 45, 90, 135])
    [(0, 1), (1, 1), (1, 0), (1, -1)]
    """
    angles = [math.radians(angle) for angle in angles_deg]
    return [(round(math.sin(a) * d), round(math.cos(a) * d)) for d in distances for a in angles]


def glcm_maps(
    levels: NDArray[np.integer],
    properties: Sequence[Property] = PROPERTIES,
    *,
    count: int,
    window: tuple[int, int] = (5, 5),
    offsets: Sequence[Offset] = ((0, 1),),
    progress: Progress | None = None,
) -> dict[Property, Map]:
    """Texture of the window around every pixel, the mean over the offsets of which it holds pairs.

    Parameters
    ----------
    levels
        Grey levels 0 … count - 1, shape (Y, X); negative where there is no value.
    properties
        Which maps to make.
    count
        Number of grey levels.
    window
        Odd height and width of the window. At the border of the image it is what lies within.
    offsets
        (row, column) of the second pixel of a pair from the first; see `offsets_of`.

    Returns
    -------
    dict of ndarray, float64, shape (Y, X)
        Equal to ``skimage.feature.graycoprops`` of ``graycomatrix(window, …, symmetric=True, normed=True)``;
        NaN where the window holds no pair.

    Notes
    -----
    With N pairs, n(a, b) of which have the levels a and b in either order, the symmetric matrix has
    ``P(a, b) = n / 2N`` off its diagonal and ``n / N`` on it: ``Σ P² = (½ Σ_{a≠b} n² + Σ_{a=b} n²) / N²`` and
    ``-Σ P ln P = ln N - (Σ n ln n) / N + ln 2 · (share of pairs with a ≠ b)``.

    References
    ----------
    Haralick, Shanmugam & Dinstein, IEEE Trans. Syst. Man Cybern. 3 (1973) 610, doi:10.1109/TSMC.1973.4309314
    """
    progress = silent(progress)
    sums: dict[Property, Map] = {name: np.zeros(levels.shape) for name in properties}
    seen = np.zeros(levels.shape)
    # Opposite offsets give the same symmetric matrix, and so do equal ones: 45° at a distance of 1 and of 2, say.
    weights = Counter(max(offset, (-offset[0], -offset[1])) for offset in offsets)
    for number, (offset, weight) in enumerate(weights.items()):
        part = progress.part(number / len(weights), (number + 1) / len(weights))
        pairs = _Pairs(levels, count, window, offset)
        holds = pairs.total > 0
        seen += weight * holds
        for name, found in pairs.maps(properties, part).items():
            sums[name] += np.where(holds, weight * found, 0)
    seen[seen == 0] = np.nan
    return {name: total / seen for name, total in sums.items()}


class _Pairs:
    """All pairs of pixels with one offset."""

    def __init__(self, levels: NDArray[np.integer], count: int, window: tuple[int, int], offset: Offset) -> None:
        dy, dx = offset
        self.count, self.shape = count, levels.shape
        # Rows and columns of first pixels whose second one is in the window too; never less than none.
        self.box = (max(window[0] - abs(dy), 0), max(window[1] - abs(dx), 0))
        padded = np.full((levels.shape[0] + window[0] - 1, levels.shape[1] + window[1] - 1), -1, np.int64)
        half = (window[0] // 2, window[1] // 2)
        padded[half[0] : half[0] + levels.shape[0], half[1] : half[1] + levels.shape[1]] = levels
        rows, columns = padded.shape[0] - abs(dy), padded.shape[1] - abs(dx)
        top, left = max(-dy, 0), max(-dx, 0)
        if min(self.box) > 0 and min(rows, columns) > 0:
            self.first = padded[top : top + rows, left : left + columns]
            self.second = padded[top + dy : top + dy + rows, left + dx : left + dx + columns]
        else:
            self.first = self.second = np.full((max(rows, 0), max(columns, 0)), -1, np.int64)
        self.valid = (self.first >= 0) & (self.second >= 0)
        self.total = self._sum(self.valid) if min(self.box) > 0 else np.zeros(self.shape)

    def maps(self, properties: Sequence[Property], progress: Progress) -> dict[Property, Map]:
        """Maps of the properties."""
        if min(self.box) == 0:
            return {name: np.full(self.shape, np.nan) for name in properties}
        progress(0.0, "texture")
        total = np.where(self.total > 0, self.total, np.nan)
        found = {name: self._summed(name, total) for name in properties if name not in _COUNTED}
        if any(name in _COUNTED for name in properties):
            squares, logarithms = self._slide(progress)
            if "energy" in properties:
                found["energy"] = np.sqrt(squares) / total
            if "entropy" in properties:
                unequal = self._sum(self.valid & (self.first != self.second)) / total
                # Rounding must not make the entropy of a flat window -1e-17.
                entropy = np.log(total) - logarithms / total + math.log(2) * unequal
                found["entropy"] = np.where(entropy > 1e-12, entropy, np.where(np.isnan(entropy), np.nan, 0.0))
        progress(1.0, "texture")
        return found

    def _sum(self, values: NDArray[np.generic]) -> Map:
        """Sum over the pairs in the window of each pixel; integers stay exact."""
        height, width = self.box
        kind = np.int64 if values.dtype.kind in "bui" else np.float64
        table = np.zeros((values.shape[0] + 1, values.shape[1] + 1), kind)
        np.cumsum(np.where(self.valid, values, 0), axis=0, dtype=kind, out=table[1:, 1:])
        np.cumsum(table[1:, 1:], axis=1, out=table[1:, 1:])
        rows, columns = self.shape
        return np.asarray(
            table[height : height + rows, width : width + columns]
            - table[:rows, width : width + columns]
            - table[height : height + rows, :columns]
            + table[:rows, :columns],
            np.float64,
        )

    def _summed(self, name: Property, total: Map) -> Map:
        difference = self.first - self.second
        match name:
            case "contrast":
                return self._sum(difference**2) / total
            case "dissimilarity":
                return self._sum(np.abs(difference)) / total
            case "homogeneity":
                return self._sum(1.0 / (1 + difference**2)) / total
            case _:
                return self._correlation(total)

    def _correlation(self, total: Map) -> Map:
        """Correlation of the symmetric matrix, whose two margins are alike; 1 where the levels do not vary."""
        first, second = self.first, self.second
        mean = self._sum(first + second) / (2 * total)
        square = self._sum(first**2 + second**2) / (2 * total)
        product = self._sum(first * second) / total
        variance = square - mean**2
        flat = variance < _FLAT * np.maximum(square, 1)
        return np.where(flat, 1.0, (product - mean**2) / np.where(flat, 1.0, variance)) + 0 * total

    def _slide(self, progress: Progress) -> tuple[Map, Map]:
        """Weighted ``Σ n²`` and ``Σ n ln n`` over the levels of pairs, for every window."""
        height, width = self.box
        rows, columns = self.shape
        codes = self._codes()
        kinds = self.count * (self.count + 1) // 2 + 1
        enters, leaves = _changes(height * width)
        most = height * width + 1
        # Index of a pair in the histogram of the topmost window that holds it; lower windows lie `kinds` further.
        places = np.ascontiguousarray(codes.T) + np.arange(len(codes)) * kinds
        memory = np.zeros((rows + height - 1) * kinds, np.uint16 if 3 * most < 1 << 16 else np.uint32)
        own = memory[(height - 1) * kinds :].reshape(rows, kinds)
        # Counts begin at 0 for unequal levels, at `most` for equal ones, at 2 · most for no pair: each looks up changes
        # of its own.
        diagonal = np.arange(self.count)
        own[:, diagonal * (diagonal + 3) // 2] = most
        own[:, -1] = 2 * most
        histograms = [memory[(height - 1 - row) * kinds :] for row in range(height)]
        now = np.zeros(rows, np.complex128)
        found = np.empty((columns, rows), np.complex128)
        number: NDArray[Any] = np.empty(rows, memory.dtype)
        change = np.empty(rows, np.complex128)

        def pass_column(column: NDArray[np.int64], changes: NDArray[np.complex128], count: Any) -> None:
            for row, histogram in enumerate(histograms):
                place = column[row : row + rows]
                histogram.take(place, out=number, mode="clip")  # "raise" would copy
                changes.take(number, out=change, mode="clip")
                np.add(now, change, out=now)
                count(number, 1, out=number)
                histogram[place] = number

        for column in range(columns + width - 1):
            if column % _REPORT_COLUMNS == 0:
                progress(column / (columns + width), "texture")
            pass_column(places[column], enters, np.add)
            if column >= width - 1:
                found[column - width + 1] = now
                pass_column(places[column - width + 1], leaves, np.subtract)
        return np.ascontiguousarray(found.real.T), np.ascontiguousarray(found.imag.T)

    def _codes(self) -> NDArray[np.int64]:
        """Number of the unordered pair of levels; the last for no pair."""
        high, low = np.maximum(self.first, self.second), np.minimum(self.first, self.second)
        return np.where(self.valid, high * (high + 1) // 2 + low, self.count * (self.count + 1) // 2)


def _changes(largest: int) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Change of (weighted n², n ln n) as (real, imaginary) part when a pair enters or leaves, by its count.

    Three tables one after the other: pairs of unequal levels (n² counts half), of equal levels, and no pair at all.
    """
    n = np.arange(largest + 1, dtype=np.float64)
    logarithm = n * np.log(np.maximum(n, 1))
    rise = np.zeros(largest + 1, np.complex128)
    rise[:-1] = np.diff(n**2) + 1j * np.diff(logarithm)
    half = rise.real / 2 + 1j * rise.imag
    enters = np.concatenate([half, rise, np.zeros(largest + 1)])
    leaves = np.zeros_like(enters)
    leaves[1:] = -enters[:-1]
    leaves[2 * (largest + 1) :] = 0
    return enters, leaves
