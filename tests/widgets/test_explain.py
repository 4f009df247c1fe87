"""The Explain part of the widgets in a real viewer, on a network whose reasons are known."""

import time
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_visualccc.core.colours import label_colour
from napari_visualccc.models.card import ClassInfo, ModelCard
from napari_visualccc.segment import SegmentationModel
from napari_visualccc.widgets import _explain_jobs
from napari_visualccc.widgets._layers import find_layer
from napari_visualccc.widgets._segment_words import TRAINING
from napari_visualccc.widgets._session import _sessions

SCALE = (1, 2, 4)


@pytest.fixture
def model(bright_network):
    """Makes models of phases with these names."""

    def made(*names, kind="unet"):
        classes = tuple(ClassInfo(n, name, label_colour(n)) for n, name in enumerate(names, start=1))
        return SegmentationModel(bright_network, ModelCard("segment", {"kind": kind}, classes))

    return made


@pytest.fixture
def masks():
    """Cracks in a stack of three planes, each elsewhere."""
    found = np.zeros((3, 60, 90), np.uint8)
    for plane in range(3):
        found[plane, 10 + 10 * plane : 20 + 10 * plane, 15 : 40 + 15 * plane] = 1
    return found


@pytest.fixture
def opened(make_napari_viewer, qtbot, masks, monkeypatch, tmp_path):
    monkeypatch.setattr("napari_visualccc.segment.strokes.strokes_folder", lambda: tmp_path / "strokes")
    viewer = make_napari_viewer(show=True)
    image = 100 + 60.0 * masks + np.random.default_rng(0).normal(0, 5, masks.shape)
    layer = viewer.add_image(image, name="scan", scale=SCALE, translate=(0, 10, 20), units=("pixel", "nm", "nm"))
    viewer.dims.set_current_step(0, 1)
    _, widget = viewer.window.add_plugin_dock_widget("napari-visualccc", "Segment")
    widget.panel.explain_fold.set_open(True)
    yield viewer, widget, layer
    widget.runner.cancel()
    widget.runner.wait(20)
    widget._preparer.wait(60)
    widget.strokes._keeper.wait(20)
    _sessions.clear()


def test_who_went_on_to_another_image_stays_there(opened, qtbot, model, held_up):
    viewer, widget, layer = opened
    widget.desk.take(model("ground", "crack"))
    go_on = held_up(_explain_jobs, "run_explain")
    qtbot.mouseClick(widget.panel.explain.run_bar.button, Qt.MouseButton.LeftButton)
    other = viewer.add_image(layer.data[::-1], name="other")
    assert widget.chooser.layer is other
    go_on.set()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60_000)
    assert any(one.name.startswith("scan · ") and one is not layer for one in viewer.layers)
    assert widget.chooser.layer is other


def explain(widget, qtbot):
    qtbot.mouseClick(widget.panel.explain.run_bar.button, Qt.MouseButton.LeftButton)
    assert widget.runner.is_running
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60_000)


def test_what_is_needed_is_said_in_words(opened, qtbot, model):
    _, widget, _ = opened
    panel = widget.panel.explain
    widget.panel.explain_fold.set_open(False)
    assert not panel.isVisible()
    widget.panel.explain_fold.set_open(True)
    assert "need a U-Net" in panel.remark.text()
    assert panel.remark.isVisible()
    assert not panel.run_bar.button.isEnabled()
    widget._set_quick(True)
    widget.desk.take(model("ground", "crack", kind="pixels"))
    assert "need a U-Net" in panel.remark.text()
    assert not panel.run_bar.button.isEnabled()
    widget.desk.take(model("ground", "crack"))
    assert panel.run_bar.button.isEnabled()
    assert "not of Quick" in panel.remark.text()
    widget._set_quick(False)
    assert not panel.remark.isVisible()
    assert [panel.target.itemText(n) for n in range(panel.target.count())] == ["predicted", "ground", "crack"]
    assert panel.region.isVisible()


