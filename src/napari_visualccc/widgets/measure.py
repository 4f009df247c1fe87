"""The Measure widget: fractions, objects, thickness and interfaces of the phases in a labels layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QComboBox, QLabel, QSizePolicy, QWidget

from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.core.params import OptionSpec
from napari_visualccc.core.planes import Planes
from napari_visualccc.segment.measure_options import MeasureOptions
from napari_visualccc.widgets import _measure_jobs as jobs
from napari_visualccc.widgets._forms import OptionsForm
from napari_visualccc.widgets._jobs import JobRunner, bound, show_problem
from napari_visualccc.widgets._layers import kind_of, names_by_value, open_widget, pick_on_click, theme_colours
from napari_visualccc.widgets._measure_panel import MeasurePanel
from napari_visualccc.widgets._measure_results import MeasureResults
from napari_visualccc.widgets._parts import Hint, RunBar, column, row
from napari_visualccc.widgets._phase_control import PhaseControl
from napari_visualccc.widgets._session import bare, remembered
from napari_visualccc.widgets._source import Source, SourceChooser, array_of, is_rgb

if TYPE_CHECKING:
    from napari_visualccc.segment import MeasureResult

_AFTER_OPENING_MS = 300
_NO_IMAGE = "none"
_UNLABELLED = "0"


class MeasureWidget(QWidget):
    """Measure the phases of a labels layer in physical units."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = bare(napari_viewer)
        self._memory = remembered(self._viewer, "measure")
        self._busy_with: Any = None
        self._note = ""
        self._stale = False  # painted on since it was measured
        self._watched: Any = None
        self._without_image = False  # the user wants no intensities
        self._build()
        self.runner = JobRunner(self)
        self._preparer = JobRunner(self, quiet=True)
        self.results = MeasureResults(self._viewer, self.panel, self.runner, self._memory)
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
        image = row(label, self.image, stretch=1)
        column(self, self.hint, self.chooser, image, self.form, self.keep_box, self.run_bar, self.panel)

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
        for event in (self._viewer.layers.events.inserted, self._viewer.layers.events.removed):
            event.connect(self._layers_changed)
        self._viewer.events.theme.connect(self._style)
        pick_on_click(self._viewer, self)

    def _prepare(self) -> None:
        self._preparer.start(jobs.prepare)

    def _restore(self) -> None:
        if "options" in self._memory:
            self.form.set_values(self._memory["options"])
        self.results.restore()

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
        if self._stale:
            return "The labels were painted on since: press Measure to count that in."
        return "Click a row to find its object, or an object to find its row."

    def names(self) -> dict[int, str]:
        """Names of the phases of the chosen layer."""
        return names_by_value(self.chooser.layer.features) if self.chooser.layer is not None else {}

    def _source_changed(self) -> None:
        names = self.names()
        for control in self.form.controls.values():
            if isinstance(control, PhaseControl):
                control.offer(names)
        # 0 is no phase if the phases are named and it is not among them, or if nothing says what it is.
        if 0 in names and self.form.controls["ignore"].value() == _UNLABELLED:
            self.form.set_values({"ignore": ""})
        elif 0 not in names and not self.form.controls["ignore"].value():
            self.form.set_values({"ignore": _UNLABELLED})
        self.form.check()
        self._watch_painting()
        self._list_images()
        self._refresh()

    def _watch_painting(self) -> None:
        layer = self.chooser.layer
        if self._watched is layer:
            return
        if self._watched is not None:
            self._watched.events.paint.disconnect(self._painted)
        if layer is not None:
            layer.events.paint.connect(self._painted)
        self._watched = layer

    def _painted(self, event: object = None) -> None:
        shown = self.results.shown
        if shown is not None and shown.source.layer is self.chooser.layer and not self._stale:
            self._stale = True
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

    def _list_images(self) -> None:
        """Offer the images of the shape of the labels; the one they were made from comes first."""
        before, layer = self.image.currentText(), self.chooser.layer
        fitting = [] if layer is None else [one.name for one in self._viewer.layers if _fits(one, layer)]
        fitting.sort(key=lambda name: not layer.name.startswith(name))
        blocked = self.image.blockSignals(True)
        self.image.clear()
        self.image.addItems([*fitting, _NO_IMAGE])
        wanted = _NO_IMAGE if self._without_image else before
        self.image.setCurrentIndex(self.image.findText(wanted) if self._without_image or before in fitting else 0)
        self.image.blockSignals(blocked)

    def _image_chosen(self, index: int) -> None:
        self._without_image = self.image.itemText(index) == _NO_IMAGE

    def _intensities(self, source: Source) -> Planes | None:
        name = self.image.currentText()
        if name == _NO_IMAGE or name not in self._viewer.layers:
            return None
        layer = self._viewer.layers[name]
        planes = Planes(array_of(layer), rgb=is_rgb(layer), name=name)
        return planes if source.plane is None else planes.only(source.plane)

    def run(self) -> None:
        """Measure the chosen labels with the options shown."""
        try:
            source = self.chooser.source()
            options = self.form.options()
            image = self._intensities(source)
        except VisualCCCError as error:
            show_problem(error)
            return
        self._busy_with = source.layer
        self._stale = False
        self.runner.start(
            jobs.run_measure, source, image, options, self.names(), title=f"Measure {source.name}",
            then=bound(self._show, source),
        )  # fmt: skip

    def _show(self, source: Source, result: MeasureResult) -> None:
        self.results.show(source, result, keep=self.keep_box.isChecked())
        # The new layer was selected for a moment, and the chooser followed the selection.
        self.chooser.choose(source.layer)

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


def _single(spec: OptionSpec) -> PhaseControl:
    return PhaseControl(spec, single=True)


def _fits(image: Any, labels: Any) -> bool:
    if kind_of(image) != "image":
        return False
    shape = array_of(image).shape
    return tuple(shape[:-1] if is_rgb(image) else shape) == tuple(array_of(labels).shape)
