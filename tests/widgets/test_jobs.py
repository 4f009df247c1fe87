import threading
import time

import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QDockWidget, QMainWindow, QWidget

from napari_visualccc.core.errors import InputError
from napari_visualccc.widgets._jobs import JobRunner


@pytest.fixture
def parent(qtbot):
    widget = QWidget()
    qtbot.addWidget(widget)
    return widget


def endless(started=None, *, progress):
    while True:
        progress(0.5, "at it")
        if started is not None:
            started.set()
        time.sleep(0.01)


def test_value_arrives_on_gui_thread(qtbot, parent):
    runner, seen = JobRunner(parent), []
    with qtbot.waitSignal(runner.succeeded) as signal:
        runner.start(lambda x, *, progress: x + 1, 41, then=lambda v: seen.append((v, threading.current_thread())))
    assert signal.args == [42]
    assert seen == [(42, threading.main_thread())]


def test_progress_has_fraction_message_and_time_left(qtbot, parent):
    runner, seen = JobRunner(parent), []
    runner.progressed.connect(lambda *args: seen.append(args))

    def slow(*, progress):
        for step in range(80):
            progress(step / 80, "tiles")
            time.sleep(0.01)

    with qtbot.waitSignal(runner.finished):
        runner.start(slow)
    fractions = [fraction for fraction, _, _ in seen]
    assert fractions == sorted(fractions)
    assert len(seen) <= 25  # throttled
    assert seen[-1][1] == "tiles"
    assert 0 < seen[-1][2] < 1


def test_cancel_is_quick(qtbot, parent):
    runner = JobRunner(parent)
    job = runner.start(endless)
    qtbot.wait(50)
    begun = time.perf_counter()
    with qtbot.waitSignal(runner.cancelled):
        runner.cancel()
    assert time.perf_counter() - begun < 1
    assert job.is_done


def test_latest_of_many_wins(qtbot, parent):
    runner, seen = JobRunner(parent), []
    runner.start(endless)
    for number in range(5):
        runner.start(lambda n, *, progress: n, number, then=seen.append)
    qtbot.waitUntil(lambda: not runner.is_running)
    assert seen == [4]


def test_debounce_begins_once(qtbot, parent):
    runner, begun = JobRunner(parent), []
    for _ in range(5):
        runner.later(lambda: begun.append(1), 30)
    qtbot.wait(120)
    assert begun == [1]


def test_user_error_is_one_line(qtbot, parent, monkeypatch):
    from napari.utils import notifications

    shown = []
    monkeypatch.setattr(notifications, "show_error", shown.append)

    def fails(*, progress):
        raise InputError("a.tif is empty")

    runner = JobRunner(parent)
    with qtbot.waitSignal(runner.failed):
        runner.start(fails)
    assert shown == ["a.tif is empty"]


def test_bug_keeps_its_traceback(qtbot, parent, monkeypatch):
    from napari.utils.notifications import notification_manager

    shown = []
    monkeypatch.setattr(notification_manager, "receive_error", lambda *args: shown.append(args))
    runner = JobRunner(parent)
    with qtbot.waitSignal(runner.failed):
        runner.start(lambda *, progress: 1 / 0)
    assert shown[0][0] is ZeroDivisionError
    assert shown[0][2] is not None


def test_hidden_widget_stops_its_job(qtbot, parent):
    runner = JobRunner(parent)
    parent.show()
    job = runner.start(endless)
    parent.hide()
    assert job.wait(1)


@pytest.mark.parametrize("floating", [False, True])
def test_long_work_outlives_a_hidden_dock_but_not_its_window(qtbot, floating):
    window, dock, widget = QMainWindow(), QDockWidget(), QWidget()
    dock.setWidget(widget)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    dock.setFloating(floating)
    window.show()
    runner = JobRunner(widget, while_hidden=True)
    job = runner.start(endless)
    dock.hide()
    assert not job.is_cancelled
    window.close()
    window.deleteLater()
    qtbot.waitUntil(lambda: job.is_cancelled)
    assert job.wait(5)


def test_long_work_ends_when_its_window_closes(qtbot):
    window, dock, widget = QMainWindow(), QDockWidget(), QWidget()
    qtbot.addWidget(window)
    dock.setWidget(widget)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    window.show()
    job = JobRunner(widget, while_hidden=True).start(endless)
    window.close()
    assert job.wait(5)


def test_long_work_ends_with_its_widget_out_of_the_dock(qtbot):
    window, dock, widget = QMainWindow(), QDockWidget(), QWidget()
    qtbot.addWidget(window)
    qtbot.addWidget(widget)
    dock.setWidget(widget)
    window.addDockWidget(Qt.DockWidgetArea.RightDockWidgetArea, dock)
    window.show()
    job = JobRunner(widget, while_hidden=True).start(endless)
    widget.setParent(None)
    assert job.wait(5)


def test_jobs_in_turn_take_nobodys_place(qtbot, parent):
    runner, seen = JobRunner(parent), []
    for number in range(3):
        runner.start(lambda n, *, progress: time.sleep(0.02) or n, number, then=seen.append, in_turn=True)
    qtbot.waitUntil(lambda: len(seen) == 3)
    assert seen == [0, 1, 2]


def test_deleted_widget_stops_its_job(qtbot):
    widget = QWidget()
    runner = JobRunner(widget)
    started = threading.Event()
    job = runner.start(endless, started)
    assert started.wait(1)
    widget.deleteLater()
    qtbot.waitUntil(lambda: job.is_cancelled)
    assert job.wait(1)


def test_activity_dock_shows_and_cancels(qtbot, parent):
    from napari.utils.progress import progress as napari_progress

    runner = JobRunner(parent)
    runner.start(endless, title="Long one")
    qtbot.waitUntil(lambda: any(bar.desc.startswith("Long one") for bar in napari_progress._all_instances))
    (bar,) = [bar for bar in napari_progress._all_instances if bar.desc.startswith("Long one")]
    with qtbot.waitSignal(runner.cancelled):
        bar.cancel()
    assert bar not in napari_progress._all_instances
