import numpy as np
import pytest

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.processing import power_spectrum, radial_profile
from napari_visualccc.processing.spectrum import WINDOWS, taper


@pytest.mark.parametrize("shape", [(32, 32), (33, 48), (47, 30), (31, 17)])
@pytest.mark.parametrize("window", WINDOWS)
def test_equals_numpy_and_parseval(shape, window):
    image = np.random.default_rng(0).normal(size=shape)
    y, x = np.linspace(-1, 1, shape[0])[:, None], np.linspace(-1, 1, shape[1])[None]
    flat = image - image.mean() - y * (image * y).mean() / (y**2).mean() - x * (image * x).mean() / (x**2).mean()
    weights = taper(shape, window).astype(float)
    flat -= (weights * flat).sum() / weights.sum()
    expected = np.abs(np.fft.fftshift(np.fft.fft2(flat * weights))) ** 2 / (weights**2).sum()
    found = power_spectrum(image, window=window).power
    np.testing.assert_allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert found.sum() == pytest.approx(image.size * (weights**2 * flat**2).sum() / (weights**2).sum(), rel=1e-4)


def test_axes_of_anisotropic_pixels():
    size = PixelSize(0.04, 0.02, "nm")
    y, x = np.arange(64)[:, None] * size.y, np.arange(96)[None] * size.x
    ky, kx = 3 / (64 * size.y), 10 / (96 * size.x)
    found = power_spectrum(np.cos(2 * np.pi * (ky * y + kx * x)), size)
    row, column = np.unravel_index(found.power.argmax(), found.power.shape)
    assert np.abs(found.frequency(row, column)) == pytest.approx([ky, kx])
    assert found.unit == "1/nm"


def test_white_noise_has_its_variance():
    noise = np.random.default_rng(0).normal(0, 3, (256, 256))
    assert power_spectrum(noise).power.mean() == pytest.approx(9, rel=0.03)


def test_a_ramp_leaves_nothing():
    ramp = np.linspace(0, 1e4, 128)[None] + np.linspace(0, 50, 64)[:, None]
    assert power_spectrum(ramp).power.max() < 1e-3


def test_uncalibrated_says_pixels():
    found = power_spectrum(np.eye(32))
    assert (found.unit, found.length_unit) == ("1/px", "px")


@pytest.mark.parametrize("image", [np.zeros((8, 100)), np.full((32, 32), np.nan), np.zeros((1, 1))])
def test_nothing_to_analyse(image):
    with pytest.raises(InputError):
        power_spectrum(image)


def test_not_finite_pixels_take_no_part():
    image = np.sin(2 * np.pi * np.arange(64) / 8)[None] * np.ones((64, 1))
    image[10:20, 10:20] = np.nan
    image[0, 0] = np.inf
    found = power_spectrum(image)
    row, column = np.unravel_index(found.power.argmax(), found.power.shape)
    assert (abs(row - 32), abs(column - 32)) == (0, 8)


def test_radial_profile_finds_the_ring():
    size = PixelSize(0.05, 0.025, "nm")
    found = power_spectrum(np.random.default_rng(0).normal(size=(128, 256)), size)
    moduli = found.moduli()
    found.power[:] = np.where(np.abs(moduli - 5) < 0.1, 100, 1)
    profile = radial_profile(found)
    assert profile.frequency[profile.mean.argmax()] == pytest.approx(5, abs=max(found.step))
    assert profile.table.columns.tolist() == ["frequency_per_nm", "mean", "median", "bins"]
