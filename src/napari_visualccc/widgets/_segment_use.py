"""The model at hand in the Segment widget: apply it, ask where it is unsure, save it, load another."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog

from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.segment.options import PredictOptions
from napari_visualccc.widgets import _segment_jobs as jobs
from napari_visualccc.widgets._jobs import JobRunner, bound, show_problem
from napari_visualccc.widgets._segment_panel import SegmentPanel
from napari_visualccc.widgets._segment_results import SegmentResults
from napari_visualccc.widgets._source import Source, SourceChooser, make_source
from napari_visualccc.widgets._strokes import StrokeLayers

if TYPE_CHECKING:
    from napari_visualccc.models.nn.fit import TrainingState
    from napari_visualccc.segment import SegmentationModel

_PATTERN = "Models (*.safetensors)"
_PACKAGE = ".zip"
_PATTERNS_TO_SAVE = f"{_PATTERN};;bioimage.io packages for other programs (*{_PACKAGE})"
_PLACES = 5


class ModelDesk(QObject):
    """Keeps the model of the session and does what the panel's buttons ask of it.

    Attributes
    ----------
    model
        What is applied; None before the first training.
    state
        To continue its training with; None for a model that was loaded.
    changed
        Emitted with words about what happened.
    """

    changed = Signal(str)

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
        self._memory = memory
        self.model: SegmentationModel | None = memory.get("model")
        self.state: TrainingState | None = memory.get("state")
        panel.show_model(self.model, memory.get("model_name", ""))
        panel.apply_clicked.connect(self.apply)
        panel.suggest_clicked.connect(self.suggest)
        panel.save_clicked.connect(self._ask_save)
        panel.load_clicked.connect(self._ask_load)

    def take(self, model: SegmentationModel, state: TrainingState | None, path: Path | None = None) -> None:
        """Work with another model from now on."""
        self.model, self.state = model, state
        name = path.stem if path is not None else ""
        self._memory.update(model=model, state=state, model_name=name, model_path=str(path or "MODEL"))
        self._panel.show_model(model, name)

    def _source(self) -> Source | None:
        try:
            return self._chooser.source()
        except VisualCCCError as error:
            show_problem(error)
            return None

    def apply(self) -> None:
        """Segment the chosen image with the model."""
        source = self._source()
        if self.model is None or source is None:
            return
        options = PredictOptions(
            tta=self._panel.tta_box.isChecked(), uncertainty=self._panel.uncertainty_box.isChecked()
        )
        path = self._memory.get("model_path", "MODEL")
        self._runner.start(
            jobs.run_predict, self.model, source, options, path, title=f"Segment {source.name}",
            then=bound(self._results.show, source),
        )  # fmt: skip

    def suggest(self) -> None:
        """Mark places to paint next."""
        source = self._source()
        if self.model is None or source is None:
            return
        strokes = self._strokes.of(source.layer)
        painted = None
        if strokes is not None:
            painted = strokes.data.reshape(make_source(source.layer).planes.shape)
            painted = painted if source.plane is None else painted[source.plane : source.plane + 1]
        self._runner.start(
            jobs.run_suggest, self.model, source, painted, _PLACES, title="Where next?",
            then=bound(self._show_suggestions, source),
        )  # fmt: skip

    def _show_suggestions(self, source: Source, places: Any) -> None:
        self._results.mark(source, places)
        self.changed.emit(
            "Paint at the marked places, then train again." if places else "It is sure everywhere: nothing to mark."
        )

    def _ask_save(self) -> None:
        path, _ = QFileDialog.getSaveFileName(self._panel, "Save model", "phases.safetensors", _PATTERNS_TO_SAVE)
        if path:
            self.save(path)

    def save(self, path: str) -> None:
        """Write the model: as a package for other programs if the path ends in ``.zip``."""
        if self.model is None:
            return
        if path.endswith(_PACKAGE):
            self._writer.start(jobs.run_package, self.model, path, then=self._packaged)
        else:
            self._writer.start(jobs.run_save, self.model, path, then=self._saved)

    def _packaged(self, path: Path) -> None:
        self.changed.emit(f"Saved {path}, for ilastik, deepImageJ, QuPath and others")

    def _saved(self, path: Path) -> None:
        if self.model is not None:
            self.take(self.model, self.state, path)
            self.changed.emit(f"Saved {path}")

    def _ask_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self._panel, "Load model", "", _PATTERN)
        if path:
            self.load(path)

    def load(self, path: str) -> None:
        """Read a model."""
        self._runner.start(jobs.run_load, path, title="Load model", then=bound(self._loaded, Path(path)))

    def _loaded(self, path: Path, model: SegmentationModel) -> None:
        self.take(model, None, path)
        self.changed.emit("Choose an image and press “Apply to image”.")
