"""The Measure widget in a real viewer: measure, find objects, layer thickness, export, wrong input."""

from __future__ import annotations

import shlex
import time
from threading import Event, current_thread, main_thread

import dask
import dask.array as da
import numpy as np
import pandas as pd
import pytest
from qtpy.QtWidgets import QApplication

from napari_visualccc.cli import main
from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.core.progress import Progress
from napari_visualccc.io import read, write_tiff
from napari_visualccc.layers import METADATA_KEY
from napari_visualccc.segment import MeasureOptions, measure_phases
from napari_visualccc.widgets import MeasureWidget
from napari_visualccc.widgets import _measure_jobs as jobs
from napari_visualccc.widgets._measure_panel import MOST_OBJECTS

NAMES = {1: "matrix", 2: "pore"}


def squares(shape=(80, 100)):
    """Matrix with three square pores of 10, 20 and 10 px."""
    labels = np.ones(shape, np.uint8)
    labels[10:20, 10:20] = 2
    labels[30:50, 30:50] = 2
    labels[60:70, 70:80] = 2
    return labels


@pytest.fixture
def opened(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    labels = squares()
    viewer.add_image((100.0 * labels).astype(np.float32), name="scan", scale=(2, 2), units=("nm", "nm"))
    features = pd.DataFrame({"index": list(NAMES), "class": list(NAMES.values())})
    layer = viewer.add_labels(labels, name="scan · phases", scale=(2, 2), units=("nm", "nm"), features=features)
    _, widget = viewer.window.add_plugin_dock_widget("napari-visualccc", "Measure")
    yield viewer, widget, layer
    widget.runner.cancel()
    widget.runner.wait(20)
    widget._preparer.wait(60)


def measured(widget, qtbot):
    widget.run_bar.button.click()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=30_000)
    return widget.results.shown


def test_it_says_what_to_do_when_there_are_no_labels(make_napari_viewer):
    viewer = make_napari_viewer()
    viewer.add_image(np.zeros((8, 8)))
    widget = MeasureWidget(viewer)
    viewer.window.add_dock_widget(widget)
    assert not widget.run_bar.button.isEnabled()
    assert "labels" in widget.hint.text()
    assert "no labels yet" in widget.chooser.problem


def test_measures_in_the_unit_of_the_layer(opened, qtbot):
    viewer, widget, layer = opened
    assert widget.image.currentText() == "scan"
    shown = measured(widget, qtbot)
    expected = measure_phases(layer.data, options=MeasureOptions(ignore="0"), pixel_size=shown.result.pixel_size,
                              class_names=NAMES)  # fmt: skip
    assert shown.result.phases["area_nm2"].tolist() == expected.phases["area_nm2"].tolist() == [7400 * 4, 600 * 4]
    assert sorted(shown.result.objects["feret_min_nm"][1:]) == [20, 20, 40]
    assert set(shown.result.objects["mean_intensity"]) == {100, 200}
    objects = viewer.layers["scan · phases · objects"]
    assert tuple(objects.scale) == (2, 2)
    assert [str(unit) for unit in objects.units] == ["nanometer", "nanometer"]
    assert objects.data.max() == len(shown.result.objects) == 4
    assert objects.metadata[METADATA_KEY]["provenance"]["operation"] == "segment measure"
    words = [widget.panel.phases.model().index(0, column).data() for column in range(3)]
    assert words[0] == "matrix"
    assert words[1].startswith("92.50")
    assert "pore: 3 objects" in widget.panel.sizes_words.text()
    assert not widget.panel.layer_fold.isVisibleTo(widget.panel)


def test_rows_find_objects_and_objects_find_rows(opened, qtbot):
    viewer, widget, _ = opened
    shown = measured(widget, qtbot)
    table = widget.panel.objects
    widget.panel.objects_fold.set_open(True)
    small = int(shown.result.objects["object"][1])
    table.select_labels([])
    row = next(r for r in range(4) if table.model().index(r, 1).data() == str(small))
    table.selectRow(row)
    assert shown.layer.selected_label == small
    assert f"no. {small}" in widget.panel.about.text()
    widget.results.pick_at((40 * 2.0, 40 * 2.0))
    big = int(shown.layer.data[40, 40])
    assert table.selected_labels() == [big]
    assert "Feret 56.6 × 40 nm" in widget.panel.about.text()
    widget.panel.isolate.setChecked(True)
    assert shown.layer.show_selected_label


