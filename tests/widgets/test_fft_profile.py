import numpy as np
import pandas as pd
import pytest
from qtpy.QtCore import QPointF
from qtpy.QtWidgets import QPushButton, QScrollArea

from napari_visualccc.processing import analyse_spectrum
from napari_visualccc.widgets._fft_profile import told
from napari_visualccc.widgets.fft import FftWidget

SCALE = 0.025
SHAPE = (240, 256)


def lattice(d_px, degrees=30.0, noise=0.3, size=SHAPE):
    y, x = np.mgrid[: size[0], : size[1]]
    along = x * np.cos(np.deg2rad(degrees)) + y * np.sin(np.deg2rad(degrees))
    return np.sin(2 * np.pi * along / d_px) + np.random.default_rng(0).normal(0, noise, size)


@pytest.fixture
def show(viewer, qtbot):
    """Open the widget on an image, unfold the profile and wait for the spots."""

    def build(image, **placed):
        viewer.add_image(image, name="lattice", **placed)
        widget = FftWidget(viewer)
        viewer.window.add_dock_widget(widget, name="FFT / lattice")
        widget.profile_fold.set_open(True)
        settle(widget)
        return widget

    def settle(widget):
        def done():
            busy = widget.live.is_running or widget._analyser.is_running or widget._stale
            return widget.results.spectrum is not None and not busy

        qtbot.waitUntil(done, timeout=60_000)
        qtbot.wait(50)

    build.settle = settle
    return build


NM = {"scale": (SCALE, SCALE), "units": ("nm", "nm")}


def curve(widget):
    """Frequency and mean power as they are drawn."""
    return widget.profile.plot._mean.getOriginalDataset()


def lines(widget):
    return [line.value() for line in widget.profile.plot._lines]


@pytest.mark.parametrize(("d_px", "degrees"), [(8.0, 0.0), (9.3, 30.0), (14.2, -70.0)])
@pytest.mark.parametrize(("placed", "unit", "size"), [(NM, "1/nm", SCALE), ({}, "1/px", 1.0)])
def test_the_profile_peaks_at_one_over_d(show, d_px, degrees, placed, unit, size):
    widget = show(lattice(d_px, degrees), **placed)
    plot = widget.profile.plot
    frequency, power = curve(widget)
    ring = frequency[1] - frequency[0]
    assert ring == pytest.approx(1 / (SHAPE[0] * size))
    assert frequency[power.argmax()] == pytest.approx(1 / (d_px * size), abs=ring / 2)
    assert power.max() > 100 * np.median(power)
    assert lines(widget)[0] == pytest.approx(1 / (d_px * size), rel=2e-3)
    item = plot._view.getPlotItem()
    low, high = item.getViewBox().viewRange()[0]
    assert low == 0 < 1 / (d_px * size) < high
    bottom = item.getAxis("bottom")
    assert bottom.labelText == f"spatial frequency ({unit})"
    assert bottom.autoSIPrefixScale == 1  # ticks are in the unit that the label says
    assert item.getAxis("left").logMode


def test_ticks_stay_in_their_unit_when_the_theme_changes(show, viewer):
    widget = show(lattice(8.0))
    viewer.theme = "light"
    widget.profile.plot.show_result(widget.results.spectrum)
    for plot in (widget.view._plot, widget.profile.plot._view.getPlotItem()):
        assert [plot.getAxis(side).autoSIPrefixScale for side in ("left", "bottom")] == [1, 1]
    foreground = widget.profile.plot._colours[0]
    assert widget.profile.plot._mean.opts["pen"].color().name() == foreground[:7]


def test_the_tooltip_tells_spacing_and_spot(show):
    widget = show(lattice(8.0, 0.0), **NM)
    plot = widget.profile.plot
    box = plot._view.getPlotItem().getViewBox()
    middle = float(np.mean(box.viewRange()[1]))
    plot._pointed(box.mapViewToScene(QPointF(5.0, middle)))
    assert plot.toolTip().startswith("Spot 1: d = 0.2000 nm, 1/d = 5 1/nm\n")
    plot._pointed(box.mapViewToScene(QPointF(2.5, middle)))
    assert plot.toolTip().startswith("d = 0.400")
    plot._pointed(QPointF(-5, -5))
    assert "d =" not in plot.toolTip()
    assert told(widget.results.spectrum, 0.0) == ""


