"""A viewer with the widget in it, and simulated micrographs of known phases."""

from threading import Event

import numpy as np
import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_visualccc.widgets._cluster_jobs import prepare_colours
from napari_visualccc.widgets._session import _sessions
from napari_visualccc.widgets.calibration import PixelSizeWidget
from napari_visualccc.widgets.cluster import ClusterWidget


@pytest.fixture(scope="session", autouse=True)
def _prepared():
    """Compile once what the first labels layer needs."""
    prepare_colours()


@pytest.fixture
def phases():
    """Three phases with a little noise, 60 × 80."""
    rng = np.random.default_rng(0)
    truth = np.zeros((60, 80), np.uint8)
    truth[:, 30:60] = 1
    truth[20:, 60:] = 2
    return (50 + 70 * truth + rng.normal(0, 3, truth.shape)).astype(np.uint8)


@pytest.fixture
def viewer(make_napari_viewer):
    yield make_napari_viewer()
    _sessions.clear()


@pytest.fixture
def open_widget(viewer):
    """Put the Cluster widget into the viewer's dock."""

    def build() -> ClusterWidget:
        widget = ClusterWidget(viewer)
        viewer.window.add_dock_widget(widget, name="Cluster")
        return widget

    return build


@pytest.fixture
def open_pixel_size(viewer):
    """Put the Pixel size widget into the viewer's dock."""

    def build() -> PixelSizeWidget:
        widget = PixelSizeWidget(viewer)
        viewer.window.add_dock_widget(widget, name="Pixel size")
        return widget

    return build


@pytest.fixture
def held_up(monkeypatch):
    """Let a job begin and wait until the event that this gives is set."""
    gates = []

    def hold(module, name):
        job, gate = getattr(module, name), Event()
        gates.append(gate)

        def late(*args, **keywords):
            gate.wait(60)
            return job(*args, **keywords)

        monkeypatch.setattr(module, name, late)
        return gate

    yield hold
    for gate in gates:
        gate.set()


@pytest.fixture
def finish(qtbot):
    """Wait until a widget's job is over, and what it saves."""

    def wait(widget, timeout=20_000):
        writer = getattr(getattr(widget, "results", None), "writer", widget.runner)
        qtbot.waitUntil(lambda: not (widget.runner.is_running or writer.is_running), timeout=timeout)

    return wait


@pytest.fixture
def type_name(monkeypatch):
    """Type a name into the dialogs that ask where to save, and answer whether to replace other files: No by default.

    Gives a list of the questions that will have been asked.
    """

    def type_in(path, chosen="", answer=QMessageBox.StandardButton.No):
        questions = []
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(path), chosen))
        monkeypatch.setattr(QMessageBox, "question", lambda *said: questions.append(said[2]) or answer)
        return questions

    return type_in


@pytest.fixture
def typed_without_ending(type_name, tmp_path):
    """Save under a name without ending, first where a file is that must stay, then where none is; gives the latter."""

    def save(press, ending):
        (tmp_path / f"old{ending}").write_text("old")
        questions = type_name(tmp_path / "old")
        press()
        assert questions == [f"In {tmp_path} there is already old{ending}. Replace?"]
        questions = type_name(tmp_path / "new")
        press()
        assert not questions
        return tmp_path / f"new{ending}"

    yield save
    assert all(old.read_text() == "old" for old in tmp_path.glob("old*"))
