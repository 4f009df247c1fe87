"""The FFT / lattice widget: the spectrum of a region, its spots and phases, and maps of crystals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qtpy.QtWidgets import QWidget

from napari_visualccc.core.errors import VisualCCCError
from napari_visualccc.processing.lattice_options import LatticeOptions
from napari_visualccc.widgets import _fft_jobs as jobs
from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._fft_panel import FftPanel, counted
from napari_visualccc.widgets._fft_profile import ProfilePanel
from napari_visualccc.widgets._fft_region import RegionPicker
from napari_visualccc.widgets._fft_results import FftResults
from napari_visualccc.widgets._forms import OptionsForm
from napari_visualccc.widgets._jobs import JobRunner, bound, show_problem
from napari_visualccc.widgets._layers import open_widget, theme_colours
from napari_visualccc.widgets._parts import Fold, Hint, RunBar, button, column, row
from napari_visualccc.widgets._phase_table import PhaseTable
from napari_visualccc.widgets._session import bare, remembered
from napari_visualccc.widgets._source import Source
from napari_visualccc.widgets._spectrum_view import SpectrumView

if TYPE_CHECKING:
    from napari_visualccc.processing import LatticeMap, SpectrumResult

_AFTER_OPENING_MS = 300
_LIVE_LOOK_MS = 8
_AT_REST_MS = 250


class FftWidget(QWidget):
    """Spectrum of a region that may be dragged; spots, spacings, phases; Bragg filter; maps of crystals."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        self._viewer = bare(napari_viewer)
        self._memory = remembered(self._viewer, "fft")
        self._note = ""
        self._stale = False  # the region moved while a frame was computed
        self._ready = False  # what a first run would have to wait for is loaded
        self.frames = 0  # spectra shown so far
        self._build()
        self.runner = JobRunner(self)
        self.live = JobRunner(self, quiet=True, look_ms=_LIVE_LOOK_MS)
        self._analyser = JobRunner(self, quiet=True)
        self.region = RegionPicker(self._viewer, self)
        self.results = FftResults(self._viewer, self.panel, self.chooser)
        self._restore()
        self._connect()
        self._style()
        self._refresh()
        self._analyser.later(self._prepare, _AFTER_OPENING_MS)

    def _build(self) -> None:
        self.hint = Hint()
        self.chooser = SourceChooser(self._viewer)
        self.region_button = button("Region …", "Lay a rectangle over the image; drag it, and the spectrum follows")
        self.whole_button = button("Whole plane", "Take the rectangle away and look at the whole plane")
        self.view = SpectrumView()
        self.profile = ProfilePanel()
        self.profile_fold = Fold("Radial profile", self.profile)
        self.panel = FftPanel()
        self.phases = PhaseTable()
        self.phases_fold = Fold("Candidate phases", self.phases)
        self.form = OptionsForm(LatticeOptions)
        self.options_fold = Fold("Options", self.form)
        self.run_bar = RunBar("Map crystals", "Find grains, their phases, spacings and orientations over the image")
        column(
            self, self.hint, self.chooser, row(self.region_button, self.whole_button), self.view,
            self.profile_fold, self.panel, self.phases_fold, self.options_fold, self.run_bar, self.panel.map,
        )  # fmt: skip

    def _connect(self) -> None:
        self.chooser.changed.connect(self._source_changed)
        self.chooser.calibrate_clicked.connect(self._open_pixel_size)
        self.region_button.clicked.connect(self.draw_region)
        self.whole_button.clicked.connect(self.region.remove)
        self.region.changed.connect(self.request)
        self.form.changed.connect(self._options_changed)
        self.phases.changed.connect(self._options_changed)
        self.view.spot_clicked.connect(self.panel.pick)
        self.panel.picked.connect(self.view.select)
        self.panel.picked.connect(self.profile.plot.select)
        self.profile_fold.toggled.connect(self._show_profile)
        self.profile.export_clicked.connect(self.results.export_profile)
        self.panel.bragg_clicked.connect(self.bragg)
        self.panel.calibrate_clicked.connect(self.results.calibrate)
        self.run_bar.run_clicked.connect(self.run)
        self.run_bar.follow(self.runner)
        self.runner.started.connect(self._job_started)
        self.runner.finished.connect(self._job_finished)
        self.runner.cancelled.connect(self._job_cancelled)
        self.live.finished.connect(self._frame_done)
        self._viewer.dims.events.current_step.connect(self._plane_changed)
        self._viewer.events.theme.connect(self._style)

    def _prepare(self) -> None:
        self._analyser.start(jobs.prepare, then=self._prepared)

    def _prepared(self, _: object) -> None:
        self._ready = True
        self.request()

    def _style(self, event: object = None) -> None:
        for plot in (self.view, self.profile.plot):
            plot.set_colours(**theme_colours(self._viewer))

    def _restore(self) -> None:
        if "options" in self._memory:
            self.form.set_values(self._memory["options"])
        if "phases" in self._memory:
            self.phases.set_crystals(*self._memory["phases"])

    def _refresh(self) -> None:
        ready = not self.chooser.problem and not self.form.problem
        for one in (self.region_button, self.whole_button):
            one.setEnabled(ready)
        self.run_bar.button.setEnabled(ready or self.runner.is_running)
        self.hint.setText(self._next_step())

    def _next_step(self) -> str:
        if self.chooser.layer is None:
            return "Open an image to begin."
        if self.chooser.problem or self.form.problem:
            return "Mend what is marked ⚠ below."
        if self.runner.is_running:
            return "Working … the viewer stays usable; Cancel keeps what was there."
        return self._note or self._next_with_region()

    def _next_with_region(self) -> str:
        result = self.results.spectrum
        if result is not None and not result.pixel_size.is_calibrated:
            return "Not calibrated: spacings are in px. Pick a spot whose d you know, and “Calibrate …”."
        if self.region.layer is None:
            return "“Region …” lays a rectangle over the image: drag it, and the spectrum follows."
        return "Click a row or a spot to pick it. “Map crystals” looks over the whole image."

    def draw_region(self) -> None:
        """Lay the rectangle over the image, ready to be dragged."""
        if self.chooser.layer is not None:
            self.region.start(self.chooser.layer)

    def request(self) -> None:
        """Show the spectrum of where the region is now, at once or when the one under way is done."""
        if self.live.is_running:
            self._stale = True
            return
        self._stale = False
        source = self._source()
        if source is not None:
            if self._ready:
                self._analyser.cancel()  # of where the region was
            self.live.start(
                jobs.run_frame, source, self.form.options(), self.region.roi(), then=bound(self._show_frame, source)
            )

    def _source(self) -> Source | None:
        if self.chooser.problem or self.form.problem:
            return None
        return self.chooser.source(current_plane_only=True)

    def _show_frame(self, source: Source, frame: jobs.Frame) -> None:
        self.frames += 1
        self.view.show_frame(frame)
        self.panel.show_moving(len(frame.peaks))
        self._analyser.later(self._analyse, _AT_REST_MS)

    def _frame_done(self) -> None:
        if self._stale:
            self.request()

    def _analyse(self) -> None:
        """Compare with the phases, once the region rests."""
        source = self._source()
        if source is not None:
            self._analyser.start(
                jobs.run_analysis, source, self.form.options(), self.region.roi(), self.phases.crystals(),
                then=bound(self._show_analysis, source),
            )  # fmt: skip

    def _show_analysis(self, source: Source, result: SpectrumResult) -> None:
        if self.live.is_running or self._stale:
            return  # it has moved on
        if self.results.spectrum is None:
            self.view.fit()
        self.results.show_spectrum(source, result)
        self.view.show_matches(tuple(result.crystals))
        self._show_profile()
        self._refresh()

    def _show_profile(self, _: object = None) -> None:
        """Draw the radial profile, if it is seen: only once the region rests, for dragging to stay fluid."""
        if self.profile_fold.is_open and self.results.spectrum is not None:
            self.profile.plot.show_result(self.results.spectrum)

    def bragg(self) -> None:
        """Add the image that the picked spots make, or all of them if none is picked."""
        result = self.results.spectrum
        if result is None or self.chooser.problem:
            return
        source = self.chooser.source()
        labels = self.panel.table.selected_labels() or list(range(1, len(result.peaks) + 1))
        frequencies = [(float(y), float(x)) for y, x in result.peaks.frequency[[label - 1 for label in labels]]]
        self.runner.start(jobs.run_bragg, source, frequencies, title="Bragg filter",
                          then=bound(self.results.show_bragg, (source, result, labels)))  # fmt: skip

    def run(self) -> None:
        """Map grains and phases of the chosen image."""
        try:
            source, options = self.chooser.source(), self.form.options()
        except VisualCCCError as error:
            show_problem(error)
            return
        self.runner.start(jobs.run_map, source, options, self.phases.crystals(), title=f"Map crystals of {source.name}",
                          then=bound(self._show_map, source))  # fmt: skip

    def _show_map(self, source: Source, result: LatticeMap) -> None:
        self.results.show_map(source, result)
        share = f"{result.crystalline_fraction:.1%} crystalline"
        self._note = f"{counted(len(result.found), 'crystal')}, {share}. Click a row to find one in the image."

    def _source_changed(self) -> None:
        self.results.forget_spectrum()
        self.view.clear()
        self.profile.plot.forget()
        self._note = ""
        self._refresh()
        self.request()

    def _options_changed(self) -> None:
        self._note = ""
        if not self.form.problem:
            options = self.form.options()
            self._memory["options"] = {name: getattr(options, name) for name in self.form.controls}
        self._memory["phases"] = self.phases.everything()
        self._refresh()
        self.request()

    def _plane_changed(self, event: object = None) -> None:
        self.request()

    def _job_started(self, title: str) -> None:
        self._note = ""
        self._refresh()

    def _job_finished(self) -> None:
        self._refresh()

    def _job_cancelled(self) -> None:
        self._note = "Cancelled; what was there before is unchanged."

    def _open_pixel_size(self) -> None:
        open_widget(self._viewer, "Pixel size", self.chooser.layer)
