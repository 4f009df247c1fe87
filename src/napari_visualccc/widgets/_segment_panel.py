"""The lower half of the Segment widget: what can be done with a trained model and its result."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QVBoxLayout, QWidget

from napari_visualccc.segment.coverage import measured_on
from napari_visualccc.segment.options import PredictOptions
from napari_visualccc.widgets._cluster_panel import compact
from napari_visualccc.widgets._comparison import ComparePart
from napari_visualccc.widgets._device_box import DeviceBox
from napari_visualccc.widgets._explain_panel import ExplainPanel
from napari_visualccc.widgets._forms import OptionsForm
from napari_visualccc.widgets._parts import Fold, Hint, Title, button, row
from napari_visualccc.widgets._tables import Column, Record, ResultTable

if TYPE_CHECKING:
    from napari_visualccc.segment import SegmentationModel, SegmentationResult


class SegmentPanel(QWidget):
    """Model line, apply, where to paint next, table of phases, comparison with other labels, saving, heatmaps."""

    apply_clicked = Signal()
    suggest_clicked = Signal()
    save_clicked = Signal()
    load_clicked = Signal()
    export_clicked = Signal()
    measure_clicked = Signal()
    provenance_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.device_box = DeviceBox()
        self.model_label = Hint()
        self.load_button = button("Load model …", "Use a model that was saved earlier, by you or by a colleague")
        self.save_button = button("Save model …", "Write the model to a file: here, in scripts and on the command line")
        self.tta_box = QCheckBox("Average views")
        self.tta_box.setToolTip("Mean over eight mirrored and turned views: a little better, eight times slower")
        self.uncertainty_box = QCheckBox("Uncertainty")
        self.uncertainty_box.setToolTip("Also show confidence and entropy of each pixel, as two image layers")
        self.keep_box = QCheckBox("Keep earlier result")
        self.keep_box.setToolTip("Put the phases into a new layer; otherwise they replace the last ones")
        self.boxes = (self.tta_box, self.uncertainty_box, self.keep_box)
        self.predict_form = OptionsForm(PredictOptions, without=("tta", "uncertainty"))
        self.apply_button = button("Apply to image", "Segment the image chosen above with this model")
        self.suggest_button = button("Where next?", "Mark the places that the model is least sure of: paint there")
        self.title = Title()
        self.notes = Hint()
        self.table = ResultTable()
        self.measure_button = button("Measure …", "Objects, sizes, layer thickness and interfaces of these phases")
        self.export_button = button("Save labels and tables …", "Write labels as OME-TIFF, tables as CSV, the record")
        self.provenance_button = button("How was this made?", "Show the record of this result and its command line")
        self.comparison = ComparePart("IoU, Dice and boundary F1 of the phases against these labels")
        self.result_part = QWidget()
        inner = QVBoxLayout(self.result_part)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(4)
        for part in (self.title, self.notes, self.table, row(self.measure_button, self.provenance_button),
                     self.export_button, self.comparison):  # fmt: skip
            inner.addWidget(part)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.use_part = QWidget()
        use = QVBoxLayout(self.use_part)
        use.setContentsMargins(0, 0, 0, 0)
        use.setSpacing(4)
        use.addWidget(row(self.tta_box, self.uncertainty_box))
        use.addWidget(self.keep_box)
        use.addWidget(self.predict_form)
        use.addWidget(row(self.apply_button, self.suggest_button))
        self.explain = ExplainPanel(of_pixels=True)
        self.explain_fold = Fold("Why? Heatmaps", self.explain)
        for part in (self.device_box, self.model_label, row(self.load_button, self.save_button), self.use_part,
                     self.result_part, self.explain_fold):  # fmt: skip
            layout.addWidget(part)
        self.result_part.hide()
        self.show_model(None)
        for source, signal in (
            (self.apply_button, self.apply_clicked), (self.suggest_button, self.suggest_clicked),
            (self.save_button, self.save_clicked), (self.load_button, self.load_clicked),
            (self.export_button, self.export_clicked), (self.measure_button, self.measure_clicked),
            (self.provenance_button, self.provenance_clicked),
        ):  # fmt: skip
            source.clicked.connect(signal)

    def predict_options(self) -> PredictOptions:
        """How to apply a model.

        Raises
        ------
        OptionError
            If a control holds what cannot be; the words stand next to it as well.
        """
        return replace(
            self.predict_form.options(), tta=self.tta_box.isChecked(), uncertainty=self.uncertainty_box.isChecked()
        )

    def show_model(self, model: SegmentationModel | None, name: str = "") -> None:
        """Say which model is at hand."""
        self.use_part.setVisible(model is not None)
        self.save_button.setEnabled(model is not None)
        if model is None:
            self.model_label.setText("No model yet: train one, or load one.")
            return
        card = model.card
        quality = card.metrics.get("mean_iou")
        measured = f"mean IoU {quality:.3f} on {measured_on(card.metrics)}" if quality is not None else ""
        words = [
            f"Model{' ' + name if name else ''}: " + ", ".join(one.name for one in card.classes),
            measured or "quality not measured (nothing held out)",
            f"learnt at {card.pixel_size}" if card.pixel_size.is_calibrated else "",
        ]
        self.model_label.setText(" · ".join(word for word in words if word))

    def show_result(self, result: SegmentationResult, title: str) -> None:
        """Table of phases of a result."""
        self.title.say(title)
        self.notes.setText("\n".join(result.notes))
        self.notes.setVisible(bool(result.notes))
        self.show_table(result)
        self.comparison.hide_scores()
        self.result_part.show()

    def show_table(self, result: SegmentationResult) -> None:
        """Rows of a result, in its colours."""
        self.table.show_table(result.table, _columns(result.pixel_size.column_unit), result.colours)


def _columns(unit: str) -> tuple[Column, ...]:
    def name(record: Record) -> str:
        return str(record["class"])

    def fraction(record: Record) -> str:
        return f"{100 * record['area_fraction']:.2f}"

    def area(record: Record) -> str:
        return compact(record[f"area_{unit}2"])

    return (
        Column("Phase", "label", name, "Phases in their colours, in their order"),
        Column("Area %", "area_fraction", fraction, "Share of all pixels that have a value"),
        Column(f"{unit}²", f"area_{unit}2", area, f"Area in {unit}²"),
    )
