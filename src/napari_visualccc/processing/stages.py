"""A pipeline at work: every step reads regions of what comes before it, and nothing is computed that nobody reads."""

from __future__ import annotations

import uuid
from collections import OrderedDict
from dataclasses import replace
from typing import Any

import numpy as np

from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes, Region
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.scan import spread
from napari_visualccc.processing.frames import Content, Frame
from napari_visualccc.processing.holes import fill_holes
from napari_visualccc.processing.step import Here, Source, Step, Values

# Planes kept for a step that computes whole planes, so that tiles and sliders do not compute them again.
_KEPT_PLANES = 2
# A plane of a lazy stack up to this size is read once as a whole: its chunks are often whole files.
_LOADED_PIXELS = 1 << 25
# What is measured of a larger plane is measured on bands of rows of it, spread evenly.
_MEASURED_PIXELS = 1 << 26
_BAND = 64
_POOLED_PLANES = 24
_POOLED_PIXELS = 1 << 22


class Origin:
    """The image itself as the first source."""

    def __init__(self, planes: Planes, pixel_size: PixelSize | None = None) -> None:
        self._planes = planes
        holes = not planes.is_integer
        self.frame = Frame(len(planes), planes.plane_shape, pixel_size or PixelSize(), "image", holes)
        self.dtype = np.dtype(np.float32)
        self._loads = not planes.in_memory and planes.plane_pixels <= _LOADED_PIXELS
        self._loaded: tuple[int, Values] | None = None

    def read(self, index: int, region: Region) -> Values:
        """Values as float32."""
        if not self._loads:
            return self._planes.plane(index, region)
        loaded = self._loaded  # another thread may replace it meanwhile
        if loaded is None or loaded[0] != index:
            loaded = self._loaded = (index, self._planes.plane(index))
        return loaded[1][region]