def test_a_row_brings_its_object_into_sight(opened, qtbot):
    viewer, widget, _ = opened
    shown = measured(widget, qtbot)
    viewer.scene.camera.zoom *= 20
    viewer.scene.camera.center = (0, 0, 0)
    qtbot.wait(100)
    number = int(shown.layer.data[65, 75])
    widget.panel.objects.clearSelection()
    row = next(r for r in range(4) if widget.panel.objects.model().index(r, 1).data() == str(number))
    widget.panel.objects.selectRow(row)
    assert viewer.scene.camera.center[1:] == pytest.approx((64.5 * 2, 74.5 * 2))


def test_thickness_of_a_layer(opened, qtbot):
    viewer, widget, _ = opened
    band = np.ones((60, 200), np.uint8)
    band[20:40] = 2
    viewer.add_labels(band, name="band", scale=(0.5, 0.5), units=("nm", "nm"))
    assert widget.chooser.layer.name == "band"
    widget.form.controls["thickness_of"].set_value("2")
    shown = measured(widget, qtbot)
    assert shown.result.thickness_summary["mean_nm"][0] == pytest.approx(10, rel=0.005)
    assert widget.panel.thickness_words.text().startswith("mean 10 nm")
    assert widget.panel.layer_fold.is_open
    thickness = viewer.layers["band · thickness"]
    assert np.isnan(thickness.data[0]).all()
    assert thickness.data[30, 100] == pytest.approx(10, rel=0.01)
    widget.form.controls["thickness_of"].set_value("1")
    widget.form.controls["objects_of"].set_value("2")
    assert "No layer" not in widget.panel.thickness_words.text()


def test_a_crack_in_the_layer_is_pointed_out(opened, qtbot):
    viewer, widget, _ = opened
    band = np.ones((60, 200), np.uint8)
    band[20:40] = 2
    band[20:40, 100:103] = 3
    viewer.add_labels(band, name="band", scale=(0.5, 0.5), units=("nm", "nm"))
    widget.form.controls["thickness_of"].set_value("2")
    measured(widget, qtbot)
    assert "'class 3' lies within 'class 2'" in widget.panel.notes.text()
    widget.form.controls["layer_includes"].set_value("3")
    measured(widget, qtbot)
    assert widget.panel.notes.isHidden()


def test_objects_do_not_hide_the_map_of_thickness(opened, qtbot):
    viewer, widget, _ = opened
    band = np.ones((60, 200), np.uint8)
    band[20:40] = 2
    viewer.add_labels(band, name="band", scale=(0.5, 0.5), units=("nm", "nm"))
    objects = measured(widget, qtbot).layer
    assert objects.contour == 0
    widget.form.controls["thickness_of"].set_value("2")
    assert measured(widget, qtbot).layer is objects
    assert objects.contour == 2
    widget.results.pick_at((15.0, 50.0))  # inside of the outline
    assert objects.selected_label == objects.data[30, 100]
    objects.contour = 0  # what the user wants stays
    measured(widget, qtbot)
    assert objects.contour == 0


def test_no_layer_is_said_and_no_map_made(opened, qtbot):
    viewer, widget, _ = opened
    widget.form.controls["thickness_of"].choose("pore")
    measured(widget, qtbot)
    assert "No layer was found" in widget.panel.thickness_words.text()
    assert not any("thickness" in layer.name for layer in viewer.layers)


def test_the_menu_lists_the_phases_of_the_layer(opened):
    _, widget, _ = opened
    control = widget.form.controls["objects_of"]
    actions = control._menu.actions()
    assert [action.text() for action in actions] == ["matrix", "pore"]
    for action in actions:
        action.trigger()
    assert control.value() == "matrix, pore"
    actions[0].trigger()
    single = widget.form.controls["thickness_of"]
    for action in single._menu.actions():
        action.trigger()
    assert single.value() == "pore"


