"""Quick mode of the Segment widget: what it makes of the plane, a moment after every stroke."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

from qtpy.QtCore import QObject, Signal

from napari_visualccc.segment.options import QuickOptions
from napari_visualccc.widgets import _segment_jobs as jobs
from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._forms import OptionsForm
from napari_visualccc.widgets._jobs import JobRunner
from napari_visualccc.widgets._segment_preview import has_preview, remove_preview, show_preview
from napari_visualccc.widgets._segment_use import ModelDesk
from napari_visualccc.widgets._segment_words import about_quick
from napari_visualccc.widgets._source import Source, current_plane, make_source
from napari_visualccc.widgets._strokes import StrokeLayers

_AFTER_STROKE_MS = 60


class QuickDesk(QObject):
    """Keeps the pixel classifier and refreshes its picture while the user paints.

    Attributes
    ----------
    done
        Emitted with words when a training that the user asked for has ended.
    refreshed
        Emitted when the picture shows the latest strokes.
    """

    done = Signal(str)
    refreshed = Signal()

    def __init__(
        self,
        chooser: SourceChooser,
        strokes: StrokeLayers,
        desk: ModelDesk,
        runner: JobRunner,
        work: Callable[[], jobs.Work],
        form: OptionsForm[QuickOptions],
    ) -> None:
        super().__init__(chooser)
        self._form = form
        self._chooser, self._strokes, self._desk = chooser, strokes, desk
        self._runner, self._work = runner, work
        self._live_runner = JobRunner(chooser, quiet=True)
        self._bench: jobs.QuickBench | None = None
        self._watched: weakref.WeakSet[Any] = weakref.WeakSet()  # images whose features may be kept
        self._is_live = False
        self._phases = 0
        self._is_behind = False
        strokes.painted.connect(self._request)
        chooser.changed.connect(self._follow)
        chooser.viewer.dims.events.current_step.connect(self._follow)
        strokes.counted.connect(self._counted)
        form.changed.connect(self._options_changed)
        runner.finished.connect(self._caught_up)

    @property
    def is_busy(self) -> bool:
        """True while a picture is being made."""
        return self._live_runner.is_running

    def set_live(self, live: bool) -> None:
        """Refresh after every stroke, or not."""
        was_live, self._is_live = self._is_live, live
        if live:
            self._request()
        elif was_live:
            self._live_runner.cancel()
            remove_preview(self._chooser.viewer)

    def _options_changed(self) -> None:
        self._is_behind = self._runner.is_running  # the picture waits for it
        self._request()

    def _caught_up(self) -> None:
        if self._is_behind:
            self._is_behind = False
            self._request()

    def _counted(self, pixels: dict[int, int]) -> None:
        before, self._phases = self._phases, len(pixels)
        if before < 2 <= self._phases:
            self._request()

    def _follow(self, event: object = None) -> None:
        """Another plane or image is in sight: the picture, if there is one, comes along."""
        if has_preview(self._chooser.viewer):
            self._request()

    def _request(self) -> None:
        if self._is_live:
            self._live_runner.later(self._refresh, _AFTER_STROKE_MS)

    def _refresh(self) -> None:
        layer = self._chooser.layer
        if layer is None or self._chooser.problem or self._form.problem or self._runner.is_running or self._phases < 2:
            return
        if self._live_runner.is_running:
            self._request()  # two threads must not share the features kept
            return
        self._live_runner.start(
            jobs.run_quick, self._quick(), self._work(), make_source(layer),
            current_plane(layer, self._chooser.viewer), then=self._show,
        )  # fmt: skip

    def _quick(self) -> jobs.QuickBench:
        options = self._form.options()
        if self._bench is None or self._bench.options != options:
            self._bench = jobs.QuickBench(options)
        for image in {self._chooser.layer, *(one.image for one in self._strokes.all)} - set(self._watched):
            image.events.data.connect(self._forget)
            self._watched.add(image)
        return self._bench

    def _forget(self, event: object = None) -> None:
        """Look at the images anew: the pixels of one have changed."""
        self._live_runner.cancel()
        if self._bench is not None:
            self._bench.forget()
        self._request()

    def _show(self, glance: jobs.Glance) -> None:
        show_preview(
            self._chooser.viewer, glance.image, glance.plane, glance.labels, glance.model.card.colours,
            below=self._strokes.of(glance.image),
        )  # fmt: skip
        self.refreshed.emit()

    def train(self, source: Source) -> None:
        """Learn from all strokes, then segment the source."""
        self._live_runner.cancel()
        self._runner.start(
            jobs.run_quick, self._quick(), self._work(), make_source(source.layer), source.plane or 0, anew=True,
            title="Quick", then=self._trained,
        )  # fmt: skip

    def _trained(self, glance: jobs.Glance) -> None:
        self._desk.take(glance.model)
        self.done.emit(about_quick(glance.model))
        self._desk.apply()
