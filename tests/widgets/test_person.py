"""What a person does: opens a sample, paints with the mouse, trains, looks, compares, measures, and saves.

Screenshots of each step go into the folder that the environment variable VISUALCCC_SHOTS names, if there is one.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from qtpy.QtCore import QPoint, Qt
from scipy.ndimage import distance_transform_edt

from napari_visualccc.io import read
from napari_visualccc.widgets import MeasureWidget

WAIT_MS = 300_000
PLANE = 2


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    """Strokes are kept in a folder of the test."""
    monkeypatch.setattr("napari_visualccc.segment.strokes.strokes_folder", lambda: tmp_path / "strokes")


@pytest.fixture
def viewer(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window._qt_window.resize(1400, 1100)
    return viewer


def shoot(viewer, qtbot, name):
    qtbot.wait(100)
    picture = viewer.window._qt_window.grab()
    assert not picture.isNull()
    if "VISUALCCC_SHOTS" in os.environ:
        picture.save(str(Path(os.environ["VISUALCCC_SHOTS"]) / f"{name}.png"))


def click(button, qtbot):
    assert button.isEnabled(), button.text()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def drag(viewer, layer, place, qtbot):
    """Bring a place of a layer into the middle of the canvas, and draw a short stroke there."""
    viewer.scene.camera.center = (0.0, *layer.data_to_world(place)[-2:])
    canvas = viewer.window._qt_viewer.canvas.native
    qtbot.wait(50)
    point = canvas.rect().center()
    qtbot.mousePress(canvas, Qt.MouseButton.LeftButton, pos=point)
    for _ in range(4):
        point += QPoint(2, 0)
        qtbot.mouseMove(canvas, point)
        qtbot.wait(10)
    qtbot.mouseRelease(canvas, Qt.MouseButton.LeftButton, pos=point)


def middles(mask, count):
    """Places deep inside a phase, far from each other."""
    depth = distance_transform_edt(np.pad(mask, 1))[1:-1, 1:-1]
    y, x = np.indices(mask.shape)
    for _ in range(count):
        place = np.unravel_index(depth.argmax(), depth.shape)
        yield place
        depth = np.where(np.hypot(y - place[0], x - place[1]) < 60, 0, depth)


def test_from_a_sample_to_numbers(viewer, qtbot, tmp_path):
    image, truth = viewer.open_sample("napari-visualccc", "porous")
    viewer.dims.set_current_step(0, PLANE)
    _, widget = viewer.window.add_plugin_dock_widget("napari-visualccc", "Segment")
    widget.chooser.choose(image)
    names = dict(zip(truth.features["index"], truth.features["name"], strict=True))
    while len(widget.phases.names) < len(names):
        click(widget.phases.add_button, qtbot)
    for row, name in enumerate(names.values()):
        widget.phases.table.item(row, 0).setText(name)
    shoot(viewer, qtbot, "1_opened")

    click(widget.paint_button, qtbot)
    for row, value in enumerate(names):
        widget.phases.table.selectRow(row)
        for place in middles(truth.data[PLANE] == value, 5):
            drag(viewer, image, (PLANE, *place), qtbot)
    strokes = widget.strokes.of(image)
    assert set(np.unique(strokes.data[PLANE])) == {0, *range(1, len(names) + 1)}
    assert not np.delete(strokes.data, PLANE, axis=0).any()
    qtbot.waitUntil(lambda: widget._ready, timeout=WAIT_MS)
    viewer.reset_view()
    shoot(viewer, qtbot, "2_painted")

    click(widget.network_button, qtbot)
    widget.form.set_values({"steps": 3, "patch": 64, "batch": 2})
    click(widget.run_bar.button, qtbot)
    qtbot.waitUntil(lambda: widget.results.shown is not None and not widget.runner.is_running, timeout=WAIT_MS)
    shoot(viewer, qtbot, "3_network")

    click(widget.quick_button, qtbot)
    click(widget.live_box, qtbot)
    before = widget.results.shown
    click(widget.run_bar.button, qtbot)
    qtbot.waitUntil(lambda: widget.results.shown is not before and not widget.runner.is_running, timeout=WAIT_MS)
    click(widget.panel.comparison.compare_button, qtbot)
    qtbot.waitUntil(lambda: "mean IoU" in widget.panel.comparison.scores.text(), timeout=WAIT_MS)
    shoot(viewer, qtbot, "4_quick_compared")
    found = float(widget.panel.comparison.scores.text().split("mean IoU ")[1].split()[0])
    assert found > 0.6

    widget.results.export(str(tmp_path / "phases"))
    click(widget.panel.measure_button, qtbot)
    measure = viewer.window._qt_window.findChild(MeasureWidget)
    click(measure.run_bar.button, qtbot)
    qtbot.waitUntil(lambda: measure.results.shown is not None and not measure.runner.is_running, timeout=WAIT_MS)
    shoot(viewer, qtbot, "5_measured")
    fractions = dict(measure.results.shown.result.phases[["class", "fraction"]].to_numpy())
    for value, name in names.items():
        assert fractions[name] == pytest.approx(float((truth.data[PLANE] == value).mean()), abs=0.1)
    measure.results.export(str(tmp_path / "sizes"))
    qtbot.waitUntil(lambda: not (widget._writer.is_running or measure._writer.is_running), timeout=WAIT_MS)
    (labels,) = (tmp_path / "phases").glob("*_phases.ome.tif")
    np.testing.assert_array_equal(read(labels)[0].planes.read(0), widget.results.shown.layer.data[PLANE])
    assert read(labels)[0].pixel_size.unit == "nm"
    assert len(list((tmp_path / "sizes").glob("*.csv"))) >= 3
