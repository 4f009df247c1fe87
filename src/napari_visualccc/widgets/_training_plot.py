"""Loss and quality while a network learns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_visualccc.widgets._plots import paint_axes

if TYPE_CHECKING:
    from napari_visualccc.models.nn.fit import Moment

_LOSS, _SCORE = "#4477AA", "#228833"
# The loss of single steps jumps; the eye wants their running mean.
_SMOOTH = 0.1
# Scores end at 1; a mark there is seen whole.
_TOP = 1.05


class TrainingPlot(QWidget):
    """Running mean of the loss over steps, and a score on what is held out below it.

    Parameters
    ----------
    score
        Which of the scores.
    name, about
        Of the score, beside its axis and in the tooltip.
    """

    def __init__(
        self, score: str = "score", name: str = "mean IoU", about: str = "mean IoU on held-out labels"
    ) -> None:
        super().__init__()
        self._score, self._name = score, name
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self.setFixedHeight(190)
        self.setToolTip(f"Above: loss (lower is better). Below: {about} (higher is better)")
        self._view: Any = None
        self._lines: tuple[Any, Any] | None = None
        self._colours = ("#888888", "#000000")

    def set_colours(self, *, foreground: str, background: str) -> None:
        """Colours of the viewer's theme."""
        if (foreground, background) != self._colours:
            self._colours = (foreground, background)
            if self._view is not None:
                self._style()

    def show_moments(self, moments: Sequence[Moment]) -> None:
        """Draw what is known so far."""
        if self._lines is None:
            self._make()
        assert self._lines is not None
        steps = [moment.step for moment in moments]
        checked = [(m.step, m.scores[self._score]) for m in moments if len(m.scores) > 1]
        self._lines[0].setData(steps, running_mean([moment.loss for moment in moments]))
        self._lines[1].setData([step for step, _ in checked], [score for _, score in checked])

    def _make(self) -> None:
        import pyqtgraph as pg

        self._view = pg.GraphicsLayoutWidget()
        layout = self.layout()
        assert layout is not None
        layout.addWidget(self._view)
        made = []
        for line, (name, colour) in enumerate((("loss", _LOSS), (self._name, _SCORE))):
            plot = self._view.addPlot(row=line, col=0, axisItems={"bottom": whole_steps()})
            plot.setLabel("left", name)
            plot.getAxis("left").setWidth(60)
            plot.getAxis("left").enableAutoSIPrefix(False)
            plot.setMouseEnabled(x=False, y=False)
            plot.hideButtons()
            plot.setMenuEnabled(False)
            marks = {"symbol": "o", "symbolSize": 6, "symbolBrush": colour, "symbolPen": None} if line else {}
            made.append(plot.plot([], [], pen=pg.mkPen(colour, width=2), **marks))
        plot.setLimits(yMin=0, yMax=_TOP)
        plot.setLabel("bottom", "step")
        self._lines = (made[0], made[1])
        self._style()

    def _style(self) -> None:
        foreground, background = self._colours
        self._view.setBackground(background)
        for plot in self._view.ci.items:
            paint_axes(plot, foreground)


def whole_steps() -> Any:
    """Axis without ticks between whole numbers: there is no step 1.5."""
    import pyqtgraph as pg

    class WholeSteps(pg.AxisItem):
        def tickSpacing(self, low: float, high: float, size: float) -> list[tuple[float, float]]:  # noqa: N802
            return [level for level in super().tickSpacing(low, high, size) if level[0] >= 1] or [(1.0, 0.0)]

    return WholeSteps("bottom")


def running_mean(values: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """Exponential running mean that starts without bias."""
    result = np.empty(len(values))
    mean = weight = 0.0
    for index, value in enumerate(values):
        mean = (1 - _SMOOTH) * mean + _SMOOTH * value
        weight = (1 - _SMOOTH) * weight + _SMOOTH
        result[index] = mean / weight
    return result
