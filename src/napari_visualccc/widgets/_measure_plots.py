"""Size histogram and thickness profile in the Measure widget. pyqtgraph is imported when the first is drawn."""

from __future__ import annotations

from typing import Any

import numpy as np

from napari_visualccc.widgets._plots import ThemedPlot

_NUMBER, _AREA, _LINE, _MEAN = "#4477AA", "#EE6677", "#228833", "#CCBB44"


class SizePlot(ThemedPlot):
    """Share of the number and of the area of the objects over their diameter."""

    def __init__(self) -> None:
        super().__init__("Blue: share of the number of objects. Red line: share of their area.")

    def show_histogram(self, histogram: Any, unit: str, *, log: bool) -> None:
        """Draw a table from `segment.sizes.size_histogram`."""
        import pyqtgraph as pg

        item = self._axes(f"equivalent diameter / {unit}", "%")
        item.setLogMode(x=False, y=False)
        low, high = histogram["low"].to_numpy(float), histogram["high"].to_numpy(float)
        if log:
            low, high = np.log10(low), np.log10(high)
        number, area = 100 * histogram["number_share"].to_numpy(), 100 * histogram["area_share"].to_numpy()
        item.getAxis("bottom").setTicks(_decades(low, high) if log else None)
        item.addItem(
            pg.BarGraphItem(x0=low, x1=high, height=number, brush=_NUMBER, pen=pg.mkPen(self._colours[1], width=0.5))
        )
        if len(low):
            item.plot(np.append(low, high[-1]), area, stepMode="center", pen=pg.mkPen(_AREA, width=2))
        item.setMouseEnabled(x=False, y=False)
        item.autoRange()


class ProfilePlot(ThemedPlot):
    """Thickness along a layer."""

    def __init__(self) -> None:
        super().__init__(
            "Thickness along the layer; dashed: mean. Drag to move, scroll to zoom, right drag to stretch."
        )

    def show_profile(self, profile: Any, unit: str, shown: str, factor: float) -> None:
        """Draw a table from `segment.thickness.thickness_table` whose columns are in `unit`, as `factor` × `shown`."""
        import pyqtgraph as pg

        item = self._axes(f"position along the layer / {shown}", shown)
        position, thickness = (factor * values for values in unrolled(profile, unit))
        item.plot(position, thickness, pen=pg.mkPen(_LINE, width=1.5), connect="finite")
        if np.isfinite(thickness).any():
            dash = pg.mkPen(_MEAN, width=2, style=pg.QtCore.Qt.PenStyle.DashLine)
            item.addItem(pg.InfiniteLine(float(np.nanmean(thickness)), angle=0, pen=dash))
        item.setMouseEnabled(x=True, y=True)
        item.enableAutoRange()


def unrolled(profile: Any, unit: str) -> tuple[Any, Any]:
    """Positions and thickness with all layers end to end, NaN between them.

    Parameters
    ----------
    profile
        Table with ``plane``, ``layer``, ``position_<unit>`` and ``thickness_<unit>``.
    unit
        Unit in the names of the columns.
    """
    positions, values, start = [], [], 0.0
    for _, piece in profile.groupby(["plane", "layer"], sort=True):
        along = start + piece[f"position_{unit}"].to_numpy(float)
        positions.append(np.append(along, along[-1]))
        values.append(np.append(piece[f"thickness_{unit}"].to_numpy(float), np.nan))
        start = float(along[-1])
    if not positions:
        return np.empty(0), np.empty(0)
    return np.concatenate(positions), np.concatenate(values)


def _decades(low: Any, high: Any) -> list[list[tuple[float, str]]]:
    """Ticks at 1, 2 and 5 times the powers of ten on an axis of logarithms."""
    if not len(low):
        return [[]]
    found = []
    for power in range(int(np.floor(low[0])), int(np.ceil(high[-1])) + 1):
        for digit in (1, 2, 5):
            place = power + np.log10(digit)
            if low[0] <= place <= high[-1]:
                found.append((float(place), f"{digit * 10.0**power:g}"))
    return [found]