def test_a_picked_spot_has_a_bold_line(show):
    widget = show(lattice(8.0, 0.0) + lattice(11.0, 60.0), **NM)
    assert sorted(lines(widget)) == pytest.approx([1 / (11 * SCALE), 1 / (8 * SCALE)], rel=2e-3)
    widget.panel.table.selectRow(0)
    label = widget.panel.table.selected_labels()[0]
    widths = [line.pen.width() for line in widget.profile.plot._lines]
    assert widths[label - 1] == 3
    assert sorted(widths) == [1, 3]


def test_it_is_drawn_at_rest_and_only_if_seen(show, viewer, qtbot, monkeypatch):
    image = np.hstack([lattice(8.0, 0.0), lattice(12.0, 0.0)])
    widget = show(image, **NM)
    widget.draw_region()
    show.settle(widget)
    plot, drawn = widget.profile.plot, []
    monkeypatch.setattr(plot, "show_result", lambda result, draw=plot.show_result: (drawn.append(result), draw(result)))
    layer, before = widget.region.layer, widget.frames
    box = np.array([[20, 0], [20, 200], [220, 200], [220, 0]]) - 0.5
    for column in range(20, 301, 40):
        layer.data = [box + [0, column]]
        qtbot.waitUntil(lambda: widget.frames > before, timeout=20_000)  # noqa: B023
        before = widget.frames
    moving = len(drawn)
    show.settle(widget)
    qtbot.waitUntil(lambda: len(drawn) > moving, timeout=20_000)
    show.settle(widget)
    assert moving == 0
    assert len(drawn) == 1
    frequency, power = curve(widget)
    assert frequency[power.argmax()] == pytest.approx(1 / (12 * SCALE), abs=0.1)
    widget.profile_fold.set_open(False)
    layer.data = [box]
    qtbot.waitUntil(lambda: "20,0,200,200" in widget.results.spectrum.provenance.command, timeout=20_000)
    show.settle(widget)
    assert len(drawn) == 1
    widget.profile_fold.set_open(True)
    assert len(drawn) == 2
    frequency, power = curve(widget)
    assert frequency[power.argmax()] == pytest.approx(1 / (8 * SCALE), abs=0.1)


@pytest.mark.parametrize("image", [np.zeros(SHAPE), np.random.default_rng(1).normal(size=SHAPE)])
def test_without_spots_all_of_it_is_shown(show, image):
    widget = show(image, **NM)
    assert lines(widget) == []
    box = widget.profile.plot._view.getPlotItem().getViewBox()
    assert box.viewRange()[0] == pytest.approx([0, 1 / (2 * SCALE)], rel=0.02)


def test_another_image_empties_it(show, viewer):
    widget = show(lattice(8.0), **NM)
    viewer.add_image(np.zeros((8, 8)), name="tiny")
    widget.chooser.choose(viewer.layers["tiny"])
    assert lines(widget) == []
    assert not widget.profile.plot._view.getPlotItem().listDataItems()
    widget.chooser.choose(viewer.layers["lattice"])
    show.settle(widget)
    assert len(lines(widget)) == 1


def test_it_is_saved_as_csv(show, finish, typed_without_ending):
    image = lattice(8.0)
    widget = show(image, **NM)
    path = typed_without_ending(widget.profile.findChild(QPushButton).click, ".csv")
    finish(widget)
    saved = pd.read_csv(path)
    known = analyse_spectrum(image, pixel_size=widget.results.spectrum.pixel_size).profile.table
    assert list(saved) == ["frequency_per_nm", "mean", "median", "bins"]
    pd.testing.assert_frame_equal(saved, known, rtol=1e-5, check_dtype=False)


def test_it_needs_no_sideways_scrolling(show):
    widget = show(lattice(8.0), **NM)
    assert widget.findChild(QScrollArea).widget().minimumSizeHint().width() <= 300
