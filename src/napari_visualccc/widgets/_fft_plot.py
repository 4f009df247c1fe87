"""The radial profile of a spectrum, with its spots. pyqtgraph is imported when the first is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from qtpy.QtCore import Signal

from napari_visualccc.widgets._plots import Axes

if TYPE_CHECKING:
    from napari_visualccc.processing import SpectrumResult

_MEAN, _MEDIAN, _SPOT = "#4477AA", "#888888", "#EE6677"
# The brightest spots are marked; more lines than these hide the curve.
_MOST_SPOTS = 24


class RadialPlot(Axes):
    """Power over the length of the frequency: its mean and median over rings, and where the spots lie.

    Attributes
    ----------
    spot_clicked
        Emitted with the label of the spot nearest to a click.
    """

    spot_clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__(
            "Power over spatial frequency. Blue: mean over a ring, which spots and rings lift. Grey: median, the "
            "background. Red: spots; click near one to pick it. Point at the curve to read spacings."
        )
        self._item: Any = None
        self._moduli: NDArray[np.float64] = np.empty(0)
        self._units = ("px", "1/px")

    def show_profile(self, result: SpectrumResult) -> None:
        """Draw the profile of a spectrum."""
        import pyqtgraph as pg

        profile, peaks = result.profile, result.peaks
        self._units = result.spectrum.length_unit, profile.unit
        first = self._item is None
        self._item = item = self.clear(f"frequency / ({profile.unit})", "power")
        item.setLogMode(x=False, y=True)
        # The middle is the mean grey value, which says nothing about the structure and dwarfs the rest.
        frequency, mean, median = profile.frequency[1:], profile.mean[1:], profile.median[1:]
        for values, colour in ((median, _MEDIAN), (mean, _MEAN)):
            seen = np.isfinite(values) & (values > 0)
            item.plot(frequency[seen], values[seen], pen=pg.mkPen(colour, width=1.5))
        self._moduli = np.asarray(peaks.modulus, float)
        for modulus in self._moduli[:_MOST_SPOTS]:
            item.addItem(pg.InfiniteLine(float(modulus), pen=pg.mkPen(_SPOT, width=1)))
        item.setTitle(None)
        item.setMouseEnabled(x=True, y=False)
        item.enableAutoRange()
        if len(self._moduli):
            # Beyond the spots there is noise; it can be dragged into view.
            item.setXRange(0, min(float(frequency[-1]), 2 * float(self._moduli.max())), padding=0)
        if first:
            self._view.scene().sigMouseMoved.connect(self._moved)
            self._view.scene().sigMouseClicked.connect(self._clicked)

    def _moved(self, place: Any) -> None:
        frequency = self._item.vb.mapSceneToView(place).x()
        if frequency > 0:
            length, reciprocal = self._units
            words = f"d = {1 / frequency:.4g} {length} at {frequency:.4g} {reciprocal}"
            self._item.setTitle(words, color=self._colours[0], size="8pt")

    def _clicked(self, event: Any) -> None:
        if self._item.sceneBoundingRect().contains(event.scenePos()):
            self.take(float(self._item.vb.mapSceneToView(event.scenePos()).x()))

    def take(self, frequency: float) -> None:
        """Pick the spot nearest to a frequency, as a click there does."""
        if len(self._moduli):
            self.spot_clicked.emit(int(np.abs(self._moduli - frequency).argmin()) + 1)
