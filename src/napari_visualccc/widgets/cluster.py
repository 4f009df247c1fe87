"""The Cluster widget: group the pixels of an image by what they look like."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QCheckBox, QWidget

from napari_visualccc.cluster import ClusterOptions
from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.widgets import _cluster_jobs as jobs
from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._cluster_panel import ClusterPanel
from napari_visualccc.widgets._cluster_results import CLUSTERS, PREVIEW, ClusterResults
from napari_visualccc.widgets._forms import OptionsForm
from napari_visualccc.widgets._jobs import JobRunner, bound, show_problem
from napari_visualccc.widgets._layers import open_widget, pick_on_click, theme_colours
from napari_visualccc.widgets._parts import Fold, Hint, RunBar, button, column, row
from napari_visualccc.widgets._plots import KPlot
from napari_visualccc.widgets._session import bare, remembered
from napari_visualccc.widgets._source import Source, array_of

if TYPE_CHECKING:
    from napari_visualccc.cluster import ClusterResult
    from napari_visualccc.cluster.choose_k import KCurve

_AFTER_OPENING_MS = 300


class ClusterWidget(QWidget):
    """Cluster the pixels of an image or stack; see, merge, clean and export the clusters."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = bare(napari_viewer)
        self._kept = jobs.KeptFeatures()
        self._curve: KCurve | None = None
        self._curve_of: Any = None
        self._memory = remembered(self._viewer, "cluster")
        self._build()
        self.runner = JobRunner(self)
        self._measurer = JobRunner(self, quiet=True)
        self.results = ClusterResults(self._viewer, self.panel, self.runner, self._measurer, self._memory)
        self._busy_with: Any = None  # layer that a job reads
        self._note = ""  # what just happened, in place of the hint
        self._restore()
        self._connect()
        self._refresh()
        self._measurer.later(self._prepare, _AFTER_OPENING_MS)

    def _build(self) -> None:
        self.hint = Hint()
        self.chooser = SourceChooser(self._viewer)
        self.form = OptionsForm(ClusterOptions)
        self.choose_k_button = button("Choose k …", "Try k = 1 to 10 and plot how well each fits; click a k to take it")
        self.preview_box = QCheckBox("Live preview")
        self.preview_box.setToolTip("Cluster the current plane anew whenever an option or the plane changes")
        self.keep_box = QCheckBox("Keep earlier result")
        self.keep_box.setToolTip("Put the next result into a new layer; otherwise it replaces the last one")
        self.run_bar = RunBar("Cluster", "Group the pixels into k clusters, numbered from dark to bright")
        self.plot = KPlot()
        self.plot_fold = Fold("How many clusters?", self.plot)
        self.plot_fold.hide()
        self.panel = ClusterPanel()
        self.panel.hide()
        column(
            self, self.hint, self.chooser, self.form, self.choose_k_button, self.plot_fold,
            row(self.preview_box, self.keep_box), self.run_bar, self.panel,
        )  # fmt: skip

    def _connect(self) -> None:
        self.chooser.changed.connect(self._source_changed)
        self.chooser.calibrate_clicked.connect(self._open_pixel_size)
        self.form.changed.connect(self._options_changed)
        self.choose_k_button.clicked.connect(self.choose_k)
        self.preview_box.toggled.connect(self._preview_toggled)
        self.keep_box.toggled.connect(self._remember)
        self.run_bar.run_clicked.connect(self.run)
        self.run_bar.follow(self.runner, short=PREVIEW)
        self.runner.started.connect(self._job_started)
        self.runner.progressed.connect(self._refresh)
        self.runner.finished.connect(self._job_finished)
        self.runner.cancelled.connect(self._job_cancelled)
        self.plot.k_chosen.connect(self._take_k)
        self.results.changed.connect(self._refresh)
        self._viewer.layers.events.removed.connect(self._layer_removed)
        self._viewer.dims.events.current_step.connect(self._plane_changed)
        self._viewer.events.theme.connect(self._draw_curve)
        pick_on_click(self._viewer, self)

    def _prepare(self) -> None:
        self._measurer.start(jobs.run_preparation)

    def _restore(self) -> None:
        memory = self._memory
        if "options" in memory:
            self.form.set_values(memory["options"])
            self.preview_box.setChecked(memory["preview"])
            self.keep_box.setChecked(memory["keep"])
            (self.chooser.stack_button if memory["stack"] else self.chooser.plane_button).setChecked(True)
        self.results.restore()

    def _remember(self, *_: object) -> None:
        if not self.form.problem:
            options = self.form.options()
            self._memory["options"] = {name: getattr(options, name) for name in self.form.controls}
        self._memory.update(
            preview=self.preview_box.isChecked(),
            keep=self.keep_box.isChecked(),
            stack=self.chooser.stack_button.isChecked(),
        )
        self._memory.setdefault("options", {})

    def _refresh(self, *_: object) -> None:
        """Buttons and hint say what can be done now."""
        ready = not self.chooser.problem and not self.form.problem
        self.run_bar.button.setEnabled(ready or self.runner.is_running)
        self.choose_k_button.setEnabled(ready and not self.runner.is_running)
        self.hint.setText(self._next_step())

    def _next_step(self) -> str:
        if self.chooser.layer is None:
            return "Open an image to begin."
        if self.chooser.problem or self.form.problem:
            return "Mend what is marked ⚠ below, then press Cluster."
        if self.run_bar.is_running:
            return "Working … the viewer stays usable; Cancel keeps what was there."
        return self._note or self._next_with_result()

    def _next_with_result(self) -> str:
        if self.results.shown is None:
            return "Press Cluster. If you do not know how many clusters, try “Choose k …”."
        if not self.panel.table.selected_labels():
            return "Click a row, or the image, to pick a cluster. Or change the options and cluster again."
        return "Ctrl+click adds rows. Merge those that belong together, or turn them into a mask."

    def _source_changed(self) -> None:
        if self._curve is not None and self._curve_of is not self.chooser.layer:
            self._curve = self._curve_of = None
            self.plot_fold.hide()
        self.results.recalibrate()
        self._remember()
        self._refresh()
        self._request_preview()

    def _options_changed(self) -> None:
        self._note = ""
        self._remember()
        self._refresh()
        self._request_preview()

    def _plane_changed(self, event: object = None) -> None:
        self._request_preview()

    def _preview_toggled(self, on: bool) -> None:
        self._remember()
        if on:
            self._request_preview()
        else:
            self.results.remove_preview()

    def _layer_removed(self, event: Any) -> None:
        if self._busy_with is not None and event.value is self._busy_with:
            self.runner.cancel()

    def _job_started(self, title: str) -> None:
        self._note = ""
        self._refresh()

    def _job_finished(self) -> None:
        self._busy_with = None
        self._refresh()

    def _job_cancelled(self) -> None:
        self._note = "Cancelled; what was there before is unchanged."

    def _inputs(self, *, plane_only: bool = False) -> tuple[Source, ClusterOptions, Any] | None:
        """Source, options and planes; None, and the user told, if something is wrong."""
        try:
            source = self.chooser.source(current_plane_only=plane_only)
            options = self.form.options()
        except VisualCCCError as error:
            show_problem(error)
            return None
        return source, options, self._kept.planes_of(source, array_of(source.layer))

    def run(self) -> None:
        """Cluster the chosen image with the options shown."""
        inputs = self._inputs()
        if inputs is None:
            return
        source, options, planes = inputs
        self._busy_with = source.layer
        self.runner.start(
            jobs.run_cluster, planes, options, source, self._kept, title=f"Cluster {source.name}",
            then=bound(self._show_final, source),
        )  # fmt: skip

    def _request_preview(self) -> None:
        if self.preview_box.isChecked() and not self.chooser.problem and not self.form.problem:
            self.runner.later(self._preview)

    def _preview(self) -> None:
        running_for_real = self.runner.is_running and self.runner.title != PREVIEW
        if running_for_real or self.chooser.problem or self.form.problem or not self.preview_box.isChecked():
            return
        inputs = self._inputs(plane_only=True)
        if inputs is not None:
            source, options, planes = inputs
            self._busy_with = source.layer
            self.runner.start(
                jobs.run_cluster, planes, options, source, self._kept, title=PREVIEW,
                then=bound(self._show_preview, source),
            )  # fmt: skip

    def choose_k(self) -> None:
        """Plot elbow and silhouette over k."""
        inputs = self._inputs()
        if inputs is not None:
            source, options, planes = inputs
            self._busy_with = self._curve_of = source.layer
            self.runner.start(jobs.run_choose_k, planes, options, self._kept, title="Choose k", then=self._show_curve)

    def _show_final(self, source: Source, result: ClusterResult) -> None:
        self.results.show(source, result, CLUSTERS, keep=self.keep_box.isChecked())
        self.results.remove_preview()

    def _show_preview(self, source: Source, result: ClusterResult) -> None:
        if self.preview_box.isChecked():
            self.results.show(source, result, PREVIEW, keep=False)

    def _show_curve(self, curve: KCurve) -> None:
        self._curve = curve
        self.plot_fold.show()
        self.plot_fold.set_open(True)
        self._draw_curve()

    def _draw_curve(self, event: object = None) -> None:
        if self._curve is not None:
            self.plot.show_curve(self._curve, **theme_colours(self._viewer))
            self.plot_fold.set_title(f"How many clusters? Best silhouette: k = {self._curve.best}")

    def _take_k(self, k: int) -> None:
        self.form.set_values({"k": k})

    def _open_pixel_size(self) -> None:
        open_widget(self._viewer, "Pixel size", self.chooser.layer)
