import csv

import dask.array as da
import numpy as np
import pytest
import tifffile
from qtpy.QtCore import Qt

from napari_visualccc.widgets import _cluster_jobs
from napari_visualccc.widgets.cluster import ClusterWidget


@pytest.fixture
def clustered(viewer, open_widget, phases, finish):
    """Widget with a result of three clusters over a calibrated image."""
    viewer.add_image(phases, name="steel", scale=(2, 2), units=("nm", "nm"), translate=(5, 7))
    widget = open_widget()
    widget.form.set_values({"k": 3})
    widget.run()
    finish(widget)
    return widget


def run(widget, finish):
    widget.run()
    finish(widget)
    return widget.results.shown


def test_click_gives_labels_over_the_source(viewer, open_widget, phases, qtbot, finish):
    source = viewer.add_image(phases, name="steel", scale=(2, 2), units=("nm", "nm"), translate=(5, 7))
    widget = open_widget()
    widget.form.set_values({"k": 3})
    qtbot.mouseClick(widget.run_bar.button, Qt.MouseButton.LeftButton)
    assert widget.run_bar.button.text() == "Cancel"
    finish(widget)
    assert widget.run_bar.button.text() == "Cluster"
    layer = viewer.layers["steel · clusters"]
    assert layer.data.shape == phases.shape
    assert np.allclose(layer.scale, source.scale)
    assert np.allclose(layer.translate, source.translate)
    assert layer.units == source.units
    assert np.bincount(layer.data.ravel()).tolist() == [0, 2200, 1800, 800]
    means = [phases[layer.data == label].mean() for label in (1, 2, 3)]
    assert means == sorted(means)


def test_table_is_calibrated_and_coloured_like_the_layer(clustered):
    table, layer = clustered.panel.table, clustered.results.shown.layer
    assert "area_nm2" in table.frame.columns
    assert table.frame["area_nm2"].sum() == pytest.approx(60 * 80 * 4)
    titles = [table.model().headerData(i, Qt.Orientation.Horizontal) for i in range(4)]
    assert titles == ["Cluster", "Area %", "nm²", "Intensity"]
    for label, colour in table._model.colours.items():
        assert np.allclose(layer.colormap.color_dict[label], colour, atol=1e-6)
    assert list(layer.features["index"]) == [1, 2, 3]


def test_uncalibrated_says_px(viewer, open_widget, phases, finish):
    viewer.add_image(phases)
    widget = open_widget()
    assert "px, not calibrated" in widget.chooser.calibration.text()
    assert "area_px2" in run(widget, finish).result.table.columns


def test_rerun_updates_the_same_layer(viewer, clustered, finish):
    layer = clustered.results.shown.layer
    layer.opacity = 0.9
    clustered.form.set_values({"k": 2})
    run(clustered, finish)
    assert len(viewer.layers) == 2
    assert clustered.results.shown.layer is layer
    assert layer.data.max() == 2
    assert len(layer.features) == 2
    assert layer.opacity == 0.9
    assert layer.metadata["visualccc"]["provenance"]["parameters"]["k"] == 2


def test_keep_makes_another(viewer, clustered, finish):
    clustered.keep_box.setChecked(True)
    clustered.form.set_values({"k": 2})
    run(clustered, finish)
    assert len(viewer.layers) == 3
    assert viewer.layers["steel · clusters"].data.max() == 3


def test_renamed_source_keeps_its_result(viewer, clustered, finish):
    viewer.layers["steel"].name = "alloy"
    assert clustered.chooser.combo.currentText() == "alloy"
    run(clustered, finish)
    assert [layer.name for layer in viewer.layers] == ["alloy", "alloy · clusters"]


def test_row_selects_label_and_label_selects_row(clustered, qtbot):
    table, layer = clustered.panel.table, clustered.results.shown.layer
    table.selectRow(1)
    assert layer.selected_label == 2
    layer.selected_label = 3
    assert table.selected_labels() == [3]


def test_click_in_image_selects_row(clustered):
    clustered.results.pick_at((5 + 2 * 10, 7 + 2 * 40))
    assert clustered.panel.table.selected_labels() == [2]
    assert clustered.results.shown.layer.selected_label == 2


def test_sorted_table_still_picks_the_right_label(clustered):
    table = clustered.panel.table
    table.sortByColumn(1, Qt.SortOrder.DescendingOrder)
    table.selectRow(0)
    biggest = int(table.frame.sort_values("area_fraction")["label"].iloc[-1])
    assert clustered.results.shown.layer.selected_label == biggest


def test_isolate(clustered):
    clustered.panel.isolate.setChecked(True)
    assert clustered.results.shown.layer.show_selected_label
    clustered.panel.isolate.setChecked(False)
    assert not clustered.results.shown.layer.show_selected_label


