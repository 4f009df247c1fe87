"""The radial profile of a spectrum as a curve. pyqtgraph is imported when the first one is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_visualccc.widgets._parts import button, row
from napari_visualccc.widgets._plots import ThemedPlot
from napari_visualccc.widgets._spectrum_view import ROOM, spot_colours

if TYPE_CHECKING:
    from napari_visualccc.processing import SpectrumResult

_HELP = (
    "Thick: mean power of all directions. Grey: their median, which spots do not lift.\n"
    "Upright lines: spots, coloured as in the spectrum. Drag moves, wheel zooms along the frequency"
)
_GREY = "#888888"  # is seen on dark and on light
_REACH_PX = 5


class RadialPlot(ThemedPlot):
    """Power over the spatial frequency, on a logarithmic axis, with a line where each spot is."""

    def __init__(self) -> None:
        super().__init__(_HELP)
        self._result: SpectrumResult | None = None
        self._mean: Any = None
        self._lines: list[Any] = []
        self._chosen: set[int] = set()
        self._ranged = ""

    def show_result(self, result: SpectrumResult) -> None:
        """Draw the profile of a spectrum. What is zoomed into stays, until `forget`."""
        self._result = result
        profile = result.profile
        item = self._axes(f"spatial frequency ({profile.unit})", "power")
        item.setLogMode(x=False, y=True)
        self._draw_spots(item, result)
        # The mean grey level is taken away before: the ring of zero frequency says nothing, and reaches far down.
        for values in (profile.median, profile.mean):
            seen = (profile.frequency > 0) & (values > 0)
            self._mean = item.plot(profile.frequency[seen], values[seen], pen=_GREY)
        self._style()
        item.setMouseEnabled(x=True, y=False)
        item.setAutoVisible(y=True)
        item.enableAutoRange(axis="y")
        last = float(profile.frequency[-1])
        item.setLimits(xMin=0, xMax=last)
        if self._ranged != profile.unit:
            self._ranged = profile.unit
            reach = ROOM * float(result.peaks.modulus.max()) if len(result.peaks) else last
            item.setXRange(0, min(reach, last), padding=0)

    def forget(self) -> None:
        """Show nothing; another image was chosen."""
        self._result, self._ranged = None, ""
        self._lines.clear()
        self.setToolTip(_HELP)
        if self._view is not None:
            self._view.getPlotItem().clear()

    def select(self, labels: list[int]) -> None:
        """Make the lines of the picked spots bold."""
        self._chosen = set(labels)
        for label, line in enumerate(self._lines, start=1):
            line.setPen(color=line.pen.color(), width=self._width(label))

    def _draw_spots(self, item: Any, result: SpectrumResult) -> None:
        import pyqtgraph as pg

        colours = spot_colours(result.crystals)
        self._lines = [
            pg.InfiniteLine(float(modulus), pen=pg.mkPen(colours.get(index, _GREY), width=self._width(index + 1)))
            for index, modulus in enumerate(result.peaks.modulus)
        ]
        for line in self._lines:
            item.addItem(line)

    def _width(self, label: int) -> int:
        return 3 if label in self._chosen else 1

    def _axes(self, bottom: str, left: str) -> Any:
        new = self._view is None
        item = super()._axes(bottom, left)
        if new:
            self._view.scene().sigMouseMoved.connect(self._pointed)
        return item

    def _style(self) -> None:
        super()._style()
        if self._mean is not None:
            # As text is written: all other colours are those of crystals.
            self._mean.setPen(color=self._colours[0], width=1.5)

    def _pointed(self, place: Any) -> None:
        """Let the tooltip tell what the mouse points at."""
        box = self._view.getPlotItem().getViewBox()
        said = ""
        if self._result is not None and box.sceneBoundingRect().contains(place):
            said = told(self._result, box.mapSceneToView(place).x(), _REACH_PX * box.viewPixelSize()[0])
        self.setToolTip(f"{said}\n\n{_HELP}" if said else _HELP)


class ProfilePanel(QWidget):
    """The radial profile and what can be done with it."""

    export_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.plot = RadialPlot()
        self.export = button("Save profile …", "Mean and median power of each ring of the spectrum as CSV")
        self.export.clicked.connect(self.export_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.plot)
        layout.addWidget(row(self.export))


def told(result: SpectrumResult, frequency: float, reach: float = 0.0) -> str:
    """Frequency and spacing in words; those of the nearest spot if one is within reach.

    Parameters
    ----------
    result
        Whose spots they may be.
    frequency
        In the unit of the spectrum.
    reach
        Distance up to which a spot is meant.
    """
    peaks, unit = result.peaks, result.spectrum.length_unit
    name = ""
    if len(peaks):
        nearest = int(np.abs(peaks.modulus - frequency).argmin())
        if abs(peaks.modulus[nearest] - frequency) <= reach:
            frequency = float(peaks.modulus[nearest])
            name = f"Spot {nearest + 1}: "
    if frequency <= 0:
        return ""
    digits = 4 if unit == "nm" else 2
    return f"{name}d = {1 / frequency:.{digits}f} {unit}, 1/d = {frequency:.4g} {result.spectrum.unit}"
