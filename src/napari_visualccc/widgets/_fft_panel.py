"""The tables of the FFT widget: spots of the spectrum, and crystals of the map, with what can be done with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_visualccc.widgets._parts import Hint, Title, button, provenance_button, row
from napari_visualccc.widgets._tables import Column, Record, ResultTable

if TYPE_CHECKING:
    from napari_visualccc.processing import LatticeMap, SpectrumResult


_SURE = 0.95  # names that are surer are shown without saying so


class FftPanel(QWidget):
    """Table of spots and its buttons.

    Attributes
    ----------
    map
        Panel of the map, a widget of its own: it stands below the button that makes the map.
    picked
        Emitted with the labels of the picked spots.
    """

    picked = Signal(list)
    bragg_clicked = Signal()
    calibrate_clicked = Signal()
    export_clicked = Signal()
    provenance_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.summary = Hint()
        self.table = ResultTable()
        self.table.labels_selected.connect(self.picked)
        self.bragg = button("Bragg filter", "Image that the picked spots make alone; all spots if none is picked")
        self.bragg.clicked.connect(self.bragg_clicked)
        self.calibrate = button("Calibrate …", "Set the pixel size so that the picked spot has the spacing you know")
        self.calibrate.clicked.connect(self.calibrate_clicked)
        self.export = button("Save table …", "Spots with spacings, angles and phases as CSV")
        self.export.clicked.connect(self.export_clicked)
        self.provenance = provenance_button()
        self.provenance.clicked.connect(self.provenance_clicked)
        self.map = MapPanel()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (self.summary, self.table, row(self.bragg, self.calibrate), row(self.export, self.provenance)):
            layout.addWidget(part)
        self.hide()

    def show_moving(self, count: int) -> None:
        """Say how many spots there are while the region moves; the table waits until it rests."""
        self.summary.setText(counted(count, "spot") + " …" if count else "No spot rises above the noise.")
        for one in (self.table, self.bragg, self.calibrate, self.export):
            one.setEnabled(False)
        self.show()

    def show_result(self, result: SpectrumResult) -> None:
        """Show spots with their phases."""
        self._fill(result.table, result.spectrum.length_unit)
        self.table.setEnabled(True)
        self.summary.setText(_summary(result))
        self.show()

    def pick(self, label: int) -> None:
        """Pick a spot, as a click on its row does."""
        self.table.select_labels([label])
        self.picked.emit([label])

    def _fill(self, frame: Any, unit: str) -> None:
        self.table.show_table(frame, _columns(unit), {})
        for one in (self.bragg, self.calibrate, self.export):
            one.setEnabled(len(frame) > 0)


class MapPanel(QWidget):
    """Table of crystals."""

    export_clicked = Signal()
    provenance_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.title = Title()
        self.table = ResultTable()
        self.export = button("Save table …", "Crystals with phase, spacing, orientation and area as CSV")
        self.export.clicked.connect(self.export_clicked)
        self.provenance = provenance_button()
        self.provenance.clicked.connect(self.provenance_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (self.title, self.table, row(self.export, self.provenance)):
            layout.addWidget(part)
        self.hide()

    def show_map(self, result: LatticeMap) -> None:
        """Show the crystals of a map."""
        table = result.table
        unit = "nm" if "d_nm" in table else "px"
        self.table.show_table(table, _map_columns(unit, result.pixel_size.column_unit), result.layers[2].colours)
        self.title.say(f"{counted(len(table), 'crystal')} · windows of {result.window_px} px")
        self.show()


def _columns(unit: str) -> tuple[Column, ...]:
    d, error = f"d_{unit}", f"d_error_{unit}"
    digits = 4 if unit == "nm" else 2
    return (
        Column("Phase", "label", _phase, "Crystal and indices; (…) other phases with such a spacing"),
        Column(
            f"d {unit}",
            d,
            lambda r: _with_error(r[d], r[error], digits),
            "Lattice spacing; in brackets the standard deviation of its last digit from noise alone",
        ),
        Column("°", "angle_deg", lambda r: f"{r['angle_deg']:.1f}", "Direction from +x towards +y (down)"),
        Column("SNR", "snr", lambda r: f"{r['snr']:.0f}", "Height over the noise in its standard deviations"),
    )


def _with_error(value: float, error: float, digits: int) -> str:
    """Value with its error in units of the last digit: ``0.2035(2)``."""
    return f"{value:.{digits}f}({max(1, round(error * 10**digits))})"


def _phase(record: Record) -> str:
    if record["phase"]:
        return f"{record['phase']} {record['hkl']}"
    names = [text.split(" ")[0] for text in record["matches"].split("; ") if text]
    return f"{record['label']} ({', '.join(names)})" if names else str(record["label"])


def _crystal(record: Record) -> str:
    if not record["zone"]:
        return f"{record['label']} ?"
    sure = record["probability"]
    return f"{record['label']} {record['phase']}" + (f" {sure:.0%}" if sure < _SURE else "")


def _map_columns(unit: str, column: str) -> tuple[Column, ...]:
    d, area = f"d_{unit}", f"area_{column}2"
    return (
        Column(
            "Crystal",
            "label",
            _crystal,
            "Number in the layer, and phase; in per cent how sure that is, if below 95 %; ? for none of the candidates",
        ),
        Column(f"d {unit}", d, lambda r: f"{r[d]:.3f}", "Spacing of its strongest fringes"),
        Column("°", "orientation_deg", lambda r: f"{r['orientation_deg']:.0f}", "Their direction, +x towards +y"),
        Column(f"{unit}²", area, lambda r: f"{r[area]:.3g}", "Area"),
    )


def _summary(result: SpectrumResult) -> str:
    count = len(result.peaks)
    if not count:
        return "No spot rises above the noise."
    if result.spectrum.unit != "1/nm":
        return f"{counted(count, 'spot')}. Not calibrated: no phase can be named."
    if not result.crystals:
        return f"{counted(count, 'spot')}; no candidate explains them better than chance."
    parts = [f"{c.phase} [{' '.join(map(str, c.zone))}]: {len(c.spots)} of {count}" for c in result.crystals[:3]]
    off = result.crystals[0].scale - 1
    tail = (
        f". Spacings {abs(off):.1%} too {'long' if off > 0 else 'short'}: check the pixel size"
        if abs(off) > 0.02
        else ""
    )
    return "; ".join(parts) + tail


def counted(count: int, what: str) -> str:
    """Number and noun: ``"1 spot"``, ``"2 spots"``."""
    return f"{count} {what}" + ("" if count == 1 else "s")
