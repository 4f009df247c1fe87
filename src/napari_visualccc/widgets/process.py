"""The Process widget: a list of processing steps with a live preview, applied lazily."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QFileDialog, QVBoxLayout, QWidget

from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.processing.frames import Frame
from napari_visualccc.processing.pipeline import Pipeline
from napari_visualccc.processing.stages import check
from napari_visualccc.widgets import _process_jobs as jobs
from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._forms import OptionsForm
from napari_visualccc.widgets._jobs import JobRunner, bound, show_problem
from napari_visualccc.widgets._layers import open_widget
from napari_visualccc.widgets._parts import Hint, Problem, RunBar, column, row
from napari_visualccc.widgets._process_panel import ProcessPanel
from napari_visualccc.widgets._process_preview import LivePreview
from napari_visualccc.widgets._process_results import ProcessResults
from napari_visualccc.widgets._saving import ask_path
from napari_visualccc.widgets._session import bare, remembered
from napari_visualccc.widgets._sliders import LengthControl, step_form
from napari_visualccc.widgets._source import (
    Source,
    current_plane,
    make_source,
    pixel_size_of,
    plane_count,
)
from napari_visualccc.widgets._step_list import StepList

if TYPE_CHECKING:
    from napari_visualccc.processing.apply import ProcessResult

_AFTER_OPENING_MS = 300


class ProcessWidget(QWidget):
    """Filter, correct, threshold and align images; see the result while the sliders move."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = bare(napari_viewer)
        self._memory = remembered(self._viewer, "process")
        self._busy_with: Any = None
        self._note = ""
        self.form: OptionsForm[Any] | None = None
        self._build()
        self.runner = JobRunner(self)
        self._behind = JobRunner(self, quiet=True)
        self.results = ProcessResults(self._viewer, self.panel, self._memory)
        self.preview = LivePreview(self, self._viewer, self.chooser, self.results, self._previewed)
        self._restore()
        self._connect()
        self._step_chosen()
        self._changed()
        self._behind.later(self._prepare, _AFTER_OPENING_MS)

    def _build(self) -> None:
        self.hint = Hint()
        self.chooser = SourceChooser(self._viewer)
        self.steps = StepList()
        self.about = Hint()
        self.options = QWidget()
        self._options_layout = QVBoxLayout(self.options)
        self._options_layout.setContentsMargins(0, 0, 0, 0)
        self.problem = Problem()
        self.preview_box = QCheckBox("Live preview")
        self.preview_box.setToolTip(
            "Show what the steps do to the part of the plane that is seen, while you change them"
        )
        self.preview_box.setChecked(True)
        self.keep_box = QCheckBox("Keep earlier result")
        self.keep_box.setToolTip("Put the next result into a new layer; otherwise it replaces the last one")
        self.run_bar = RunBar(
            "Apply", "Make a layer of the whole image with these steps; planes are computed when shown"
        )
        self.panel = ProcessPanel()
        self.panel.hide()
        column(
            self, self.hint, self.chooser, self.steps, self.about, self.options, self.problem,
            row(self.preview_box, self.keep_box), self.run_bar, self.panel,
        )  # fmt: skip

    def _connect(self) -> None:
        self.chooser.changed.connect(self._source_changed)
        self.chooser.calibrate_clicked.connect(self._open_pixel_size)
        self.steps.changed.connect(self._changed)
        self.steps.chosen.connect(self._step_chosen)
        self.steps.recipe_load_clicked.connect(self._ask_load)
        self.steps.recipe_save_clicked.connect(self._ask_save)
        self.preview_box.toggled.connect(self._preview_toggled)
        self.keep_box.toggled.connect(self._remember)
        self.run_bar.run_clicked.connect(self.run)
        self.run_bar.follow(self.runner)
        self.runner.started.connect(self._job_started)
        self.runner.finished.connect(self._job_finished)
        self.runner.cancelled.connect(self._job_cancelled)
        self.results.changed.connect(self._result_changed)
        self._viewer.layers.events.removed.connect(self._layer_removed)
        self.preview.failed.connect(self.problem.say)

    def _prepare(self) -> None:
        self._behind.start(jobs.prepare)

    def _restore(self) -> None:
        memory = self._memory
        if "pipeline" in memory:
            self.steps.set_pipeline(memory["pipeline"])
            self.preview_box.setChecked(memory["preview"])
            self.keep_box.setChecked(memory["keep"])
        self.results.restore()

    def _remember(self, *_: object) -> None:
        self._memory.update(
            pipeline=self.steps.pipeline, preview=self.preview_box.isChecked(), keep=self.keep_box.isChecked()
        )

    @property
    def pipeline_problem(self) -> str:
        """Why the steps cannot be done in this order on this image, in words; empty if they can."""
        if self.form is not None and self.form.problem:
            return self.form.problem
        layer = self.chooser.layer
        if layer is None or self.chooser.problem:
            return ""
        shape = make_source(layer).planes.shape
        frame = Frame(shape[0], shape[1:], pixel_size_of(layer))
        try:
            for step in self.steps.pipeline.active:
                frame = check(step.step, step.options, frame)
        except VisualCCCError as error:
            return str(error)
        return ""

    def _refresh(self, *_: object) -> None:
        problem = self.pipeline_problem
        self.problem.say(problem)
        ready = bool(self.steps.pipeline.active) and not self.chooser.problem and not problem
        self.run_bar.button.setEnabled(ready or self.runner.is_running)
        self.hint.setText(self._next_step())

    def _next_step(self) -> str:
        if self.chooser.layer is None:
            return "Open an image to begin."
        if not self.steps.pipeline.steps:
            return "Add a step: the part of the image that you see shows at once what it does."
        if self.chooser.problem or self.problem.text():
            return "Mend what is marked ⚠ below."
        return self._next_with_steps()

    def _next_with_steps(self) -> str:
        if self.runner.is_running:
            return "Working … the viewer stays usable; Cancel keeps what was there."
        if not self.steps.pipeline.active:
            return "All steps are switched off: tick one."
        return self._note or "Move the sliders until it looks right, then press Apply for the whole image."

    def _step_chosen(self) -> None:
        """Show the options of the current step."""
        if self.form is not None:
            self._options_layout.removeWidget(self.form)
            self.form.setParent(None)
            self.form.deleteLater()
            self.form = None
        current = self.steps.current
        self.about.setText("" if current is None else current.step.help)
        self.about.setVisible(current is not None)
        if current is not None:
            self.form = step_form(current.step)
            self._show_units()
            self.form.set_options(current.options)
            self.form.changed.connect(self._options_changed)
            self._options_layout.addWidget(self.form)

    def _show_units(self) -> None:
        layer = self.chooser.layer
        if self.form is not None and layer is not None and not self.chooser.problem:
            for control in self.form.controls.values():
                if isinstance(control, LengthControl):
                    control.set_pixel_size(pixel_size_of(layer))

    def _options_changed(self) -> None:
        try:
            assert self.form is not None
            options = self.form.options()
        except VisualCCCError:
            self._refresh()  # the words stand beside the control
            return
        self.steps.set_options(options)

    def _changed(self, *_: object) -> None:
        self._note = ""
        self._remember()
        self._refresh()
        self.preview.request()

    def _source_changed(self) -> None:
        self._show_units()
        self._changed()

    def _ask_load(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Load recipe", "", "Recipe (*.json)")
        if path:
            self.load_recipe(path)

    def load_recipe(self, path: str) -> None:
        """Take over the steps of a recipe file."""
        try:
            self.steps.set_pipeline(Pipeline.load(path))
        except VisualCCCError as error:
            show_problem(error)

    def _ask_save(self) -> None:
        path = ask_path(self, "Save recipe", "recipe.json", "Recipe (*.json)", ending=".json")
        if path:
            self.save_recipe(path)

    def save_recipe(self, path: str) -> None:
        """Write the steps as a recipe file."""
        try:
            self.steps.pipeline.save(path)
        except VisualCCCError as error:
            show_problem(error)

    def _previewed(self) -> Pipeline | None:
        """Steps to preview; None if that cannot be now."""
        possible = not self.chooser.problem and not self.pipeline_problem and not self.runner.is_running
        return self.steps.pipeline if possible and self.preview_box.isChecked() else None

    def _preview_toggled(self, on: bool) -> None:
        self._remember()
        self.preview.request()

    def run(self) -> None:
        """Apply the steps to the chosen image."""
        try:
            source = self.chooser.source()
        except VisualCCCError as error:
            show_problem(error)
            return
        self.preview.cancel()
        self._behind.cancel()
        self._busy_with = source.layer
        current = 0 if source.plane is not None else current_plane(source.layer, self._viewer)
        self.runner.start(
            jobs.run_apply, source, self.steps.pipeline, current, title=f"Process {source.name}",
            then=partial(self._show, source, current),
        )  # fmt: skip

    def _show(self, source: Source, current: int, shown: jobs.Shown) -> None:
        self.results.show(source, shown, keep=self.keep_box.isChecked())
        self.preview.rest()
        if plane_count(source.layer) > 1 and source.plane is None:
            self._behind.start(jobs.run_rest, shown.result, current, then=bound(self._rest_done, shown.result))
        self._note = "Done. Change a step to try more; to go on from this result, choose it above."

    def _rest_done(self, result: ProcessResult, planes: int) -> None:
        if self.results.shown is not None and self.results.shown.result is result:
            self._note = f"Done: {planes} of {result.frame.count * len(result.planes)} planes are computed and kept."
            self._refresh()

    def _layer_removed(self, event: Any) -> None:
        if self._busy_with is not None and event.value is self._busy_with:
            self.runner.cancel()

    def _result_changed(self) -> None:
        if self.results.shown is None:
            self._behind.cancel()  # nobody will see the other planes
        self._refresh()

    def _job_started(self, title: str) -> None:
        self._note = ""
        self._refresh()

    def _job_finished(self) -> None:
        self._busy_with = None
        self._refresh()

    def _job_cancelled(self) -> None:
        self._note = "Cancelled; what was there before is unchanged."

    def _open_pixel_size(self) -> None:
        open_widget(self._viewer, "Pixel size", self.chooser.layer)
