"""How much of the images each phase covers, and how far that may be trusted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.runtime import random_generator
from napari_visualccc.segment.blocks import Partition, every_cell, partition, whole_plane
from napari_visualccc.segment.bootstrap import Interval, block_length, ratio_interval
from napari_visualccc.segment.correlation import correlation_lengths, correlation_time, is_too_short, longest
from napari_visualccc.segment.measure_options import name_of

if TYPE_CHECKING:
    import pandas as pd

# Counts are kept on a grid of cells, of which blocks are made afterwards: so many along the longer edge of a plane,
# fewer when there are so many planes and phases that the counts would fill more than 64 MB.
_MOST_CELLS = 64
_MOST_COUNTS = 1 << 24
# Along the longer edge of a plane, if a user asks for small ones: drawing from more takes minutes.
_MOST_BLOCKS = 128
# Planes differ if chance explains their differences with less than this probability.
_SIGNIFICANT = 0.01
# Fractions are known no better, by rounding.
_EXACT = 1e-9


@dataclass(frozen=True)
class Blocks:
    """Extent of the blocks that count as independent.

    Attributes
    ----------
    planes
        Consecutive planes in a block.
    height, width
        In pixels.
    count
        How many there are in all.
    tilt_deg
        By how much they are turned counter-clockwise, as blocks of tilted layers are.
    """

    planes: int
    height: int
    width: int
    count: int
    tilt_deg: float = 0.0


class PhaseCounts:
    """Pixels of each phase, counted plane by plane on a grid of cells.

    Parameters
    ----------
    shape
        ``(planes, height, width)``.
    block
        Edge of the blocks in pixels, or ``"auto"``.
    classes
        About how many phases to expect.
    """

    def __init__(self, shape: tuple[int, int, int], block: int | str = "auto", classes: int = 8) -> None:
        self._shape = shape
        self._block = block
        planes, height, width = shape
        longer = max(height, width)
        if isinstance(block, int):
            edge = min(_MOST_BLOCKS, max(1, math.ceil(longer / block)))
        else:
            edge = min(_MOST_CELLS, max(1, math.isqrt(_MOST_COUNTS // max(planes * classes, 1))))
        self._cell = longer / min(edge, longer)
        self._rows = _bins(height, max(1, round(height / self._cell)))
        self._columns = _bins(width, max(1, round(width / self._cell)))
        self._grid = (int(self._rows[-1]) + 1, int(self._columns[-1]) + 1)
        self._planes: list[tuple[NDArray[np.int64], NDArray[np.int32]]] = []

    def add(self, positions: NDArray[np.int32], labels: NDArray[np.int64]) -> None:
        """Count the next plane.

        Parameters
        ----------
        positions
            Number of the phase of each pixel, an index into `labels`; negative where nothing is known. Shape (Y, X).
        labels
            Label of each number.
        """
        phases = len(labels)
        cells = self._rows[:, None] * self._grid[1] + self._columns[None, :]
        codes = np.where(positions < 0, self._grid[0] * self._grid[1] * phases, cells * phases + positions)
        counts = np.bincount(codes.ravel(), minlength=self._grid[0] * self._grid[1] * phases + 1)[:-1]
        self._planes.append((labels, counts.reshape(*self._grid, phases).astype(np.int32)))

    @property
    def labels(self) -> NDArray[np.int64]:
        """Labels found so far, ascending."""
        found = [labels for labels, _ in self._planes]
        return np.unique(np.concatenate(found)) if found else np.zeros(0, np.int64)

    def table(
        self, class_names: Mapping[int, str], pixel_size: PixelSize, resamples: int = 1000, seed: int = 0
    ) -> tuple[pd.DataFrame, Blocks]:
        """One row per phase that was found or has a name.

        Columns are ``label``, ``class``, ``pixels``, the area (``area_nm2``; ``area_px2`` if not calibrated),
        ``fraction`` of all pixels that are not ignored, and its 95 % interval ``fraction_low``, ``fraction_high``.

        Parameters
        ----------
        class_names
            Name per label; phases without one are called by their label.
        pixel_size
            Of the planes.
        resamples
            Number of bootstrap samples.
        seed
            Of the bootstrap.

        Notes
        -----
        The interval says what another field of the same material would give. It comes from a block bootstrap:
        the planes are cut into blocks, samples of as many blocks are drawn with replacement, and the fraction is
        taken of each sample. ``"auto"`` blocks follow from the correlation lengths of the phases (`partition`): those
        of layers are bands along them. If planes differ more than their blocks explain (F test) a block is a whole
        plane, and planes that resemble their neighbours are drawn together, as are those too few and coarse to tell.
        There is no interval (NaN) of fewer than three blocks, of a phase that was not found, nor where all blocks
        agree though the phase does not fill the image: their borders then cut its structure at the same places.

        References
        ----------
        Lahiri, S. N., "Resampling Methods for Dependent Data", Springer 2003, chapter 12,
        https://doi.org/10.1007/978-1-4757-3803-2.
        """
        import pandas as pd

        labels = np.union1d(self.labels, np.array(sorted(class_names), np.int64)).astype(np.int64)
        counts = np.zeros((len(self._planes), *self._grid, len(labels)), np.int32)
        for index, (found, plane) in enumerate(self._planes):
            counts[index][..., np.searchsorted(labels, found)] = plane
        known = counts.any(axis=(1, 2, 3))  # planes without a label say nothing of how fractions vary
        blocks, sums = self._blocks(counts[known] if known.any() else counts)
        weights = sums.sum(axis=1)
        pixels = counts.sum(axis=(0, 1, 2), dtype=np.int64)
        interval = _believable(ratio_interval(sums, weights, resamples, random_generator(seed, 1)), pixels)
        table = pd.DataFrame(
            {
                "label": labels,
                "class": [name_of(label, class_names) for label in labels.tolist()],
                "pixels": pixels,
                f"area_{pixel_size.column_unit}2": pixels * pixel_size.area,
                "fraction": pixels / max(int(pixels.sum()), 1),
                "fraction_low": interval.low,
                "fraction_high": interval.high,
            }
        )
        return table, blocks

    def _blocks(self, counts: NDArray[np.int32]) -> tuple[Blocks, NDArray[np.float64]]:
        """Extent of the blocks, and the counts in each, shape (blocks, phases)."""
        planes, auto = len(counts), self._block == "auto"
        parts, differ = self._parts(counts) if auto else every_cell(self._grid), False
        sums = parts.sums(counts)
        if auto and planes > 1:
            # Where whole planes are the blocks, perhaps as they differ, smaller blocks show whether they do.
            differ = _planes_differ(sums if parts.count > 1 else self._parts(counts, within=True).sums(counts))
        if differ:
            parts, sums = whole_plane(self._grid), sums.sum(axis=1, keepdims=True)
        deep = _depth(sums, differ) if auto else 1
        sums = _join(sums, max(1, planes // deep))
        sums = sums.reshape(-1, sums.shape[2])
        return self._extent(deep, parts, len(sums)), sums

    def _extent(self, planes: int, parts: Partition, count: int) -> Blocks:
        cell = [pixels / cells for pixels, cells in zip(self._shape[1:], self._grid, strict=True)]
        height, width = (math.ceil(round(size, 6)) for size in (parts.height * cell[0], parts.width * cell[1]))
        return Blocks(planes, height, width, count, round(-math.degrees(parts.tilt), 1))

    def _parts(self, counts: NDArray[np.int32], *, within: bool = False) -> Partition:
        """Blocks of a plane; with `within` as if all planes had the same fractions."""
        known = counts.sum(axis=3).astype(np.float64)
        levels = np.zeros((1, 1, 1, counts.shape[3]))
        if within:
            levels = _fractions(counts.sum(axis=(1, 2), dtype=np.float64)[:, None])[:, :, None]
        lengths = [
            correlation_lengths(counts[..., phase] / np.maximum(known, 1) - levels[..., phase], known)
            for phase in range(counts.shape[3])
        ]
        return partition(self._grid, longest(lengths), len(counts))


def _bins(samples: int, bins: int) -> NDArray[np.int64]:
    return np.arange(samples) * bins // samples


def _join(sums: NDArray[np.float64], parts: int) -> NDArray[np.float64]:
    """Sum neighbouring planes so that `parts` remain, as equal as can be."""
    starts = np.searchsorted(_bins(len(sums), parts), np.arange(parts))
    return np.asarray(np.add.reduceat(sums, starts, axis=0))


def _believable(interval: Interval, pixels: NDArray[np.int64]) -> Interval:
    """Interval within 0 … 1; NaN of phases that were not found, and where it is a point without being 0 or 1."""
    low, high = np.clip(interval.low, 0, 1), np.clip(interval.high, 0, 1)
    unknown = (pixels == 0) | ((high - low < _EXACT) & (pixels < pixels.sum()))
    return Interval(np.where(unknown, np.nan, low), np.where(unknown, np.nan, high))


def _fractions(sums: NDArray[np.float64]) -> NDArray[np.float64]:
    weights = sums.sum(axis=2, keepdims=True)
    return np.asarray(np.divide(sums, weights, out=np.full_like(sums, np.nan), where=weights > 0))


def _planes_differ(sums: NDArray[np.float64]) -> bool:
    """Whether planes differ more than their blocks do, by an F test on each phase; shape (planes, blocks, phases)."""
    from scipy.special import fdtrc

    planes, blocks, phases = sums.shape
    fractions = _fractions(sums)
    if blocks < 2 or not np.isfinite(fractions).all():
        return False
    within = fractions.var(axis=1, ddof=1).mean(axis=0)
    between = blocks * fractions.mean(axis=1).var(axis=0, ddof=1)
    ratio = np.divide(between, within, out=np.where(between > 1e-12, np.inf, 0.0), where=within > 1e-12)
    chance = fdtrc(planes - 1, planes * (blocks - 1), np.minimum(ratio, 1e12))
    return bool((chance < _SIGNIFICANT / phases).any())


def _depth(sums: NDArray[np.float64], differ: bool) -> int:
    """Planes that belong together because neighbours resemble each other; shape (planes, blocks, phases).

    Where blocks are too few to tell, planes that are not known to differ are taken to be alike.
    """
    planes, blocks, phases = sums.shape
    if planes < 2:
        return 1
    total = sums.sum(axis=(0, 1))
    deviation = _fractions(sums) - total / max(float(total.sum()), 1.0)
    if not differ and is_too_short(deviation[:, :, :1]):
        return len(sums)
    times: Sequence[float] = [correlation_time(deviation[:, :, phase]) for phase in range(phases)]
    return block_length(max(times, default=1.0), planes)
