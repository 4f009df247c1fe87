"""The Explain part of Classify and Segment: what is asked, how far to trust the heat, which phase carries it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QVBoxLayout, QWidget

from napari_visualccc.classify.explanation_options import METHODS, PREDICTED, ExplainOptions
from napari_visualccc.classify.explanation_trust import CONTROLS
from napari_visualccc.widgets._parts import Hint, RunBar, provenance_button, row
from napari_visualccc.widgets._tables import Column, Record, ResultTable

if TYPE_CHECKING:
    from napari_visualccc.classify import Explanation

_NO_PHASES = "none"
_REGIONS = {"class": "pixels called so", "everywhere": "the whole plane"}


def _name(record: Record) -> str:
    return str(record["class"])


def _area(record: Record) -> str:
    return f"{record['area_fraction']:.1%}"


def _heat(record: Record) -> str:
    return f"{record['heat_fraction']:.1%}"


def _ratio(record: Record) -> str:
    return f"{record['heat_per_area']:.2f}"


_COLUMNS = (
    Column("Phase", "label", _name, "Phase or cluster"),
    Column("Area", "area_fraction", _area, "Share of the area"),
    Column("Heat", "heat_fraction", _heat, "Share of the heat"),
    Column("Ratio", "heat_per_area", _ratio, "Heat to area; 1: looked at as much as any other place"),
)


class ExplainPanel(QWidget):
    """Method, class, and what came of it.

    Parameters
    ----------
    of_pixels
        True for networks that segment: their classes are called phases, and it can be asked about a region.
    """

    phases_chosen = Signal()
    provenance_clicked = Signal()

    def __init__(self, *, of_pixels: bool = False) -> None:
        super().__init__()
        self.remark = Hint()
        self.remark.hide()
        self.method = _combo(
            "How the heat is computed; Grad-CAM is quick and well tried, Score-CAM, Integrated Gradients and Occlusion "
            "take longest"
            if of_pixels
            else "How the heat is computed; Grad-CAM is quick and well tried, HiResCAM is exact for this network"
        )
        for key, name in METHODS.items():
            self.method.addItem(name, key)
        self.target = _combo(
            "Phase whose evidence is shown; “predicted” takes the one that covers most of each plane, the first phase "
            "(the background) aside"
            if of_pixels
            else "Class whose evidence is shown; “predicted” takes the likeliest of each plane"
        )
        self.region = _combo(
            "Why the pixels that are called the phase are called so, or what speaks for the phase anywhere in the plane"
        )
        for key, name in _REGIONS.items():
            self.region.addItem(name, key)
        self.judge_box = QCheckBox("Judge the heat (slower)")
        self.judge_box.setToolTip(
            "Show and hide pixels in the order of their heat: the class should appear and vanish faster than with "
            "random, edge and empty maps" + (". Takes minutes for large planes" if of_pixels else "")
        )
        # A hundred passes over all pixels take minutes; a classifier looks at small crops.
        self.judge_box.setChecked(not of_pixels)
        noun = "phase" if of_pixels else "class"
        self.run_bar = RunBar("Explain", f"What in the image speaks for the {noun}, as a heat layer over it")
        self.words = Hint()
        self.words.hide()
        self.phases = _combo(
            "Labels layer (segmentation or clusters): how much of the heat does each of its phases carry?"
        )
        self.phases.currentIndexChanged.connect(self.phases_chosen)
        self.table = ResultTable()
        self.table.hide()
        self.provenance = provenance_button()
        self.provenance.clicked.connect(self.provenance_clicked)
        self.provenance.hide()
        region_row = row(QLabel("Ask about"), self.region, stretch=1)
        region_row.setVisible(of_pixels)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (
            self.remark, row(QLabel("Method"), self.method, stretch=1),
            row(QLabel(noun.capitalize()), self.target, stretch=1), region_row, self.judge_box, self.run_bar,
            self.words, self.provenance, row(QLabel("Heat per phase of"), self.phases, stretch=1), self.table,
        ):  # fmt: skip
            layout.addWidget(part)
        self.show_classes(())

    def show_classes(self, names: Sequence[str]) -> None:
        """Offer the classes of a model; the one chosen stays so if it is among them."""
        wanted, before = [PREDICTED, *names], self.target.currentText()
        if [self.target.itemText(n) for n in range(self.target.count())] == wanted:
            return
        self.target.clear()
        self.target.addItems(wanted)
        self.target.setCurrentIndex(max(0, self.target.findText(before)))

    def show_remark(self, words: str) -> None:
        """Say what is explained, or what is needed first."""
        self.remark.setText(words)
        self.remark.setVisible(bool(words))

    def show_result(self, name: str, result: Explanation) -> None:
        """Say of the heat in the layer of this name on which scale it is and how far it can be trusted."""
        self.words.setText(f"{name}:\n{_words(result)}")
        self.words.show()
        self.provenance.show()

    def hide_result(self) -> None:
        """Say nothing of heat that is gone."""
        self.words.setText("")
        for part in (self.words, self.provenance, self.table):
            part.hide()

    def list_phases(self, names: Sequence[str], chosen: int) -> None:
        """Offer labels layers to add up the heat of, and choose one by its place (-1: none), which tells nobody."""
        blocked = self.phases.blockSignals(True)
        self.phases.clear()
        self.phases.addItems([_NO_PHASES, *names])
        self.phases.setCurrentIndex(chosen + 1)
        self.phases.blockSignals(blocked)

    def show_heat(self, frame: Any, colours: dict[int, Any]) -> None:
        """Show which phase carries how much of the heat."""
        self.table.show_table(frame, _COLUMNS, colours)
        self.table.show()

    def options(self) -> ExplainOptions:
        """What was chosen."""
        return ExplainOptions(
            method=self.method.currentData(), target=self.target.currentText() or PREDICTED,
            region=self.region.currentData(), faithfulness=self.judge_box.isChecked(),
        )  # fmt: skip

    def choose(self, options: ExplainOptions) -> None:
        """Choose again what was chosen before, as far as it is offered."""
        self.method.setCurrentIndex(self.method.findData(options.method))
        self.target.setCurrentIndex(max(0, self.target.findText(options.target)))
        self.region.setCurrentIndex(self.region.findData(options.region))
        self.judge_box.setChecked(options.faithfulness)


def _combo(tooltip: str) -> QComboBox:
    made = QComboBox()
    made.setToolTip(tooltip)
    # Long names must not widen the dock.
    made.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
    made.setMinimumContentsLength(6)
    return made


def _words(result: Explanation) -> str:
    return "\n".join([result.note, *(f"⚠ {note}" for note in result.notes), *_judgement(result)])


def _judgement(result: Explanation) -> list[str]:
    if not result.provenance.parameters["faithfulness"]:
        return ["Not judged: tick “Judge the heat” before you rely on it."]
    if not result.trust:  # there was nothing to judge, as the note says
        return []
    return [
        f"{name.capitalize()} {result.trust[f'{name}_auc']:.2f}, {better} is good ("
        + ", ".join(f"{control} {result.trust[f'{name}_auc_{control}']:.2f}" for control in CONTROLS) + ")"
        for name, better in (("insertion", "high"), ("deletion", "low"))
    ]  # fmt: skip
