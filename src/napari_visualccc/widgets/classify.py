"""The Classify widget: give planes a class, train, see what the model says of the others, and why."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QMenu, QWidget

from napari_visualccc.classify.options import PredictOptions, TrainOptions
from napari_visualccc.core.errors import InputError, VisualCCCError
from napari_visualccc.layers import result_layers
from napari_visualccc.widgets import _classify_jobs as jobs
from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._classify_files import FileDialogs
from napari_visualccc.widgets._classify_keys import NumberKeys
from napari_visualccc.widgets._classify_labels import ClassList, counts_of, examples_of_layers, relabel, set_class
from napari_visualccc.widgets._classify_live import TuningView
from napari_visualccc.widgets._classify_panel import ModelPanel, PredictionPanel, QualityPanel
from napari_visualccc.widgets._classify_view import PlaneView
from napari_visualccc.widgets._classify_words import TRAINING, after_training, next_step
from napari_visualccc.widgets._encoder_control import encoder_form
from napari_visualccc.widgets._explain_desk import ExplainDesk
from napari_visualccc.widgets._explain_panel import ExplainPanel
from napari_visualccc.widgets._jobs import JobRunner, bound, show_problem
from napari_visualccc.widgets._layers import open_widget, show_layer
from napari_visualccc.widgets._parts import Fold, Hint, RunBar, button, column, row
from napari_visualccc.widgets._session import bare, remembered
from napari_visualccc.widgets._source import Source, current_plane, plane_count

if TYPE_CHECKING:
    from napari_visualccc.classify import ClassificationModel, Dataset, PredictionResult, TrainResult

_FEWEST = 2
_AFTER_OPENING_MS = 300


class ClassifyWidget(QWidget):
    """Classes of whole planes: label with number keys, train in seconds, predict, measure, explain."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = bare(napari_viewer)
        self._memory = remembered(self._viewer, "classify")
        self._lookers: jobs.Lookers = self._memory.setdefault("lookers", jobs.Lookers())
        self._dataset: Dataset | None = self._memory.get("dataset")
        self._note = ""
        self.runner = JobRunner(self, while_hidden=True)
        self._writer = JobRunner(self, quiet=True, while_hidden=True)  # reads and saves beside a training
        self._build()
        self._preparer = JobRunner(self, quiet=True)
        self._keys = NumberKeys(self)
        self.view = PlaneView(self._viewer, self)
        self.files = FileDialogs(self)
        self.explaining = ExplainDesk(self.explain_panel, self.chooser, self.runner, self._memory)
        self._restore()
        self._connect()
        self._refresh()
        self._preparer.later(self._prepare, _AFTER_OPENING_MS)

    def _prepare(self) -> None:
        self._preparer.start(jobs.run_preparation)

    @property
    def model(self) -> ClassificationModel | None:
        """The model at hand."""
        return self._memory.get("model")

    @property
    def predicted(self) -> PredictionResult | None:
        """What was predicted last."""
        return self._memory.get("prediction")

    def _build(self) -> None:
        self.hint = Hint()
        self.chooser = SourceChooser(self._viewer)
        self.classes = ClassList()
        self.data_button = button("Labelled files …", "Learn from a folder with a folder per class, or a CSV file, too")
        self.data_menu = QMenu(self.data_button)
        self.data_button.setMenu(self.data_menu)
        self.together_box = QCheckBox("Planes of a layer are one specimen")
        self.together_box.setToolTip(
            "Then they are never learnt from and measured on at the same time: label several layers, each a specimen"
        )
        self.data_words = Hint()
        self.form = encoder_form(TrainOptions)
        self.run_bar = RunBar("Train", "Learn the classes from the labelled planes")
        self.run_bar.follow(self.runner)
        self.tuning = TuningView(self._viewer, self.runner, self.run_bar)
        self.model_panel = ModelPanel()
        self.map_box = QCheckBox("Class map of large fields")
        self.map_box.setToolTip(
            "Also look through a sliding window: which class is where? Takes a second per ten windows"
        )
        self.prediction = PredictionPanel()
        self.prediction_fold = Fold("Classes of the planes", self.prediction)
        self.quality = QualityPanel()
        self.quality_fold = Fold("How good is it?", self.quality)
        self.explain_panel = ExplainPanel()
        self.explain_fold = Fold("Why? Heatmaps", self.explain_panel)
        for fold in (self.prediction_fold, self.quality_fold, self.explain_fold):
            fold.hide()
        column(
            self, self.hint, self.chooser, self.classes, row(self.data_button), self.together_box, self.data_words,
            self.form, self.run_bar, self.tuning, self.model_panel, self.map_box, self.prediction_fold,
            self.quality_fold, self.explain_fold,
        )  # fmt: skip

    def _connect(self) -> None:
        self.chooser.changed.connect(self._source_changed)
        self.chooser.calibrate_clicked.connect(self._open_pixel_size)
        self.classes.changed.connect(self._classes_changed)
        self.classes.label_clicked.connect(self.label_plane)
        self.classes.keys_box.toggled.connect(self._keys.listen)
        self.classes.keys_box.toggled.connect(self._refresh)
        self._keys.pressed.connect(self._number_pressed)
        self.together_box.toggled.connect(self._refresh)
        self.form.changed.connect(self._refresh)
        self.run_bar.run_clicked.connect(self.train)
        self.runner.started.connect(self._job_started)
        self.runner.finished.connect(self._refresh)
        self.runner.cancelled.connect(self._job_cancelled)
        self.model_panel.apply_clicked.connect(self.predict)
        self.prediction.plane_chosen.connect(self._go_to)
        self.quality.mistake_chosen.connect(self._show_mistake)
        self._viewer.layers.events.removed.connect(self._refresh)

    def _restore(self) -> None:
        if "classes" in self._memory:
            self.classes.set_names(self._memory["classes"])
        if "options" in self._memory:
            self.form.set_values(self._memory["options"])
        if self.model is not None:
            self._take_model(self.model, self._memory.get("name", ""))

    def label_plane(self, name: str | None) -> None:
        """Give the plane shown a class, or take it away."""
        layer = self.chooser.layer
        if layer is None or self.chooser.problem:
            return
        set_class(layer, current_plane(layer, self._viewer), name)
        self._note = ""
        self._refresh()

    def _number_pressed(self, number: int) -> None:
        if number > len(self.classes.names):
            return
        self.label_plane(self.classes.names[number - 1] if number else None)
        layer = self.chooser.layer
        if number and self.classes.advance_box.isChecked() and layer is not None:
            here = current_plane(layer, self._viewer)
            if here + 1 < plane_count(layer):
                self._go_to(here + 1)

    def _classes_changed(self, before: str, after: str) -> None:
        relabel(self._viewer.layers, before, after)
        self._refresh()

    def _go_to(self, plane: int) -> None:
        layer = self.chooser.layer
        if layer is not None:
            self.view.go_to(layer, plane)

    def read_files(self, path: str) -> None:
        """Learn from labelled files, too."""
        self.runner.start(jobs.run_read, path, title="Read labelled files", then=bound(self._take_files, path))

    def _take_files(self, path: str, dataset: Dataset) -> None:
        self._dataset = self._memory["dataset"] = dataset
        self._memory["dataset_path"] = path
        self.classes.include(list(dataset.names))
        self._refresh()

    def forget_files(self) -> None:
        """Learn from layers only."""
        self._dataset = self._memory["dataset"] = None
        self._refresh()

    def train(self) -> None:
        """Learn from all labelled planes."""
        try:
            options = self.form.options()
            examples = examples_of_layers(self._viewer.layers, together=self.together_box.isChecked())
            if self._dataset is not None:
                examples += self._dataset.examples
            if not examples:
                raise InputError("no plane has a class yet: label some with the number keys, or choose labelled files")
        except VisualCCCError as error:
            show_problem(error)
            return
        named = str(self._memory.get("dataset_path") or "DATASET")
        tuned = options.method == "fine-tune"
        board = self.tuning.begin(60 * options.max_minutes, shown=tuned)
        self.runner.start(
            jobs.run_train, examples, self.classes.names, self.classes.colours, options, self._lookers, board,
            [named, "--output", "MODEL"], title=TRAINING, time_left=board.seconds_left if tuned else None,
            then=self._trained,
        )  # fmt: skip

    def _trained(self, result: TrainResult) -> None:
        self._memory["result"] = result
        self._take_model(result.model, "")
        self.quality_fold.setVisible(result.evaluation is not None)
        if result.evaluation is not None:
            self.quality.show_evaluation(result.evaluation, result.notes)
            self.quality_fold.set_open(True)
        self._note = after_training(result)
        if self.chooser.layer is not None and not self.chooser.problem:
            self.runner.later(self.predict, 1)

    def predict(self) -> None:
        """Classify the planes of the chosen image."""
        model = self.model
        if model is None:
            return
        try:
            source = self.chooser.source()
        except VisualCCCError as error:
            show_problem(error)
            return
        self.runner.start(
            jobs.run_predict, model, source, PredictOptions(class_map=self.map_box.isChecked()), self._lookers,
            str(self._memory.get("name") or "MODEL"), title="Predict classes", then=bound(self._predicted, source),
        )  # fmt: skip

    def _predicted(self, source: Source, result: PredictionResult) -> None:
        first = source.plane or 0
        self._memory["prediction"] = result
        colours = {one.name: one.colour for one in result.classes}
        self.prediction.show_result(result, first, colours)
        self.prediction_fold.show()
        self.prediction_fold.set_open(True)
        self.view.keep(source.layer, first, result)
        for entry in result_layers(result, source.placement):
            show_layer(self._viewer, entry, like=source.layer)
        self._note = self._note or "Look at the planes that it is unsure of (click the heading “Sure”)."

    def _take_model(self, model: ClassificationModel, name: str) -> None:
        self._memory.update(model=model, name=name)
        self.model_panel.show_model(model, Path(name).stem)
        self.explaining.take(model, name)
        self.explain_fold.show()
        self._refresh()

    def save(self, path: str) -> None:
        """Write the model."""
        self._writer.start(jobs.run_save, self.model, path, in_turn=True, then=bound(self._saved, self.model))

    def _saved(self, model: ClassificationModel, path: Path) -> None:
        self._note = f"Saved as {path.name}."
        if model is self.model:  # no other was trained meanwhile
            self._take_model(model, str(path))

    def load(self, path: str) -> None:
        """Read a model."""
        self._writer.start(jobs.run_load, path, in_turn=True, then=bound(self._loaded, path))

    def _loaded(self, path: str, model: ClassificationModel) -> None:
        self.classes.include(list(model.names))
        self.quality_fold.hide()
        self._note = f"Loaded {Path(path).name}. Press Predict."
        self._take_model(model, path)

    def write_report(self, folder: str) -> None:
        """Write the report on the planes held out."""
        result = self._memory.get("result")
        if result is not None:
            told = result.evaluation, folder, result.notes, result.provenance
            self._writer.start(jobs.run_report, *told, in_turn=True, then=self._told)

    def _told(self, path: str) -> None:
        self._note = f"Wrote {path}"
        self._refresh()

    def _show_mistake(self, place: int) -> None:
        result = self._memory.get("result")
        if result is not None and result.evaluation is not None:
            self.view.show_example(result.evaluation.examples[place])

    def _open_pixel_size(self) -> None:
        open_widget(self._viewer, "Pixel size", self.chooser.layer)

    def _source_changed(self) -> None:
        self._note = ""
        self._refresh()

    def _job_started(self, title: str) -> None:
        if title not in ("Predict classes",):
            self._note = ""
        self._refresh()

    def _job_cancelled(self) -> None:
        self._note = "Cancelled; what was there before is unchanged."

    def _refresh(self, *_: object) -> None:
        counts = counts_of(self._viewer.layers, self._dataset)
        self.classes.show_counts(counts)
        self._memory["classes"] = self.classes.names
        if not self.form.problem:
            options = self.form.options()
            self._memory["options"] = {name: getattr(options, name) for name in self.form.controls}
        files = self._memory.get("dataset_path", "")
        told = f"{len(self._dataset)} labelled images of {Path(files).name}" if self._dataset is not None else ""
        self.data_words.setText(told)
        self.data_words.setVisible(bool(told))
        ready = sum(1 for count in counts.values() if count >= _FEWEST) >= _FEWEST and not self.form.problem
        self.run_bar.button.setEnabled(ready or self.runner.is_running)
        self.data_button.setEnabled(not self.runner.is_running)
        self.model_panel.apply_button.setEnabled(self.model is not None and not self.runner.is_running)
        nothing = self.chooser.layer is None and self._dataset is None
        self.hint.setText(
            next_step(
                running=self.runner.is_running, nothing=nothing, labelled=bool(counts), ready=ready, note=self._note,
                trained=self.model is not None, tuning=self.tuning.is_training,
            )
        )  # fmt: skip
        self.view.refresh()