def test_the_plane_shown_is_explained_where_it_is(opened, qtbot, masks, model):
    viewer, widget, layer = opened
    widget.desk.take(model("ground", "crack"))
    explain(widget, qtbot)
    heat = viewer.layers["scan · Grad-CAM crack"]  # the background is not what is asked about
    assert heat.data.shape == (1, 60, 90)
    assert tuple(heat.scale) == SCALE
    assert tuple(heat.translate) == (1, 10, 20)
    assert heat.units == layer.units
    assert heat.data[0][masks[1] == 1].sum() > 0.8 * heat.data.sum()
    record = heat.metadata["visualccc"]["provenance"]
    assert record["operation"] == "explain"
    assert record["command"].startswith("visualccc explain MODEL scan --plane 1 --output explained")
    assert "Not judged" in widget.panel.explain.words.text()
    assert widget.chooser.layer is layer
    qtbot.mouseClick(widget.panel.explain.provenance, Qt.MouseButton.LeftButton)
    assert "visualccc explain" in widget.desk.explaining.dialog.command.toPlainText()
    widget.desk.explaining.dialog.close()


def test_words_are_of_a_layer_and_go_with_it(opened, qtbot, model):
    viewer, widget, layer = opened
    panel = widget.panel.explain
    widget.desk.take(model("ground", "crack"))
    explain(widget, qtbot)
    assert panel.words.text().startswith("scan · Grad-CAM crack:\n")
    viewer.layers.remove("scan · Grad-CAM crack")
    assert not panel.words.isVisible()
    assert not panel.provenance.isVisible()
    explain(widget, qtbot)
    assert panel.words.isVisible()


def test_stack_phase_region_and_judgement_follow_the_choice(opened, qtbot, masks, model):
    viewer, widget, _ = opened
    widget.desk.take(model("ground", "crack"))
    panel = widget.panel.explain
    widget.chooser.stack_button.setChecked(True)
    panel.judge_box.setChecked(True)
    panel.method.setCurrentIndex(panel.method.findData("hirescam"))
    panel.target.setCurrentText("ground")
    panel.region.setCurrentIndex(panel.region.findData("everywhere"))
    explain(widget, qtbot)
    heat = viewer.layers["scan · HiResCAM ground"]
    assert heat.data.shape == masks.shape
    assert tuple(heat.translate) == (0, 10, 20)
    parameters = heat.metadata["visualccc"]["provenance"]["parameters"]
    assert parameters["region"] == "everywhere"
    assert "Insertion" in panel.words.text()
    assert "random" in panel.words.text()
    assert "Not judged" not in panel.words.text()


def test_earlier_results_over_the_image_are_hidden_once(opened, qtbot, masks, model):
    viewer, widget, layer = opened
    widget.desk.take(model("ground", "crack"))
    widget.paint()
    widget.desk.apply()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60_000)
    phases = find_layer(viewer, "scan · phases", "labels")
    other = viewer.add_image(masks, name="scan of another")
    widget.chooser.choose(layer)
    explain(widget, qtbot)
    assert not phases.visible
    assert layer.visible
    assert other.visible
    assert widget.strokes.of(layer).visible
    names = [one.name for one in viewer.layers]
    assert names.index("scan · Grad-CAM crack") < names.index("scan · strokes")  # strokes lie on top
    phases.visible = True
    explain(widget, qtbot)
    assert phases.visible  # as the user left it
    assert [one.name for one in viewer.layers] == names


def test_heat_of_a_plane_is_added_up_over_its_own_labels(opened, qtbot, masks, model):
    viewer, widget, _ = opened
    widget.desk.take(model("ground", "crack"))
    truth = viewer.add_labels(masks, name="truth", scale=SCALE)
    widget.paint()  # strokes are no phases
    panel = widget.panel.explain
    assert [panel.phases.itemText(n) for n in range(panel.phases.count())] == ["none", "truth"]
    explain(widget, qtbot)
    viewer.dims.set_current_step(0, 2)  # what was explained stays what it was
    panel.phases.setCurrentIndex(1)
    qtbot.waitUntil(lambda: panel.table.frame is not None)
    share = panel.table.frame.set_index("label")
    assert share.loc[1, "heat_fraction"] > 0.8
    assert share.loc[1, "area_fraction"] == pytest.approx(masks[1].mean())
    truth.name = "masks"
    assert panel.phases.currentText() == "masks"
    viewer.layers.remove(truth)
    assert panel.phases.currentText() == "none"
    assert not panel.table.isVisible()


