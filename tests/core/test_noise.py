import numpy as np
import pytest
from scipy import ndimage

from napari_visualccc.core.noise import noise_sigma


def test_noise_is_measured_through_structure():
    rng = np.random.default_rng(0)
    field = ndimage.gaussian_filter(rng.normal(size=(160, 200)), 12)
    truth = ndimage.gaussian_filter((field > 0).astype(float), 1.5)
    image = 800 * truth + rng.normal(0, 20, truth.shape)
    assert noise_sigma(image) == pytest.approx(20, rel=0.1)
    image[::9, ::7] = np.nan
    assert noise_sigma(image) == pytest.approx(20, rel=0.1)
    assert noise_sigma(np.full((9, 9), 4.0)) == 0
    assert noise_sigma(np.zeros((2, 2))) == 0
