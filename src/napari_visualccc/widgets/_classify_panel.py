"""The lower half of the Classify widget: model, predictions, quality, mistakes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QSize, Qt, Signal
from qtpy.QtGui import QIcon, QImage, QPixmap
from qtpy.QtWidgets import QListWidget, QListWidgetItem, QVBoxLayout, QWidget

from napari_visualccc.widgets._confusion import ConfusionTable
from napari_visualccc.widgets._parts import Fold, Hint, button, provenance_button, row
from napari_visualccc.widgets._tables import Column, Record, ResultTable

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.classify import ClassificationModel, Evaluation, PredictionResult

_MOST_MISTAKES = 60
_ICON_PX = 84


class ModelPanel(QWidget):
    """The model at hand, and what can be done with it."""

    apply_clicked = Signal()
    save_clicked = Signal()
    load_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.words = Hint("No model yet.")
        self.apply_button = button("Predict", "Class of each plane of the chosen image, in the table and on the canvas")
        self.save_button = button("Save …", "Write the model as one .safetensors file")
        self.load_button = button("Load …", "Read a model from a file")
        for made, signal in ((self.apply_button, self.apply_clicked), (self.save_button, self.save_clicked),
                             (self.load_button, self.load_clicked)):  # fmt: skip
            made.clicked.connect(signal)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(self.words)
        layout.addWidget(row(self.apply_button, self.save_button, self.load_button))
        self.show_model(None, "")

    def show_model(self, model: ClassificationModel | None, name: str) -> None:
        """Say which model is at hand."""
        self.apply_button.setEnabled(model is not None)
        self.save_button.setEnabled(model is not None)
        if model is not None:
            self.words.setText(f"Model{f' “{name}”' if name else ''}: {', '.join(model.names)}")


class PredictionPanel(QWidget):
    """One row per plane: class, how sure, and whether it is unlike anything learnt; a click shows the plane.

    Of planes that the model learnt from no certainty is shown: it is near 100 % whatever the model is worth.

    Attributes
    ----------
    planes
        Table of the result shown, as it is saved: planes have the numbers that they have in their stack.
    """

    plane_chosen = Signal(int)
    export_clicked = Signal()
    provenance_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.planes: pd.DataFrame | None = None
        self.table = ResultTable()
        self.table.setToolTip("Click a row to show its plane; click a heading to sort: the unsure ones want a look")
        self.table.labels_selected.connect(self._chosen)
        self.words = Hint()
        self.export_button = button("Save table …", "Write classes and probabilities as CSV")
        self.provenance = provenance_button()
        self.export_button.clicked.connect(self.export_clicked)
        self.provenance.clicked.connect(self.provenance_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (self.words, self.table, row(self.export_button, self.provenance)):
            layout.addWidget(part)

    def show_result(self, result: PredictionResult, first_plane: int, colours: dict[str, Any]) -> None:
        """Fill the table; `first_plane` is the number of the first row's plane."""
        self.planes = result.table.assign(plane=lambda t: t["plane"] + first_plane)
        frame = self.planes.assign(label=self.planes["plane"], unlike=self.planes["unlike"].astype(float))
        shades = {int(r["plane"]): colours.get(r["class"]) for r in frame.to_dict("records") if r["class"] in colours}
        self.table.show_table(frame, _COLUMNS, shades)
        strange = int(frame["unlike"].sum())
        counts = frame["class"].value_counts()
        words = ", ".join(f"{count} × {name}" for name, count in counts.items())
        if strange:
            words += f". ⚠ {strange} unlike anything learnt: their class means nothing"
        learnt = int(frame["learnt_from"].sum())
        if learnt:
            words += f". {learnt} learnt from: how sure it is of those says nothing, “How good is it?” does"
        words += "".join(f". ⚠ {result.provenance.input_name}: {note}" for note in result.notes)
        self.words.setText(words)

    def _chosen(self, labels: list[int]) -> None:
        if labels:
            self.plane_chosen.emit(labels[0])


def _plane(record: Record) -> str:
    return str(int(record["plane"]))


def _class(record: Record) -> str:
    return str(record["class"])


def _sure(record: Record) -> str:
    return "learnt from" if record["learnt_from"] else f"{record['confidence']:.1%}"


def _unlike(record: Record) -> str:
    return "⚠ unlike" if record["unlike"] else ""


_COLUMNS = (
    Column("Plane", "plane", _plane, "Number of the plane, from 0"),
    Column("Class", "class", _class, "Most probable class", wide=True),
    Column(
        "Sure", "confidence", _sure, "Its probability, calibrated on planes held out; none where it was learnt from"
    ),
    Column("", "distance", _unlike, "Unlike anything that was learnt: the class means nothing there"),
)


