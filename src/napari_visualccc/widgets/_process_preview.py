"""The live preview of the Process widget: follows sliders, planes and the camera, and computes what is seen."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QWidget

from napari_visualccc.core.planes import Region
from napari_visualccc.processing.pipeline import Pipeline
from napari_visualccc.processing.preview import Previewer
from napari_visualccc.widgets import _process_jobs as jobs
from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._jobs import JobRunner
from napari_visualccc.widgets._process_results import PREVIEW, ProcessResults
from napari_visualccc.widgets._source import array_of, current_plane, make_source

if TYPE_CHECKING:
    from napari_visualccc.processing.preview import Preview

# A slider emits every few ms: what comes in this time is one preview. The camera rests for a moment first.
_SLIDER_MS = 10
_CAMERA_MS = 120
_LOOK_MS = 10


class LivePreview(QObject):
    """Keeps the preview layer in step with what is to be previewed.

    Parameters
    ----------
    widget
        Widget that it belongs to.
    viewer, chooser, results
        Where to look, what at, and what shows it.
    wanted
        Gives the steps to preview; None if there is to be no preview now.

    Attributes
    ----------
    failed
        Emitted with words when a preview could not be made.
    """

    failed = Signal(str)

    def __init__(self, widget: QWidget, viewer: Any, chooser: SourceChooser, results: ProcessResults,
                 wanted: Callable[[], Pipeline | None]) -> None:  # fmt: skip
        super().__init__(widget)
        self._viewer, self._chooser, self._results, self._wanted = viewer, chooser, results, wanted
        self._previewer = Previewer()
        self._resting = False
        self.runner = JobRunner(widget, quiet=True, look_ms=_LOOK_MS)
        viewer.dims.events.current_step.connect(self._view_changed)
        viewer.dims.events.ndisplay.connect(self._view_changed)
        scene = getattr(viewer, "scene", viewer)  # napari before 0.9 kept the camera in the viewer
        scene.camera.events.center.connect(self._view_changed)
        scene.camera.events.zoom.connect(self._view_changed)

    def request(self, milliseconds: int = _SLIDER_MS) -> None:
        """Make a preview soon, or take it away if there is to be none."""
        self._resting = False
        if self._steps() is None:
            self.cancel()
            self._results.remove_preview()
        else:
            self.runner.later(self._begin, milliseconds)

    def cancel(self) -> None:
        """Stop what is being computed."""
        self.runner.cancel()

    def rest(self) -> None:
        """Take the preview away until it is requested again: the result is to be seen now, also when zooming in."""
        self._resting = True
        self.cancel()
        self._results.remove_preview()

    def _view_changed(self, event: object = None) -> None:
        if not self._resting:
            self.request(_CAMERA_MS)

    def _steps(self) -> Pipeline | None:
        steps = self._wanted() if self._viewer.dims.ndisplay == 2 else None
        return steps if steps is not None and steps.active else None

    def _begin(self) -> None:
        layer, steps = self._chooser.layer, self._steps()
        if layer is None or steps is None:
            return
        source = make_source(layer)
        key = (id(array_of(layer)), source.planes.is_rgb)
        request = jobs.PreviewRequest(source, current_plane(layer, self._viewer), seen_region(layer), key)
        self.runner.start(
            jobs.run_preview, self._previewer, steps, request, title=PREVIEW, then=partial(self._show, request)
        )

    def _show(self, request: jobs.PreviewRequest, preview: Preview | str | None) -> None:
        if isinstance(preview, str):
            self.failed.emit(preview)
        if self._resting or self._steps() is None or preview is None or isinstance(preview, str):
            self._results.remove_preview()
        else:
            self._results.show_preview(request.source, request.index, preview)


def seen_region(layer: Any) -> Region:
    """Slices of the plane of a layer that are seen on the canvas; all of it if nothing is known."""
    height, width = make_source(layer).planes.plane_shape
    corners = np.asarray(layer.corner_pixels, float)[:, -2:]
    if layer.multiscale:
        corners = corners * np.asarray(layer.downsample_factors[layer.data_level])[-2:]
    (top, left), (bottom, right) = np.floor(corners[0]).astype(int), np.ceil(corners[1]).astype(int) + 1
    rows, columns = slice(max(0, int(top)), min(height, int(bottom))), slice(max(0, int(left)), min(width, int(right)))
    if rows.stop - rows.start < 2 or columns.stop - columns.start < 2:
        return slice(0, height), slice(0, width)
    return rows, columns
