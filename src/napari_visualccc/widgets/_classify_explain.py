"""The Explain part of the Classify widget: heat layers, how far to trust them, and which phase carries the heat."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QVBoxLayout, QWidget

from napari_visualccc.classify.explanation_options import METHODS, PREDICTED, ExplainOptions
from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.layers import METADATA_KEY, result_layers
from napari_visualccc.widgets import _classify_jobs as jobs
from napari_visualccc.widgets._jobs import JobRunner, bound, show_problem
from napari_visualccc.widgets._layers import names_by_value, show_layer
from napari_visualccc.widgets._parts import Hint, button, row
from napari_visualccc.widgets._source import Source, SourceChooser, array_of
from napari_visualccc.widgets._tables import Column, Record, ResultTable

if TYPE_CHECKING:
    from napari_visualccc.classify import ClassificationModel, Explanation

_NO_PHASES = "none"


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
    Column("Heat / area", "heat_per_area", _ratio, "1: looked at as much as any other place"),
)


class ExplainPanel(QWidget):
    """Method, class, and what came of it."""

    explain_clicked = Signal()
    phases_chosen = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.method = QComboBox()
        for key, name in METHODS.items():
            self.method.addItem(name, key)
        self.method.setToolTip(
            "How the heat is computed; Grad-CAM is quick and well tried, HiResCAM is exact for this network"
        )
        self.target = QComboBox()
        self.target.setToolTip("Class whose evidence is shown; “predicted” takes the likeliest of each plane")
        self.judge_box = QCheckBox("Judge the heat (slower)")
        self.judge_box.setToolTip(
            "Show and hide pixels in the order of their heat: the class should appear and vanish faster than with "
            "random, edge and empty maps"
        )
        self.judge_box.setChecked(True)
        self.explain_button = button("Explain", "What in the image speaks for the class, as a heat layer over it")
        self.explain_button.clicked.connect(self.explain_clicked)
        self.words = Hint()
        self.phases = QComboBox()
        self.phases.setToolTip(
            "Labels layer (segmentation or clusters): how much of the heat does each of its phases carry?"
        )
        self.phases.currentIndexChanged.connect(self.phases_chosen)
        self.table = ResultTable()
        self.table.hide()
        for combo in (self.method, self.target, self.phases):
            combo.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
            combo.setMinimumContentsLength(6)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(4)
        for part in (
            row(QLabel("Method"), self.method, stretch=1), row(QLabel("Class"), self.target, stretch=1), self.judge_box,
            self.explain_button, self.words, row(QLabel("Heat per phase of"), self.phases, stretch=1), self.table,
        ):  # fmt: skip
            layout.addWidget(part)

    def show_classes(self, names: tuple[str, ...]) -> None:
        """Offer the classes of a model."""
        if [self.target.itemText(n) for n in range(1, self.target.count())] == list(names):
            return
        self.target.clear()
        self.target.addItems([PREDICTED, *names])

    def options(self) -> ExplainOptions:
        """What was chosen."""
        return ExplainOptions(
            method=self.method.currentData(), target=self.target.currentText() or PREDICTED,
            faithfulness=self.judge_box.isChecked(),
        )  # fmt: skip


class ExplainDesk(QObject):
    """Runs explanations, shows their layers, and adds up the heat of phases."""

    def __init__(self, viewer: Any, panel: ExplainPanel, chooser: SourceChooser, runner: JobRunner) -> None:
        super().__init__(panel)
        self._viewer, self._panel, self._chooser, self._runner = viewer, panel, chooser, runner
        self._model: ClassificationModel | None = None
        self._name = ""
        self._shown: Explanation | None = None
        self._phases: list[Any] = []
        panel.explain_clicked.connect(self.explain)
        panel.phases_chosen.connect(self._add_up)
        for event in (viewer.layers.events.inserted, viewer.layers.events.removed):
            event.connect(self._list)
        self._list()
        self.take(None, "")

    def take(self, model: ClassificationModel | None, name: str) -> None:
        """Explain another model."""
        self._model, self._name = model, name
        self._panel.explain_button.setEnabled(model is not None)
        if model is not None:
            self._panel.show_classes(model.names)

    def explain(self) -> None:
        """Explain the chosen image, or its plane."""
        if self._model is None:
            return
        try:
            source = self._chooser.source()
        except VisualCCCError as error:
            show_problem(error)
            return
        self._runner.start(
            jobs.run_explain, self._model, source, self._panel.options(), self._name or "MODEL", title="Explain",
            then=bound(self._show, source),
        )  # fmt: skip

    def _show(self, source: Source, result: Explanation) -> None:
        self._shown = result
        for entry in result_layers(result, source.placement):
            layer = show_layer(self._viewer, entry, like=source.layer)
            if layer._type_string == "image":
                layer.blending, layer.opacity = "additive", 0.7
        self._panel.words.setText(_words(result))
        self._add_up()

    def _list(self, event: object = None) -> None:
        combo = self._panel.phases
        chosen = self._phases[combo.currentIndex() - 1] if combo.currentIndex() > 0 else None
        self._phases = [layer for layer in self._viewer.layers if layer._type_string == "labels"]
        blocked = combo.blockSignals(True)
        combo.clear()
        combo.addItem(_NO_PHASES)
        combo.addItems([layer.name for layer in self._phases])
        if chosen in self._phases:
            combo.setCurrentIndex(self._phases.index(chosen) + 1)
        combo.blockSignals(blocked)

    def _add_up(self) -> None:
        place = self._panel.phases.currentIndex() - 1
        if self._shown is None or not 0 <= place < len(self._phases):
            self._panel.table.hide()
            return
        layer = self._phases[place]
        labels, names = array_of(layer), names_by_value(layer.features)
        if labels.shape != self._shown.heat.shape and labels.ndim == self._shown.heat.ndim:
            # heat of one plane over labels of the whole stack
            source = self._chooser.source(current_plane_only=True)
            if source.plane is not None and labels.shape[-2:] == self._shown.heat.shape[-2:]:
                labels = labels.reshape(-1, *labels.shape[-2:])[source.plane].reshape(self._shown.heat.shape)
        self._runner.start(
            jobs.run_heat, self._shown.heat, labels, names, title="Heat per phase", then=self._show_heat, in_turn=True
        )

    def _show_heat(self, table: Any) -> None:
        layer = self._phases[self._panel.phases.currentIndex() - 1]
        frame = table.assign(
            **{"class": [str(name) or str(v) for name, v in zip(table["class"], table["label"], strict=True)]}
        )
        colours = {
            int(v): tuple(layer.get_color(int(v))) for v in frame["label"] if layer.get_color(int(v)) is not None
        }
        self._panel.table.show_table(frame, _COLUMNS, colours)
        self._panel.table.show()


def _words(result: Explanation) -> str:
    lines = [result.note]
    trust = result.trust
    if "insertion_auc" in trust:
        controls = [f"{name} {trust[key]:.2f}" for name, key in (
            ("random", "insertion_auc_random"), ("edges", "insertion_auc_edges"), ("empty", "insertion_auc_empty"),
        ) if key in trust]  # fmt: skip
        beside = f" ({', '.join(controls)})" if controls else ""
        lines.append(
            f"Insertion {trust['insertion_auc']:.2f}{beside}; deletion {trust['deletion_auc']:.2f}: high, low is good"
        )
    return "\n".join(lines)


def own_layers(viewer: Any) -> list[Any]:
    """Layers that explanations made."""
    return [
        layer for layer in viewer.layers
        if str(layer.metadata.get(METADATA_KEY, {}).get("provenance", {}).get("operation", "")).startswith("explain")
    ]  # fmt: skip
