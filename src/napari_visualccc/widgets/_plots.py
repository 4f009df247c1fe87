"""Small curves in a dock widget. pyqtgraph is imported when the first curve is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

_INERTIA, _SILHOUETTE, _BEST = "#4477AA", "#EE6677", "#228833"
_HEIGHT = 170


def plain_ticks(item: Any) -> None:
    """Leave ticks in the unit of their label; to be called before there are labels.

    Later, pyqtgraph multiplies by a thousand whatever is seen at that moment.
    """
    for name in ("left", "bottom"):
        item.getAxis(name).enableAutoSIPrefix(False)


def paint_axes(item: Any, colour: str) -> None:
    """Draw the axes of a plot, and write beside them, in a colour."""
    for name in ("left", "bottom"):
        item.getAxis(name).setPen(colour)
        item.getAxis(name).setTextPen(colour)


class ThemedPlot(QWidget):
    """One pair of axes in the colours of the viewer's theme."""

    def __init__(self, tooltip: str) -> None:
        super().__init__()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.setFixedHeight(_HEIGHT)
        self.setToolTip(tooltip)
        self._view: Any = None
        self._colours = ("#888888", "#000000")

    def set_colours(self, *, foreground: str, background: str) -> None:
        """Colours of the viewer's theme."""
        self._colours = (foreground, background)
        if self._view is not None:
            self._style()

    def _axes(self, bottom: str, left: str) -> Any:
        """Empty axes with these labels."""
        import pyqtgraph as pg

        if self._view is None:
            self._view = pg.PlotWidget()
            layout = self.layout()
            assert layout is not None
            layout.addWidget(self._view)
            plain_ticks(self._view.getPlotItem())
        item = self._view.getPlotItem()
        item.clear()
        item.setLabel("bottom", bottom)
        item.setLabel("left", left)
        item.getAxis("left").setWidth(48)
        item.layout.setContentsMargins(0, 2, 4, 5)  # pyqtgraph lets labels reach out by so much
        item.hideButtons()
        item.setMenuEnabled(False)
        self._style()
        return item

    def _style(self) -> None:
        foreground, background = self._colours
        self._view.setBackground(background)
        paint_axes(self._view.getPlotItem(), foreground)


class KPlot(QWidget):
    """Elbow and silhouette over k, the best k marked; a click takes a k.

    Attributes
    ----------
    k_chosen
        Emitted with the k nearest to a click.
    """

    k_chosen = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self.setFixedHeight(230)
        self.setToolTip("Click on a k to take it")
        self._view: Any = None
        self._k: NDArray[Any] = np.empty(0)

    def show_curve(self, curve: Any, *, foreground: str, background: str) -> None:
        """Draw a `KCurve` in the colours of the viewer's theme."""
        import pyqtgraph as pg

        if self._view is None:
            self._view = pg.GraphicsLayoutWidget()
            self._layout.addWidget(self._view)
            self._view.scene().sigMouseClicked.connect(self._clicked)
        self._view.clear()
        self._view.setBackground(background)
        self._k = np.asarray(curve.k)
        # Fractions of the value for k = 1: grey levels² say nothing to anybody.
        first = curve.inertia[0] if len(curve.inertia) and curve.inertia[0] > 0 else 1.0
        upper = self._draw(pg, 0, "inertia %", 100 * curve.inertia / first, _INERTIA, foreground)
        lower = self._draw(pg, 1, "silhouette", curve.silhouette, _SILHOUETTE, foreground)
        lower.setXLink(upper)
        lower.setLabel("bottom", "clusters k", color=foreground)
        for plot in (upper, lower):
            plot.addItem(
                pg.InfiniteLine(curve.best, pen=pg.mkPen(_BEST, width=2, style=pg.QtCore.Qt.PenStyle.DashLine))
            )

    def _draw(self, pg: Any, line: int, label: str, values: NDArray[Any], colour: str, foreground: str) -> Any:
        plot = self._view.addPlot(row=line, col=0)
        seen = np.isfinite(values)
        plot.plot(self._k[seen], np.asarray(values)[seen], pen=pg.mkPen(colour, width=2), symbol="o", symbolSize=6,
                  symbolBrush=colour, symbolPen=None)  # fmt: skip
        plot.setLabel("left", label, color=foreground)
        plot.getAxis("left").setWidth(48)
        plot.getAxis("left").enableAutoSIPrefix(False)
        paint_axes(plot, foreground)
        plot.getAxis("bottom").setTicks([[(int(k), str(k)) for k in self._k]])
        plot.getAxis("bottom").setStyle(showValues=line == 1)
        plot.setMouseEnabled(x=False, y=False)
        plot.hideButtons()
        plot.setMenuEnabled(False)
        plot.setXRange(self._k.min(), self._k.max(), padding=0.08)
        return plot

    def _clicked(self, event: Any) -> None:
        items = [item for item in self._view.ci.items if item.sceneBoundingRect().contains(event.scenePos())]
        if items and self._k.size:
            x = items[0].vb.mapSceneToView(event.scenePos()).x()
            self.take(int(self._k[np.abs(self._k - x).argmin()]))

    def take(self, k: int) -> None:
        """Choose a k as a click on it does."""
        self.k_chosen.emit(k)
