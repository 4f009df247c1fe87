"""Planes at another pixel size."""

import numpy as np
import pytest

from napari_visualccc.core.resample import ResampledPlane


def whole(plane):
    return plane.read((slice(0, plane.shape[0]), slice(0, plane.shape[1])))


@pytest.fixture
def image():
    return np.random.default_rng(0).normal(size=(97, 120)).astype(np.float32)


@pytest.mark.parametrize("factors", [(0.5, 0.5), (2.0, 2.0), (0.31, 1.7), (1.0, 0.25)])
def test_regions_equal_the_whole(image, factors):
    plane = ResampledPlane(image.__getitem__, image.shape, factors)
    expected = whole(plane)
    assert expected.shape == plane.shape
    for region in ((slice(0, 7), slice(3, 20)), (slice(plane.shape[0] - 5, plane.shape[0]), slice(0, plane.shape[1]))):
        np.testing.assert_allclose(plane.read(region), expected[region], atol=1e-6)


@pytest.mark.parametrize("factors", [(0.5, 0.5), (0.3, 0.4), (3.0, 2.0)])
def test_equal_to_scikit_image(image, factors):
    from scipy.ndimage import gaussian_filter
    from skimage.transform import resize

    smooth = gaussian_filter(image, 3)
    plane = ResampledPlane(smooth.__getitem__, smooth.shape, factors)
    theirs = resize(smooth, plane.shape, order=1, mode="edge", anti_aliasing=True)
    np.testing.assert_allclose(whole(plane)[3:-3, 3:-3], theirs[3:-3, 3:-3], atol=0.01)


def test_a_ramp_stays_a_ramp():
    ramp = np.tile(np.arange(100, dtype=np.float32), (20, 1))
    plane = ResampledPlane(ramp.__getitem__, ramp.shape, (1.0, 0.5))
    np.testing.assert_allclose(whole(plane)[0, 5:-5], 2 * np.arange(50)[5:-5] + 0.5, atol=1e-4)


def test_fine_structure_does_not_turn_into_false_structure():
    stripes = np.tile(np.array([0.0, 1.0], np.float32), (30, 60))
    plane = ResampledPlane(stripes.__getitem__, stripes.shape, (0.22, 0.22))
    assert whole(plane)[:, 3:-3].std() < 0.02


def test_one_pixel():
    plane = ResampledPlane(np.ones((1, 1), np.float32).__getitem__, (1, 1), (0.1, 4.0))
    assert whole(plane).tolist() == [[1, 1, 1, 1]]
