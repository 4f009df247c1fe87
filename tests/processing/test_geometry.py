import numpy as np
import pytest

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.processing import Pipeline, apply

SIZE = PixelSize(0.4, 0.2, "nm")


def frame_of(image, *steps, pixel_size=SIZE):
    return apply(Pipeline.parse(steps), image, pixel_size=pixel_size).frame


def test_binning_averages_and_grows_the_pixel(run):
    image = np.arange(35.0).reshape(5, 7)
    out = run(image, "bin:factor=2", pixel_size=SIZE)
    assert out.tolist() == [[4, 6, 8], [18, 20, 22]]
    assert run(image, "bin:factor=2,by=sum").tolist() == [[16, 24, 32], [72, 80, 88]]
    frame = frame_of(image, "bin:factor=2")
    assert frame.pixel_size == PixelSize(0.8, 0.4, "nm")
    assert frame.origin == (0.5, 0.5)
    assert frame.spacing == (2, 2)
    assert frame_of(image, "bin", pixel_size=None).pixel_size == PixelSize()


def test_binning_leaves_out_what_has_no_value(run):
    image = np.array([[1.0, np.nan, np.nan, np.nan], [3.0, 5.0, np.nan, np.nan]])
    assert run(image, "bin")[0, 0] == 3
    assert np.isnan(run(image, "bin")[0, 1])


def test_binned_labels_are_labels(run, rng):
    image = np.kron(rng.integers(0, 2, (6, 6)), np.ones((3, 3)))
    np.testing.assert_array_equal(run(image, "threshold", "bin:factor=3"), image[1::3, 1::3])


def test_cropping_in_nm_knows_where_it_is(run):
    image = np.arange(200.0).reshape(10, 20)
    out = run(image, "crop:top=0.8nm,left=1nm,height=1.2nm,width=2nm", pixel_size=SIZE)
    np.testing.assert_array_equal(out, image[2:5, 5:15])
    frame = frame_of(image, "crop:top=0.8nm,left=1nm,height=1.2nm,width=2nm")
    assert frame.origin == (2, 5)
    assert frame.pixel_size == SIZE
    np.testing.assert_array_equal(run(image, "crop:top=7px,height=99px"), image[7:])
    with pytest.raises(OptionError, match="outside of the image of 10 × 20"):
        run(image, "crop:left=20px")


def test_origins_add_up():
    frame = frame_of(np.zeros((40, 40)), "crop:top=4px,left=6px", "bin:factor=3", "crop:top=1px")
    assert frame.origin == (4 + 1 + 3, 6 + 1)
    assert frame.spacing == (3, 3)


@pytest.mark.parametrize("pixel", ["0.1nm", "0.5nm", "0.37nm"])
def test_resampling_gives_square_pixels_of_a_true_size(run, pixel):
    y, x = np.mgrid[:60, :90]
    image = 3.0 * y * SIZE.y + 2.0 * x * SIZE.x  # a plane in nm
    frame = frame_of(image, f"resample:pixel={pixel}")
    wanted = float(pixel[:-2])
    assert frame.pixel_size.y == pytest.approx(wanted, rel=0.02)
    assert frame.pixel_size.x == pytest.approx(wanted, rel=0.02)
    # the field of view is the same to the last digit
    assert frame.shape[0] * frame.pixel_size.y == pytest.approx(60 * SIZE.y)
    assert frame.shape[1] * frame.pixel_size.x == pytest.approx(90 * SIZE.x)
    out = run(image, f"resample:pixel={pixel}", pixel_size=SIZE)
    rows = (frame.origin[0] + np.arange(frame.shape[0]) * frame.spacing[0]) * SIZE.y
    columns = (frame.origin[1] + np.arange(frame.shape[1]) * frame.spacing[1]) * SIZE.x
    inner = (slice(6, -6), slice(6, -6))
    np.testing.assert_allclose(out[inner], (3 * rows[:, None] + 2 * columns)[inner], rtol=1e-4)


def test_resampling_labels_keeps_their_values(run, rng):
    image = np.kron(rng.integers(0, 3, (8, 8)) * 50, np.ones((5, 5)))
    out = run(image, "multi_otsu:classes=3", "resample:pixel=2.5px")
    assert out.shape == (16, 16)
    np.testing.assert_array_equal(out[::2, ::2], run(image, "multi_otsu:classes=3")[2::5, 2::5])


def test_resampling_keeps_holes_apart(run):
    image = np.ones((40, 40))
    image[:, 30:] = np.nan
    out = run(image, "resample:pixel=2px")
    assert np.isnan(out[:, 15:]).all()
    np.testing.assert_allclose(out[:, :15], 1, rtol=1e-6)


def test_a_size_nobody_can_store_is_refused():
    with pytest.raises(OptionError, match="choose a larger one"):
        frame_of(np.zeros((4000, 4000)), "resample:pixel=0.002nm")
