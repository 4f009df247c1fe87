"""Runs explanations for the Classify and the Segment widget, shows their layers, and adds up the heat of phases."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.layers import METADATA_KEY, SEPARATOR, result_layers
from napari_visualccc.widgets import _explain_jobs as jobs
from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._explain_panel import ExplainPanel
from napari_visualccc.widgets._jobs import JobRunner, bound, show_problem
from napari_visualccc.widgets._layers import find_layer, is_helper, kind_of, names_by_value, plane_of, show_layer
from napari_visualccc.widgets._provenance import open_provenance
from napari_visualccc.widgets._source import Source, array_of, plane_count

if TYPE_CHECKING:
    from napari_visualccc.classify import Explanation
    from napari_visualccc.classify.explanation_questions import Model

TITLE = "Explain"


class ExplainDesk(QObject):
    """Does what an `ExplainPanel` asks.

    Parameters
    ----------
    panel
        What is asked, and where the answer is told.
    chooser
        Image that is explained.
    runner
        Of the widget: one job at a time.
    memory
        What the widget remembers for the session.
    below
        Gives the layer over an image that heat must not cover, or None: strokes are painted on.
    """

    def __init__(
        self, panel: ExplainPanel, chooser: SourceChooser, runner: JobRunner, memory: dict[str, Any], *,
        below: Callable[[Any], Any] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(panel)
        self._viewer, self._panel, self._chooser, self._runner = chooser.viewer, panel, chooser, runner
        self._memory, self._below = memory, below
        # Adding up is quick and harms nothing: it need not wait for a training, nor end one.
        self._adder = JobRunner(panel, quiet=True)
        self._model: Model | None = None
        self._name = ""
        self._is_restored = False
        self._shown: tuple[Source, Explanation, Any] | None = None
        self._phases: list[Any] = []
        panel.run_bar.follow(runner, only=TITLE)
        panel.run_bar.run_clicked.connect(self.explain)
        panel.phases_chosen.connect(self._add_up)
        panel.provenance_clicked.connect(self._show_provenance)
        for signal in (runner.started, runner.finished, chooser.changed):
            signal.connect(self._refresh)
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            event.connect(self._list)
        self._viewer.layers.events.removed.connect(self._forget)
        self._list()
        self.take(None, "")

    def take(self, model: Model | None, name: str, remark: str = "") -> None:
        """Explain another model.

        Parameters
        ----------
        model
            None if there is none that can be explained.
        name
            Its file, for the record; empty if it was not saved.
        remark
            What the user should know of it, or what is needed first.
        """
        self._model, self._name = model, name
        self._panel.show_classes([one.name for one in model.card.classes] if model is not None else ())
        if model is not None and not self._is_restored:
            self._panel.choose(self._memory.get("explain", self._panel.options()))
            self._is_restored = True
        self._panel.show_remark(remark)
        self._refresh()

    def _refresh(self, *_: object) -> None:
        """Another job would be cancelled by this one: Explain waits for it, and cancels its own only."""
        if self._runner.is_running:
            usable = self._runner.title == TITLE
        else:
            usable = self._model is not None and self._chooser.layer is not None and not self._chooser.problem
        self._panel.run_bar.button.setEnabled(usable)

    def explain(self) -> None:
        """Explain the chosen image, or its plane."""
        if self._model is None:
            return
        try:
            source = self._chooser.source()
        except VisualCCCError as error:
            show_problem(error)
            return
        options = self._memory["explain"] = self._panel.options()
        self._runner.start(
            jobs.run_explain, self._model, source, options, self._name or "MODEL", title=TITLE,
            then=bound(self._show, source),
        )  # fmt: skip

    def _show(self, source: Source, result: Explanation) -> None:
        if source.layer not in self._viewer.layers:
            return
        below = self._below(source.layer) if self._below is not None else None
        (entry,) = result_layers(result, source.placement)
        if find_layer(self._viewer, entry[1]["name"], "image") is None:
            self._clear_view(source.layer)
        layer = show_layer(self._viewer, entry, like=source.layer, below=below)
        self._shown = (source, result, layer)
        self._panel.show_result(layer.name, result)
        self._add_up()

    def _forget(self, event: object = None) -> None:
        """The heat was taken away: what was said of it would be taken for that of another image."""
        if self._shown is not None and self._shown[2] not in self._viewer.layers:
            self._shown = None
            self._panel.hide_result()

    def _clear_view(self, image: Any) -> None:
        """Hide other results over the image: heat is added to what lies below, and their colours would mix."""
        for layer in self._viewer.layers:
            is_over = layer.name.startswith(image.name + SEPARATOR) and METADATA_KEY in layer.metadata
            if is_over and not is_helper(layer) and kind_of(layer) in ("image", "labels"):
                layer.visible = False

    def _show_provenance(self) -> None:
        if self._shown is not None:
            self.dialog = open_provenance(self._shown[2], self._panel)

    @property
    def _chosen_phases(self) -> Any:
        place = self._panel.phases.currentIndex() - 1
        return self._phases[place] if 0 <= place < len(self._phases) else None

    def _list(self, event: object = None) -> None:
        """Offer the labels layers there are, and keep the choice if it is still there."""
        chosen = self._chosen_phases
        for layer in self._phases:
            layer.events.name.disconnect(self._list)
        self._phases = [one for one in self._viewer.layers if kind_of(one) == "labels" and not is_helper(one)]
        for layer in self._phases:
            layer.events.name.connect(self._list)
        place = self._phases.index(chosen) if chosen in self._phases else -1
        self._panel.list_phases([layer.name for layer in self._phases], place)
        if chosen is not None and place < 0:
            self._panel.table.hide()

    def _add_up(self) -> None:
        layer = self._chosen_phases
        if self._shown is None or layer is None:
            self._panel.table.hide()
            return
        source, result, _ = self._shown
        labels = array_of(layer)
        if source.plane is not None and plane_count(layer) == plane_count(source.layer):
            labels = plane_of(labels, source.plane)  # heat of one plane over labels of the whole stack
        self._adder.start(
            jobs.run_heat, result.heat, labels, names_by_value(layer.features), title="Heat per phase",
            then=bound(self._show_heat, layer),
        )  # fmt: skip

    def _show_heat(self, layer: Any, table: Any) -> None:
        if layer is not self._chosen_phases:
            return
        frame = table.assign(
            **{"class": [str(name) or str(v) for name, v in zip(table["class"], table["label"], strict=True)]}
        )
        colours = {
            int(v): tuple(layer.get_color(int(v))) for v in frame["label"] if layer.get_color(int(v)) is not None
        }
        self._panel.show_heat(frame, colours)
