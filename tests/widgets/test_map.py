from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import tifffile
from qtpy.QtCore import QEvent, QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_visualccc.maps import MapOptions, build_map, load_map, save_map
from napari_visualccc.maps.neighbours import nearest_neighbours
from napari_visualccc.widgets._map_plot import inside
from napari_visualccc.widgets.map import MapWidget


@pytest.fixture(autouse=True)
def _own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="module")
def films(tmp_path_factory):
    """Folder of sixteen textures, and their table."""
    from scipy.ndimage import gaussian_filter

    folder = tmp_path_factory.mktemp("films") / "images"
    folder.mkdir()
    for number in range(16):
        values = gaussian_filter(np.random.default_rng(number).normal(size=(64, 80)), 1 + number / 5)
        tifffile.imwrite(folder / f"f{number:02}.tif", (values / values.std() * 90 + 900).astype(np.uint16))
    numbers = np.arange(16)
    pd.DataFrame({
        "id": [f"f{n:02}" for n in numbers], "kind": np.where(numbers < 8, "fine", "coarse"), "width": 1 + numbers / 5,
        "specimen": [f"S{n // 2}" for n in numbers],
    }).to_csv(folder.parent / "films.csv", index=False)  # fmt: skip
    return folder


@pytest.fixture(scope="module")
def saved(films):
    made = build_map(films, MapOptions(neighbours=5), table=films.parent / "films.csv", device="cpu")
    return save_map(made, films.parent / "films.map.zarr.zip")


@pytest.fixture
def widget(viewer):
    widget = MapWidget(viewer)
    viewer.window.add_dock_widget(widget, name="Map")
    return widget


@pytest.fixture
def shown(widget, saved, finish):
    widget.open_map(saved)
    finish(widget)
    return widget


def mouse(plot, kind, place, button=Qt.MouseButton.NoButton, buttons=Qt.MouseButton.NoButton):
    view = plot.view.viewport()
    event = QMouseEvent(kind, place, QPointF(view.mapToGlobal(place.toPoint())), button, buttons,
                        Qt.KeyboardModifier.NoModifier)  # fmt: skip
    QApplication.sendEvent(view, event)


def click(plot, row):
    place = plot.pixel_of(row)
    left = Qt.MouseButton.LeftButton
    mouse(plot, QEvent.Type.MouseButtonPress, place, left, left)
    mouse(plot, QEvent.Type.MouseButtonRelease, place, left)


def test_a_folder_becomes_a_coloured_map(widget, films, finish, qtbot):
    assert not widget.run_bar.button.isEnabled()
    assert "Choose a folder" in widget.hint.text()
    widget.source.take_folder(films)
    widget.source.take_table(films.parent / "films.csv")
    qtbot.mouseClick(widget.run_bar.button, Qt.MouseButton.LeftButton)
    finish(widget, 60_000)
    assert len(widget.results.map) == 16
    assert widget.panel.isVisibleTo(widget)
    assert "16 micrographs" in widget.panel.quality.text()
    assert widget.panel.colour_column == "kind"
    assert "coarse" in widget.panel.key.text()
    widget.panel.colour.setCurrentText("width")
    assert "1.0" in widget.panel.key.text()


def test_a_layer_becomes_a_map_that_follows_the_slider(viewer, widget, finish):
    stack = np.random.default_rng(0).random((6, 40, 40)).astype(np.float32)
    viewer.add_image(stack, name="series")
    widget.source.take_layer()
    widget.run()
    finish(widget, 60_000)
    assert widget.results.map.names == [f"series [{i}]" for i in range(6)]
    viewer.dims.set_point(0, 4)
    widget.results.follow()
    ring = widget.panel.plot._rings["current"]
    np.testing.assert_allclose([ring.data["x"][0], ring.data["y"][0]], widget.results.map.coordinates[4], rtol=1e-5)
    widget.results.open(2)
    assert viewer.dims.current_step[0] == 2
    assert len(viewer.layers) == 1


def test_hover_shows_thumbnail_and_values(shown):
    plot = shown.panel.plot
    mouse(plot, QEvent.Type.MouseMove, plot.pixel_of(3))
    assert not shown.panel.card.isHidden()
    assert "f03" in shown.panel.card.text
    assert "kind: fine" in shown.panel.card.text
    mouse(plot, QEvent.Type.MouseMove, QPointF(0, 0))
    assert shown.panel.card.isHidden()