def test_an_unknown_phase_is_named_beside_its_field(opened):
    _, widget, _ = opened
    widget.form.controls["thickness_of"].set_value("oxide")
    assert "knows no phase 'oxide': give matrix (1), pore (2)" in widget.form.problem
    assert not widget.run_bar.button.isEnabled()
    widget.form.controls["thickness_of"].set_value("matrix, pore")
    assert "takes one phase" in widget.form.problem
    widget.form.controls["thickness_of"].set_value("Pore")
    assert widget.run_bar.button.isEnabled()


def test_removing_the_labels_while_measuring_cancels(opened, qtbot):
    viewer, widget, _ = opened
    noise = np.random.default_rng(0).integers(1, 3, (1500, 1500), np.uint8)
    layer = viewer.add_labels(noise, name="noise")
    widget.run_bar.button.click()
    viewer.layers.remove(layer)
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=30_000)
    assert widget.results.shown is None


def looked(widget, qtbot):
    """What is ignored, once the labels have been looked at."""
    qtbot.waitUntil(lambda: not widget._looker.is_running and not widget._looker._delay.isActive(), timeout=30_000)
    return widget.form.controls["ignore"].value()


def test_zero_is_ignored_unless_it_is_a_phase(opened, qtbot):
    viewer, widget, _ = opened
    assert looked(widget, qtbot) == "0"
    features = pd.DataFrame({"index": [0, 1], "name": ["polymer", "filler"]})
    viewer.add_labels(np.eye(30, dtype=np.uint8), name="named", features=features)
    assert widget.form.controls["ignore"].value() == ""
    assert widget.names() == {0: "polymer", 1: "filler"}


def test_zero_counts_in_a_mask_of_one_phase(opened, qtbot):
    viewer, widget, _ = opened
    assert looked(widget, qtbot) == "0"
    labels = np.zeros((3, 80, 100), np.uint8)
    labels[:, :20, :50] = 1
    layer = viewer.add_labels(labels, name="mask")
    assert measured(widget, qtbot).result.phases["fraction"].tolist() == [7 / 8, 1 / 8]  # looked at or not
    assert looked(widget, qtbot) == ""
    layer.data[2, 60:] = 2  # painted on: now 0 stands beside two
    assert measured(widget, qtbot).result.phases["label"].tolist() == [1, 2]
    assert looked(widget, qtbot) == "0"
    widget.form.controls["ignore"].set_value("")
    assert measured(widget, qtbot).result.phases["label"].tolist() == [0, 1, 2]
    assert looked(widget, qtbot) == ""


def test_of_labels_in_a_file_the_first_plane_is_looked_at():
    stack = np.zeros((4, 8, 8), np.int16)
    stack[0, 0, 0], stack[3, 0, 0] = 1, 2
    progress = Progress()
    assert jobs.propose_ignored(stack, progress=progress) == "0"
    assert jobs.propose_ignored(stack[:3], progress=progress) == ""
    assert jobs.propose_ignored(da.from_array(stack, chunks=(1, 8, 8)), progress=progress) == ""
    assert jobs.propose_ignored(np.minimum(stack, 0) - 1, progress=progress) == ""


def test_slow_labels_do_not_halt_the_viewer(opened, qtbot):
    viewer, widget, _ = opened
    threads = set()

    def plane(block):
        threads.add(current_thread())
        return block

    viewer.add_labels(da.from_array(squares(), chunks=-1).map_blocks(plane, dtype=np.uint8), name="slow", visible=False)
    looked(widget, qtbot)
    threads.clear()
    with dask.config.set(scheduler="synchronous"):  # in the thread that asks
        widget._source_changed()
        looked(widget, qtbot)
    assert threads
    assert main_thread() not in threads


def test_what_is_written_before_the_labels_were_looked_at_stays(opened, qtbot):
    viewer, widget, _ = opened
    assert looked(widget, qtbot) == "0"
    labels = squares()
    labels[70:] = 0
    viewer.add_labels(labels, name="with 0")
    widget.form.controls["ignore"].set_value("")
    assert measured(widget, qtbot).result.phases["label"].tolist() == [0, 1, 2]
    assert looked(widget, qtbot) == ""


