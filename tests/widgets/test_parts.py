import time

import pytest
from qtpy.QtWidgets import QLabel

from napari_visualccc.widgets import _parts
from napari_visualccc.widgets._jobs import JobRunner
from napari_visualccc.widgets._parts import Fold, RunBar


@pytest.fixture
def bar(qtbot):
    widget = RunBar("Go", "Begin")
    qtbot.addWidget(widget)
    return widget


@pytest.fixture
def runner(bar):
    runner = JobRunner(bar, quiet=True)
    bar.follow(runner, short="glance")
    return runner


@pytest.fixture
def own(qtbot, runner):
    """A bar for jobs of one title."""
    bar = RunBar("Why", "Ask")
    qtbot.addWidget(bar)
    bar.follow(runner, only="why")
    return bar


def wait(*, progress):
    while True:
        progress(0.5, "waiting")
        time.sleep(0.01)


def test_a_bar_follows_the_jobs_of_a_runner(qtbot, bar, runner):
    assert not bar.is_running
    with qtbot.waitSignal(runner.progressed):
        runner.start(wait, title="long")
    assert bar.is_running
    assert bar.button.text() == "Cancel"
    assert bar.bar.value() == 500
    assert "waiting" in bar.words.text()
    with qtbot.waitSignal(runner.finished):
        bar.button.click()
    assert not bar.is_running
    assert bar.button.text() == "Go"


def test_who_hears_of_the_end_later_finds_the_bar_at_rest(qtbot, bar, runner):
    found = []
    runner.finished.connect(lambda: found.append(bar.is_running))
    with qtbot.waitSignal(runner.finished):
        runner.start(lambda *, progress: None)
    assert found == [False]


def test_a_job_that_a_job_begins_is_shown(qtbot, bar, runner):
    with qtbot.waitSignal(runner.finished):
        runner.start(lambda *, progress: None, then=lambda _: runner.start(wait))
    assert bar.is_running
    with qtbot.waitSignal(runner.finished):
        runner.cancel()
    assert not bar.is_running


def test_short_jobs_are_shown_once_they_take_longer(qtbot, bar, runner, monkeypatch):
    with qtbot.waitSignal(runner.progressed):
        runner.start(wait, title="glance")
    assert not bar.is_running
    monkeypatch.setattr(_parts, "_MOMENT_S", 0.0)
    with qtbot.waitSignal(runner.progressed):
        pass
    assert bar.is_running
    with qtbot.waitSignal(runner.finished):
        runner.cancel()
    assert not bar.is_running


def test_a_bar_of_its_own_shows_and_cancels_its_own_jobs_only(qtbot, bar, runner, own):
    with qtbot.waitSignal(runner.progressed):
        runner.start(wait, title="long")
    assert bar.is_running
    assert not own.is_running
    with qtbot.waitSignal(runner.finished):
        runner.cancel()
    with qtbot.waitSignal(runner.progressed):
        runner.start(wait, title="why", then=None)
    assert own.is_running
    with qtbot.waitSignal(runner.finished):
        own.button.click()
    assert not own.is_running


def test_a_bar_of_its_own_rests_when_its_job_begins_another(qtbot, bar, runner, own):
    with qtbot.waitSignal(runner.finished):
        runner.start(lambda *, progress: None, title="why", then=lambda _: runner.start(wait, title="long"))
    assert bar.is_running
    assert not own.is_running
    with qtbot.waitSignal(runner.finished):
        runner.cancel()


def test_a_fold_tells_once_when_it_was_opened(qtbot):
    fold = Fold("More", QLabel("words"))
    qtbot.addWidget(fold)
    heard = []
    fold.toggled.connect(lambda is_open: heard.append((is_open, not fold.content.isHidden())))
    fold.set_open(True)
    fold.set_open(True)
    fold.set_open(False)
    assert heard == [(True, True), (False, False)]


def test_a_long_title_wraps_in_a_narrow_dock(qtbot):
    title = _parts.Title()
    qtbot.addWidget(title)
    words = "Labels of a coating with a long name · plane 3 · 1.05 Mpx · 5 objects"
    title.say(words)
    assert title.text() == title.toolTip() == words
    assert title.minimumSizeHint().width() < 200  # the dock is not widened
    assert title.heightForWidth(200) >= 2 * title.fontMetrics().height()
