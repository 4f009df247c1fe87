"""The models at hand in the Segment widget: apply one, ask where it is unsure and why, save it, load another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog

from napari_visualccc.core.colours import colours_by_name
from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.core.results import Colour
from napari_visualccc.widgets import _segment_jobs as jobs
from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._explain_desk import ExplainDesk
from napari_visualccc.widgets._jobs import JobRunner, bound, show_problem
from napari_visualccc.widgets._places import mark_places
from napari_visualccc.widgets._saving import ask_path
from napari_visualccc.widgets._segment_panel import SegmentPanel
from napari_visualccc.widgets._segment_results import SegmentResults
from napari_visualccc.widgets._segment_words import about_explaining, about_places
from napari_visualccc.widgets._source import Source, make_source
from napari_visualccc.widgets._strokes import StrokeLayers

if TYPE_CHECKING:
    from napari_visualccc.models.nn.fit import TrainingState
    from napari_visualccc.segment import SegmentationModel, SegmentationResult

_MODEL, _PACKAGE = ".safetensors", ".zip"
_PATTERN = f"Models (*{_MODEL})"
_PATTERNS_TO_SAVE = f"{_PATTERN};;bioimage.io packages for other programs (*{_PACKAGE})"
_PLACES = 5


@dataclass(frozen=True)
class Kept:
    """A model of the session.

    Attributes
    ----------
    model
        The model.
    state
        To continue its training with; None for a quick model, and for one that was loaded.
    path
        File that it was written to or read from, if any.
    """

    model: SegmentationModel
    state: TrainingState | None = None
    path: Path | None = None


class ModelDesk(QObject):
    """Keeps the models of the session, a quick one beside a network, and does what the panel's buttons ask of them.

    Attributes
    ----------
    explaining
        Heatmaps of the network, in quick mode as well.
    changed
        Emitted with words about what happened.
    marked
        Emitted when places to paint were marked: words about them, and their image.
    quick_wanted
        Emitted when a model was loaded: whether it is a quick one.
    """

    changed = Signal(str)
    marked = Signal(str, object)
    quick_wanted = Signal(bool)

    def __init__(
        self,
        panel: SegmentPanel,
        chooser: SourceChooser,
        strokes: StrokeLayers,
        results: SegmentResults,
        runners: tuple[JobRunner, JobRunner],
        memory: dict[str, Any],
    ) -> None:
        super().__init__(panel)
        self._panel, self._chooser, self._strokes, self._results = panel, chooser, strokes, results
        self._runner, self._writer = runners
        self._kept: dict[bool, Kept] = memory.setdefault("models", {})  # True for the quick one
        self._is_quick = False
        self._names: Mapping[int, str] = {}
        self._colours: Mapping[int, Colour] = {}
        self.explaining = ExplainDesk(panel.explain, chooser, self._runner, memory, below=strokes.of)
        panel.apply_clicked.connect(self.apply)
        panel.suggest_clicked.connect(self.suggest)
        panel.save_clicked.connect(self._ask_save)
        panel.load_clicked.connect(self._ask_load)

    @property
    def model(self) -> SegmentationModel | None:
        """What is applied in this mode; None before the first training."""
        kept = self._kept.get(self._is_quick)
        return kept.model if kept is not None else None

    @property
    def state(self) -> TrainingState | None:
        """Of the training of the network; None if it was loaded, or its state could not be kept."""
        kept = self._kept.get(False)
        return kept.state if kept is not None and kept.state is not None and kept.state.tensors else None

    def going_on(self) -> TrainingState | None:
        """To train on from the network with; the time of another training counts anew."""
        state = self.state
        return None if state is None else state.renewed(self._kept[False].model.card.training)

    def set_quick(self, quick: bool) -> None:
        """Work with the quick model, or with the network."""
        self._is_quick = quick
        self._show()

    def take(self, model: SegmentationModel, state: TrainingState | None = None, path: Path | None = None) -> None:
        """Keep another model of its kind."""
        self._kept[is_quick(model)] = Kept(self._coloured(model), state, path)
        self._show()

    def recolour(self, names: Mapping[int, str], colours: Mapping[int, Colour]) -> None:
        """Show phases of these names in these colours: in results, and in what the models make from now on."""
        self._names, self._colours = names, colours
        for kind, kept in self._kept.items():
            self._kept[kind] = replace(kept, model=self._coloured(kept.model))
        self._results.recolour(names, colours)

    def _coloured(self, model: SegmentationModel) -> SegmentationModel:
        card = model.card.in_colours(self._names, self._colours)
        return model if card == model.card else replace(model, card=card)

    def _show(self) -> None:
        kept = self._kept.get(self._is_quick)
        self._panel.show_model(self.model, kept.path.stem if kept is not None and kept.path is not None else "")
        network = self._kept.get(False)
        remark = about_explaining(has_network=network is not None, is_quick=self._is_quick)
        if network is None:
            self.explaining.take(None, "", remark)
        else:
            self.explaining.take(network.model, str(network.path or ""), remark)

    def _source(self) -> Source | None:
        try:
            return self._chooser.source()
        except VisualCCCError as error:
            show_problem(error)
            return None

    def apply(self) -> None:
        """Segment the chosen image with the model."""
        source = self._source()
        kept = self._kept.get(self._is_quick)
        if kept is None or source is None or self._panel.predict_form.problem:
            return
        self._runner.start(
            jobs.run_predict, kept.model, source, self._panel.predict_options(), self._panel.device_box.device,
            str(kept.path or "MODEL"), title=f"Segment {source.name}", then=bound(self._show_result, source),
        )  # fmt: skip

    def _show_result(self, source: Source, result: SegmentationResult) -> None:
        colours = colours_by_name(result.class_names, self._names, self._colours)  # perhaps chosen meanwhile
        self._results.show(source, replace(result, colours={**result.colours, **colours}))

    def suggest(self) -> None:
        """Mark places to paint next."""
        source = self._source()
        if self.model is None or source is None or self._panel.predict_form.problem:
            return
        strokes = self._strokes.of(source.layer)
        painted = None
        if strokes is not None:
            painted = strokes.data.reshape(make_source(source.layer).planes.shape)
            painted = painted if source.plane is None else painted[source.plane : source.plane + 1]
        self._runner.start(
            jobs.run_suggest, self.model, source, self._panel.predict_options(), self._panel.device_box.device,
            painted, _PLACES, title="Where next?", then=bound(self._show_suggestions, source),
        )  # fmt: skip

    def _show_suggestions(self, source: Source, places: Any) -> None:
        mark_places(self._chooser.viewer, source, places)
        words = about_places([one.plane for one in places], whole_stack=source.plane is None)
        self.marked.emit(words, source.layer)

    def _ask_save(self) -> None:
        path = ask_path(self._panel, "Save model", f"phases{_MODEL}", _PATTERNS_TO_SAVE, ending=_MODEL)
        if path:
            self.save(path)

    def save(self, path: str) -> None:
        """Write the model: as a package for other programs if the path ends in ``.zip``."""
        model = self.model
        if model is None:
            return
        if path.lower().endswith(_PACKAGE):
            self._writer.start(jobs.run_package, model, path, in_turn=True, then=self._packaged)
        else:
            self._writer.start(jobs.run_save, model, path, in_turn=True, then=bound(self._saved, model))

    def _packaged(self, path: Path) -> None:
        self.changed.emit(f"Saved {path}, for ilastik, deepImageJ, QuPath and others")

    def _saved(self, model: SegmentationModel, written: jobs.Written) -> None:
        kept = self._kept.get(is_quick(model))
        if kept is not None and kept.model is model:  # no other was trained meanwhile
            self._kept[is_quick(model)] = replace(kept, model=replace(model, hash=written.hash), path=written.path)
            self._show()
        self.changed.emit(f"Saved {written.path}")

    def _ask_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self._panel, "Load model", "", _PATTERN)
        if path:
            self.load(path)

    def load(self, path: str) -> None:
        """Read a model."""
        self._writer.start(jobs.run_load, path, title="Load model", in_turn=True, then=bound(self._loaded, Path(path)))

    def _loaded(self, path: Path, model: SegmentationModel) -> None:
        self.take(model, path=path)
        self.quick_wanted.emit(is_quick(model))
        self.changed.emit("Choose an image and press “Apply to image”.")


def is_quick(model: SegmentationModel) -> bool:
    """True for a pixel classifier, False for a network."""
    from napari_visualccc.models.nn.pixels import KIND

    return model.card.architecture.get("kind") == KIND
