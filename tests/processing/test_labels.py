"""Thresholds, morphology and watershed: from grey values to numbered particles."""

import numpy as np
import pytest
from scipy import ndimage
from skimage import filters

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.processing.morphology import ellipse

Y, X = np.mgrid[:120, :140]


def discs(*places, radius=12):
    image = np.zeros(Y.shape)
    for y, x in places:
        image[(Y - y) ** 2 + (X - x) ** 2 <= radius**2] = 1
    return image


@pytest.fixture
def bimodal(rng):
    return discs((30, 40), (80, 90)) * 100 + rng.normal(50, 8, Y.shape)


@pytest.mark.parametrize(("name", "peer"), [("otsu", filters.threshold_otsu), ("li", filters.threshold_li)])
def test_thresholds_are_scikit_images(run, bimodal, name, peer):
    image = bimodal.astype(np.float32)
    np.testing.assert_array_equal(run(image, name), image > peer(image.astype(np.float64)))
    np.testing.assert_array_equal(run(image, f"{name}:objects=dark"), image <= peer(image.astype(np.float64)))


def test_multi_otsu_numbers_dark_to_bright(run, rng):
    truth = np.digitize(X, [50, 100])
    image = np.array([10, 60, 120])[truth] + rng.normal(0, 4, X.shape)
    assert (run(image, "multi_otsu") != truth + 1).sum() < 5
    np.testing.assert_array_equal(run(truth.astype(np.uint8), "multi_otsu:classes=5"), truth + 1)


def test_sauvola_follows_the_background(run, rng):
    truth = discs((30, 40), (80, 90), (90, 30), radius=5)
    image = 50 + 0.5 * X - 30 * truth + rng.normal(0, 1, X.shape)
    agree = (run(image, "sauvola:window=31px") == truth).mean()
    assert agree > 0.98
    assert (run(image, "otsu:objects=dark") == truth).mean() < 0.8
    assert (run(-image, "sauvola:window=31px,objects=bright") == truth).mean() > 0.98


def test_hysteresis_follows_weak_parts_of_strong_objects(run):
    image = np.zeros((20, 60))
    image[10, 5:55] = 5
    image[10, 20] = 10
    image[3, 5:20] = 5
    labels = run(image, "hysteresis:low=4,high=8")
    assert labels[10, 5:55].all()
    assert not labels[3].any()
    np.testing.assert_array_equal(run(-image, "hysteresis:low=-4,high=-8,objects=dark"), labels)
    with pytest.raises(OptionError, match="must lie below"):
        run(image, "hysteresis:low=9,high=8")


def test_a_given_grey_value(run):
    assert run(np.array([[1, 2, 3]]), "threshold:value=2").tolist() == [[0, 0, 1]]


def test_no_value_is_in_no_class(run, bimodal):
    bimodal[:10] = np.nan
    for name in ("otsu", "multi_otsu", "sauvola", "hysteresis", "li"):
        assert not run(bimodal, name)[:10].any()


def test_one_grey_has_no_objects(run):
    flat = np.full((20, 20), 7, np.uint8)
    for name in ("otsu", "li", "sauvola", "hysteresis", "canny"):
        assert not run(flat, name).any()


@pytest.mark.parametrize("operation", ["erosion", "dilation", "opening", "closing"])
def test_morphology_is_scipys_inside(run, rng, operation):
    image = rng.integers(0, 200, (40, 50)).astype(np.float32)
    word = {"erosion": "erode", "dilation": "dilate", "opening": "open", "closing": "close"}[operation]
    want = getattr(ndimage, f"grey_{operation}")(image, footprint=ellipse((3, 3)))
    inner = (slice(8, -8),) * 2
    np.testing.assert_array_equal(run(image, f"morphology:operation={word},radius=3px")[inner], want[inner])


def test_the_border_neither_eats_nor_feeds(run):
    touching = np.zeros((30, 30), np.uint8)
    touching[:, :10] = 1
    for operation in ("open", "close"):
        out = run(touching, "threshold", f"morphology:operation={operation},radius=4px")
        np.testing.assert_array_equal(out, touching)


def test_neighbourhoods_are_round_in_nm(run):
    image = np.zeros((41, 41), np.float32)
    image[20, 20] = 1
    size = PixelSize(2.0, 1.0, "nm")
    grown = run(image, "morphology:operation=dilate,radius=8nm", pixel_size=size) > 0
    assert grown.any(axis=1).sum() == 9
    assert grown.any(axis=0).sum() == 17


def test_top_hat_keeps_what_opening_takes(run, bimodal):
    opened, hat = (run(bimodal, f"morphology:operation={word},radius=3px") for word in ("open", "tophat"))
    np.testing.assert_allclose(opened + hat, bimodal, rtol=1e-5)


def test_holes_up_to_a_size(run):
    image = discs((60, 70), radius=40)
    image[58:61, 40:43] = 0
    image[50:70, 70:90] = 0
    all_filled = run(image, "threshold", "fill_holes")
    np.testing.assert_array_equal(all_filled, discs((60, 70), radius=40))
    small = run(image, "threshold", "fill_holes:largest=6nm", pixel_size=PixelSize(1, 1, "nm"))
    assert small[59, 41] == 1
    assert small[60, 80] == 0


def test_small_patches_go(run):
    image = discs((30, 40), radius=10) + discs((80, 90), radius=3)
    size = PixelSize(0.5, 0.5, "nm")
    kept = run(image, "threshold", "remove_small:smallest=5nm", pixel_size=size)
    np.testing.assert_array_equal(kept, discs((30, 40), radius=10))


def test_watershed_parts_touching_discs(run):
    apart = run(discs((60, 40), (60, 62), (60, 84), (100, 120)), "threshold", "watershed:smallest=12px")
    assert apart.dtype == np.int32
    assert apart.max() == 4
    centres = [apart[y, x] for y, x in ((60, 40), (60, 62), (60, 84), (100, 120))]
    assert len(set(centres)) == 4
    assert 0 not in centres
    np.testing.assert_array_equal(apart > 0, discs((60, 40), (60, 62), (60, 84), (100, 120)) > 0)


def test_watershed_numbers_even_single_pixels(run):
    image = discs((60, 60), radius=15)
    image[5, 5] = 1
    assert run(image, "threshold", "watershed").max() == 2
