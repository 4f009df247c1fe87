import json

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPointF, Qt

from napari_visualccc.core.phases import choose_phases
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.processing import analyse_spectrum
from napari_visualccc.widgets import _fft_jobs
from napari_visualccc.widgets._fft_panel import counted
from napari_visualccc.widgets._phase_table import PhaseTable
from napari_visualccc.widgets.fft import FftWidget

SCALE = 0.025


def gold(shape=(192, 224), noise=1.0):
    (crystal,) = choose_phases(["Au"])
    y, x = np.mgrid[: shape[0], : shape[1]] * SCALE
    image = np.random.default_rng(0).normal(0, noise, shape)
    for reflection in crystal.reflections((1, 1, 0), 0.13):
        image += 0.5 * np.cos(2 * np.pi * (reflection.vector[0] * y + reflection.vector[1] * x))
    return image


@pytest.fixture
def open_fft(viewer, qtbot):
    """Put the widget into the viewer's dock and wait until it says what it sees."""

    def build() -> FftWidget:
        widget = FftWidget(viewer)
        viewer.window.add_dock_widget(widget, name="FFT / lattice")
        return widget

    return build


@pytest.fixture
def settled(qtbot):
    """Wait until spots and phases of the region are shown."""

    def wait(widget):
        def done():
            busy = widget.live.is_running or widget._analyser.is_running or widget._stale
            return widget.frames > 0 and widget.results.spectrum is not None and not busy

        qtbot.waitUntil(done, timeout=60_000)
        qtbot.wait(50)
        return widget.results.spectrum

    return wait


def add_gold(viewer, image=None):
    return viewer.add_image(gold() if image is None else image, name="gold", scale=(SCALE,) * 2, units=("nm", "nm"))


def test_spots_and_phase_of_the_whole_plane(viewer, open_fft, settled):
    add_gold(viewer)
    widget = open_fft()
    result = settled(widget)
    assert result.ranked[0].phase == "Au"
    assert widget.panel.summary.text().startswith("Au [1 1 0]")
    assert "d_nm" in widget.panel.table.frame
    assert widget.panel.table.frame["phase"].eq("Au").any()
    assert widget.view.frame.picture.dtype == np.uint8
    left, top, width, height = widget.view.frame.rectangle
    assert (width, height) == pytest.approx((1 / SCALE, 1 / SCALE))
    assert left < 0 < left + width


def test_spectrum_follows_the_dragged_region(viewer, open_fft, settled, qtbot):
    image = gold((192, 448))
    image[:, 224:] = np.random.default_rng(1).normal(size=(192, 224))
    add_gold(viewer, image)
    widget = open_fft()
    settled(widget)
    qtbot.mouseClick(widget.region_button, Qt.MouseButton.LeftButton)
    layer = widget.region.layer
    assert layer.name == "gold · FFT region"
    assert viewer.layers.selection.active is layer
    assert np.allclose(layer.scale, SCALE)
    assert widget.region.roi() == (48, 112, 96, 224)
    box = np.array([[10, 10], [10, 150], [150, 150], [150, 10]]) - 0.5
    before = widget.frames
    for column in range(0, 60, 20):  # what each step of a drag does
        layer.data = [box + [0, column]]
        qtbot.wait(20)
    qtbot.waitUntil(lambda: widget.frames > before and not widget._stale, timeout=20_000)
    assert widget.region.roi() == (10, 50, 140, 140)
    assert not widget.panel.bragg.isEnabled()  # nor is anything done with spots of where it was
    qtbot.waitUntil(lambda: "10,50,140,140" in widget.results.spectrum.provenance.command, timeout=20_000)
    found = settled(widget)
    assert widget.panel.bragg.isEnabled()
    whole = analyse_spectrum(image, roi=(10, 50, 140, 140), pixel_size=PixelSize(SCALE, SCALE, "nm"))
    pd.testing.assert_frame_equal(found.table, whole.table)  # at rest nothing is abbreviated
    assert found.ranked == whole.ranked
    layer.data = [box + [0, 260]]
    qtbot.waitUntil(lambda: len(widget.view.frame.peaks) == 0 and not widget.live.is_running, timeout=20_000)
    assert "No spot" in widget.panel.summary.text()
    qtbot.mouseClick(widget.whole_button, Qt.MouseButton.LeftButton)
    assert widget.region.layer is None
    assert len(viewer.layers) == 1