def test_a_phase_that_is_nowhere_is_told(opened, qtbot, model):
    viewer, widget, layer = opened
    widget.desk.take(model("ground", "crack"))
    layer.data = np.full(layer.data.shape, 100.0) + np.arange(90) % 2 * 1e-3
    widget.panel.explain.target.setCurrentText("crack")
    widget.panel.explain.judge_box.setChecked(True)
    explain(widget, qtbot)
    assert "no pixel is called so in 1 of 1 planes" in widget.panel.explain.words.text()
    assert not viewer.layers["scan · Grad-CAM crack"].data.any()


def test_doubts_and_the_scale_of_each_heat_are_shown(opened, qtbot, masks, model):
    viewer, widget, layer = opened
    known = model("ground", "crack")
    network = deepcopy(known.network)
    network.head.bias.data[1] += 1e4  # the score comes from nowhere in the image
    widget.desk.take(replace(known, network=network))
    widget.panel.explain.region.setCurrentIndex(1)
    widget.panel.explain.target.setCurrentText("crack")
    odd = np.array(layer.data)
    odd[1, 25, 20:24] = 2000
    layer.data = odd
    explain(widget, qtbot)
    assert "⚠ all heat adds up to less than 1% of" in widget.panel.explain.words.text()
    heat = viewer.layers["scan · Grad-CAM crack"]
    first = heat.contrast_limits
    assert first[1] < 0.7
    layer.data = 100 + 60.0 * masks
    explain(widget, qtbot)
    assert heat.contrast_limits[1] > first[1]
    heat.contrast_limits = (0, 0.7)  # the user's choice stays
    layer.data = odd
    explain(widget, qtbot)
    assert heat.contrast_limits == [0, 0.7]


def test_explaining_ends_no_training_and_is_cancelled_beside_its_button(opened, qtbot, monkeypatch, model):
    viewer, widget, _ = opened
    widget.desk.take(model("ground", "crack"))
    bar = widget.panel.explain.run_bar

    def endless(*args, progress):
        while True:
            progress(0.5, "busy")
            time.sleep(0.01)

    job = widget.runner.start(endless, title=TRAINING)
    assert not bar.button.isEnabled()
    assert not bar.is_running
    widget.runner.cancel()
    qtbot.waitUntil(lambda: not widget.runner.is_running)
    assert job.was_cancelled
    assert bar.button.isEnabled()
    monkeypatch.setattr(_explain_jobs, "run_explain", endless)
    qtbot.mouseClick(bar.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: "busy" in bar.words.text())
    assert bar.button.text() == "Cancel"
    assert bar.button.isEnabled()
    qtbot.mouseClick(bar.button, Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=1000)
    assert bar.button.text() == "Explain"
    assert [one.name for one in viewer.layers] == ["scan"]


def test_choices_are_remembered_for_the_session(opened, qtbot, model):
    viewer, widget, _ = opened
    widget.desk.take(model("ground", "crack"))
    widget.panel.explain.method.setCurrentIndex(2)
    widget.panel.explain.target.setCurrentText("crack")
    explain(widget, qtbot)
    widget.desk.take(model("ground", "pore", "crack"))  # phases may move; the one chosen stays
    assert widget.panel.explain.target.currentText() == "crack"
    from napari_visualccc.widgets import SegmentWidget

    again = SegmentWidget(viewer)
    qtbot.addWidget(again)
    assert again.panel.explain.method.currentIndex() == 2
    assert again.panel.explain.target.currentText() == "crack"
    again._preparer.wait(60)


def test_all_controls_have_tooltips_and_fit_a_narrow_dock(opened, qtbot, model):
    from qtpy.QtWidgets import QCheckBox, QComboBox, QPushButton

    _, widget, _ = opened
    widget.desk.take(model("a phase with a very long name indeed, longer than any dock is wide", "crack"))
    panel = widget.panel.explain
    for one in (child for kind in (QComboBox, QCheckBox, QPushButton) for child in panel.findChildren(kind)):
        assert one.toolTip()
    explain(widget, qtbot)
    assert panel.minimumSizeHint().width() <= 290