class QualityPanel(QWidget):
    """Scores with intervals, confusion matrix, and the mistakes as pictures to click."""

    mistake_chosen = Signal(int)
    report_clicked = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.words = Hint()
        self.words.setTextFormat(Qt.TextFormat.RichText)
        self.confusion = ConfusionTable("planes", counts=True)
        self.notes = Hint()
        self.gallery = QListWidget()
        self.gallery.setViewMode(QListWidget.ViewMode.IconMode)
        self.gallery.setIconSize(QSize(_ICON_PX, _ICON_PX))
        self.gallery.setGridSize(QSize(_ICON_PX + 8, _ICON_PX + 38))
        self.gallery.setResizeMode(QListWidget.ResizeMode.Adjust)
        self.gallery.setMovement(QListWidget.Movement.Static)
        self.gallery.setWordWrap(True)
        self.gallery.setFixedHeight(2 * (_ICON_PX + 44))
        self.gallery.setToolTip("Planes that were called wrong, the surest first; click to see one")
        self.gallery.itemClicked.connect(self._clicked)
        self.mistakes_fold = Fold("Mistakes", self.gallery)
        self.report_button = button("Save report …", "Numbers, curves, confusion and mistakes as HTML and JSON")
        self.report_button.clicked.connect(self.report_clicked)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (self.words, self.confusion, self.notes, self.mistakes_fold, self.report_button):
            layout.addWidget(part)

    def show_evaluation(self, evaluation: Evaluation, notes: tuple[str, ...]) -> None:
        """Show numbers, confusion and mistakes."""
        self.words.setText(_numbers(evaluation))
        self.notes.setText("\n".join(f"⚠ {note}" for note in notes))
        self.notes.setVisible(bool(notes))
        self.confusion.show_matrix(evaluation.answers.confusion, evaluation.answers.names)
        self._show_mistakes(evaluation)

    def _show_mistakes(self, evaluation: Evaluation) -> None:
        self.gallery.clear()
        wrong = evaluation.mistakes()
        self.mistakes_fold.set_title(f"Mistakes ({len(wrong)} of {len(evaluation.examples)})")
        self.mistakes_fold.setVisible(bool(wrong))
        called = evaluation.answers.called
        for place in wrong[:_MOST_MISTAKES]:
            example = evaluation.examples[place]
            item = QListWidgetItem(_icon(example), f"{example.label}\n→ {evaluation.answers.names[called[place]]}")
            sure = evaluation.answers.probabilities[place].max()
            item.setToolTip(
                f"{example.title}\n{example.label}, called {evaluation.answers.names[called[place]]} ({sure:.0%})"
            )
            item.setData(Qt.ItemDataRole.UserRole, place)
            self.gallery.addItem(item)

    def _clicked(self, item: QListWidgetItem) -> None:
        self.mistake_chosen.emit(int(item.data(Qt.ItemDataRole.UserRole)))


def _numbers(evaluation: Evaluation) -> str:
    from napari_visualccc.classify.report import short_words

    metrics, intervals = evaluation.metrics, evaluation.metrics.get("intervals", {})
    named = (("Balanced accuracy", "balanced_accuracy"), ("Accuracy", "weighted_accuracy"),
             ("Weighted F1", "weighted_f1"),
             ("Calibration error", "calibration_error"))  # fmt: skip
    rows = "".join(f"<tr><td>{w}&nbsp;</td><td>{short_words(metrics[k], intervals.get(k))}</td></tr>" for w, k in named)
    per_class = intervals.get("per_class", {})
    for name, one in metrics["per_class"].items():
        words = short_words(one["recall"], per_class.get(name, {}).get("recall"))
        rows += f"<tr><td>Recall of {name}&nbsp;</td><td>{words}</td></tr>"
    count, groups = metrics["n"], metrics["n_groups"]
    of = f"{count} planes" if groups == count else f"{count} planes of {groups} groups"
    return f"By {evaluation.how}, {of} (95&nbsp;% intervals):<table>{rows}</table>"


def _icon(example: Any) -> QIcon:
    from napari_visualccc.pictures import grey_picture

    values = example.image.plane(example.plane)
    step = max(1, max(values.shape) // (2 * _ICON_PX))
    picture = np.ascontiguousarray(grey_picture(values[::step, ::step]))
    height, width, _ = picture.shape
    return QIcon(QPixmap.fromImage(QImage(picture.data, width, height, 3 * width, QImage.Format.Format_RGB888).copy()))