def test_merge_and_undo(clustered, qtbot, finish):
    layer, before = clustered.results.shown.layer, clustered.results.shown.layer.data.copy()
    clustered.panel.table.select_labels([1, 2])
    clustered.results.merge()
    finish(clustered)
    assert clustered.results.shown.result.k == 2
    assert layer.data.max() == 2
    assert len(clustered.panel.table.frame) == 2
    assert np.shares_memory(layer.data, clustered.results.shown.result.labels)
    layer.undo()
    assert np.array_equal(layer.data, before)
    qtbot.waitUntil(lambda: len(clustered.panel.table.frame) == 3)
    assert clustered.panel.table.frame["pixels"].tolist() == np.bincount(before.ravel())[1:].tolist()
    clustered.panel.table.select_labels([2, 3])
    clustered.results.merge()
    finish(clustered)
    assert np.array_equal(layer.data == 1, before == 1)


def test_painting_is_measured(clustered, qtbot):
    layer = clustered.results.shown.layer
    before = int(clustered.panel.table.frame["pixels"][0])
    layer.data_setitem((np.arange(30, 40), np.full(10, 70)), 1)
    qtbot.waitUntil(lambda: clustered.panel.table.frame["pixels"][0] > before)


def test_clean_removes_specks(viewer, open_widget, phases, finish):
    phases = phases.copy()
    phases[5, 5] = 255
    viewer.add_image(phases)
    widget = open_widget()
    widget.form.set_values({"k": 3})
    layer = run(widget, finish).layer
    assert layer.data[5, 5] == 3
    widget.panel.min_size.setValue(4)
    widget.panel.clean.click()
    finish(widget)
    assert layer.data[5, 5] == 1


def test_mask(viewer, clustered, finish):
    clustered.panel.table.select_labels([2, 3])
    clustered.results.to_mask()
    finish(clustered)
    mask = viewer.layers["steel · mask (clusters 2+3)"]
    assert np.array_equal(mask.data == 1, clustered.results.shown.layer.data >= 2)
    assert np.allclose(mask.scale, (2, 2))


def test_choose_k_and_take_it(clustered, finish):
    clustered.choose_k()
    finish(clustered)
    assert clustered._curve.best == 3
    assert "k = 3" in clustered.plot_fold._button.text()
    clustered.plot.take(5)
    assert clustered.form.options().k == 5


def test_export(clustered, finish, tmp_path):

    clustered.results.export_table(str(tmp_path / "t.csv"))
    finish(clustered)
    clustered.results.export_labels(str(tmp_path / "l.tif"))
    finish(clustered)
    with open(tmp_path / "t.csv", encoding="utf-8") as file:
        assert next(csv.reader(file))[4] == "area_nm2"
    assert np.array_equal(tifffile.imread(tmp_path / "l.tif"), clustered.results.shown.layer.data)


def test_table_and_labels_are_saved_where_the_user_was_asked_about(clustered, finish, typed_without_ending):
    for signal, ending in (
        (clustered.panel.table_export_clicked, ".csv"), (clustered.panel.labels_export_clicked, ".tif"),
    ):  # fmt: skip
        path = typed_without_ending(signal.emit, ending)
        finish(clustered)
        assert path.stat().st_size


def test_saving_ends_no_clustering(clustered, finish, qtbot, held_up, tmp_path):
    go_on = held_up(_cluster_jobs, "run_cluster")
    clustered.form.set_values({"k": 2})
    clustered.run()
    before = clustered.results.shown
    clustered.results.export_table(str(tmp_path / "t.csv"))
    clustered.results.export_labels(str(tmp_path / "l.tif"))
    qtbot.waitUntil(lambda: not clustered.results.writer.is_running, timeout=20_000)
    assert clustered.runner.is_running
    assert (tmp_path / "t.csv").exists()
    assert tifffile.imread(tmp_path / "l.tif").max() == 3
    go_on.set()
    finish(clustered)
    assert clustered.results.shown is not before
    assert clustered.results.shown.layer.data.max() == 2


def test_copy_table(clustered, qapp):
    clustered.panel.table.copy()
    assert qapp.clipboard().text().startswith("label\tname\tpixels")


def test_provenance(clustered, qapp):
    clustered.results.show_provenance()
    command = clustered.results.dialog.command.toPlainText()
    assert command.startswith("visualccc cluster steel --k 3")
    clustered.results.dialog.copy_button.click()
    assert qapp.clipboard().text() == command
    clustered.results.dialog.close()


def test_stack_whole_then_plane(viewer, open_widget, phases, finish):
    stack = np.stack([phases, phases[::-1], phases])
    viewer.add_image(stack, name="series", scale=(10, 2, 2), translate=(100, 0, 0), units=("nm",) * 3)
    widget = open_widget()
    assert widget.chooser.stack_button.isVisibleTo(widget)
    assert run(widget, finish).layer.data.shape == stack.shape
    widget.chooser.plane_button.setChecked(True)
    viewer.dims.set_point(0, 120)
    layer = run(widget, finish).layer
    assert layer.data.shape == (1, 60, 80)
    assert np.allclose(layer.translate, (120, 0, 0))
    assert len(viewer.layers) == 2


