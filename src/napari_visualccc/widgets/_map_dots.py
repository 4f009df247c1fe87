"""Very many dots as one picture: drawn by NumPy at the pixels of the window, a hundred thousand in milliseconds.

pyqtgraph's scatter keeps a symbol for each point, which takes seconds to set up for so many.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pyqtgraph as pg
from numpy.typing import NDArray
from qtpy.QtCore import QPointF, QRectF
from qtpy.QtGui import QImage


class ManyDots(pg.GraphicsObject):
    """Dots of one size in any colours."""

    def __init__(self) -> None:
        super().__init__()
        self._x = self._y = np.empty(0, np.float32)
        self._colours = np.empty(0, np.uint32)
        self._stamp: list[tuple[int, int]] = []
        self._bounds = QRectF()

    def set_dots(self, points: NDArray[np.float64], rgba: NDArray[np.float64], size: float) -> None:
        """Replace all dots: places of shape (N, 2), colours of shape (N, 4) in 0 … 1, diameter in pixels."""
        self.prepareGeometryChange()
        self._x, self._y = (np.ascontiguousarray(points[:, axis], np.float32) for axis in (0, 1))
        channels = np.round(rgba * 255).astype(np.uint8)
        # The picture has no blending: dots that are nearly transparent become grey on any background as it is.
        channels[:, 3] = 255
        self._colours = np.ascontiguousarray(channels).view(np.uint32).ravel()
        reach = max(int(np.ceil(size / 2)), 1)
        span = range(-reach, reach + 1)
        self._stamp = [(dy, dx) for dy in span for dx in span if dy * dy + dx * dx <= (size / 2) ** 2]
        if len(points):
            low, high = points.min(axis=0), points.max(axis=0)
            self._bounds = QRectF(QPointF(*low), QPointF(*high))
        else:
            self._bounds = QRectF()
        self.update()

    def boundingRect(self) -> QRectF:  # noqa: N802 - Qt's name
        """Where dots are, in map units."""
        return self._bounds

    def dataBounds(self, ax: int, frac: float = 1.0, orthoRange: Any = None) -> tuple[float, float] | None:  # noqa: N802, ARG002
        """Range along an axis, for fitting the view."""
        box = self._bounds
        if not len(self._x):
            return None
        return (box.left(), box.right()) if ax == 0 else (box.top(), box.bottom())

    def paint(self, painter: Any, option: Any, widget: Any = None) -> None:  # noqa: ARG002 - Qt's signature
        """Stamp the dots that are in the window into a picture of it."""
        to = painter.worldTransform()
        window = widget if widget is not None else painter.device()
        height, width = window.height(), window.width()
        margin = max((dy for dy, _ in self._stamp), default=0)
        columns = np.rint(self._x * to.m11() + self._y * to.m21() + to.dx()).astype(np.int32) + margin
        lines = np.rint(self._x * to.m12() + self._y * to.m22() + to.dy()).astype(np.int32) + margin
        seen = (columns >= margin) & (columns < width + margin) & (lines >= margin) & (lines < height + margin)
        columns, lines, colours = columns[seen], lines[seen], self._colours[seen]
        stride = width + 2 * margin
        picture = np.zeros((height + 2 * margin, stride), np.uint32)
        flat, places = picture.ravel(), lines * stride + columns
        for dy, dx in self._stamp:
            flat[places + (dy * stride + dx)] = colours
        image = QImage(picture.data, stride, picture.shape[0], 4 * stride, QImage.Format.Format_RGBA8888)
        painter.save()
        painter.resetTransform()
        painter.drawImage(-margin, -margin, image)
        painter.restore()
