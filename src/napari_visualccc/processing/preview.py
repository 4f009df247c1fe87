"""A pipeline on the part of a plane that is seen, so fast that it follows a slider.

Between the steps what was computed is kept in blocks: when only the last step changes, only it is computed again.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from math import ceil, floor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes, Region
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.processing.frames import Frame
from napari_visualccc.processing.lazy import read_region
from napari_visualccc.processing.pipeline import Pipeline, PipelineStep
from napari_visualccc.processing.stages import Origin, Stage
from napari_visualccc.processing.step import Source, Values

_BLOCK = 512
_KEPT_BYTES = 1 << 27
# Contrast limits are found on about this many pixels.
_LOOKED_AT = 1 << 16
_PERCENTILES = (0.2, 99.8)


class Blocks:
    """A source whose values are kept in square blocks as long as there is room."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._kept: OrderedDict[tuple[int, int, int], Values] = OrderedDict()

    @property
    def frame(self) -> Frame:
        """Of the source."""
        return self._source.frame

    @property
    def dtype(self) -> np.dtype[Any]:
        """Of the source."""
        return self._source.dtype

    def read(self, index: int, region: Region) -> Values:
        """Values of a region, put together from blocks."""
        y, x = region
        result = np.empty((y.stop - y.start, x.stop - x.start), self.dtype)
        for top in range(y.start // _BLOCK * _BLOCK, y.stop, _BLOCK):
            for left in range(x.start // _BLOCK * _BLOCK, x.stop, _BLOCK):
                block = self._block(index, top, left)
                rows = slice(max(top, y.start), min(top + len(block), y.stop))
                columns = slice(max(left, x.start), min(left + block.shape[1], x.stop))
                result[rows.start - y.start : rows.stop - y.start, columns.start - x.start : columns.stop - x.start] = (
                    block[rows.start - top : rows.stop - top, columns.start - left : columns.stop - left]
                )
        return result

    def prepare(self, index: int) -> None:
        """As `Stage.prepare`."""
        if isinstance(self._source, Stage):
            self._source.prepare(index)

    def _block(self, index: int, top: int, left: int) -> Values:
        key = (index, top, left)
        found = self._kept.get(key)
        if found is None:
            height, width = self.frame.shape
            found = self._source.read(
                index, (slice(top, min(top + _BLOCK, height)), slice(left, min(left + _BLOCK, width)))
            )
            self._kept[key] = found
            while len(self._kept) * found.nbytes > _KEPT_BYTES and len(self._kept) > 1:
                self._kept.popitem(last=False)
        return found


@dataclass(frozen=True)
class Preview:
    """What the seen part of a plane looks like.

    Attributes
    ----------
    values
        Image or labels.
    frame
        Of the whole plane that the values are a part of.
    corner
        Row and column of the first value in that plane.
    limits
        Contrast limits that suit the values.
    """

    values: NDArray[Any]
    frame: Frame
    corner: tuple[int, int]
    limits: tuple[float, float]

    @property
    def origin(self) -> tuple[float, float]:
        """Centre of the first value in pixels of the source."""
        y, x = (o + c * s for o, c, s in zip(self.frame.origin, self.corner, self.frame.spacing, strict=True))
        return y, x


class Previewer:
    """Computes previews of one image after the other and keeps what the next may need. Used by one thread at a time."""

    def __init__(self) -> None:
        self._image: Any = None
        self._chain: list[tuple[PipelineStep, Stage, Blocks]] = []
        self._origin: Source | None = None

    def show(
        self,
        pipeline: Pipeline,
        planes: Planes,
        index: int,
        seen: Region,
        *,
        pixel_size: PixelSize | None = None,
        key: object = None,
        progress: Progress | None = None,
    ) -> Preview | None:
        """Preview of a part of a plane.

        Parameters
        ----------
        seen
            Slices of the plane of the image that are seen.
        key
            Tells images apart; what was kept of another is forgotten.

        Returns
        -------
        Preview or None
            None if nothing of the result is seen, or no step is switched on.

        Raises
        ------
        OptionError
            As `apply`.
        Cancelled
            From `progress`.
        """
        progress = silent(progress)
        if not pipeline.active:
            return None
        stage = self._stage(pipeline, planes, pixel_size, key, progress.part(0, 0.5))
        region = _seen_of(stage.frame, seen)
        if region is None:
            return None
        values = read_region(stage, index, region, progress.part(0.5, 1))
        return Preview(values, stage.frame, (region[0].start, region[1].start), contrast_limits(values))

    def _stage(
        self, pipeline: Pipeline, planes: Planes, pixel_size: PixelSize | None, key: object, progress: Progress
    ) -> Stage:
        """The last stage; those that are the same as last time are kept."""
        if self._origin is None or self._image != (key, pixel_size):
            self._image, self._chain = (key, pixel_size), []
            self._origin = Blocks(Origin(planes, pixel_size))
        steps = pipeline.active
        same = 0
        while same < min(len(steps), len(self._chain)) and self._chain[same][0] == steps[same]:
            same += 1
        del self._chain[same:]
        for step in steps[same:]:
            source = self._chain[-1][2] if self._chain else self._origin
            stage = Stage(step.step, step.options, source, progress)
            self._chain.append((step, stage, Blocks(stage)))
        return self._chain[-1][1]


def _seen_of(frame: Frame, seen: Region) -> Region | None:
    """Slices of the result that lie in a region of the source; None if there is nothing."""
    parts = []
    for part, length, spacing, origin in zip(seen, frame.shape, frame.spacing, frame.origin, strict=True):
        start = max(0, floor((part.start - origin) / spacing))
        stop = min(length, ceil((part.stop - origin) / spacing) + 1)
        if start >= stop:
            return None
        parts.append(slice(start, stop))
    return parts[0], parts[1]


def contrast_limits(values: NDArray[Any]) -> tuple[float, float]:
    """Contrast limits for showing values: nearly all of them, and never of no width."""
    step = max(1, int(np.sqrt(values.size / _LOOKED_AT)))
    sample = values[::step, ::step].astype(np.float64)
    sample = sample[np.isfinite(sample)]
    if not sample.size:
        return 0.0, 1.0
    low, high = np.percentile(sample, _PERCENTILES)
    if high <= low:
        low, high = sample.min(), sample.max()
    return (float(low), float(high)) if high > low else (float(low), float(low) + max(1e-12, abs(float(low)) * 1e-3))
