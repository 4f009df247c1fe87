import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.widgets._calibrate import calibrate, scale_bar
from napari_visualccc.widgets._source import pixel_size_of


def units(layer):
    return [str(unit) for unit in layer.units]


def test_typed_size_reaches_results_and_keeps_stack_axis(viewer, open_pixel_size, qtbot):
    image = viewer.add_image(np.zeros((3, 8, 9)), name="a", scale=(5, 1, 1), translate=(0, 2, 3))
    result = viewer.add_labels(np.zeros((3, 8, 9), np.uint8), name="a · clusters")
    other = viewer.add_image(np.zeros((8, 9)), name="ab")
    viewer.layers.selection.active = image
    widget = open_pixel_size()
    widget.width_field.setText("0,25")
    widget.unit_box.setCurrentText("µm")
    qtbot.mouseClick(widget.apply_button, Qt.MouseButton.LeftButton)
    assert np.allclose(image.scale, (5, 250, 250))
    assert np.allclose(image.translate, (0, 500, 750))
    assert np.allclose(result.scale[-2:], 250)
    assert units(image) == ["pixel", "nanometer", "nanometer"]
    assert units(other) == ["pixel", "pixel"]
    assert "250 nm/px" in widget.chooser.calibration.text()
    assert scale_bar(viewer).visible
    widget.reset_button.click()
    assert not pixel_size_of(image).is_calibrated
    assert np.allclose(image.translate, (0, 2, 3))


@pytest.mark.parametrize(("unit", "expected"), [("1/Å", ("1/nm", 10.0)), ("mrad", ("mrad", 1.0)), ("pm", ("nm", 1e-3))])
def test_units(viewer, open_pixel_size, unit, expected):
    image = viewer.add_image(np.zeros((8, 9)))
    widget = open_pixel_size()
    widget.width_field.setText("1")
    widget.unit_box.setCurrentText(unit)
    widget.apply_typed()
    size = pixel_size_of(image)
    assert (size.unit, size.x) == (expected[0], pytest.approx(expected[1]))


def test_pixels_that_are_not_square(viewer, open_pixel_size):
    image = viewer.add_image(np.zeros((8, 9)))
    widget = open_pixel_size()
    widget.oblong_box.setChecked(True)
    widget.width_field.setText("1")
    widget.height_field.setText("2")
    widget.apply_typed()
    assert np.allclose(image.scale, (2, 1))


@pytest.mark.parametrize("text", ["", "many", "-1", "0", "nan", "1e12"])
def test_wrong_number_is_explained(viewer, open_pixel_size, text):
    image = viewer.add_image(np.zeros((8, 9)))
    widget = open_pixel_size()
    widget.width_field.setText(text)
    widget.apply_typed()
    assert widget.typed_problem.text()
    assert np.allclose(image.scale, 1)


def test_line_on_scale_bar(viewer, open_pixel_size):
    image = viewer.add_image(np.zeros((80, 90)))
    widget = open_pixel_size()
    widget.apply_line()
    assert "length" in widget.line_problem.text()
    widget.length_field.setText("100")
    widget.apply_line()
    assert "Draw a line" in widget.line_problem.text()
    widget.draw_line()
    shapes = viewer.layers["line on the scale bar"]
    assert shapes.mode == "add_line"
    shapes.add_lines(np.array([[70, 10], [70, 60]]))
    assert "50.0 px" in widget.line_words.text()
    widget.apply_line()
    assert np.allclose(image.scale, 2)
    assert "line on the scale bar" not in viewer.layers
    assert widget.chooser.layer is image


def test_from_file_tags(viewer, open_pixel_size, finish, tmp_path):
    from napari_visualccc.io import write_tiff

    path = write_tiff(tmp_path / "a.tif", np.zeros((8, 9), np.uint8), PixelSize(0.5, 0.5, "nm"))
    viewer.open(path, plugin="napari")
    layer = viewer.layers[0]
    calibrate(viewer, layer, PixelSize())
    widget = open_pixel_size()
    assert widget.tags_button.isEnabled()
    widget.tags_button.click()
    finish(widget)
    assert np.allclose(layer.scale, 0.5)
    assert units(layer) == ["nanometer", "nanometer"]


def test_without_file_the_button_is_off(viewer, open_pixel_size):
    viewer.add_image(np.zeros((8, 9)))
    widget = open_pixel_size()
    assert not widget.tags_button.isEnabled()
    assert "not come from a file" in widget.file_words.text()


def test_cluster_widget_follows_calibration(viewer, open_widget, phases, finish):
    image = viewer.add_image(phases)
    widget = open_widget()
    widget.run()
    finish(widget)
    calibrate(viewer, image, PixelSize(0.01, 0.01, "nm"))
    assert "0.01 nm/px" in widget.chooser.calibration.text()
    assert "area_nm2" in widget.panel.table.frame.columns
    assert "area_nm2" in viewer.layers[1].features.columns
    assert np.allclose(viewer.layers[1].scale, 0.01)


