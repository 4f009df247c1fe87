"""What is seen of a finished map: scatter, key, gallery, and the buttons around them."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QComboBox, QLabel, QSizePolicy, QVBoxLayout, QWidget

from napari_visualccc.maps.options import PropertyOptions
from napari_visualccc.widgets._forms import OptionsForm
from napari_visualccc.widgets._map_parts import ColourKey, Gallery, HoverCard
from napari_visualccc.widgets._map_plot import MapPlot
from napari_visualccc.widgets._parts import Fold, Hint, button, provenance_button, row

ONE_COLOUR = "one colour"


class MapPanel(QWidget):
    """Controls of a map; the widget wires them.

    Attributes
    ----------
    colour_changed
        Emitted when points are to be coloured by another column.
    """

    colour_changed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.quality = Hint()
        self.problems = Hint()
        self.colour = _combo("Colour the points by this column")
        self.colour.currentIndexChanged.connect(self._colour_chosen)
        self.key = ColourKey()
        self.plot = MapPlot()
        self.card = HoverCard(self.plot)
        self.lasso = button("Lasso", "Encircle micrographs with the mouse (or hold Shift); off, dragging moves the map")
        self.lasso.setCheckable(True)
        self.lasso.toggled.connect(self._lasso_toggled)
        self.fit = button("Fit", "Show the whole map")
        self.similar = button("What looks like this?", "Find the micrographs nearest to the image in the viewer")
        self.found = Hint()
        self.gallery = Gallery()
        self.open_stack = button("Open as stack", "Open the encircled micrographs as stacks, one for each image size")
        self.label = button("Label …", "Give the encircled micrographs a label, which becomes a column of the map")
        self.thumbnails = button("Thumbnails layer", "Lay all thumbnails out at their places, as an image to zoom into")
        self.save = button("Save map …", "Keep the map in one file, with thumbnails and properties")
        self.export = button("Export …", "PNG or SVG for papers, CSV of the encircled, HTML page that works offline")
        self.provenance = provenance_button()
        self._build_selection()
        self._build_properties()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(5)
        for part in (
            self.quality, self.problems, row(QLabel("Colour"), self.colour, self.lasso, self.fit, stretch=1), self.key,
            self.plot, self.similar, self.selection, self.properties_fold, row(self.thumbnails, self.save),
            row(self.export, self.provenance),
        ):  # fmt: skip
            layout.addWidget(part)

    def _build_selection(self) -> None:
        self.selection = QWidget()
        inner = QVBoxLayout(self.selection)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(4)
        for part in (self.found, self.gallery, row(self.open_stack, self.label)):
            inner.addWidget(part)
        self.selection.hide()

    def _build_properties(self) -> None:
        self.target = _combo("Measured property: a column of numbers")
        self.form = OptionsForm(PropertyOptions)
        self.ask = button("How well does the look predict it?",
                          "Predict held-out groups, compare with chance and with simple explanations")  # fmt: skip
        self.regions = button("Which regions drive it?",
                              "Heatmap over the image in the viewer: what raises, what lowers it")  # fmt: skip
        self.answer = Hint()
        content = QWidget()
        inner = QVBoxLayout(content)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(4)
        for part in (row(QLabel("Property"), self.target, stretch=1), self.form, self.ask, self.answer, self.regions):
            inner.addWidget(part)
        self.properties_fold = Fold("Properties", content)

    def set_columns(self, columns: list[str], numeric: list[str]) -> None:
        """Offer columns, keeping what was chosen."""
        for combo, entries in ((self.colour, [ONE_COLOUR, *columns]), (self.target, numeric)):
            before = combo.currentText()
            blocked = combo.blockSignals(True)
            combo.clear()
            combo.addItems(entries)
            # A map with properties shows the first of them at once.
            start = before if before in entries and before != ONE_COLOUR else entries[1:2] or entries[:1]
            if combo is self.target:
                start = before if before in entries else entries[:1]
            combo.setCurrentText(start if isinstance(start, str) else "".join(start))
            combo.blockSignals(blocked)
        self.properties_fold.setVisible(bool(numeric))

    @property
    def colour_column(self) -> str | None:
        """Column that colours the points; None for one colour."""
        text = self.colour.currentText()
        return None if text in ("", ONE_COLOUR) else str(text)

    def _colour_chosen(self, index: int = 0) -> None:
        self.colour_changed.emit()

    def _lasso_toggled(self, on: bool) -> None:
        self.plot.lasso_on = on


def _combo(tooltip: str) -> QComboBox:
    made = QComboBox()
    made.setToolTip(tooltip)
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(8)
    made.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
    return made
