"""How fast the FFT panel follows a region that is dragged: a real viewer, real events, the spectrum drawn each time."""

from __future__ import annotations

import time

import numpy as np


def frames_per_second(seconds: float = 6.0) -> tuple[float, float, float]:
    """Spectra of a 512² region shown per second of dragging, hold of the event loop (99 %) and CPU per frame in ms."""
    import napari
    from qtpy.QtCore import Qt, QTimer
    from qtpy.QtWidgets import QApplication

    from napari_visualccc.samples import HrtemOptions, hrtem
    from napari_visualccc.widgets.fft import FftWidget

    sample = hrtem(HrtemOptions(size=2048, seed=1))
    viewer = napari.Viewer()
    viewer.add_image(sample.image[0], scale=(0.025, 0.025), units=("nm", "nm"))
    widget = FftWidget(viewer)
    viewer.window.add_dock_widget(widget)
    application = QApplication.instance()
    assert application is not None
    widget.draw_region()
    _wait(application, lambda: widget.frames > 0 and widget.results.spectrum is not None)
    beats: list[float] = []
    clock = QTimer()
    clock.setTimerType(Qt.TimerType.PreciseTimer)
    clock.timeout.connect(lambda: beats.append(time.perf_counter()))
    clock.start(4)
    layer = widget.region.layer
    first, shown = layer.data[0].copy(), widget.frames
    start, cpu = time.perf_counter(), time.process_time()
    step = 0
    while time.perf_counter() - start < seconds:
        layer.data = [first + [4 * np.sin(step / 10) * 50, step % 400]]  # as each step of a drag does
        step += 1
        application.processEvents()
    rate = (widget.frames - shown) / (time.perf_counter() - start)
    cost = 1000 * (time.process_time() - cpu) / max(widget.frames - shown, 1)
    clock.stop()
    viewer.close()
    return rate, 1000 * float(np.quantile(np.diff(beats), 0.99)) if len(beats) > 1 else float("nan"), cost


def _wait(application, done, timeout_s: float = 120.0) -> None:  # type: ignore[no-untyped-def]
    end = time.perf_counter() + timeout_s
    while not done():
        if time.perf_counter() > end:
            raise TimeoutError("the panel shows no spectrum")
        application.processEvents()
        time.sleep(0.002)
