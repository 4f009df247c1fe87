"""The Measure widget: fractions, objects, thickness and interfaces of the phases in a labels layer."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QSizePolicy, QWidget

from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.core.params import OptionSpec
from napari_visualccc.layers import SEPARATOR
from napari_visualccc.segment.measure_options import MeasureOptions
from napari_visualccc.widgets import _measure_jobs as jobs
from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._comparison import AgreementDesk, ComparePart
from napari_visualccc.widgets._edits import Edits
from napari_visualccc.widgets._forms import OptionsForm
from napari_visualccc.widgets._jobs import JobRunner, bound, show_problem
from napari_visualccc.widgets._layers import kind_of, names_by_value, open_widget, pick_on_click, theme_colours
from napari_visualccc.widgets._measure_panel import MeasurePanel
from napari_visualccc.widgets._measure_results import MeasureResults
from napari_visualccc.widgets._parts import Fold, Hint, RunBar, column, row
from napari_visualccc.widgets._phase_control import PhaseControl
from napari_visualccc.widgets._session import bare, remembered
from napari_visualccc.widgets._source import Source, array_of, is_rgb, make_source, pixel_size_of

_AFTER_OPENING_MS = 300
_AFTER_PAINTING_MS = 500
_NO_IMAGE = "none"


class MeasureWidget(QWidget):
    """Measure the phases of a labels layer in physical units."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = bare(napari_viewer)
        self._memory = remembered(self._viewer, "measure")
        self._busy_with: Any = None
        self._note = ""
        self._stale = False  # painted on since it was measured
        self._layer: Any = None  # whose phases are offered
        self._images: list[Any] = []
        self._listened: list[Any] = []  # events of layers after which other images may fit the labels
        self._image: Any = None  # that the user chose
        self._without_image = False  # the user wants no intensities
        self._build()
        self.runner = JobRunner(self)
        self._writer = JobRunner(self, quiet=True, while_hidden=True)
        self._preparer, self._checker, self._looker = (JobRunner(self, quiet=True) for _ in range(3))
        self._edits = Edits(self._viewer, self)
        self.results = MeasureResults(self._viewer, self.panel, self._writer, self._memory)
        self.agreement = AgreementDesk(self._viewer, self.comparison, self.chooser, self._writer)
        self._restore()
        self._connect()
        self._source_changed()
        self._style()
        self._preparer.later(self._prepare, _AFTER_OPENING_MS)

    def _build(self) -> None:
        self.hint = Hint()
        self.chooser = SourceChooser(self._viewer, kinds=("labels",), label="Labels")
        self.image = QComboBox()
        self.image.setToolTip("Image of the same shape whose intensity is averaged over each object")
        self.image.setAccessibleName("Intensities")
        self.image.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        label = QLabel("Intensities")
        label.setBuddy(self.image)
        self.form = OptionsForm(MeasureOptions, {
            "objects_of": PhaseControl, "thickness_of": _single, "layer_includes": PhaseControl, "ignore": PhaseControl,
        })  # fmt: skip
        self.keep_box = QCheckBox("Keep earlier result")
        self.keep_box.setToolTip("Put objects and thickness into new layers; otherwise they replace the last ones")
        self.run_bar = RunBar("Measure", "Fractions, objects, thickness and interfaces of the phases")
        self.panel = MeasurePanel()
        self.panel.hide()
        self.comparison = ComparePart("IoU, Dice and boundary F1 of the labels above against these")
        self.comparison_fold = Fold("Compare with other labels", self.comparison)
        image = row(label, self.image, stretch=1)
        column(
            self, self.hint, self.chooser, image, self.form, self.keep_box, self.run_bar, self.comparison_fold,
            self.panel,
        )  # fmt: skip

    def _connect(self) -> None:
        self.chooser.changed.connect(self._source_changed)
        self.chooser.calibrate_clicked.connect(self._open_pixel_size)
        self.form.changed.connect(self._options_changed)
        self.image.activated.connect(self._image_chosen)
        self.run_bar.run_clicked.connect(self.run)
        self.run_bar.follow(self.runner)
        self.runner.started.connect(self._job_started)
        self.runner.finished.connect(self._job_finished)
        self.runner.cancelled.connect(self._job_cancelled)
        self.results.changed.connect(self._refresh)
        self._edits.edited.connect(self._painted)
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            event.connect(self._layers_changed)
        self._viewer.events.theme.connect(self._style)
        pick_on_click(self._viewer, self)

    def _prepare(self) -> None:
        self._preparer.start(jobs.prepare)

    def _restore(self) -> None:
        if "options" in self._memory:
            self.form.set_values(self._memory["options"])
        if "image" in self._memory:
            layer, image, self._without_image = self._memory["image"]
            self._layer, self._image = layer(), image()
        self.comparison.remember(self._memory)
        self.results.restore()
        if self.results.shown is not None:
            self._edits.follow(self.results.shown.source.layer)
            self._painted()

    def _style(self, event: object = None) -> None:
        self.panel.set_colours(**theme_colours(self._viewer))

    def _refresh(self, *_: object) -> None:
        ready = not self.chooser.problem and not self.form.problem
        self.run_bar.button.setEnabled(ready or self.runner.is_running)
        self.hint.setText(self._next_step())

    def _next_step(self) -> str:
        if self.chooser.layer is None:
            return "Segment an image, paint labels, or open a label image to begin."
        if self.chooser.problem or self.form.problem:
            return "Mend what is marked ⚠ below, then press Measure."
        if self.runner.is_running:
            return "Measuring … the viewer stays usable; Cancel keeps what was there."
        return self._note or self._next_with_result()

    def _next_with_result(self) -> str:
        if self.results.shown is None:
            return "Press Measure. To measure a layer, name its phase under “Thickness of”."
        if self.results.shown.source.layer is self.chooser.layer and self._is_resized:
            return "The pixel size was changed since: press Measure to count that in."
        if self._stale and self.results.shown.source.layer is self.chooser.layer:
            return "The labels were painted on since: press Measure to count that in."
        return "Click a row to find its object, or an object to find its row."

    @property
    def _is_resized(self) -> bool:
        shown = self.results.shown
        return shown is not None and pixel_size_of(shown.source.layer) != shown.result.pixel_size

    def names(self) -> dict[int, str]:
        """Names of the phases of the chosen layer."""
        return names_by_value(self.chooser.layer.features) if self.chooser.layer is not None else {}

    def _source_changed(self) -> None:
        names = self.names()
        for control in self.form.controls.values():
            if isinstance(control, PhaseControl):
                control.offer(names)
        if self.chooser.layer is not self._layer:
            self._layer, self._image = self.chooser.layer, None
        self._propose_ignored(names)
        self.form.check()
        self._list_images()
        self._refresh()

    def _may_propose(self, names: dict[int, str]) -> bool:
        """Whether what is ignored is not what the user wrote for these phases."""
        layer, known, proposed = self._memory.get("proposed", (lambda: None, None, ""))
        here = layer() is self.chooser.layer and known == names
        return self.chooser.layer is not None and not (here and self._ignored() != proposed)

    def _ignored(self) -> str:
        return str(self.form.controls["ignore"].field.text().strip())

    def _propose_ignored(self, names: dict[int, str]) -> None:
        """Let 0 be no phase if it has no name, unless it stands beside one phase alone, as in a mask."""
        self._looker.cancel()
        if not self._may_propose(names):
            return
        self._remember_proposed(names)
        if 0 in names:
            self._proposed(names, "")
        else:
            self._looker.later(self._look, 0)  # not before the dock is there: a job ends with the change of parent

    def _look(self) -> None:
        self._looker.start(jobs.propose_ignored, array_of(self.chooser.layer), then=bound(self._proposed, self.names()))

    def _proposed(self, names: dict[int, str], text: str) -> None:
        if self._may_propose(names) and self._ignored() in ("", jobs.UNLABELLED):
            note = self._note  # of a job that ended since: it is not the user who changes an option here
            self.form.set_values({"ignore": text})
            self._note = note
            self._remember_proposed(names)
            self._refresh()

    def _remember_proposed(self, names: dict[int, str]) -> None:
        """What stands there now is not what the user wrote for these phases; what comes to stand there is."""
        self._memory["proposed"] = (weakref.ref(self.chooser.layer), names, self._ignored())

    def _painted(self, layer: Any = None) -> None:
        self._checker.later(self._check, _AFTER_PAINTING_MS)

    def _check(self) -> None:
        """See whether the labels are still those that were measured."""
        shown = self.results.shown
        if shown is not None and shown.source.layer in self._viewer.layers:
            self._checker.start(jobs.run_checksum, jobs.labels_of(shown.source), then=bound(self._checked, shown))

    def _checked(self, shown: Any, checksum: int) -> None:
        if shown is self.results.shown:
            self._stale = checksum != self._memory.get("checksum")
            self._refresh()

    def _options_changed(self) -> None:
        self._note = ""
        if not self.form.problem:
            options = self.form.options()
            self._memory["options"] = {name: getattr(options, name) for name in self.form.controls}
        self._refresh()

    def _layers_changed(self, event: object) -> None:
        if self._busy_with is not None and self._busy_with not in self._viewer.layers:
            self.runner.cancel()
        self._list_images()

    def _list_images(self, event: object = None) -> None:
        """Offer the images of the shape of the labels; the one they were made from comes first."""
        for emitter in self._listened:
            emitter.disconnect(self._list_images)
        labels = self.chooser.layer
        fitting = [] if labels is None else [one for one in self._viewer.layers if _fits(one, labels)]
        self._images = sorted(fitting, key=lambda one: -len(one.name) if _is_made_from(labels, one) else 1)
        layers = [*self._images, *([] if labels is None else [labels])]
        self._listened = [*(one.events.name for one in layers), *(one.events.data for one in self._images)]
        for emitter in self._listened:
            emitter.connect(self._list_images)
        blocked = self.image.blockSignals(True)
        self.image.clear()
        self.image.addItems([*(one.name for one in self._images), _NO_IMAGE])
        wanted = self._images.index(self._image) if self._image in self._images else 0
        self.image.setCurrentIndex(len(self._images) if self._without_image else wanted)
        self.image.blockSignals(blocked)

    def _image_chosen(self, index: int) -> None:
        self._without_image = index == len(self._images)
        self._image = None if self._without_image else self._images[index]
        self._memory["image"] = (_weak(self._layer), _weak(self._image), self._without_image)

    def _intensities(self, source: Source) -> Source | None:
        index = self.image.currentIndex()
        return make_source(self._images[index], source.plane) if 0 <= index < len(self._images) else None

    def run(self) -> None:
        """Measure the chosen labels with the options shown."""
        self._source_changed()  # a model that was applied anew may have given the phases other names
        try:
            source = self.chooser.source()
            options = self.form.options()
            image = self._intensities(source)
        except VisualCCCError as error:
            show_problem(error)
            return
        self._busy_with, names = source.layer, self.names()
        # The labels may be others than when they were looked at, or that is still to come.
        propose = 0 not in names and self._may_propose(names) and options.ignore in ("", jobs.UNLABELLED)
        self.runner.start(
            jobs.run_measure, source, image, options, names, title=f"Measure {source.name}",
            propose=propose, then=bound(self._show, source),
        )  # fmt: skip

    def _show(self, source: Source, answer: jobs.Answer) -> None:
        self._stale = False
        self._memory["checksum"] = answer.checksum
        self.results.show(source, answer.result, keep=self.keep_box.isChecked())
        self._source_changed()
        self.agreement.follow()
        self._edits.follow(source.layer)
        self._painted()  # while it was measured, perhaps

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


def _weak(layer: Any) -> Callable[[], Any]:
    return (lambda: None) if layer is None else weakref.ref(layer)


def _single(spec: OptionSpec) -> PhaseControl:
    return PhaseControl(spec, single=True)


def _fits(image: Any, labels: Any) -> bool:
    if kind_of(image) != "image":
        return False
    shape = array_of(image).shape
    return tuple(shape[:-1] if is_rgb(image) else shape) == tuple(array_of(labels).shape)


def _is_made_from(labels: Any, image: Any) -> bool:
    return bool(labels.name.startswith(image.name + SEPARATOR))