def test_one_plane_of_a_stack(opened, qtbot):
    viewer, widget, _ = opened
    stack = np.stack([squares(), np.ones((80, 100), np.uint8), squares()])
    viewer.add_labels(stack, name="stack", scale=(1, 2, 2), units=("pixel", "nm", "nm"))
    viewer.dims.set_current_step(0, 1)
    widget.chooser.plane_button.setChecked(True)
    assert len(measured(widget, qtbot).result.objects) == 1
    widget.chooser.stack_button.setChecked(True)
    shown = measured(widget, qtbot)
    assert len(shown.result.objects) == 9
    widget.results._go_to(int(shown.layer.data[2, 40, 40]))
    assert viewer.dims.current_step[0] == 2


def test_painting_makes_the_numbers_stale(opened, qtbot):
    _, widget, layer = opened
    measured(widget, qtbot)

    def is_stale():
        return "painted on since" in widget.hint.text()

    layer.paint((5, 5), 2)
    qtbot.waitUntil(is_stale, timeout=30_000)
    layer.undo()
    qtbot.waitUntil(lambda: not is_stale(), timeout=30_000)
    layer.data = np.roll(layer.data, 3)
    qtbot.waitUntil(is_stale, timeout=30_000)
    layer.contour = 1  # a look changes nothing
    measured(widget, qtbot)
    assert not is_stale()
    layer.contour = 0
    qtbot.wait(800)
    assert not is_stale()


def test_what_is_painted_during_a_measurement_is_not_in_its_numbers(opened, qtbot, monkeypatch):
    _, widget, layer = opened
    begun = Event()
    monkeypatch.setattr("napari_visualccc.segment.measure_phases", paused(measure_phases, begun))
    widget.run_bar.button.click()
    assert begun.wait(30)
    layer.paint((5, 5), 2)
    qtbot.waitUntil(lambda: "painted on since" in widget.hint.text(), timeout=30_000)


def test_a_cancelled_measurement_leaves_old_numbers_old(opened, qtbot, monkeypatch):
    _, widget, layer = opened
    measured(widget, qtbot)
    layer.paint((5, 5), 2)
    qtbot.waitUntil(lambda: "painted on since" in widget.hint.text(), timeout=30_000)
    monkeypatch.setattr("napari_visualccc.segment.measure_phases", paused(measure_phases))
    widget.run_bar.button.click()
    widget.runner.cancel()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=30_000)
    widget._options_changed()
    assert "painted on since" in widget.hint.text()


def test_saving_does_not_end_a_measurement(opened, qtbot, monkeypatch, tmp_path):
    _, widget, _ = opened
    before = measured(widget, qtbot)
    monkeypatch.setattr("napari_visualccc.segment.measure_phases", paused(measure_phases))
    widget.run_bar.button.click()
    widget.results.export(str(tmp_path))
    qtbot.waitUntil(lambda: not widget.runner.is_running and not widget._writer.is_running, timeout=30_000)
    assert widget.results.shown is not before
    assert len(list(tmp_path.iterdir())) == 7


def paused(function, begun=None):
    """The function, after half a second in which it can be cancelled."""
    begun = begun or Event()

    def call(*args, progress, **keywords):
        begun.set()
        for _ in range(50):
            progress.check()
            time.sleep(0.01)
        return function(*args, progress=progress, **keywords)

    return call


def test_intensities_are_those_of_the_image_that_was_segmented(opened, qtbot):
    viewer, widget, layer = opened
    other = viewer.add_image(np.full(layer.data.shape, 7.0), name="scan [1]")
    labels = viewer.add_labels(layer.data.copy(), name="scan [1] · phases")
    assert widget.chooser.layer is labels
    assert widget.image.currentText() == "scan [1]"
    other.name = "second"
    labels.name = "second · phases"
    assert widget.image.currentText() == "second"
    shown = measured(widget, qtbot)
    assert set(shown.result.objects["mean_intensity"]) == {7}
    assert "--image second" in shown.result.provenance.command
    widget.chooser.choose(layer)
    assert widget.image.currentText() == "scan"
    widget.image.setCurrentIndex(widget.image.findText("second"))
    widget.image.activated.emit(widget.image.currentIndex())
    viewer.add_image(np.zeros(layer.data.shape), name="third")
    assert widget.image.currentText() == "second"  # by hand
    other.data = np.zeros((5, 5))
    assert widget.image.findText("second") < 0


