"""Labels against other labels: a box to choose them, a button, and what came of it in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QComboBox, QDoubleSpinBox, QLabel, QVBoxLayout, QWidget

from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.widgets import _comparison_jobs as jobs
from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._confusion import ConfusionTable
from napari_visualccc.widgets._edits import Edits
from napari_visualccc.widgets._jobs import JobRunner, bound, show_problem
from napari_visualccc.widgets._layers import is_by_product, is_helper, kind_of, names_by_value, plane_of
from napari_visualccc.widgets._parts import Fold, Hint, button, row
from napari_visualccc.widgets._saving import ask_path
from napari_visualccc.widgets._source import Source, array_of

COMPARING = "Comparing …"


class ComparePart(QWidget):
    """Which labels to compare with, how near outlines must be, and how the labels agree.

    Parameters
    ----------
    tooltip
        Of the button.
    """

    compare_clicked = Signal()

    def __init__(self, tooltip: str) -> None:
        super().__init__()
        self.truth = QComboBox()
        self.truth.setPlaceholderText("no other labels")
        self.truth.setToolTip("Labels to compare with: masks by hand, or those of another annotator")
        self.truth.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.truth.setMinimumContentsLength(8)
        self.compare_button = button("Compare", tooltip)
        self.compare_button.clicked.connect(self.compare_clicked)
        self._truths: tuple[Any, ...] = ()
        self._comparison: jobs.Comparison | None = None
        self.tolerance = QDoubleSpinBox()
        self.tolerance.setRange(0.5, 100.0)
        self.tolerance.setSingleStep(0.5)
        self.tolerance.setDecimals(1)
        self.tolerance.setValue(2.0)
        self.tolerance.setSuffix(" px")
        self.tolerance.setToolTip("Distance within which an outline counts as met, in the boundary F1")
        self.scores = Hint()
        self.confusion = ConfusionTable("pixels", counts=False)
        self.save_button = button("Save scores …", "Scores per phase and confusion matrix as CSV, all numbers as JSON")
        self.save_button.clicked.connect(self._ask_path)
        details = QWidget()
        inner = QVBoxLayout(details)
        inner.setContentsMargins(0, 0, 0, 0)
        inner.addWidget(self.confusion)
        inner.addWidget(self.save_button)
        self.details = Fold("Confusion matrix, saving", details)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        layout.addWidget(row(self.truth, self.compare_button, stretch=0))
        layout.addWidget(row(QLabel("Outlines within"), self.tolerance))
        layout.addWidget(self.scores)
        layout.addWidget(self.details)
        self.hide_scores()

    def remember(self, memory: dict[str, Any]) -> None:
        """Take the tolerance from what a widget remembers, and keep it there."""
        self.tolerance.setValue(memory.get("tolerance_px", self.tolerance.value()))
        self.tolerance.valueChanged.connect(lambda pixels: memory.update(tolerance_px=pixels))

    def show_comparison(self, comparison: jobs.Comparison, against: str) -> None:
        """Say how two labels agree."""
        evaluation = comparison.evaluation
        rows = [
            f"{record['class']}: IoU {_score(record['iou'])}, Dice {_score(record['dice'])}, "
            f"outline {_score(record['boundary_f1'])}"
            for record in evaluation.table.to_dict("records")
        ]
        metrics = evaluation.metrics
        head = (
            f"Against {against} ({comparison.matched}): mean IoU {metrics['mean_iou']:.3f} over classes, pooled "
            f"{metrics['pooled_iou']:.3f}, pixel accuracy {metrics['pixel_accuracy']:.3f}; outline = boundary F1 "
            f"within {evaluation.tolerance:.3g} {evaluation.unit}"
        )
        self.show_words("\n".join([head, *rows, *evaluation.notes]))
        self._comparison = comparison
        self.confusion.show_matrix(evaluation.confusion, [one.name for one in evaluation.classes])
        self.details.show()

    def show_words(self, words: str) -> None:
        """Say something where the scores stand."""
        self.hide_scores()
        self.scores.setText(words)
        self.scores.show()

    def hide_scores(self) -> None:
        """Show no scores: those there were are untrue by now."""
        self._comparison = None
        self.scores.hide()
        self.details.hide()

    def give_up(self) -> None:
        """Stop saying that it compares: that failed, which was told."""
        if self.scores.text() == COMPARING:
            self.hide_scores()

    def _ask_path(self) -> None:
        path = ask_path(self, "Save scores", "scores.csv", "Tables (*.csv)", ending=".csv", files=jobs.score_files)
        if path:
            self.save(path)

    def save(self, path: str) -> None:
        """Write the scores shown, the confusion matrix and all numbers beside each other."""
        if self._comparison is None:
            return
        from napari.utils.notifications import show_info

        try:
            written = jobs.save_scores(self._comparison, path)
        except VisualCCCError as error:
            show_problem(error)
        else:
            show_info(f"Saved {', '.join(one.name for one in written)} in {written[0].parent}")

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


class TruthList(QObject):
    """Keeps the labels that a `ComparePart` offers those that the viewer has, under the names they have now."""

    def __init__(self, viewer: Any, part: ComparePart) -> None:
        super().__init__(part)
        self._viewer, self._part = viewer, part
        self._shown: Any = None
        self._named: list[Any] = []
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._list)

    def follow(self, shown: Any) -> None:
        """Offer what can be compared with these labels; nothing if they are None."""
        self._shown = shown
        self._list()

    def _list(self, event: object = None) -> None:
        for layer in self._named:
            layer.events.name.disconnect(self._list)
        others = _others(self._viewer, self._shown)
        shape = None if self._shown is None else tuple(array_of(self._shown).shape)
        self._named = [one for one in others if tuple(array_of(one).shape) == shape]
        for layer in self._named:
            layer.events.name.connect(self._list)
        self._part.list_truths(self._named, has_others=bool(others))


class AgreementDesk(QObject):
    """Compares the labels that a chooser names with others: two annotators, for one."""

    def __init__(self, viewer: Any, part: ComparePart, chooser: SourceChooser, runner: JobRunner) -> None:
        super().__init__(part)
        self._viewer, self._part, self._chooser, self._runner = viewer, part, chooser, runner
        self._truths = TruthList(viewer, part)
        self._edits = Edits(viewer, self)
        self._edits.edited.connect(self._edited)
        part.compare_clicked.connect(self.compare)
        chooser.changed.connect(self.follow)
        viewer.dims.events.current_step.connect(self._plane_changed)
        runner.finished.connect(part.give_up)
        self.follow()

    def follow(self) -> None:
        """Offer what the labels chosen now can be compared with; scores of others are gone."""
        self._truths.follow(self._chooser.layer)
        self._part.hide_scores()

    def _plane_changed(self, event: object = None) -> None:
        if not self._chooser.whole_stack:
            self._part.hide_scores()

    def _edited(self, layer: Any) -> None:
        """Scores of labels that were painted on since are untrue."""
        self._edits.leave(layer)
        self._part.hide_scores()

    def _source(self) -> Source | None:
        try:
            return self._chooser.source()
        except VisualCCCError as error:
            show_problem(error)
            return None

    def compare(self) -> None:
        """Say how the two agree."""
        truth, source = self._part.chosen_truth, self._source()
        if source is None or truth not in self._viewer.layers or truth is source.layer:
            return
        true, called = (
            jobs.Named(plane_of(array_of(one), source.plane), names_by_value(one.features))
            for one in (truth, source.layer)
        )
        for one in (truth, source.layer):
            self._edits.follow(one)
        self._part.show_words(COMPARING)
        self._runner.start(
            jobs.run_agree, true, called, source.pixel_size, self._part.tolerance.value(), title="Compare",
            in_turn=True, then=bound(self._compared, (source, truth)),
        )  # fmt: skip

    def _compared(self, of: tuple[Source, Any], comparison: jobs.Comparison) -> None:
        source, truth = of
        # Hidden: another layer or plane was chosen meanwhile, or they were painted on.
        if source.layer is self._chooser.layer and not self._part.scores.isHidden():
            self._part.show_comparison(comparison, truth.name)


def _score(value: float) -> str:
    return f"{value:.3f}" if value == value else "–"  # noqa: PLR0124 - NaN: the phase occurs nowhere


def _others(viewer: Any, shown: Any) -> list[Any]:
    """Labels layers but the one shown, numbered objects, and strokes, which cover next to nothing."""
    layers = [] if shown is None else list(viewer.layers)
    return [
        one
        for one in layers
        if kind_of(one) == "labels" and one is not shown and not is_helper(one) and not is_by_product(one)
    ]
