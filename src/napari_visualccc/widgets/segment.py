"""The Segment widget: paint a few strokes per phase, train, look, paint where it is unsure, apply to everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QRadioButton, QWidget

from napari_visualccc.core.errors import InputError, VisualCCCError
from napari_visualccc.core.runtime import Device
from napari_visualccc.layers import SEPARATOR
from napari_visualccc.segment.options import QuickOptions, TrainOptions
from napari_visualccc.widgets import _segment_jobs as jobs
from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._encoder_control import encoder_form
from napari_visualccc.widgets._forms import OptionsForm
from napari_visualccc.widgets._jobs import JobRunner, bound, show_problem
from napari_visualccc.widgets._labels_taken import LabelsDesk, LabelsMenu
from napari_visualccc.widgets._layers import is_selected_by_user, open_widget, pick_on_click
from napari_visualccc.widgets._parts import Hint, RunBar, button, column, row
from napari_visualccc.widgets._phases import MOST_PHASES, PhaseTable
from napari_visualccc.widgets._segment_live import TrainingView
from napari_visualccc.widgets._segment_panel import SegmentPanel
from napari_visualccc.widgets._segment_preview import remove_preview
from napari_visualccc.widgets._segment_quick import QuickDesk
from napari_visualccc.widgets._segment_results import SegmentResults
from napari_visualccc.widgets._segment_use import ModelDesk
from napari_visualccc.widgets._segment_words import CANCELLED, STOPPING, TRAINING, Note, about_training, next_step
from napari_visualccc.widgets._session import bare, remembered
from napari_visualccc.widgets._source import Source
from napari_visualccc.widgets._strokes import StrokeLayers

if TYPE_CHECKING:
    from napari_visualccc.segment import SegmentationModel, TrainResult

_AFTER_OPENING_MS = 300


class SegmentWidget(QWidget):
    """Train a network on painted phases and segment images with it."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = bare(napari_viewer)
        self._memory = remembered(napari_viewer, "segment")
        self._note = Note()
        self._pixels: dict[int, int] = {}
        self._build()
        # A training takes minutes and has a process of its own: hiding the dock must not end it.
        self.runner = JobRunner(self, while_hidden=True)
        self._writer = JobRunner(self, quiet=True, while_hidden=True)
        self._preparer = JobRunner(self, quiet=True, while_hidden=True)
        self.strokes = StrokeLayers(self._viewer, self)
        self.labels = LabelsDesk(self.labels_menu, self.chooser, self.phases, self.strokes, self._writer)
        self.results = SegmentResults(self._viewer, self.panel, self._writer, self.strokes)
        self.desk = ModelDesk(
            self.panel, self.chooser, self.strokes, self.results, (self.runner, self._writer), self._memory
        )
        self.quick = QuickDesk(self.chooser, self.strokes, self.desk, self.runner, self._work, self.quick_form)
        self._restore()
        self._connect()
        self._mode_changed()
        self._phases_changed()
        self._preparer.later(self._prepare, _AFTER_OPENING_MS)

    def _build(self) -> None:
        self.hint = Hint()
        self.chooser = SourceChooser(self._viewer, whole_stack=False)
        self.phases = PhaseTable()
        self.paint_button = button("Paint on this image", "Take the brush: strokes go into a layer of their own")
        self.labels_menu = LabelsMenu(self._viewer, self.chooser)
        self.quick_button = QRadioButton("Quick (seconds)")
        self.quick_button.setToolTip("Tell phases apart by grey value and texture, pixel by pixel, while you paint")
        self.network_button = QRadioButton("U-Net (minutes)")
        self.network_button.setToolTip("Learn shapes and context as well: better, and slower to train")
        self.network_button.setChecked(True)
        self.live_box = QCheckBox("Refresh while painting")
        self.live_box.setToolTip("Show what the quick model makes of this plane after every stroke")
        self.live_box.setChecked(True)
        self.form, self.quick_form = encoder_form(TrainOptions), OptionsForm(QuickOptions)
        self.continue_box = QCheckBox("Continue from the last model")
        self.continue_box.setToolTip("Go on with what was learnt before instead of beginning anew")
        self.continue_box.setEnabled(False)
        self.run_bar = RunBar(TRAINING, "Train a network on all strokes of all images, in the background")
        self.stop_button = button("Stop and keep the best so far", "End the training now; the best model is kept")
        self.stop_button.hide()
        self.live = TrainingView(self._viewer, self.chooser)
        self.panel = SegmentPanel()
        modes = row(self.quick_button, self.network_button)
        column(
            self, self.hint, self.chooser, self.phases, row(self.paint_button, self.labels_menu), modes, self.live_box,
            self.quick_form, self.form, self.continue_box, self.run_bar, self.stop_button, self.live.fold, self.panel,
        )  # fmt: skip

    def _connect(self) -> None:
        self.chooser.changed.connect(self._refresh)
        self.chooser.changed.connect(self._plane_changed)
        self.chooser.calibrate_clicked.connect(self._open_pixel_size)
        self.phases.phase_chosen.connect(self.strokes.select)
        self.phases.changed.connect(self._phases_changed)
        self.paint_button.clicked.connect(self.paint)
        for form in self._forms.values():
            form.changed.connect(self._refresh)
        for box in self.panel.boxes:
            box.toggled.connect(self._refresh)
        self.panel.device_box.changed.connect(self._refresh)
        self.quick_button.toggled.connect(self._mode_changed)
        self.live_box.toggled.connect(self._mode_changed)
        self.quick.done.connect(self._say_here)
        self.run_bar.run_clicked.connect(self.train)
        self.run_bar.follow(self.runner)
        self.stop_button.clicked.connect(self.stop)
        self.strokes.phase_chosen.connect(self._label_chosen)
        self.strokes.counted.connect(self._counted)
        self.strokes.restored.connect(self._strokes_restored)
        self.labels.taken.connect(self._say_here)
        self.desk.changed.connect(self._say_here)
        self.desk.marked.connect(self._say)
        self.panel.apply_clicked.connect(lambda: self._say(""))
        self.desk.quick_wanted.connect(self._set_quick)
        self.runner.started.connect(self._job_started)
        self.runner.progressed.connect(self._job_progressed)
        self.runner.finished.connect(self._job_finished)
        self.runner.cancelled.connect(self._job_cancelled)
        self._viewer.dims.events.current_step.connect(self._plane_changed)
        self._viewer.layers.selection.events.active.connect(self._layer_selected)
        pick_on_click(self._viewer, self)

    def _prepare(self) -> None:
        self._preparer.start(jobs.prepare_network, then=self.panel.device_box.offer)

    def _restore(self) -> None:
        memory = self._memory
        for name, form in self._forms.items():
            form.set_values(memory.get(name, {}))
        if "names" in memory:
            self.quick_button.setChecked(memory["quick"])
            self.phases.set_names(memory["names"], memory["colours"])
            for box, checked in zip(self.panel.boxes, memory["boxes"], strict=True):
                box.setChecked(checked)
        self.panel.comparison.remember(memory)
        self.panel.device_box.choose(memory.get("device", Device.AUTO))
        self.results.restore(memory)

    @property
    def _forms(self) -> dict[str, OptionsForm[Any]]:
        return {"options": self.form, "quick_options": self.quick_form, "predict_options": self.panel.predict_form}

    def _remember(self) -> None:
        self._memory.update({name: form.values() for name, form in self._forms.items() if not form.problem})
        self._memory.update(
            names=list(self.phases.names.values()), colours=self.phases.own_colours,
            quick=self.quick_button.isChecked(), device=self.panel.device_box.device,
            boxes=[box.isChecked() for box in self.panel.boxes],
        )  # fmt: skip

    @property
    def _ready(self) -> bool:
        return sum(number in self.phases.names for number in self._pixels) >= 2

    @property
    def _wrong_options(self) -> str:
        """What is wrong with the options in sight, in words; empty if all is well."""
        shown = self.quick_form if self.quick_button.isChecked() else self.form
        return shown.problem or self.panel.predict_form.problem

    def _refresh(self, *_: object) -> None:
        """Buttons and hint say what can be done now."""
        image = self.chooser.layer is not None and not self.chooser.problem
        running = self.runner.is_running
        for one in (self.paint_button, self.labels_menu):
            one.setEnabled(image)
        self.run_bar.button.setEnabled(running or (self._ready and not self._wrong_options and not self.phases.problem))
        self.continue_box.setEnabled(self.desk.state is not None)
        if self.desk.state is None:  # ticked and out of reach it would promise what cannot be done
            self.continue_box.setChecked(False)
        for one in (self.panel.apply_button, self.panel.suggest_button):
            one.setEnabled(image and not running and not self.panel.predict_form.problem)
        self._remember()
        self.hint.setText(self._next_step())

    def _next_step(self) -> str:
        problem = self.chooser.problem or self._wrong_options or self.phases.problem
        return next_step(
            has_image=self.chooser.layer is not None, has_problem=bool(problem), job=self.runner.title,
            note=self._note.on(self.chooser.layer), ready=self._ready, has_model=self.model is not None,
        )  # fmt: skip

    def _say(self, words: str, image: Any = None) -> None:
        self._note.take(words, image)
        self._refresh()

    def _say_here(self, words: str) -> None:
        self._say(words, self.chooser.layer)

    @property
    def model(self) -> SegmentationModel | None:
        """The model that is applied; None before the first training."""
        return self.desk.model

    def _phases_changed(self) -> None:
        self.strokes.set_phases(self.phases.names, self.phases.colours)
        self.desk.recolour(self.phases.names, self.phases.own_colours)
        self._refresh()

    def _label_chosen(self, number: int) -> None:
        """Follow the layer's own label control; what is not in the list would be learnt unseen."""
        if number > MOST_PHASES:
            self.strokes.select(MOST_PHASES)
            return
        self.phases.reach(number)
        self.phases.choose(number)

    def _layer_selected(self, event: Any) -> None:
        """Who selects the strokes on an image works on that image."""
        image = self.strokes.image_of(event.value)
        if image is not None and is_selected_by_user():
            self.chooser.choose(image)

    def paint(self) -> None:
        """Get the brush ready on the chosen image."""
        self._note.take("")
        self.strokes.paint(self.chooser.layer, self.phases.chosen)
        self._refresh()

    def _counted(self, pixels: dict[int, int]) -> None:
        self._pixels = pixels
        if self.strokes.is_counted:  # not of a phase that was taken away meanwhile
            self.phases.reach(max((number for number in pixels if number <= MOST_PHASES), default=0))
        self.phases.show_counts(pixels)
        self._refresh()

    def _strokes_restored(self, layer: Any, names: dict[int, str]) -> None:
        self._say(f"Found your earlier strokes for {layer.name.split(SEPARATOR)[0]}.")
        self.phases.rename(names)

    def _work(self) -> jobs.Work:
        return jobs.Work(self.strokes.annotated, self.phases.names, self.phases.colours)

    def _set_quick(self, quick: bool) -> None:
        (self.quick_button if quick else self.network_button).setChecked(True)

    def _mode_changed(self, *_: object) -> None:
        quick = self.quick_button.isChecked()
        self.live_box.setVisible(quick)
        self.quick_form.setVisible(quick)
        for part in (self.form, self.continue_box):
            part.setVisible(not quick)
        self.desk.set_quick(quick)
        self.quick.set_live(quick and self.live_box.isChecked())
        self._refresh()

    def train(self) -> None:
        """Train on all strokes."""
        try:
            if self._wrong_options or self.phases.problem:
                raise InputError(self._wrong_options or self.phases.problem)
            source = self.chooser.source()
        except VisualCCCError as error:
            show_problem(error)
            return
        self._note.take("")
        if self.quick_button.isChecked():
            self.quick.train(source)
            return
        options = self.form.options()
        board = self.live.begin(60 * options.max_minutes)
        state = self.desk.going_on() if self.continue_box.isChecked() else None
        self.runner.start(
            jobs.run_train, self._work(), options, board, state, self.panel.device_box.device, title=TRAINING,
            time_left=board.seconds_left, then=bound(self._trained, source),
        )  # fmt: skip

    def stop(self) -> None:
        """End the training and keep the best so far."""
        self.live.board.stop = True
        self.stop_button.setEnabled(False)

    def _plane_changed(self, event: object = None) -> None:
        if self.runner.is_running:
            self.live.look()

    def _trained(self, source: Source, result: TrainResult) -> None:
        self._set_quick(False)  # what was trained is what is applied
        words = about_training(result, self.desk.model)
        self.desk.take(result.model, result.state)
        self._say(words)
        if source.layer in self._viewer.layers:  # else it would be applied to what nobody asked for
            self.desk.apply()

    def _job_started(self, title: str) -> None:
        self.stop_button.setVisible(title == TRAINING)
        self.stop_button.setEnabled(True)
        self._refresh()

    def _job_progressed(self, fraction: float, message: str, seconds_left: float | None) -> None:
        if self.runner.title != TRAINING:
            return
        if self.live.board.stop:
            self.run_bar.show_progress(fraction, STOPPING, None)
        self.live.draw(self.runner.seconds, self.strokes, self.phases.colours)

    def _job_finished(self) -> None:
        if not self.runner.is_running:
            self.stop_button.hide()
            remove_preview(self._viewer)
            self.live.end()
        self._refresh()

    def _job_cancelled(self) -> None:
        self._note.take(CANCELLED)

    def _open_pixel_size(self) -> None:
        open_widget(self._viewer, "Pixel size", self.chooser.layer)