def test_what_is_ignored_is_what_the_user_wrote(opened, qtbot):
    viewer, widget, layer = opened
    ignore = widget.form.controls["ignore"]
    viewer.add_labels(np.ones((80, 100), np.uint8), name="selected")
    widget.chooser.choose(layer)
    assert looked(widget, qtbot) == "0"
    ignore.set_value("")
    measured(widget, qtbot)
    assert looked(widget, qtbot) == ""
    ignore.set_value("matrix")
    shown = measured(widget, qtbot)
    assert shown.result.phases["class"].tolist() == ["pore"]
    widget.chooser.choose(viewer.layers["selected"])  # which has no such phase
    assert widget.image.currentText() == "scan"


def test_what_is_ignored_is_proposed_anew_for_other_phases(opened, qtbot):
    viewer, widget, layer = opened
    ignore = widget.form.controls["ignore"]
    assert looked(widget, qtbot) == "0"
    layer.features = pd.DataFrame({"index": [0, 1, 2], "class": ["vacuum", "matrix", "pore"]})
    again = MeasureWidget(viewer)  # as if it had been closed
    qtbot.addWidget(again)
    assert again.form.controls["ignore"].value() == ""
    layer.features = pd.DataFrame({"index": [1, 2], "class": ["matrix", "pore"]})
    measured(widget, qtbot)
    assert looked(widget, qtbot) == "0"
    ignore.set_value("")
    reopened = MeasureWidget(viewer)
    qtbot.addWidget(reopened)
    assert looked(reopened, qtbot) == ""  # as the user left it


def test_a_look_at_the_objects_does_not_choose_them(opened, qtbot):
    viewer, widget, layer = opened
    measured(widget, qtbot)
    viewer.layers.selection.active = viewer.layers["scan · phases · objects"]
    assert widget.chooser.layer is layer


def test_who_went_on_to_other_labels_stays_there(opened, qtbot, held_up):
    viewer, widget, layer = opened
    go_on = held_up(jobs, "run_measure")
    widget.run_bar.button.click()
    other = viewer.add_labels(squares()[::-1], name="other")
    assert widget.chooser.layer is other
    go_on.set()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=30_000)
    assert widget.results.shown.source.layer is layer
    assert widget.chooser.layer is other


def test_many_objects_stay_quick(opened, qtbot):
    viewer, widget, _ = opened
    labels = np.ones((160, 160), np.uint8)
    labels[1::4, 1::4] = 2
    labels[1:3, 1:3] = 2
    viewer.add_labels(labels, name="dots")
    shown = measured(widget, qtbot)
    assert len(shown.result.objects) == 1601 > MOST_OBJECTS
    assert f"the {MOST_OBJECTS} largest of 1601" in widget.panel.objects_fold._button.text()
    last = int(shown.layer.data[157, 157])
    shown.layer.selected_label = last
    assert f"no. {last}" in widget.panel.about.text()


def test_cancelling_keeps_what_was_there(opened, qtbot):
    viewer, widget, _ = opened
    shown = measured(widget, qtbot)
    viewer.add_labels(np.random.default_rng(0).integers(1, 3, (1500, 1500), np.uint8), name="noise")
    widget.run_bar.button.click()
    widget.run_bar.button.click()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=30_000)
    assert widget.results.shown is shown
    assert "Cancelled" in widget.hint.text()


def test_what_is_proposed_late_leaves_the_note_of_cancelling(opened, qtbot, monkeypatch):
    viewer, widget, layer = opened
    assert looked(widget, qtbot) == "0"
    propose, gate = jobs.propose_ignored, Event()

    def late(labels, *, progress):
        gate.wait(20)
        return propose(labels, progress=progress)

    monkeypatch.setattr(jobs, "propose_ignored", late)
    mask = np.zeros((80, 100), np.uint8)
    mask[:20] = 1
    viewer.add_labels(mask, name="mask")
    qtbot.waitUntil(lambda: widget._looker.is_running, timeout=30_000)
    widget._job_cancelled()
    widget._job_finished()
    gate.set()
    assert looked(widget, qtbot) == ""
    assert "Cancelled" in widget.hint.text()


def test_export_writes_everything(opened, qtbot, tmp_path):
    _, widget, _ = opened
    measured(widget, qtbot)
    widget.results.export(str(tmp_path))
    qtbot.waitUntil(lambda: not widget._writer.is_running, timeout=30_000)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {
        "scan phases_objects.ome.tif", "scan phases_phases.csv", "scan phases_objects.csv", "scan phases_sizes.csv",
        "scan phases_interfaces.csv", "scan phases_histogram.csv", "scan phases_provenance.json",
    }  # fmt: skip
    widget.panel.phases.copy()
    assert QApplication.clipboard().text().startswith("label\tclass")


