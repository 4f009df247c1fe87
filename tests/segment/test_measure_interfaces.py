import numpy as np
import pytest

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.segment.interfaces import InterfaceLengths
from napari_visualccc.segment.outlines import boundary_lengths, outline_lengths

OBLONG = PixelSize(1, 2.5, "nm")


def grid(shape, size):
    """Physical coordinates from the centre of the image."""
    y, x = np.mgrid[: shape[0], : shape[1]].astype(float)
    return (y - (shape[0] - 1) / 2) * size.y, (x - (shape[1] - 1) / 2) * size.x


def table_of(positions, labels=(0, 1), size=None, names=None):
    size = size or PixelSize()
    lengths = InterfaceLengths(size)
    lengths.add(positions.astype(np.int32), np.array(labels))
    return lengths.table(names or {}, positions.size * size.area)


def test_two_half_planes_meet_along_the_whole_width():
    halves = np.zeros((50, 80), int)
    halves[20:] = 1
    found = table_of(halves, (3, 8), PixelSize(0.5, 0.25, "nm"), {3: "film"})
    assert found.columns.tolist() == ["label_a", "class_a", "label_b", "class_b", "length_nm", "length_per_area_per_nm"]
    assert found.loc[0, ["label_a", "class_a", "label_b", "class_b"]].tolist() == [3, "film", 8, "class 8"]
    assert found.length_nm[0] == pytest.approx(20)
    assert found.length_per_area_per_nm[0] == pytest.approx(20 / (25 * 20))
    assert table_of(halves.T).length_px[0] == pytest.approx(80)
    assert "length_per_area_nm" in table_of(halves, size=PixelSize(1, 1, "1/nm")).columns


@pytest.mark.parametrize("size", [PixelSize(), OBLONG], ids=str)
@pytest.mark.parametrize("radius", [8, 20, 60])
def test_circles_of_any_size(radius, size):
    radius *= max(size.y, size.x)
    shape = (int(2.4 * radius / size.y), int(2.4 * radius / size.x))
    y, x = grid(shape, size)
    disc = (np.hypot(y - 0.2, x + 0.3) <= radius).astype(np.int32)
    assert boundary_lengths(disc, 2, size)[0, 1] == pytest.approx(2 * np.pi * radius, rel=0.01)
    assert outline_lengths(disc, 1, size)[1] == pytest.approx(2 * np.pi * radius, rel=0.01)


@pytest.mark.parametrize("size", [PixelSize(), OBLONG], ids=str)
@pytest.mark.parametrize("degrees", [0, 3, 10, 27, 45, 63, 80, 87, 90])
def test_straight_lines_of_any_direction(degrees, size):
    shape = (int(200 * max(size.y, size.x) / size.y), int(200 * max(size.y, size.x) / size.x))
    y, x = grid(shape, size)
    angle = np.radians(degrees)
    side = (y * np.cos(angle) - x * np.sin(angle) > 0.4).astype(np.int32)
    along = np.linspace(-1000, 1000, 400_001)
    line_y, line_x = along * np.sin(angle) + 0.4 * np.cos(angle), along * np.cos(angle) - 0.4 * np.sin(angle)
    inside = (np.abs(line_y) <= shape[0] * size.y / 2) & (np.abs(line_x) <= shape[1] * size.x / 2)
    assert boundary_lengths(side, 2, size)[0, 1] == pytest.approx(inside.mean() * 2000, rel=0.015)


def test_thin_layers_keep_both_their_boundaries():
    for rows in (1, 2, 3):
        layer = np.zeros((40, 60), int)
        layer[20 : 20 + rows] = 1
        assert table_of(layer).length_px[0] == pytest.approx(120)


def test_three_phases_share_their_boundaries():
    plane = np.zeros((60, 60), int)
    plane[:, 20:40] = 1
    plane[:, 40:] = 2
    found = table_of(plane, (1, 2, 5))
    assert found[["label_a", "label_b"]].to_numpy().tolist() == [[1, 2], [2, 5]]
    lengths = InterfaceLengths(PixelSize())
    lengths.add(plane.astype(np.int32), np.array([1, 2, 5]))
    lengths.add(plane.astype(np.int32), np.array([1, 2, 5]))
    assert lengths.perimeters(np.array([1, 2, 5, 6])).tolist() == pytest.approx([120, 240, 120, 0])


def test_the_edge_of_the_image_and_of_ignored_pixels_is_no_interface():
    assert table_of(np.ones((30, 30), int)).empty
    plane = np.zeros((30, 30), int)
    plane[:, 15:] = -1
    assert table_of(plane).empty


def test_an_object_at_the_edge_has_a_closed_outline():
    whole = np.ones((40, 40), np.int32)
    assert outline_lengths(whole, 1, PixelSize())[1] == pytest.approx(160, rel=0.03)


def test_a_single_pixel():
    assert boundary_lengths(np.zeros((1, 1), np.int32), 1, PixelSize()) == {}
    assert outline_lengths(np.ones((1, 1), np.int32), 1, PixelSize())[1] == pytest.approx(4)