def test_pick_filter_and_record(viewer, open_fft, settled, finish, qtbot):
    source = add_gold(viewer)
    widget = open_fft()
    result = settled(widget)
    widget.panel.table.selectRow(0)
    assert len(widget.view._chosen) == 1
    widget.view.spot_clicked.emit(2)
    assert widget.panel.table.selected_labels() == [2]
    qtbot.mouseClick(widget.panel.bragg, Qt.MouseButton.LeftButton)
    finish(widget)
    layer = viewer.layers["gold · Bragg filtered"]
    assert layer.data.shape == source.data.shape
    assert np.allclose(layer.scale, source.scale)
    record = layer.metadata["visualccc"]["provenance"]
    assert record["operation"] == "Bragg filter"
    assert record["parameters"]["d of spots (nm)"] == [pytest.approx(result.peaks.spacing[1], abs=1e-5)]
    assert widget.chooser.layer is source


def test_who_went_on_to_another_image_stays_there(viewer, open_fft, settled, finish, held_up):
    add_gold(viewer)
    widget = open_fft()
    spots = settled(widget).peaks
    go_on = held_up(_fft_jobs, "run_bragg")
    widget.bragg()
    other = viewer.add_image(np.zeros((64, 64)), name="flat")
    assert widget.chooser.layer is other
    assert len(settled(widget).peaks) == 0
    go_on.set()
    finish(widget)
    record = viewer.layers["gold · Bragg filtered"].metadata["visualccc"]["provenance"]
    assert len(record["parameters"]["d of spots (nm)"]) == len(spots)  # not those of the image shown now
    assert widget.chooser.layer is other
    assert len(settled(widget).peaks) == 0


def test_map_gives_calibrated_layers_and_a_table(viewer, open_fft, settled, finish, qtbot):
    image = np.random.default_rng(2).normal(size=(256, 384))
    image[:, :192] = gold((256, 192))
    source = add_gold(viewer, image)
    widget = open_fft()
    settled(widget)
    qtbot.mouseClick(widget.run_bar.button, Qt.MouseButton.LeftButton)
    assert widget.run_bar.button.text() == "Cancel"
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60_000)
    titles = {layer.name.split(" · ")[-1] for layer in viewer.layers}
    assert {"crystallinity", "crystal-confidence", "crystals", "crystal-phases"} <= titles
    phases = viewer.layers["gold · crystal-phases"]
    assert np.allclose(phases.scale, source.scale)
    assert phases.units == source.units
    assert (phases.data[:, 20:160] == 8).mean() > 0.9  # gold is the eighth of the table
    assert widget.panel.map.isVisibleTo(widget)
    widget.panel.map.table.selectRow(0)
    crystals = viewer.layers["gold · crystals"]
    assert crystals.visible
    assert crystals.selected_label == 1
    assert widget.chooser.layer is source
    count = len(viewer.layers)
    widget.run()
    qtbot.waitUntil(lambda: not widget.runner.is_running, timeout=60_000)
    assert len(viewer.layers) == count


def test_uncalibrated_says_px_and_can_be_calibrated(viewer, open_fft, settled, qtbot):
    layer = viewer.add_image(gold(), name="raw")
    widget = open_fft()
    result = settled(widget)
    assert "d_px" in widget.panel.table.frame
    assert "Not calibrated" in widget.hint.text()
    spot = int(np.abs(result.peaks.spacing - 0.2355 / SCALE).argmin())
    widget.results.calibrate_to(spot + 1, 0.2355)
    qtbot.waitUntil(lambda: widget.results.spectrum is not None and widget.results.spectrum.pixel_size.is_calibrated,
                    timeout=60_000)  # fmt: skip
    assert layer.scale == pytest.approx([SCALE, SCALE], rel=5e-3)
    assert settled(widget).ranked[0].phase in ("Au", "LiF")


def test_phase_table_is_edited_loaded_and_saved(viewer, open_fft, settled, tmp_path):
    add_gold(viewer)
    widget = open_fft()
    settled(widget)
    table = widget.phases.table
    names = [crystal.name for crystal in widget.phases.crystals()]
    row = names.index("Au")
    table.item(row, 1).setText("0.5")
    assert widget.phases.crystals()[row].lengths_nm == (0.5, 0.5, 0.5)
    table.item(row, 1).setText("wide")
    assert "must be a number" in widget.phases.problem.text()
    assert widget.phases.crystals()[row].lengths_nm == (0.5, 0.5, 0.5)
    table.item(row, 1).setText("0.40786")
    assert not widget.phases.problem.isVisibleTo(widget)
    table.item(0, 0).setCheckState(Qt.CheckState.Unchecked)
    assert [crystal.name for crystal in widget.phases.crystals()] == names[1:]
    path = tmp_path / "mine.csv"
    path.write_text("name,a_nm,space_group\nCu,0.3615,F m -3 m\n")
    widget.phases.load_file(str(path))
    assert widget.phases.crystals()[-1].name == "Cu"
    widget.phases.save_file(str(tmp_path / "all.json"))
    assert "Cu" in (tmp_path / "all.json").read_text()
    widget.phases.table.selectRow(len(names))
    widget.phases.remove_phases()
    assert "Cu" not in [crystal.name for crystal in widget.phases.crystals()]