@pytest.mark.parametrize("plane", [None, 1])
def test_export_keeps_the_axes_of_the_layer(opened, qtbot, tmp_path, plane):
    viewer, widget, _ = opened
    viewer.add_labels(
        np.stack([squares()] * 3), name="stack", scale=(30, 2, 2), translate=(60, 0, 8), units=("s", "nm", "nm"),
        axis_labels=("time", "y", "x"),
    )  # fmt: skip
    if plane is not None:
        viewer.dims.set_current_step(0, plane)
        widget.chooser.plane_button.setChecked(True)
    measured(widget, qtbot)
    widget.results.export(str(tmp_path))
    qtbot.waitUntil(lambda: not widget._writer.is_running, timeout=30_000)
    axes = Axis("time", 3, 30, 60, "s"), Axis("y", 80, 2, 0, "nm"), Axis("x", 100, 2, 8, "nm")
    stem = "stack" if plane is None else f"stack_plane{plane}"
    assert read(tmp_path / f"{stem}_objects.ome.tif")[0].axes == (axes if plane is None else axes[1:])


def test_the_recorded_command_repeats_the_measurement(opened, qtbot, tmp_path, monkeypatch):
    viewer, widget, _ = opened
    axes = Axis("y", 80, 2.0, 0.0, "nm"), Axis("x", 100, 2.0, 0.0, "nm")
    path = write_tiff(tmp_path / "painted.ome.tif", squares() + 2, axes, labels=True)
    (layer,) = viewer.open(path, plugin="napari", layer_type="labels", scale=(2, 2), units=("nm", "nm"))
    layer.features = pd.DataFrame({"index": [1, 3, 4], "class": ["void", "matrix", "pore, open"]})
    viewer.layers.remove("scan")  # which is in no file
    widget.form.controls["min_size"].set_value(5)
    shown = measured(widget, qtbot)
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(shown.result.provenance.command)[1:]) == 0
    widget.results.export(str(tmp_path / "exported"))
    qtbot.waitUntil(lambda: not widget._writer.is_running, timeout=30_000)
    tables = sorted(file.name for file in (tmp_path / "exported").glob("*.csv"))
    assert len(tables) == 5
    for name in tables:
        again = tmp_path / name.replace("_objects", "")
        assert again.read_bytes() == (tmp_path / "exported" / name).read_bytes(), name


def test_reciprocal_units(opened, qtbot):
    viewer, widget, _ = opened
    viewer.add_labels(squares(), name="spots", scale=(0.1, 0.1), units=("1/nm", "1/nm"))
    shown = measured(widget, qtbot)
    (length,) = shown.result.interfaces["length_per_area_nm"]
    assert [widget.panel.interfaces.model().index(0, column).data() for column in range(3)] == [
        "class 1 | class 2", "15.1", f"{length:.3g}",
    ]  # fmt: skip


def test_removing_the_objects_clears_the_panel(opened, qtbot):
    viewer, widget, _ = opened
    shown = measured(widget, qtbot)
    viewer.layers.remove(shown.layer)
    assert widget.results.shown is None
    assert not widget.panel.isVisibleTo(widget)


def test_options_and_result_survive_reopening(opened, qtbot):
    viewer, widget, _ = opened
    widget.form.controls["min_size"].set_value(7)
    shown = measured(widget, qtbot)
    again = MeasureWidget(viewer)
    viewer.window.add_dock_widget(again, name="again")
    assert again.form.options().min_size == 7
    assert again.results.shown is shown
    again._preparer.wait(60)


@pytest.mark.parametrize("wanted", ["second", "none"])
def test_the_choice_of_intensities_survives_reopening(opened, qtbot, wanted):
    viewer, widget, layer = opened
    viewer.add_image(np.zeros(layer.data.shape), name="second")
    widget.image.setCurrentIndex(widget.image.findText(wanted))
    widget.image.activated.emit(widget.image.currentIndex())
    again = MeasureWidget(viewer)
    qtbot.addWidget(again)
    assert again.image.currentText() == wanted