def test_click_opens_once_and_the_map_shows_where(viewer, shown, finish):
    plot = shown.panel.plot
    for row in (3, 9, 3):
        click(plot, row)
        finish(shown)
    assert sorted(layer.name for layer in viewer.layers) == ["f03", "f09"]
    assert viewer.layers.selection.active.name == "f03"
    assert [layer.name for layer in viewer.layers if layer.visible] == ["f03"]
    assert plot._rings["current"].data["x"][0] == pytest.approx(shown.results.map.coordinates[3, 0])
    viewer.layers.selection.active = viewer.layers["f09"]
    shown.results.follow()
    assert plot._rings["current"].data["x"][0] == pytest.approx(shown.results.map.coordinates[9, 0])


def test_lasso_opens_a_stack_and_labels(viewer, shown, finish, qtbot):
    plot = shown.panel.plot
    shown.panel.lasso.setChecked(True)
    width, height = plot.view.viewport().width(), plot.view.viewport().height()
    corners = [QPointF(x, y) for x, y in ((1, 1), (width - 2, 1), (width - 2, height - 2), (1, height - 2))]
    left = Qt.MouseButton.LeftButton
    mouse(plot, QEvent.Type.MouseButtonPress, corners[0], left, left)
    for corner in [*corners, corners[0], corners[0]]:
        mouse(plot, QEvent.Type.MouseMove, corner, buttons=left)
    mouse(plot, QEvent.Type.MouseButtonRelease, corners[0], left)
    assert len(shown.results.rows) == 16
    assert shown.panel.gallery.count() == 16
    qtbot.mouseClick(shown.panel.open_stack, left)
    finish(shown)
    stack = viewer.layers.selection.active
    assert stack.data.shape == (16, 64, 80)
    viewer.dims.set_point(0, 7)
    shown.results.follow()
    assert plot._rings["current"].data["x"][0] == pytest.approx(shown.results.map.coordinates[7, 0])
    shown.results.give_label("good")
    assert shown.panel.colour_column == "your label"
    assert "good" in shown.panel.key.text()


def test_a_label_leaves_measured_columns_and_says_who_has_none(shown):
    made = shown.results.map
    measured = [f"class {n % 2}" for n in range(len(made))]
    shown.results.show(replace(made, table=made.table.assign(label=measured)))
    shown.results.select(np.arange(5))
    shown.results.give_label("good")
    assert list(shown.results.map.table["label"]) == measured
    assert "11&nbsp;without&nbsp;a&nbsp;value" in shown.panel.key.text()


def test_what_is_ringed_is_what_buttons_are_about(viewer, shown, finish, films):
    rings = shown.panel.plot._rings
    shown.results.select(np.arange(5))
    viewer.add_image(tifffile.imread(films / "f06.tif"), name="unknown")
    shown.results.find_similar()
    finish(shown)
    assert not len(rings["selected"].data)
    assert len(rings["found"].data) == len(shown.results.rows)
    shown.results.select(np.arange(5))
    assert len(rings["selected"].data) == 5
    assert not len(rings["found"].data)


def test_a_map_says_what_of_and_why_another_was_not_made(viewer, shown, finish):
    assert shown.panel.quality.text().startswith("images: 16 micrographs")
    layer = viewer.add_image(np.full((3, 30, 30), np.nan), name="empty")
    shown.source.take_layer()
    shown.run()
    finish(shown)
    assert shown.hint.text().startswith("⚠ No micrograph of empty can be read")
    assert shown.panel.quality.text().startswith("images: 16 micrographs")
    viewer.layers.remove(layer)
    assert shown.source._what.text() == "The layer is gone: choose another"


def test_a_plane_of_a_layer_that_is_gone_is_not_looked_for_in_folders(viewer, widget, finish):
    layer = viewer.add_image(np.random.default_rng(0).random((3, 30, 30)), name="scan")
    widget.source.take_layer()
    widget.run()
    finish(widget, 60_000)
    viewer.layers.remove(layer)
    widget.results.open(1)  # a dialog would wait for ever
    assert widget.hint.text() == "scan [1] came from a layer that is gone: open it again under that name."
    viewer.add_image(layer.data, name="scan")
    widget.results.open(1)
    assert viewer.dims.current_step[0] == 1
    widget.results.find_similar()
    finish(widget)
    assert widget.panel.found.text().startswith("Most like scan [1],")


