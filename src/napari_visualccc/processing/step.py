"""What a processing step is: a declaration that the pipeline, the widget, the command line and the docs read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.params import Options
from napari_visualccc.core.planes import Region
from napari_visualccc.core.progress import Progress
from napari_visualccc.processing.frames import Content, Frame

Values = NDArray[Any]
Halo = tuple[int, int]
# SciPy cuts Gaussians at four standard deviations.
GAUSSIAN_REACH = 4.0


class Source(Protocol):
    """Planes that a step can read: the image, or the step before."""

    @property
    def frame(self) -> Frame:
        """Geometry and content."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the values."""

    def read(self, index: int, region: Region) -> Values:
        """Values of a region of a plane; its slices have a start and a stop."""


@dataclass(frozen=True)
class Here:
    """Where the values lie that a step is given, and what it knows of the rest.

    Attributes
    ----------
    frame
        Of the planes that come in.
    index, region
        Number of the plane, and slices of it that the values fill.
    measured
        What `Step.measure` found in this plane (or in all planes, if the option *scope* says so).
    learned
        What `Step.learn` found in the stack.
    """

    frame: Frame
    index: int
    region: Region
    measured: Any = None
    learned: Any = None


@dataclass(frozen=True)
class Step:
    """A processing step.

    Attributes
    ----------
    name, title, group
        Word on the command line, words in the widget, heading that it stands under.
    options
        Class of its options; its docstring says what the step does.
    run
        ``(values, options, here) -> values`` of the same shape. Values are float32 without NaN (filled with the
        nearest value, and NaN again afterwards), or labels.
    halo
        Pixels around a region that its result depends on, along y and x; None if it depends on the whole plane.
    measure
        ``(values, options, frame)``: what `run` has to know of the whole plane (a threshold, a range).
    learn
        ``(source, options, progress)``: what it has to know of the whole stack (drift).
    regrid
        ``(frame, options, learned) -> frame`` of a step that moves pixels, and
    read
        ``(source, index, region, options, here) -> values`` that then takes the place of `run`.
    takes, gives
        Content that it works on and gives; None for whatever comes.
    keeps_holes
        False if `run` deals with NaN itself.
    makes_holes
        True if it may turn values into NaN.
    measures_geometry
        True if `measure` has to see all of a plane even if it is huge; otherwise bands of rows will do.
    dtype
        Type of the labels that it gives.
    """

    name: str
    title: str
    group: str
    options: type[Options]
    run: Callable[[Values, Any, Here], Values] | None = None
    halo: Callable[[Any, Frame], Halo] | None = None
    measure: Callable[[Values, Any, Frame], Any] | None = None
    learn: Callable[[Source, Any, Progress], Any] | None = None
    regrid: Callable[[Frame, Any, Any], Frame] | None = None
    read: Callable[[Source, int, Region, Any, Here], Values] | None = None
    takes: Content | None = "image"
    gives: Content | None = None
    dtype: type[np.generic] = np.uint8
    keeps_holes: bool = True
    makes_holes: bool = False
    measures_geometry: bool = False

    @property
    def help(self) -> str:
        """What the step does, in a sentence."""
        return (self.options.__doc__ or "").strip().split("\n\n")[0]

    @property
    def is_local(self) -> bool:
        """True if a region can be computed without the rest of the plane."""
        return self.halo is not None or self.read is not None


Scope = Literal["plane", "stack"]
SCOPES = ("plane", "stack")


def no_halo(options: Any, frame: Frame) -> Halo:
    """Halo of a step that looks at single pixels."""
    return (0, 0)


def gaussian_halo(sigmas: tuple[float, float], extra: int = 0) -> Halo:
    """Halo of a Gaussian filter of these standard deviations."""
    return (ceil(GAUSSIAN_REACH * sigmas[0]) + 1 + extra, ceil(GAUSSIAN_REACH * sigmas[1]) + 1 + extra)


def odd(pixels: float) -> int:
    """Odd number of pixels nearest to a length, at least 1."""
    return 2 * max(0, round((pixels - 1) / 2)) + 1


def value_range(values: Values, options: Any = None, frame: Any = None) -> tuple[float, float]:
    """Smallest and largest finite value, (0, 0) if there is none; a `Step.measure`."""
    finite = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    return (float(finite.min()), float(finite.max())) if finite.size else (0.0, 0.0)
