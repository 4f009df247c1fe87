import numpy as np
import pytest
from scipy import ndimage
from skimage import exposure, feature, filters

from napari_visualccc.core.errors import OptionError
from napari_visualccc.processing import Pipeline, apply


def test_stretch_in_closed_form(run):
    image = np.arange(101.0).reshape(1, -1)
    out = run(image, "stretch:low=10,high=60")
    np.testing.assert_allclose(out[0], np.clip((np.arange(101) - 10) / 50, 0, 1), atol=1e-6)
    np.testing.assert_allclose(run(image, "stretch:low=10,high=60,invert=yes"), 1 - out, atol=1e-6)
    with pytest.raises(OptionError, match="below White"):
        run(image, "stretch:low=60,high=10")


def test_gamma_keeps_black_and_white(run):
    image = np.array([[10, 60, 110]])
    np.testing.assert_allclose(run(image, "gamma:gamma=0.5"), [[10, 10 + 100 * np.sqrt(0.5), 110]], rtol=1e-5)


def test_clahe_is_scikit_images_over_the_range(run, rng):
    image = rng.normal(100, 20, (64, 64)).astype(np.float32)
    low, high = image.min(), image.max()
    want = exposure.equalize_adapthist((image - low) / (high - low), 16, 0.02)
    np.testing.assert_allclose(run(image, "clahe:tile=16px,limit=0.02"), low + want * (high - low), rtol=1e-3)


def test_matching_takes_brightness_drift_out(run, rng):
    first = rng.normal(100, 20, (64, 64))
    stack = np.stack([first, 0.5 * first[::-1] + 7, 3 * first[:, ::-1] - 50])
    out = run(stack, "match")
    np.testing.assert_array_equal(out[0], stack[0].astype(np.float32))
    np.testing.assert_allclose(out[1], first[::-1], atol=0.5)
    np.testing.assert_allclose(out[2], first[:, ::-1], atol=0.5)
    with pytest.raises(OptionError, match="no plane 7"):
        run(stack, "match:reference=7")


def test_matching_integers_has_no_jumps(run, rng):
    stack = rng.integers(0, 8, (2, 40, 40)).astype(np.uint8)
    out = run(stack, "match")
    levels = [np.unique(out[1][stack[1] == level]) for level in range(8)]
    assert all(len(level) == 1 for level in levels)
    assert np.abs(np.array(levels).ravel() - np.arange(8)).max() < 0.2


def test_unsharp_adds_what_the_blur_takes(run, rng):
    image = rng.normal(size=(40, 40)).astype(np.float32)
    want = image + 1.5 * (image - ndimage.gaussian_filter(image, 2, mode="nearest"))
    np.testing.assert_allclose(run(image, "unsharp:sigma=2px,amount=1.5"), want, atol=1e-5)


def test_sobel_is_scikit_images(run, rng):
    image = rng.normal(size=(40, 40)).astype(np.float32)
    np.testing.assert_allclose(run(image, "sobel:sigma=0px"), filters.sobel(image), atol=1e-6)


def test_canny_draws_the_circle(run):
    y, x = np.mgrid[:100, :100]
    radius = np.hypot(y - 50, x - 50)
    edges = run((radius < 30).astype(float) * 100, "canny")
    assert edges.dtype == np.uint8
    assert np.abs(radius[edges > 0] - 30).max() < 2
    assert (edges > 0).sum() > 150
    same = feature.canny((radius < 30) * 100.0, 2, 0.8, 0.95, use_quantiles=True, mode="nearest")
    np.testing.assert_array_equal(edges > 0, same)


@pytest.mark.parametrize(("lines", "height"), [("dark", -5.0), ("bright", 5.0)])
def test_ridges_are_where_the_line_is(run, lines, height):
    image = np.full((60, 60), 10.0)
    image[:, 28:31] += height
    ridge = run(image, f"ridge:lines={lines}")
    assert ridge[30].argmax() == 29
    assert ridge[30, 29] > 10 * ridge[30, 10]
    assert run(image, f"ridge:lines={'dark' if height > 0 else 'bright'}")[30, 29] < 0.1 * ridge[30, 29]


def test_percentages_in_order():
    with pytest.raises(OptionError, match="step canny"):
        apply(Pipeline.parse(["canny:low=90,high=80"]), np.zeros((9, 9)))