def test_what_looks_like_this(viewer, shown, finish, films, qtbot):
    viewer.add_image(tifffile.imread(films / "f06.tif"), name="unknown")
    qtbot.mouseClick(shown.panel.similar, Qt.MouseButton.LeftButton)
    finish(shown)
    assert shown.panel.gallery.item(0).text() == "f06"
    assert "Most like unknown" in shown.panel.found.text()
    new = viewer.add_image(np.random.default_rng(0).random((50, 60)), name="new")
    viewer.layers.selection.active = new
    qtbot.mouseClick(shown.panel.similar, Qt.MouseButton.LeftButton)
    finish(shown)
    assert shown.panel.gallery.item(0).text() == "f00"  # the finest


def test_property_and_regions(viewer, shown, finish, qtbot):
    shown.panel.form.set_values({"permutations": 99})
    shown.panel.target.setCurrentText("width")
    qtbot.mouseClick(shown.panel.ask, Qt.MouseButton.LeftButton)
    finish(shown)
    assert "rank correlation" in shown.panel.answer.text()
    assert "Cluster 1" in shown.panel.answer.text()
    assert shown.panel.colour.findText("width predicted") > 0
    click(shown.panel.plot, 8)
    finish(shown)
    qtbot.mouseClick(shown.panel.regions, Qt.MouseButton.LeftButton)
    finish(shown)
    layer = viewer.layers["f08 · drives width"]
    assert layer.data.shape == (64, 80)
    assert layer.contrast_limits[0] == -layer.contrast_limits[1]
    assert layer.metadata["visualccc"]["provenance"]["parameters"]["target"] == "width"
    assert "typical" in shown.hint.text()


def test_a_heatmap_belongs_to_its_plane(viewer, shown, finish, films):
    viewer.add_image(np.stack([tifffile.imread(films / f"f{n:02}.tif") for n in (2, 12)]), name="two")
    shown.panel.target.setCurrentText("width")
    shown.results.find_regions()
    finish(shown)
    layer = viewer.layers["two · drives width"]
    plane = viewer.dims.current_step[0]
    viewer.dims.set_point(0, 1 - plane)
    shown.results.follow()
    assert not layer.visible
    viewer.dims.set_point(0, plane)
    shown.results.follow()
    assert layer.visible


def test_sizes_that_differ_open_as_one_stack_and_margins_do_not_count(viewer, widget, tmp_path, finish):
    for number, size in enumerate(((40, 60), (50, 40), (48, 48), (64, 40), (40, 40))):
        values = np.random.default_rng(number).random(size).astype(np.float32)
        tifffile.imwrite(tmp_path / f"m{number}.tif", values)
    (tmp_path / "t.csv").write_text("id,v,group\n" + "\n".join(f"m{n},{n},{n}" for n in range(5)))
    widget.source.take_folder(tmp_path)
    widget.source.take_table(tmp_path / "t.csv")
    widget.run()
    finish(widget, 60_000)
    widget.results.select(np.arange(5))
    widget.results.open_selected()
    finish(widget)
    stack = viewer.layers.selection.active
    assert stack.data.shape == (5, 64, 60)
    row = stack.metadata["visualccc"]["map_rows"][int(viewer.dims.current_step[0])]
    widget.results.find_similar()
    finish(widget)
    assert widget.panel.gallery.item(0).text() == widget.results.map.names[row]
    widget.results.find_regions()
    finish(widget)
    height, width = widget.results.map.entries[["height", "width"]].iloc[row]
    assert viewer.layers[f"{stack.name} · drives v"].data.shape == (height, width)