class Stage:
    """One step at work on a source.

    Parameters
    ----------
    step, options
        What to do.
    source
        Where the planes come from.
    progress
        Of what has to be known of the whole stack, which is found out now.

    Raises
    ------
    OptionError
        As `check`.
    """

    def __init__(self, step: Step, options: Any, source: Source, progress: Progress | None = None) -> None:
        check(step, options, source.frame)
        self.step, self.options, self.source = step, options, source
        try:
            self.learned = step.learn(source, options, silent(progress)) if step.learn else None
            self.frame = _frame_after(step, options, source.frame, self.learned)
        except OptionError as error:
            raise OptionError(f"{step.title}: {error}") from error
        self._measured: dict[int, Any] = {}
        self._kept: OrderedDict[int, Values] = OrderedDict()

    def __dask_tokenize__(self) -> str:
        # Two stages are never taken for the same, and nobody hashes the image to find out.
        return uuid.uuid4().hex

    def read(self, index: int, region: Region) -> Values:
        """Values of a region of a plane of the result."""
        if self.step.read is not None:
            return self.step.read(self.source, index, region, self.options, self._here(index, region))
        if self.step.halo is None:
            return self._whole(index)[region]
        halo = self.step.halo(self.options, self.source.frame)
        if self.source.frame.holes:
            # A hole within reach is filled with the value nearest to it, which lies within reach of the hole.
            halo = (2 * halo[0], 2 * halo[1])
        tile = self.source.frame.around(region, halo)
        return self._run(self.source.read(index, tile.outer), index, tile.outer)[tile.inner]

    def prepare(self, index: int) -> None:
        """Compute what regions of a plane have in common, so that threads do not all do it."""
        prepare = getattr(self.source, "prepare", None)
        if prepare is not None:
            prepare(index)
        if self.step.halo is None and self.step.read is None:
            self._whole(index)
        else:
            self.measured(index)

    def measured(self, index: int) -> Any:
        """What the step has to know of the plane, or of all planes if its option *scope* is ``"stack"``."""
        if self.step.measure is None:
            return None
        pooled = getattr(self.options, "scope", "plane") == "stack"
        key = -1 if pooled else index
        if key not in self._measured:
            values = self._pool() if pooled else self._overview(index)
            self._measured[key] = self.step.measure(values, self.options, self.source.frame)
        return self._measured[key]

    def _here(self, index: int, region: Region) -> Here:
        return Here(self.source.frame, index, region, self.measured(index), self.learned)

    def _whole(self, index: int) -> Values:
        kept = self._kept.get(index)
        if kept is None:
            whole = self.source.frame.whole
            kept = self._run(self.source.read(index, whole), index, whole)
            self._kept[index] = kept
            while len(self._kept) > _KEPT_PLANES:
                self._kept.popitem(last=False)
        return kept

    def _run(self, values: Values, index: int, region: Region) -> Values:
        assert self.step.run is not None
        here = self._here(index, region)
        holes = ~np.isfinite(values) if self.step.keeps_holes and self.source.frame.holes else None
        if holes is None or not holes.any():
            return self._typed(self.step.run(values, self.options, here))
        result = self._typed(self.step.run(fill_holes(values, holes), self.options, here))
        result = result if result.flags.writeable else result.copy()
        result[holes] = np.nan if self.frame.content == "image" else 0
        return result

    def _typed(self, values: Values) -> Values:
        if self.frame.content == "image":
            return np.asarray(values, np.float32)
        return np.asarray(values, self.dtype)

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""
        if self.frame.content == "image":
            return np.dtype(np.float32)
        return np.dtype(self.step.dtype) if self.step.gives else self.source.dtype

    def _overview(self, index: int) -> Values:
        """The plane that comes in, or bands of rows if it is huge."""
        height, width = self.source.frame.shape
        if height * width <= _MEASURED_PIXELS or self.step.measures_geometry:
            return self.source.read(index, self.source.frame.whole)
        tops = spread(height - _BAND, max(1, _MEASURED_PIXELS // (4 * _BAND * width)))
        return np.concatenate([self.source.read(index, (slice(top, top + _BAND), slice(0, width))) for top in tops])

    def _pool(self) -> Values:
        """Values of planes spread over the stack, thinned out evenly."""
        indices = spread(self.source.frame.count, _POOLED_PLANES)
        parts = [self._overview(index).ravel() for index in indices]
        thinning = max(1, sum(part.size for part in parts) // _POOLED_PIXELS)
        return np.concatenate([part[::thinning] for part in parts])[np.newaxis]


def check(step: Step, options: Any, frame: Frame) -> Frame:
    """Frame after a step, without computing anything; that of a step that learns of the stack may yet be cropped.

    Raises
    ------
    OptionError
        If the step cannot follow what comes before it, or a length has a unit that the image lacks.
    """
    if step.takes is not None and frame.content != step.takes:
        raise OptionError(_wrong_content(step, frame.content))
    try:
        if step.halo is not None:
            step.halo(options, frame)
        return _frame_after(step, options, frame, None)
    except OptionError as error:
        raise OptionError(f"{step.title}: {error}") from error


def _frame_after(step: Step, options: Any, frame: Frame, learned: Any) -> Frame:
    if step.regrid is not None and (step.learn is None or learned is not None):
        frame = step.regrid(frame, options, learned)
    content = step.gives or frame.content
    return replace(frame, content=content, holes=content == "image" and (frame.holes or step.makes_holes))


def _wrong_content(step: Step, found: Content) -> str:
    if found == "image":
        return f"{step.title} ({step.name}) works on labels: put a threshold, such as otsu, before it"
    return f"{step.title} ({step.name}) works on grey values, but the step before it gives labels: move it up"


def build(steps: list[tuple[Step, Any]], planes: Planes, pixel_size: PixelSize | None = None,
          progress: Progress | None = None) -> Stage:  # fmt: skip
    """Stages of steps, in order, over an image; what they learn of the stack they learn now.

    Raises
    ------
    InputError
        If there is no step.
    OptionError
        If a step cannot follow the one before it.
    """
    if not steps:
        raise InputError("there is no step that is switched on: add one, such as gaussian")
    progress = silent(progress)
    source: Source = Origin(planes, pixel_size)
    for number, (step, options) in enumerate(steps):
        part = progress.part(number / len(steps), (number + 1) / len(steps))
        source = Stage(step, options, source, part)
    assert isinstance(source, Stage)
    return source
