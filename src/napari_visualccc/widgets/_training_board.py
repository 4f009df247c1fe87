"""What a running training and the viewer tell each other; without Qt, used from two threads."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.planes import Planes

if TYPE_CHECKING:
    from napari_visualccc.models.nn.fit import Moment

# The live picture must not slow the training down: of larger planes only the middle is shown.
_PREVIEW_PIXELS = 1 << 21


@dataclass(frozen=True)
class Picture:
    """What a running training makes of a plane.

    Attributes
    ----------
    labels
        Label values, shape (Y, X), 0 where nothing is known.
    plane
        Index of the plane.
    of
        What it is a plane of, as it was told to `Board.look_at`.
    """

    labels: NDArray[Any]
    plane: int
    of: Any


class Board:
    """What a running training tells the viewer, and how the viewer tells it to stop.

    Used from two threads; each attribute is set as a whole by one of them, which Python does in one go.

    Parameters
    ----------
    seconds
        The training time that there is.
    clock
        Seconds, from whenever.

    Attributes
    ----------
    moments
        Grows with every step.
    stop
        Set by the viewer.
    """

    def __init__(self, seconds: float = math.inf, clock: Callable[[], float] = time.perf_counter) -> None:
        self._budget, self._clock = seconds, clock
        self._heard: tuple[Moment | None, float] = (None, 0.0)  # which step was told of last, and when
        self.moments: list[Moment] = []
        self.stop = False
        self._picture: Picture | None = None
        self._view: tuple[Planes, int, PixelSize, Any] | None = None
        self._is_new = False
        self._shown: tuple[tuple[int, int], int, Any] = ((0, 0), 0, None)

    def seconds_left(self) -> float | None:
        """How long the training goes on, by its schedule; None before the first step, and after the last one.

        What comes after the last step, such as measuring, is not of the schedule.
        """
        last = self.moments[-1] if self.moments else None
        if last is None or last.is_last or last.done <= 0:
            return None
        left = min(last.seconds * (1 - last.done) / last.done, self._budget - last.seconds)
        # The time does not stand still while the next step, of many seconds on a CPU, is made.
        heard, when = self._heard
        return max(left - (self._clock() - when if heard is last else 0.0), 0.0)

    def tell(self, moment: Moment) -> None:
        """A step is over. Worker thread."""
        self._heard = moment, self._clock()
        self.moments.append(moment)

    def look_at(self, planes: Planes, index: int, size: PixelSize, of: Any) -> None:
        """Plane that the next picture shows, and what it is a plane of, to be told with the picture."""
        self._view = (planes, index, size, of)
        self._is_new = True

    def take_picture(self) -> Picture | None:
        """Latest picture that was not taken yet."""
        picture, self._picture = self._picture, None
        return picture

    def should_stop(self) -> bool:
        """True once the viewer asked the training to end. Worker thread."""
        return self.stop

    def view(self) -> tuple[NDArray[Any], PixelSize] | None:
        """Grey values of what the user looks at, and the size of a pixel. Worker thread.

        None if that did not change since it was asked.
        """
        if self._view is None or not self._is_new:
            return None
        self._is_new = False
        planes, index, size, of = self._view
        values = np.asarray(planes.read(index, _middle(planes.plane_shape)))
        self._shown = (planes.plane_shape, index, of)
        return values, size

    def show(self, labels: NDArray[Any]) -> None:
        """Labels of the grey values that `view` gave last. Worker thread."""
        shape, index, of = self._shown
        region = _middle(shape)
        if labels.shape == tuple(side.stop - side.start for side in region):  # not of the view before
            picture = np.zeros(shape, np.uint8)
            picture[region] = labels
            self._picture = Picture(picture, index, of)


def _middle(shape: tuple[int, int]) -> tuple[slice, slice]:
    """Central part of a plane with at most `_PREVIEW_PIXELS`."""
    factor = min(1.0, (_PREVIEW_PIXELS / (shape[0] * shape[1])) ** 0.5)
    sizes = [max(1, int(n * factor)) for n in shape]
    starts = [(n - size) // 2 for n, size in zip(shape, sizes, strict=True)]
    return slice(starts[0], starts[0] + sizes[0]), slice(starts[1], starts[1] + sizes[1])