def test_crowds_are_drawn_in_their_colours(qtbot):
    from napari_visualccc.widgets._map_plot import MapPlot

    plot = MapPlot()
    qtbot.addWidget(plot)
    plot.resize(300, 300)
    points = np.random.default_rng(0).random((20_000, 2))
    points[:4] = [[0, 0], [0, 1], [1, 0], [1, 1]]
    rgba = np.where(points[:, :1] < 0.5, [[1.0, 0, 0, 1]], [[0, 0, 1.0, 1]])
    plot.set_theme(foreground="#ffffff", background="#000000")
    plot.show_points(points, rgba)
    plot.show()
    qtbot.waitExposed(plot)
    picture = plot.grab().toImage()
    ends = [plot.pixel_of(row).x() for row in (0, 2)]
    line = round((plot.pixel_of(0).y() + plot.pixel_of(1).y()) / 2)
    for share, channel in ((0.25, "red"), (0.75, "blue")):
        column = round(ends[0] + share * (ends[1] - ends[0]))
        near = [picture.pixelColor(column + dx, line + dy) for dx in range(-4, 5) for dy in range(-4, 5)]
        bright = [getattr(colour, channel)() for colour in near]
        assert np.mean(bright) > 150
        assert np.mean([colour.red() + colour.blue() for colour in near]) < np.mean(bright) + 20
    plot.close()


def test_thumbnails_layer_and_files(viewer, shown, finish, qtbot, tmp_path):
    for _ in range(2):
        qtbot.mouseClick(shown.panel.thumbnails, Qt.MouseButton.LeftButton)
        finish(shown)
    assert [layer.name for layer in viewer.layers] == ["map of thumbnails"]
    for name in ("a.svg", "a.png", "a.html", "a.csv"):
        shown.files.export(tmp_path / name)
        assert (tmp_path / name).stat().st_size > 500
    shown.files.save(tmp_path / "b.map.zarr.zip")
    assert len(load_map(tmp_path / "b.map.zarr.zip")) == 16


def test_files_are_saved_where_the_user_was_asked_about(shown, type_name, typed_without_ending, tmp_path):
    path = typed_without_ending(shown.panel.save.click, ".map.zarr.zip")
    assert len(load_map(path)) == 16
    path = typed_without_ending(shown.panel.export.click, ".svg")
    assert path.read_text(encoding="utf-8").startswith("<svg")
    for typed, chosen, expected in (
        ("films 1.5", "Table (*.csv)", "films 1.5.csv"), ("map.svg", "Picture (*.png)", "map.png"),
        ("page.htm", "Figure (*.svg)", "page.htm"),
    ):  # fmt: skip
        type_name(tmp_path / typed, chosen)
        shown.panel.export.click()
        assert (tmp_path / expected).stat().st_size


def test_the_map_survives_its_dock_and_cancelling(viewer, shown, films, finish):
    again = MapWidget(viewer)
    viewer.window.add_dock_widget(again, name="Map again")
    assert len(again.results.map) == 16
    again.source.take_folder(films)
    again.run()
    again.runner.cancel()
    finish(again)
    assert len(again.results.map) == 16


def test_nothing_selected_is_said_in_words(shown, finish):
    from napari.utils.notifications import notification_manager

    before = len(notification_manager.records)
    shown.results.find_similar()
    shown.results.find_regions()
    assert len(notification_manager.records) == before + 2
    shown.source.take_layer()
    assert "select an image" in shown.source._wrong.text()


def test_lasso_takes_a_moment_for_a_hundred_thousand_points():
    points = np.random.default_rng(0).normal(size=(100_000, 2))
    angle = np.linspace(0, 2 * np.pi, 200)
    found = inside(points, np.stack([np.cos(angle), np.sin(angle)], axis=1))
    expected = np.flatnonzero((points**2).sum(axis=1) < 1)
    assert len(np.setxor1d(found, expected)) < 0.002 * len(expected)
    assert len(nearest_neighbours(points[:10].astype(np.float32), 3).indices) == 10


def test_a_narrow_dock_is_wide_enough(shown):
    shown.panel.properties_fold.set_open(True)
    shown.options_fold.set_open(True)
    shown.form.advanced.set_open(True)
    shown.panel.selection.show()
    from napari_visualccc.widgets._parts import DOCK_WIDTH

    assert shown.panel.minimumSizeHint().width() <= DOCK_WIDTH
    assert shown.form.minimumSizeHint().width() <= DOCK_WIDTH
    assert shown.source.minimumSizeHint().width() <= DOCK_WIDTH


def test_controls_are_drawn_without_anything_heavy():
    import subprocess
    import sys

    code = "import sys, napari_visualccc.widgets.map; print(*{'torch', 'sklearn', 'zarr', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"pandas"}
