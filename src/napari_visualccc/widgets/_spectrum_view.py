"""A spectrum with axes in 1/nm and its spots marked. pyqtgraph is imported when the first one is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QRectF, Signal
from qtpy.QtWidgets import QSizePolicy, QVBoxLayout, QWidget

from napari_visualccc.core.colours import label_colour
from napari_visualccc.widgets._plots import paint_axes, plain_ticks

if TYPE_CHECKING:
    from napari_visualccc.processing.matching import PhaseMatch
    from napari_visualccc.widgets._fft_jobs import Frame

_HEIGHT = 270
_PLAIN = "#ffffff"
_CHOSEN = "#ffd23f"
ROOM = 1.2  # beyond the farthest spot


class SpectrumView(QWidget):
    """Picture of a spectrum; a click on a spot picks it.

    Attributes
    ----------
    spot_clicked
        Emitted with the label (from 1) of the spot next to a click.
    """

    spot_clicked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self.setFixedHeight(_HEIGHT)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setToolTip(
            "Spectrum of the region. Wheel zooms, drag moves, right click offers more; click a spot to pick it. "
            "The corner tells spacing and direction under the mouse"
        )
        self._plot: Any = None
        self._readout: Any = None
        self.frame: Frame | None = None
        self._colours: dict[int, tuple[int, ...]] = {}
        self._chosen: set[int] = set()
        self._ranged = ""
        self._theme = {"foreground": "#d6d6d6", "background": "#262930"}

    def set_colours(self, *, foreground: str, background: str) -> None:
        """Take the colours of the viewer's theme."""
        self._theme = {"foreground": foreground, "background": background}
        if self._plot is not None:
            self._paint_axes()

    def show_frame(self, frame: Frame) -> None:
        """Show a spectrum; spots are drawn plain until `show_matches` says what they are."""
        if self._plot is None:
            self._make()
        self.frame = frame
        self._colours.clear()
        self._image.setImage(frame.picture, autoLevels=False, levels=(0, 255))
        self._image.setRect(QRectF(*frame.rectangle))
        self._draw_spots()
        if self._ranged != frame.spectrum.unit:
            self._ranged = frame.spectrum.unit
            self.fit()
            for side, text in (("bottom", "x"), ("left", "y")):
                self._plot.setLabel(side, f"k{text} ({frame.spectrum.unit})", color=self._theme["foreground"])

    def fit(self) -> None:
        """Zoom so that all spots are seen, or all of the spectrum if there are none."""
        if self.frame is None or self._plot is None:
            return
        left, top, width, height = self.frame.rectangle
        reach = ROOM * float(self.frame.peaks.modulus.max()) if len(self.frame.peaks) else max(width, height) / 2
        reach = min(reach, max(abs(left), abs(top)))
        self._plot.setRange(xRange=(-reach, reach), yRange=(-reach, reach), padding=0)

    def show_matches(self, crystals: tuple[PhaseMatch, ...]) -> None:
        """Colour the spots of each crystal alike."""
        self._colours = spot_colours(crystals)
        self._draw_spots()

    def select(self, labels: list[int]) -> None:
        """Mark the chosen spots."""
        self._chosen = set(labels)
        self._draw_spots()

    def clear(self) -> None:
        """Show nothing."""
        self.frame = None
        self._ranged = ""
        if self._plot is not None:
            self._image.clear()
            self._spots.setData([])

    def _make(self) -> None:
        import pyqtgraph as pg

        self._view = pg.GraphicsLayoutWidget()
        self._layout.addWidget(self._view)
        self._plot = self._view.addPlot()
        self._plot.setAspectLocked(True)
        self._plot.invertY(True)  # down is positive, as in the image
        self._plot.hideButtons()
        self._image = pg.ImageItem(axisOrder="row-major")
        self._spots = pg.ScatterPlotItem(pxMode=True)
        self._plot.addItem(self._image)
        self._plot.addItem(self._spots)
        self._spots.sigClicked.connect(self._clicked)
        self._readout = pg.TextItem(fill=(0, 0, 0, 150))
        self._readout.setParentItem(self._plot.getViewBox())
        self._view.scene().sigMouseMoved.connect(self._pointed)
        plain_ticks(self._plot)
        self._paint_axes()

    def _paint_axes(self) -> None:
        self._view.setBackground(self._theme["background"])
        paint_axes(self._plot, self._theme["foreground"])

    def _draw_spots(self) -> None:
        if self.frame is None or self._plot is None:
            return
        import pyqtgraph as pg

        entries = []
        for index, (y, x) in enumerate(self.frame.peaks.frequency):
            chosen = index + 1 in self._chosen
            pen = pg.mkPen(_CHOSEN if chosen else self._colours.get(index, _PLAIN), width=3 if chosen else 1.5)
            for sign in (1, -1):
                entries.append({"pos": (sign * x, sign * y), "size": 13, "pen": pen, "brush": None, "symbol": "o",
                                "data": index + 1})  # fmt: skip
        self._spots.setData(entries)

    def _pointed(self, place: Any) -> None:
        """Say which spacing and direction the mouse points at."""
        box = self._plot.getViewBox()
        if self.frame is None or not box.sceneBoundingRect().contains(place):
            self._readout.setText("")
            return
        at = box.mapSceneToView(place)
        self._readout.setText(describe(at.y(), at.x(), self.frame.spectrum.length_unit))

    def _clicked(self, _: object, points: Any, event: object = None) -> None:
        if len(points):
            self.spot_clicked.emit(int(np.asarray(points[0].data()).item()))


def spot_colours(crystals: Sequence[PhaseMatch]) -> dict[int, tuple[int, ...]]:
    """Red, green and blue, 0 … 255, of each spot that a crystal explains: those of the first that does."""
    colours: dict[int, tuple[int, ...]] = {}
    for number, crystal in enumerate(crystals, start=1):
        for spot in crystal.spots:
            colours.setdefault(spot, tuple(round(255 * v) for v in label_colour(number)[:3]))
    return colours


def describe(ky: float, kx: float, unit: str) -> str:
    """Spacing and direction of a frequency, as tables give them.

    Examples
    --------
    >>> describe(0.0, 5.0, "nm")
    'd = 0.2000 nm, 0.0°'
    >>> describe(-0.1, -0.1, "px")
    'd = 7.07 px, 45.0°'
    """
    modulus = float(np.hypot(ky, kx))
    if modulus == 0:
        return ""
    if kx < 0:
        ky, kx = -ky, -kx
    return f"d = {1 / modulus:.{4 if unit == 'nm' else 2}f} {unit}, {np.rad2deg(np.arctan2(ky, kx)):.1f}°"