def test_spots_are_saved_where_the_user_was_asked_about(viewer, open_fft, settled, finish, typed_without_ending):
    add_gold(viewer)
    widget = open_fft()
    spots = settled(widget).table
    path = typed_without_ending(widget.panel.export.click, ".csv")
    finish(widget)
    assert len(pd.read_csv(path)) == len(spots)


@pytest.fixture
def phase_table(qtbot):
    table = PhaseTable()
    qtbot.addWidget(table)
    return table


def test_phases_are_saved_where_the_user_was_asked_about(phase_table, typed_without_ending):
    path = typed_without_ending(phase_table.save.click, ".csv")
    assert "Au" in pd.read_csv(path)["name"].tolist()


def test_phases_are_saved_as_json_too(phase_table, type_name, tmp_path):
    type_name(tmp_path / "all.json", "Tables of phases (*.csv *.json)")
    phase_table.save.click()
    assert "Au" in [phase["name"] for phase in json.loads((tmp_path / "all.json").read_text(encoding="utf-8"))]


def test_phases_that_cannot_be_saved_are_told(phase_table, tmp_path, monkeypatch):
    from napari.utils import notifications

    shown = []
    monkeypatch.setattr(notifications, "show_error", shown.append)
    (tmp_path / "file").touch()
    phase_table.save_file(str(tmp_path / "file" / "all.csv"))
    assert "could not be written" in shown[0]


def test_stack_follows_the_plane(viewer, open_fft, settled, qtbot):
    stack = da.from_array(np.stack([gold(), np.random.default_rng(3).normal(size=(192, 224))]), chunks=(1, 192, 224))
    viewer.add_image(stack, name="series", scale=(1, SCALE, SCALE), units=("pixel", "nm", "nm"))
    viewer.dims.set_current_step(0, 0)
    widget = open_fft()
    assert settled(widget).ranked[0].phase == "Au"
    viewer.dims.set_current_step(0, 1)
    qtbot.waitUntil(lambda: len(widget.view.frame.peaks) == 0, timeout=20_000)


def test_no_image_is_said_in_words(viewer, open_fft):
    widget = open_fft()
    assert "Open an image" in widget.hint.text()
    assert not widget.run_bar.button.isEnabled()
    viewer.add_image(np.zeros((8, 8)), name="tiny")
    widget.run()


def test_the_spectrum_tells_the_spacing_under_the_mouse(viewer, open_fft, settled):
    add_gold(viewer)
    widget = open_fft()
    result = settled(widget)
    view = widget.view
    y, x = result.peaks.frequency[0]
    box = view._plot.getViewBox()
    view._pointed(box.mapViewToScene(QPointF(x, y)))
    said = view._readout.toPlainText()
    assert said.startswith(f"d = {result.peaks.spacing[0]:.2f}")
    assert said.endswith("°")
    view._pointed(QPointF(-5, -5))
    assert view._readout.toPlainText() == ""


def test_no_cell_of_the_tables_is_elided(viewer, open_fft, settled, finish, qtbot):
    add_gold(viewer)
    widget = open_fft()
    settled(widget)
    widget.phases_fold.set_open(True)
    table = widget.phases.table
    table.setFixedWidth(260)  # of a dock of 320
    qtbot.wait(50)
    for row in range(table.rowCount()):
        assert table.rowHeight(row) >= table.sizeHintForRow(row)  # wrapped text has the lines that it needs
    assert table.height() >= sum(table.rowHeight(n) for n in range(table.rowCount()))


def test_hint_counts_in_words_and_numbers():
    assert [counted(n, "crystal") for n in (0, 1, 2)] == ["0 crystals", "1 crystal", "2 crystals"]


def test_needs_no_sideways_scrolling(viewer, open_fft, settled):
    add_gold(viewer)
    widget = open_fft()
    settled(widget)
    widget.phases_fold.set_open(True)
    widget.options_fold.set_open(True)
    assert widget.minimumSizeHint().width() <= 320
    from qtpy.QtWidgets import QScrollArea

    content = widget.findChild(QScrollArea).widget()
    assert content.minimumSizeHint().width() <= 320
