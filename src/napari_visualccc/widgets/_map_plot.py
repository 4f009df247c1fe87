"""The scatter of micrographs: hover, click, lasso. pyqtgraph is imported when the first map is shown."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import QEvent, QObject, QPointF, Qt, Signal
from qtpy.QtGui import QColor
from qtpy.QtWidgets import QVBoxLayout, QWidget

# Farther than this from the nearest point, the mouse points at nothing.
_REACH_PX = 14
_HEIGHT = 300
# Mouse moves of a click by a shaky hand.
_CLICK_MOVES = 4
# Points of so many pixels together cover about a fifth of the plot.
_INK = 140
# More are drawn without smooth edges, which nobody sees in such a crowd.
_MOST_SMOOTH = 4000
_RIM_ALPHA = 110
_SELECTED, _CURRENT, _FOUND = "#EE3377", "#EE7733", "#33BBEE"
_RINGS = (("selected", _SELECTED, 9, 1.2), ("found", _FOUND, 12, 2.0), ("current", _CURRENT, 17, 2.5))


class MapPlot(QWidget):
    """Points that can be pointed at, clicked and encircled.

    Attributes
    ----------
    hovered, clicked
        Emitted with the row of a point; `hovered` with -1 when the mouse leaves.
    selected
        Emitted with the rows that were encircled.
    """

    hovered = Signal(int)
    clicked = Signal(int)
    selected = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.setFixedHeight(_HEIGHT)
        self.view: Any = None
        self._points: NDArray[np.float64] = np.empty((0, 2))
        self._near = -1
        self._lasso: list[tuple[float, float]] | None = None
        self.lasso_on = False
        self._colours = ("#888888", "#000000")

    def set_theme(self, *, foreground: str, background: str) -> None:
        """Colours of the viewer's theme."""
        self._colours = (foreground, background)
        if self.view is not None:
            self.view.setBackground(background)

    def show_points(self, coordinates: NDArray[Any], rgba: NDArray[np.float64]) -> None:
        """Draw points, and make all of them visible if they are others than before."""
        if self.view is None:
            self._make()
        same = np.array_equal(coordinates, self._points)
        self._points = np.asarray(coordinates, np.float64)
        size = float(np.clip(_INK / np.sqrt(max(len(rgba), 1)), 3, 9))
        many = len(rgba) > _MOST_SMOOTH
        self._many.set_dots(self._points[: None if many else 0], rgba[: None if many else 0], size)
        few = slice(0, 0) if many else slice(None)
        brushes = [QColor.fromRgbF(*colour) for colour in rgba[few].tolist()]
        # The dark end of a colour bar is hard to see on a dark background without a rim.
        rim = QColor(self._colours[0])
        rim.setAlpha(_RIM_ALPHA)
        self._dots.setData(x=self._points[few, 0], y=self._points[few, 1], brush=brushes, size=size, pen=rim)
        if not same:
            for ring in self._rings.values():
                ring.setData([], [])
            self.view.getPlotItem().getViewBox().autoRange(padding=0.06)

    def mark(self, kind: str, rows: Iterable[int]) -> None:
        """Ring the ``"selected"``, the ``"current"`` or the ``"found"`` ones."""
        if self.view is not None:
            rows = list(rows)
            places = self._points[rows] if rows else np.empty((0, 2))
            self._rings[kind].setData(places[:, 0], places[:, 1])

    def pixel_of(self, row: int) -> QPointF:
        """Where a point is drawn, in pixels of the plot's viewport."""
        scene = self.view.getPlotItem().getViewBox().mapViewToScene(QPointF(*self._points[row]))
        return QPointF(self.view.mapFromScene(scene))

    def _make(self) -> None:
        import pyqtgraph as pg

        from napari_visualccc.widgets._map_dots import ManyDots

        self.view = pg.PlotWidget(background=self._colours[1])
        plot = self.view.getPlotItem()
        plot.hideAxis("left")
        plot.hideAxis("bottom")
        plot.setMenuEnabled(False)
        plot.hideButtons()
        plot.setAspectLocked(True)
        self._dots, self._many = pg.ScatterPlotItem(pxMode=True), ManyDots()
        plot.addItem(self._dots)
        plot.addItem(self._many)
        self._rings = {}
        for kind, colour, size, width in _RINGS:
            ring = pg.ScatterPlotItem(pen=pg.mkPen(colour, width=width), brush=pg.mkBrush(None), size=size, pxMode=True)
            plot.addItem(ring)
            self._rings[kind] = ring
        self._outline = pg.PlotDataItem(pen=pg.mkPen(_SELECTED, width=1.5), fillLevel=None)
        plot.addItem(self._outline)
        layout = self.layout()
        assert layout is not None
        layout.addWidget(self.view)
        self.view.viewport().setMouseTracking(True)
        self.view.viewport().installEventFilter(self)
        self._pressed: QPointF | None = None

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Hover, click and lasso; panning and zooming stay pyqtgraph's."""
        kind = event.type()
        if kind == QEvent.Type.Leave:
            self._hover(-1)
        elif kind == QEvent.Type.MouseMove:
            return self._moved(event)
        elif kind == QEvent.Type.MouseButtonPress and event.button() == Qt.MouseButton.LeftButton:
            self._pressed = event.position()
            if self.lasso_on or event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
                self._lasso = [self._place(event)]
                return True
        elif kind == QEvent.Type.MouseButtonRelease and event.button() == Qt.MouseButton.LeftButton:
            return self._released(event)
        return False

    def _moved(self, event: Any) -> bool:
        if self._lasso is None:
            if not event.buttons():
                self._hover(self._nearest(event))
            return False
        self._lasso.append(self._place(event))
        self._outline.setData(*np.array([*self._lasso, self._lasso[0]]).T)
        return True

    def _released(self, event: Any) -> bool:
        moved = self._pressed is not None and (event.position() - self._pressed).manhattanLength() > 4
        self._pressed = None
        # An outline may end where it began.
        if self._lasso is not None and (moved or len(self._lasso) > _CLICK_MOVES):
            around, self._lasso = np.array(self._lasso), None
            self._outline.setData([], [])
            self.selected.emit(inside(self._points, around))
            return True
        lasso, self._lasso = self._lasso is not None, None
        if not moved:
            row = self._nearest(event)
            if row >= 0:
                self.clicked.emit(row)
            else:
                self.selected.emit(np.empty(0, np.int64))
        return lasso

    def _place(self, event: Any) -> tuple[float, float]:
        box = self.view.getPlotItem().getViewBox()
        found = box.mapSceneToView(self.view.mapToScene(event.position().toPoint()))
        return found.x(), found.y()

    def _nearest(self, event: Any) -> int:
        if not len(self._points):
            return -1
        x, y = self._place(event)
        width, height = self.view.getPlotItem().getViewBox().viewPixelSize()
        distance = ((self._points[:, 0] - x) / width) ** 2 + ((self._points[:, 1] - y) / height) ** 2
        row = int(distance.argmin())
        return row if distance[row] <= _REACH_PX**2 else -1

    def _hover(self, row: int) -> None:
        if row != self._near:
            self._near = row
            self.hovered.emit(row)


def inside(points: NDArray[np.float64], outline: NDArray[np.float64]) -> NDArray[np.int64]:
    """Rows of the points within an outline of shape (M, 2)."""
    from skimage.measure import points_in_poly

    low, high = outline.min(axis=0), outline.max(axis=0)
    rows = np.flatnonzero(((points >= low) & (points <= high)).all(axis=1))
    return rows[points_in_poly(points[rows], outline)] if len(rows) else rows
