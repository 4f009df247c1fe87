"""Nothing freezes, cancelling is quick, closing in the middle of a job is clean, drawing controls is cheap."""

import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from qtpy.QtCore import Qt, QTimer

LONGEST_GAP_S = 0.05
SLOW = {"features": ("intensity", "gaussian", "hessian", "structure", "local", "entropy")}


@pytest.fixture
def large(viewer):
    """4 Mpixel."""
    image = np.random.default_rng(0).integers(0, 255, (2048, 2048)).astype(np.uint8)
    return viewer.add_image(image, name="large")


def start_slow(widget, qtbot):
    widget.form.set_values(SLOW)
    widget.run()
    qtbot.waitUntil(lambda: widget.runner._job.fraction > 0, timeout=5000)


def test_event_loop_runs_on(large, open_widget, finish, qtbot):
    widget = open_widget()
    widget.form.set_values({"features": ("intensity", "gradient")})
    widget.run()
    finish(widget)  # imports and compilation are behind us
    beats = []
    clock = QTimer()
    clock.setTimerType(Qt.TimerType.PreciseTimer)
    clock.timeout.connect(lambda: beats.append((time.perf_counter(), widget.runner._job)))
    clock.start(4)
    longest = []
    for k in (3, 5, 6):  # a busy machine may steal time once: the best of three runs counts
        widget._kept.__init__()
        widget.form.set_values({"k": k})
        beats.clear()
        widget.run()
        job = widget.runner._job
        qtbot.waitUntil(lambda job=job: job.is_done, timeout=20_000)
        gaps = np.diff([at for at, its in beats if its is job])
        assert len(gaps) > 20
        longest.append(gaps.max())
        finish(widget)
    clock.stop()
    assert min(longest) < LONGEST_GAP_S


def test_cancel_within_a_second(viewer, large, open_widget, finish, qtbot):
    widget = open_widget()
    widget.form.set_values({"k": 2})
    widget.run()
    finish(widget)
    before = viewer.layers["large · clusters"].data.copy()
    start_slow(widget, qtbot)
    begun = time.perf_counter()
    qtbot.mouseClick(widget.run_bar.button, Qt.MouseButton.LeftButton)
    finish(widget)
    assert time.perf_counter() - begun < 1
    assert np.array_equal(viewer.layers["large · clusters"].data, before)
    assert "unchanged" in widget.hint.text()
    assert widget.run_bar.button.text() == "Cluster"


def test_close_viewer_mid_run(viewer, large, open_widget, qtbot):
    widget = open_widget()
    start_slow(widget, qtbot)
    job = widget.runner._job
    viewer.close()
    qtbot.waitUntil(lambda: job.is_cancelled, timeout=2000)
    assert job.wait(1)
    assert not [thread for thread in threading.enumerate() if thread.name == "visualccc-job"]


def test_close_dock_mid_run(viewer, large, open_widget, qtbot):
    widget = open_widget()
    start_slow(widget, qtbot)
    job = widget.runner._job
    viewer.window.remove_dock_widget(widget)
    widget.hide()
    widget.deleteLater()
    qtbot.waitUntil(lambda: job.is_cancelled, timeout=2000)
    assert job.wait(1)


def test_source_removed_mid_run(viewer, large, open_widget, finish, qtbot):
    widget = open_widget()
    start_slow(widget, qtbot)
    viewer.layers.remove(large)
    finish(widget, 1500)
    assert len(viewer.layers) == 0
    assert widget.results.shown is None


def test_source_renamed_mid_run(viewer, large, open_widget, finish):
    widget = open_widget()
    widget.run()
    large.name = "other"
    finish(widget)
    assert "other · clusters" in viewer.layers


HEAVY = """
import sys, time
from napari.components import ViewerModel
from qtpy.QtWidgets import QApplication
app = QApplication([])
import napari._qt.qt_viewer
viewer = ViewerModel()
begun = time.perf_counter()
from napari_visualccc.widgets import {name}
widget = {name}(viewer)
app.processEvents()
print(time.perf_counter() - begun)
print([name for name in ("torch", "sklearn", "umap", "captum", "pyqtgraph") if name in sys.modules])
"""


@pytest.mark.parametrize(
    "name", ["ClusterWidget", "MeasureWidget", "PixelSizeWidget", "ProcessWidget", "SegmentWidget"]
)
def test_controls_are_cheap(name):
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", HEAVY.format(name=name)], capture_output=True,
                          text=True, check=True, timeout=60)  # fmt: skip
    seconds, heavy = done.stdout.strip().splitlines()[-2:]
    assert heavy == "[]"
    assert float(seconds) < 0.3
