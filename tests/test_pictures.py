import numpy as np
import pytest

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.pictures import grey_picture, heat_picture, overlay_picture, scale_bar, with_scale_bar


def test_contrast_is_stretched_and_bad_pixels_are_black():
    plane = np.linspace(1000, 2000, 10_000).reshape(100, 100)
    plane[0, 0] = np.nan
    picture = grey_picture(plane)
    assert picture[0, 0].tolist() == [0, 0, 0]
    assert picture.min() == 0
    assert picture.max() == 255


def test_labels_take_their_colour_and_zero_stays_grey():
    picture = overlay_picture(np.full((4, 4), 7), np.eye(4, dtype=int), {1: (1, 0, 0, 1)}, opacity=1.0)
    assert picture[1, 1].tolist() == [255, 0, 0]
    assert len(set(picture[0, 1].tolist())) == 1


@pytest.mark.parametrize(
    ("width", "size", "text"),
    [
        (1000, PixelSize(0.01, 0.01, "nm"), "2 nm"),
        (1000, PixelSize(10, 10, "nm"), "2 µm"),
        (300, PixelSize(), "100 px"),
    ],
)
def test_scale_bars_are_round_and_fit(width, size, text):
    length, words = scale_bar(width, size)
    assert words == text
    assert width / 8 < length <= width / 3


def test_the_scale_bar_is_drawn():
    picture = np.full((64, 64, 3), 100, np.uint8)
    drawn = with_scale_bar(picture, PixelSize(1, 1, "nm"))
    assert drawn.shape == picture.shape
    assert (drawn == 255).all(-1).sum() > 20


def test_heat_lies_over_the_grey():
    plane = np.tile(np.linspace(0, 100, 50, dtype=np.float32), (40, 1))
    heat = np.zeros_like(plane)
    heat[10:20, 10:20] = 1
    heat[30] = np.nan
    picture = heat_picture(plane, heat)
    cold = ~(heat > 0)
    np.testing.assert_array_equal(picture[cold], grey_picture(plane)[cold])
    assert (picture[10:20, 10:20, 0].astype(int) > picture[10:20, 10:20, 2]).all()
    np.testing.assert_array_equal(heat_picture(plane, 0.1 * heat, brightest=0.1), picture)
