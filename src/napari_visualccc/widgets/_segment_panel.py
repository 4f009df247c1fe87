"""The lower half of the Segment widget: what can be done with a trained model and its result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QVBoxLayout, QWidget

from napari_visualccc.segment.coverage import measured_on
from napari_visualccc.widgets._cluster_panel import compact
from napari_visualccc.widgets._explain_panel import ExplainPanel
from napari_visualccc.widgets._layers import is_helper, kind_of
from napari_visualccc.widgets._parts import Fold, Hint, Title, button, row
from napari_visualccc.widgets._source import array_of
from napari_visualccc.widgets._tables import Column, Record, ResultTable

if TYPE_CHECKING:
    from napari_visualccc.segment import Evaluation, SegmentationModel, SegmentationResult


class SegmentPanel(QWidget):
    """Model line, apply, where to paint next, table of phases, comparison with other labels, saving, heatmaps."""

    apply_clicked = Signal()
    suggest_clicked = Signal()
    save_clicked = Signal()
    load_clicked = Signal()
    export_clicked = Signal()
    measure_clicked = Signal()
    compare_clicked = Signal()
    provenance_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.model_label = Hint()
        self.load_button = button("Load model …", "Use a model that was saved earlier, by you or by a colleague")
        self.save_button = button("Save model …", "Write the model to a file: here, in scripts and on the command line")
        self.tta_box = QCheckBox("Average views")
        self.tta_box.setToolTip("Mean over eight mirrored and turned views: a little better, eight times slower")
        self.uncertainty_box = QCheckBox("Uncertainty")
        self.uncertainty_box.setToolTip("Also show confidence and entropy of each pixel, as two image layers")
        self.keep_box = QCheckBox("Keep earlier result")
        self.keep_box.setToolTip("Put the phases into a new layer; otherwise they replace the last ones")
        self.apply_button = button("Apply to image", "Segment the image chosen above with this model")
        self.suggest_button = button("Where next?", "Mark the places that the model is least sure of: paint there")
        self.title = Title()
        self.table = ResultTable()
        self.measure_button = button("Measure …", "Objects, sizes, layer thickness and interfaces of these phases")
        self.export_button = button("Save labels and tables …", "Write labels as OME-TIFF, tables as CSV, the record")
        self.provenance_button = button("How was this made?", "Show the record of this result and its command line")
        self.truth = QComboBox()
        self.truth.setPlaceholderText("no other labels")
        self.truth.setToolTip("Labels to compare with: masks by hand, or those of another annotator")
        self.truth.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.truth.setMinimumContentsLength(8)
        self.compare_button = button("Compare", "IoU, Dice and boundary F1 of the phases against these labels")
        self._truths: tuple[Any, ...] = ()
        self.scores = Hint()
        self.result_part = QWidget()
        inner = QVBoxLayout(self.result_part)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.setSpacing(4)
        for part in (self.title, self.table, row(self.measure_button, self.provenance_button), self.export_button,
                     row(self.truth, self.compare_button, stretch=0), self.scores):  # fmt: skip
            inner.addWidget(part)
        self.scores.hide()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        self.use_part = QWidget()
        use = QVBoxLayout(self.use_part)
        use.setContentsMargins(0, 0, 0, 0)
        use.setSpacing(4)
        use.addWidget(row(self.tta_box, self.uncertainty_box))
        use.addWidget(self.keep_box)
        use.addWidget(row(self.apply_button, self.suggest_button))
        self.explain = ExplainPanel(of_pixels=True)
        self.explain_fold = Fold("Why? Heatmaps", self.explain)
        for part in (self.model_label, row(self.load_button, self.save_button), self.use_part, self.result_part,
                     self.explain_fold):  # fmt: skip
            layout.addWidget(part)
        self.result_part.hide()
        self.show_model(None)
        for source, signal in (
            (self.apply_button, self.apply_clicked), (self.suggest_button, self.suggest_clicked),
            (self.save_button, self.save_clicked), (self.load_button, self.load_clicked),
            (self.export_button, self.export_clicked), (self.measure_button, self.measure_clicked),
            (self.compare_button, self.compare_clicked), (self.provenance_button, self.provenance_clicked),
        ):  # fmt: skip
            source.clicked.connect(signal)

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
        self.show_table(result)
        self.scores.hide()
        self.result_part.show()

    def show_table(self, result: SegmentationResult) -> None:
        """Rows of a result, in its colours."""
        self.table.show_table(result.table, _columns(result.pixel_size.column_unit), result.colours)

    def show_scores(self, evaluation: Evaluation, against: str) -> None:
        """Say how two labels agree."""
        rows = [
            f"{record['class']}: IoU {_score(record['iou'])}, Dice {_score(record['dice'])}, "
            f"outline {_score(record['boundary_f1'])}"
            for record in evaluation.table.to_dict("records")
        ]
        metrics = evaluation.metrics
        head = (
            f"Against {against}: mean IoU {metrics['mean_iou']:.3f} over classes, pooled {metrics['pooled_iou']:.3f}, "
            f"pixel accuracy {metrics['pixel_accuracy']:.3f}; outline = boundary F1 within "
            f"{evaluation.tolerance:.3g} {evaluation.unit}"
        )
        self.show_words("\n".join([head, *rows, *evaluation.notes]))

    def show_words(self, words: str) -> None:
        """Say something where the scores stand."""
        self.scores.setText(words)
        self.scores.show()

    def list_truths(self, layers: Sequence[Any], *, has_others: bool = False) -> None:
        """Labels that can be compared with; whether there are others, of another shape."""
        before = self.chosen_truth
        self._truths = tuple(layers)
        self.truth.clear()
        self.truth.setPlaceholderText("no labels of this shape" if has_others else "no other labels")
        self.truth.addItems([layer.name for layer in layers])
        if layers:  # a box with a placeholder chooses nothing by itself
            self.truth.setCurrentIndex(self._truths.index(before) if before in self._truths else 0)
        self.truth.setEnabled(bool(layers))
        self.compare_button.setEnabled(bool(layers))

    @property
    def chosen_truth(self) -> Any:
        """Layer to compare with, or None."""
        place = self.truth.currentIndex()
        return self._truths[place] if 0 <= place < len(self._truths) else None


def _score(value: float) -> str:
    return f"{value:.3f}" if value == value else "–"  # noqa: PLR0124 - NaN: the phase occurs nowhere


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


def others(viewer: Any, shown: Any) -> list[Any]:
    """Labels layers but the one shown and strokes, which cover next to nothing."""
    layers = [] if shown is None else list(viewer.layers)
    return [one for one in layers if kind_of(one) == "labels" and one is not shown and not is_helper(one)]


def choices(viewer: Any, shown: Any) -> list[Any]:
    """Those that have the shape of the one shown."""
    return [one for one in others(viewer, shown) if tuple(array_of(one).shape) == tuple(shown.data.shape)]