def test_coarse_pixels_are_read_in_micrometres(opened, qtbot):
    viewer, widget, _ = opened
    band = np.ones((60, 200), np.uint8)
    band[20:40] = 2
    viewer.add_labels(band, name="band", scale=(0.1, 0.1), units=("um", "um"))
    widget.form.controls["thickness_of"].set_value("2")
    shown = measured(widget, qtbot)
    assert shown.result.thickness_summary["mean_nm"][0] == pytest.approx(2000, rel=0.005)
    assert widget.panel.thickness_words.text().startswith("mean 2 µm")
    assert widget.panel.phases.model().index(1, 2).data() == "40"  # 20 × 200 pixels of 0.01 µm²
    assert "class 1: 2 objects, 7.14 ± 0 µm" in widget.panel.sizes_words.text()
    densities = [widget.panel.interfaces.model().index(0, column).data() for column in range(3)]
    assert densities == ["class 1 | class 2", "40", "0.333"]  # two interfaces of 20 µm in 120 µm²


def test_an_earlier_result_can_be_kept(opened, qtbot):
    viewer, widget, _ = opened
    first = measured(widget, qtbot)
    again = measured(widget, qtbot)
    assert again.layer is first.layer
    widget.keep_box.setChecked(True)
    kept = measured(widget, qtbot)
    assert kept.layer is not first.layer
    assert first.layer in viewer.layers


def test_the_labels_that_were_measured_stay_chosen(opened, qtbot):
    viewer, widget, layer = opened
    other = viewer.add_labels(np.ones((80, 100), np.uint8), name="strokes")
    widget.chooser.choose(layer)
    assert viewer.layers.selection.active is other
    measured(widget, qtbot)
    assert widget.chooser.layer == layer


def test_the_recorded_command_knows_the_pixel_size_that_was_set_in_the_viewer(opened, qtbot, tmp_path, monkeypatch):
    viewer, widget, _ = opened
    path = tmp_path / "painted.npy"
    np.save(path, squares())
    (layer,) = viewer.open(path, plugin="napari", layer_type="labels")
    viewer.layers.remove("scan")
    layer.scale, layer.units = (0.3, 0.2), ("nm", "nm")
    shown = measured(widget, qtbot)
    command = shown.result.provenance.command
    assert "--pixel-size 0.3nm,0.2nm" in command
    monkeypatch.chdir(tmp_path)
    assert main(shlex.split(command)[1:]) == 0
    again = pd.read_csv(tmp_path / "painted_phases.csv")
    assert again["area_nm2"].tolist() == pytest.approx(shown.result.phases["area_nm2"].tolist())


def test_clicking_an_object_does_not_paint_on_strokes(opened, qtbot):
    viewer, widget, layer = opened
    strokes = viewer.add_labels(np.zeros_like(layer.data), name="scan · strokes", scale=(2, 2), units=("nm", "nm"))
    widget.chooser.choose(layer)
    viewer.layers.selection.active = strokes
    strokes.mode = "paint"
    measured(widget, qtbot)
    assert strokes.mode == "pan_zoom"


def test_a_pixel_size_that_is_set_afterwards_is_told(opened, qtbot):
    _, widget, layer = opened
    measured(widget, qtbot)
    assert "pixel size" not in widget.hint.text()
    layer.scale = (3, 3)
    assert "pixel size was changed" in widget.hint.text()
    measured(widget, qtbot)
    assert "pixel size" not in widget.hint.text()


def test_results_of_planes_say_which_and_are_saved_beside_each_other(opened, qtbot, tmp_path):
    viewer, widget, _ = opened
    viewer.add_labels(np.stack([squares()] * 3), name="stack")
    widget.chooser.plane_button.setChecked(True)
    for plane in (1, 2):
        viewer.dims.set_current_step(0, plane)
        measured(widget, qtbot)
        assert widget.panel.title.text().startswith(f"stack · plane {plane}")
        for _ in range(plane):
            widget.results.export(str(tmp_path))
            qtbot.waitUntil(lambda: not widget._writer.is_running, timeout=30_000)
    saved = {path.name for path in tmp_path.glob("*_phases.csv")}
    assert saved == {f"stack_plane{end}_phases.csv" for end in ("1", "2", "2-2")}