def test_live_preview_follows(viewer, open_widget, phases, qtbot, finish):
    viewer.add_image(np.stack([phases, phases]), name="series")
    widget = open_widget()
    widget.preview_box.setChecked(True)
    qtbot.waitUntil(lambda: "series · clusters (preview)" in viewer.layers, timeout=5000)
    widget.form.set_values({"k": 2})
    layer = viewer.layers["series · clusters (preview)"]
    qtbot.waitUntil(lambda: layer.data.max() == 2, timeout=5000)
    viewer.dims.set_current_step(0, 1)
    qtbot.waitUntil(lambda: viewer.layers["series · clusters (preview)"].translate[0] == 1, timeout=5000)
    run(widget, finish)
    assert [layer.name for layer in viewer.layers] == ["series", "series · clusters"]


def test_state_survives_a_new_instance(viewer, clustered):
    clustered.form.set_values({"k": 7, "features": ("intensity", "local")})
    clustered.keep_box.setChecked(True)
    again = ClusterWidget(viewer)
    assert again.form.options() == clustered.form.options()
    assert again.keep_box.isChecked()
    assert again.panel.table.frame is not None
    again.deleteLater()


def test_removed_result_clears_the_table(viewer, clustered):
    viewer.layers.remove("steel · clusters")
    assert clustered.results.shown is None
    assert not clustered.panel.isVisibleTo(clustered)


ODD = {
    "constant": np.full((20, 30), 7, np.uint8),
    "nan": np.where(np.eye(30) > 0, np.nan, np.random.default_rng(0).random((30, 30))),
    "one pixel": np.ones((1, 1), np.float32),
    "uint16": np.random.default_rng(0).integers(0, 60000, (20, 30)).astype(np.uint16),
    "float64": np.random.default_rng(0).random((20, 30)) * 1e-12,
    "bool": np.random.default_rng(0).random((20, 30)) > 0.5,
    "rgb": np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8),
    "dask": da.random.RandomState(0).random((3, 20, 30), chunks=(1, 20, 30)),
    "4-D": np.random.default_rng(0).random((2, 2, 20, 30)),
}


@pytest.mark.parametrize("kind", ODD)
def test_odd_images(kind, viewer, open_widget, finish):
    image = ODD[kind]
    layer = viewer.add_image(image, name=kind, contrast_limits=(0, 1), rgb=kind == "rgb")
    shown = run(open_widget(), finish)
    assert shown is not None
    assert shown.layer.data.shape == (image.shape[:-1] if layer.rgb else image.shape)
    if kind == "nan":
        assert (np.diag(shown.layer.data) == 0).all()


def test_multiscale_uses_full_resolution(viewer, open_widget, finish):
    image = np.random.default_rng(0).random((64, 64))
    viewer.add_image([image, image[::2, ::2]], multiscale=True, name="pyramid")
    widget = open_widget()
    assert "full resolution" in widget.chooser.remark.text()
    assert run(widget, finish).layer.data.shape == (64, 64)


def test_all_nan_is_explained(viewer, open_widget, finish, monkeypatch):
    from napari.utils import notifications

    shown = []
    monkeypatch.setattr(notifications, "show_error", shown.append)
    viewer.add_image(np.full((8, 8), np.nan), contrast_limits=(0, 1), name="void")
    assert run(open_widget(), finish) is None
    assert shown
    assert "void has no finite pixel" in shown[0]


def test_no_image_is_explained(viewer, open_widget):
    widget = open_widget()
    assert "no image" in widget.chooser.problem_label.text()
    assert not widget.run_bar.button.isEnabled()
    viewer.add_points(np.zeros((1, 2)))
    assert not widget.run_bar.button.isEnabled()
    viewer.add_image(np.zeros((9, 9)))
    assert widget.run_bar.button.isEnabled()
    assert not widget.chooser.problem_label.isVisibleTo(widget)


def test_wrong_option_is_explained(viewer, open_widget, phases):
    viewer.add_image(phases)
    widget = open_widget()
    widget.form.controls["features"].set_value(())
    assert "must not be empty" in widget.form.problem
    assert not widget.run_bar.button.isEnabled()


def test_chooser_follows_selection(viewer, open_widget, phases):
    first, second = viewer.add_image(phases, name="a"), viewer.add_image(phases, name="b")
    widget = open_widget()
    assert widget.chooser.layer is second
    viewer.layers.selection.active = first
    assert widget.chooser.layer is first
    viewer.layers.remove(first)
    assert widget.chooser.layer is second


def test_micrograph(viewer, open_widget, finish, data_dir):
    import imageio.v3 as iio

    path = next((data_dir / "superalloy" / "train" / "images").glob("*.png"))
    viewer.add_image(iio.imread(path), name=path.stem)
    widget = open_widget()
    table = run(widget, finish).result.table
    assert table["area_fraction"].sum() == pytest.approx(1)
    assert table["mean_intensity"].is_monotonic_increasing
