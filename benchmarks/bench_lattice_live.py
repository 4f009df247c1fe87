"""How fast the FFT panel follows a region that is dragged: a real viewer, the mouse's own events, each spectrum drawn.

napari itself moves the rectangle and draws the canvas at every step, in software if there is no graphics card. The same
drag without the panel shows what of the holds is napari's.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

_SECONDS = 6.0
_MOVES_PER_S = 125  # of a common mouse


@dataclass(frozen=True)
class Drag:
    """What was seen during one drag.

    Attributes
    ----------
    frames_per_s
        Spectra shown per second.
    hold_ms
        Time between two beats of the event loop, 99 % of them.
    own_ms
        Longest time for which anything of the panel held the event loop: what it does when the region moves, when a
        spectrum is there, and when it is painted.
    own_cpu_ms
        Processor time of the viewer's thread spent so per spectrum.
    frame_cpu_ms
        Processor time of the background thread per spectrum.
    steps_per_s
        Mouse moves that napari kept up with.
    """

    frames_per_s: float
    hold_ms: float
    own_ms: float
    own_cpu_ms: float
    frame_cpu_ms: float
    steps_per_s: float


def measure(seconds: float = _SECONDS, *, panel: bool = True) -> Drag:
    """Drag a 512² region over a 4-Mpixel image, with the panel or without."""
    import napari
    from qtpy.QtCore import Qt, QTimer
    from qtpy.QtWidgets import QApplication

    from napari_visualccc.samples import HrtemOptions, hrtem
    from napari_visualccc.widgets._fft_region import RegionPicker
    from napari_visualccc.widgets.fft import FftWidget

    own, behind = _timed_panel()
    sample = hrtem(HrtemOptions(size=2048, seed=1))
    viewer = napari.Viewer()
    image = viewer.add_image(sample.image[0], scale=(0.025, 0.025), units=("nm", "nm"))
    application = QApplication.instance()
    assert application is not None
    widget: Any = FftWidget(viewer) if panel else None
    if panel:
        viewer.window.add_dock_widget(widget)
        widget.draw_region()
        wait(application, lambda: widget.frames > 0 and widget.results.spectrum is not None)
        region = widget.region
    else:
        region = RegionPicker(viewer, viewer.window._qt_viewer)
        region.start(image)
    end = time.perf_counter() + 1
    wait(application, lambda: time.perf_counter() > end)  # until windows and shaders rest
    beats: list[float] = []
    clock = QTimer()
    clock.setTimerType(Qt.TimerType.PreciseTimer)
    clock.timeout.connect(lambda: beats.append(time.perf_counter()))
    clock.start(4)
    shown = widget.frames if panel else 0
    mouse = Mouse(viewer, application)
    middle = np.array([1024.0, 1024.0]) * 0.025
    mouse.press(middle)
    own.clear()
    behind.clear()
    start, step = time.perf_counter(), 0
    while (passed := time.perf_counter() - start) < seconds:
        mouse.move(middle + 0.025 * 300 * np.array([np.sin(1.1 * passed), np.sin(0.7 * passed)]))
        step += 1
        due = start + (step + 1) / _MOVES_PER_S
        application.processEvents()
        while time.perf_counter() < due:
            application.processEvents()
            time.sleep(0.001)
    passed, gaps = time.perf_counter() - start, 1000 * np.diff(beats)
    frames = widget.frames - shown if panel else 0
    assert not np.allclose(region.layer.data[0].mean(0), [1023.5, 1023.5], atol=1), "the mouse moved nothing"
    mouse.release()
    viewer.close()
    return Drag(
        frames / passed, float(np.quantile(gaps, 0.99)), max((wall for wall, _ in own), default=0.0),
        sum(cpu for _, cpu in own) / max(frames, 1), sum(cpu for _, cpu in behind) / max(frames, 1), step / passed,
    )  # fmt: skip


def _timed_panel() -> tuple[list[tuple[float, float]], list[tuple[float, float]]]:
    """Make the panel note what it takes, wall and processor in ms: on the viewer's thread, and on its own."""
    import pyqtgraph

    from napari_visualccc.widgets import _fft_jobs
    from napari_visualccc.widgets._fft_region import RegionPicker
    from napari_visualccc.widgets.fft import FftWidget

    own: list[tuple[float, float]] = []
    behind: list[tuple[float, float]] = []

    def watch(place: Any, name: str, notes: list[tuple[float, float]]) -> None:
        function = getattr(place, name)

        def timed(*args: Any, **keywords: Any) -> Any:
            wall, cpu = time.perf_counter(), time.thread_time()
            try:
                return function(*args, **keywords)
            finally:
                notes.append((1000 * (time.perf_counter() - wall), 1000 * (time.thread_time() - cpu)))

        setattr(place, name, timed)

    watch(RegionPicker, "_moved", own)
    watch(FftWidget, "_show_frame", own)
    watch(pyqtgraph.GraphicsView, "paintEvent", own)
    watch(_fft_jobs, "run_frame", behind)
    return own, behind


class Mouse:
    """Left button on the canvas of a viewer; places are in world coordinates."""

    def __init__(self, viewer: Any, application: Any) -> None:
        self._viewer, self._application = viewer, application
        self._canvas = viewer.window._qt_viewer.canvas
        self._at = np.zeros(2)

    def press(self, place: Any) -> None:
        """Press."""
        self._send("MouseMove", place, pressed=False)
        self._send("MouseButtonPress", place)

    def move(self, place: Any) -> None:
        """Move with the button held."""
        self._send("MouseMove", place)

    def release(self) -> None:
        """Let go."""
        self._send("MouseButtonRelease", self._at)

    def _send(self, kind: str, place: Any, *, pressed: bool = True) -> None:
        from qtpy.QtCore import QEvent, QPointF, Qt
        from qtpy.QtGui import QMouseEvent

        self._at = np.asarray(place, float)
        left, none = Qt.MouseButton.LeftButton, Qt.MouseButton.NoButton
        height, width = self._canvas.size
        camera = self._viewer.camera
        y, x = (self._at - np.array(camera.center[-2:])) * camera.zoom + np.array([height, width]) / 2
        own = left if kind != "MouseMove" else none
        held = none if kind == "MouseButtonRelease" or not pressed else left
        at = QPointF(float(x), float(y))
        event = QMouseEvent(getattr(QEvent.Type, kind), at, self._canvas.native.mapToGlobal(at), own, held,
                            Qt.KeyboardModifier.NoModifier)  # fmt: skip
        self._application.sendEvent(self._canvas.native, event)


def wait(application: Any, done: Callable[[], bool], timeout_s: float = 120.0) -> None:
    """Let the viewer go on until something is done."""
    end = time.perf_counter() + timeout_s
    while not done():
        if time.perf_counter() > end:
            raise TimeoutError("the panel shows no spectrum")
        application.processEvents()
        time.sleep(0.002)