def test_length_is_read_while_drawing(viewer, open_pixel_size, MouseEvent):  # noqa: N803 - napari's fixture
    from napari.utils._proxies import ReadOnlyWrapper
    from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks

    viewer.add_image(np.zeros((80, 90)))
    widget = open_pixel_size()
    widget.draw_line()
    shapes = viewer.layers["line on the scale bar"]

    def event(kind, x):
        made = MouseEvent(type=kind, position=(70.0, x), is_dragging=kind == "mouse_move", pos=np.array((70.0, x)))
        return ReadOnlyWrapper(made, exceptions=("handled",))

    mouse_press_callbacks(shapes, event("mouse_press", 10.0))
    mouse_move_callbacks(shapes, event("mouse_move", 40.0))
    assert widget.line_pixels() == pytest.approx(30, abs=0.5)
    assert f"{widget.line_pixels():.1f} px" in widget.line_words.text()
    mouse_move_callbacks(shapes, event("mouse_move", 60.0))
    mouse_release_callbacks(shapes, event("mouse_release", 60.0))
    assert f"{widget.line_pixels():.1f} px" in widget.line_words.text()
    assert widget.line_pixels() == pytest.approx(50, abs=0.5)


@pytest.fixture
def docked(viewer):
    """The widget as napari makes it, which hands it a proxy of the viewer."""
    return viewer.window.add_plugin_dock_widget("napari-visualccc", "Pixel size")[1]


@pytest.fixture
def draw(viewer, docked, MouseEvent):  # noqa: N803 - napari's fixture
    """Draw a line with the mouse from one place of the chosen layer to another, in pixels."""
    from napari.utils._proxies import ReadOnlyWrapper
    from napari.utils.interactions import mouse_move_callbacks, mouse_press_callbacks, mouse_release_callbacks

    def by_mouse(start, stop):
        shapes, layer = viewer.layers["line on the scale bar"], docked.chooser.layer
        steps = (mouse_press_callbacks, "mouse_press", start), (mouse_move_callbacks, "mouse_move", stop)
        for call, kind, place in (*steps, (mouse_release_callbacks, "mouse_release", stop)):
            world = np.asarray(layer.data_to_world(place), float)
            event = MouseEvent(type=kind, position=tuple(world), is_dragging=kind == "mouse_move", pos=world)
            call(shapes, ReadOnlyWrapper(event, exceptions=("handled",)))
        return shapes

    return by_mouse


def test_a_line_can_be_drawn_after_one_was_used(viewer, docked, draw):
    image = viewer.add_image(np.zeros((80, 90)))
    for pixels, expected in ((50, 2.0), (20, 5.0)):
        docked.line_button.click()
        draw((70, 10), (70, 10 + pixels))
        docked.length_field.setText("100")
        docked.line_apply_button.click()
        assert np.allclose(image.scale, expected, rtol=1e-3)
        assert len(viewer.layers) == 1
        assert viewer.layers.selection.active is image
        assert docked.line_words.text() == "No line yet."


def test_drawing_again_replaces_the_line(viewer, docked, draw):
    viewer.add_image(np.zeros((80, 90)))
    docked.line_button.click()
    draw((70, 10), (70, 60))
    shapes = draw((30, 10), (30, 40))
    assert len(shapes.data) == 1
    assert "30.0 px" in docked.line_words.text()


def test_the_line_is_measured_in_pixels_of_the_chosen_layer(viewer, docked, draw):
    first = viewer.add_image(np.zeros((80, 90)), scale=(4, 4), translate=(8, 8), units="nm")
    viewer.layers.selection.active = second = viewer.add_image(np.zeros((80, 90)), scale=(0.5, 0.5), units="nm")
    docked.line_button.click()
    draw((70, 10), (70, 60))
    docked.chooser.choose(first)
    assert docked.line_pixels() == 0  # it lay on the other image
    draw((70, 10), (70, 60))
    assert docked.line_pixels() == pytest.approx(50, abs=0.1)
    docked.length_field.setText("100")
    docked.line_apply_button.click()
    assert np.allclose(first.scale, 2, rtol=1e-3)
    assert np.allclose(second.scale, 0.5)


def test_a_click_is_no_line(viewer, docked, draw):
    viewer.add_image(np.zeros((80, 90)))
    docked.line_button.click()
    draw((70, 10), (70, 10))
    assert docked.line_pixels() == 0
    assert "Drag from one end" in docked.line_words.text()


def test_a_file_without_pixel_size_is_told_beside_its_button(viewer, docked, finish, tmp_path):
    from skimage.io import imsave

    imsave(tmp_path / "a.png", np.arange(72, dtype=np.uint8).reshape(8, 9), check_contrast=False)
    viewer.open(tmp_path / "a.png", plugin="napari")
    docked.tags_button.click()
    finish(docked)
    assert docked.file_problem.text().startswith("⚠ a.png says nothing of the pixel size")
    viewer.add_image(np.zeros((8, 9)), name="other")
    assert not docked.file_problem.text()
