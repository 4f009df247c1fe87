"""Quick mode of the Segment widget: what it makes of the plane, a moment after every stroke."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_visualccc.widgets import _segment_jobs as jobs
from napari_visualccc.widgets._jobs import JobRunner
from napari_visualccc.widgets._segment_results import SegmentResults
from napari_visualccc.widgets._segment_use import ModelDesk
from napari_visualccc.widgets._segment_words import about_quick
from napari_visualccc.widgets._source import Source, SourceChooser, current_plane
from napari_visualccc.widgets._strokes import StrokeLayers

if TYPE_CHECKING:
    from napari_visualccc.segment import QuickSegmenter

_AFTER_STROKE_MS = 60
_LONGEST_WAIT_S = 1.0


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
        results: SegmentResults,
        desk: ModelDesk,
        runner: JobRunner,
        work: Callable[[], jobs.Work],
    ) -> None:
        super().__init__(chooser)
        self._chooser, self._strokes, self._results, self._desk = chooser, strokes, results, desk
        self._runner, self._work = runner, work
        self._live_runner = JobRunner(chooser, quiet=True)
        self._segmenter: QuickSegmenter | None = None
        self._watched: weakref.WeakSet[Any] = weakref.WeakSet()  # images whose features may be kept
        self._is_live = False
        self._phases = 0
        strokes.painted.connect(self._request)
        strokes.counted.connect(self._counted)

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
            self._results.remove_preview()

    def _counted(self, pixels: dict[int, int]) -> None:
        before, self._phases = self._phases, len(pixels)
        if before < 2 <= self._phases:
            self._request()

    def _request(self) -> None:
        if self._is_live:
            self._live_runner.later(self._refresh, _AFTER_STROKE_MS)

    def _refresh(self) -> None:
        layer = self._chooser.layer
        if layer is None or self._chooser.problem or self._runner.is_running or self._phases < 2:
            return
        if self._live_runner.is_running:
            self._request()  # two threads must not share the features kept
            return
        self._live_runner.start(
            jobs.run_quick, self._quick(), self._work(), layer, current_plane(layer, self._chooser.viewer),
            then=self._show,
        )  # fmt: skip

    def _quick(self) -> QuickSegmenter:
        from napari_visualccc.segment import QuickSegmenter

        self._segmenter = self._segmenter or QuickSegmenter()
        for image in {self._chooser.layer, *(one.image for one in self._strokes.all)} - set(self._watched):
            image.events.data.connect(self._forget)
            self._watched.add(image)
        return self._segmenter

    def _forget(self, event: object = None) -> None:
        """Look at the images anew: the pixels of one have changed."""
        self._live_runner.cancel()
        self._live_runner.wait(_LONGEST_WAIT_S)
        if self._segmenter is not None:
            self._segmenter.forget()
        self._request()

    def _show(self, glance: jobs.Glance) -> None:
        self._results.show_preview(glance.image, glance.plane, glance.labels, glance.model.card.colours)
        self.refreshed.emit()

    def train(self, source: Source) -> None:
        """Learn from all strokes, then segment the source."""
        self._live_runner.cancel()
        self._live_runner.wait(_LONGEST_WAIT_S)
        self._runner.start(
            jobs.run_quick_anew, self._quick(), self._work(), source.layer, source.plane or 0, title="Quick",
            then=self._trained,
        )  # fmt: skip

    def _trained(self, glance: jobs.Glance) -> None:
        self._desk.take(glance.model)
        self.done.emit(about_quick(glance.model))
        self._desk.apply()
