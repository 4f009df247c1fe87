import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.processing import find_peaks, power_spectrum
from napari_visualccc.processing.spectral_background import threshold

RNG = np.random.default_rng(0)


def fringes(shape, size, d_nm, angle_deg, height=1.0):
    y, x = np.arange(shape[0])[:, None] * size.y, np.arange(shape[1])[None] * size.x
    angle = np.deg2rad(angle_deg)
    return height * np.cos(2 * np.pi * (x * np.cos(angle) + y * np.sin(angle)) / d_nm)


@pytest.mark.parametrize("size", [PixelSize(0.02, 0.02, "nm"), PixelSize(0.03, 0.02, "nm")])
@pytest.mark.parametrize(("d_nm", "angle"), [(0.2355, 17.0), (0.1442, -63.0), (0.3905, 0.0), (0.21, 90.0)])
def test_spacing_and_angle_of_fringes(size, d_nm, angle):
    image = fringes((256, 256), size, d_nm, angle) + np.random.default_rng(1).normal(size=(256, 256))
    found = find_peaks(power_spectrum(image, size))
    assert len(found) == 1
    assert found.spacing[0] == pytest.approx(d_nm, rel=2e-3)
    assert (found.angle_deg[0] - angle + 90) % 180 - 90 == pytest.approx(0, abs=0.3)
    assert abs(found.spacing[0] - d_nm) < 5 * found.spacing_error[0]


def test_error_is_that_of_many_images():
    size = PixelSize(0.02, 0.02, "nm")
    rng = np.random.default_rng(2)
    found = [
        find_peaks(power_spectrum(fringes((128, 128), size, 0.2, 30, 0.4) + rng.normal(size=(128, 128)), size))
        for _ in range(40)
    ]
    spread = np.std([peaks.spacing[0] for peaks in found])
    claimed = np.mean([peaks.spacing_error[0] for peaks in found])
    assert 0.4 < spread / claimed < 2


def test_several_spots_and_their_order():
    size = PixelSize(0.02, 0.02, "nm")
    image = sum(fringes((256, 256), size, d, a, h) for d, a, h in [(0.3, 0, 1.0), (0.25, 60, 0.5), (0.2, -40, 0.3)])
    found = find_peaks(power_spectrum(image + RNG.normal(0, 0.5, (256, 256)), size))
    assert found.spacing.round(2).tolist() == [0.3, 0.25, 0.2]
    assert (np.diff(found.snr) < 0).all()


def test_limits_of_spacings():
    size = PixelSize(0.02, 0.02, "nm")
    image = fringes((256, 256), size, 0.3, 0) + fringes((256, 256), size, 0.15, 50) + RNG.normal(0, 0.3, (256, 256))
    assert find_peaks(power_spectrum(image, size), longest=0.2).spacing.round(2).tolist() == [0.15]
    assert find_peaks(power_spectrum(image, size), shortest=0.2).spacing.round(2).tolist() == [0.3]
    assert len(find_peaks(power_spectrum(image, size), longest=0.04)) == 0


NOISE = {
    "gauss": lambda rng: rng.normal(size=(128, 128)),
    "poisson": lambda rng: rng.poisson(3, (128, 128)),
    "blur": lambda rng: gaussian_filter(rng.normal(size=(128, 128)), 1.5),
    "blur across": lambda rng: gaussian_filter(rng.normal(size=(128, 128)), (0.5, 1.5)),
    "ramp": lambda rng: rng.poisson(np.linspace(10, 100, 128)[None] * np.ones((128, 1))),
    "scan lines": lambda rng: rng.normal(size=(128, 128)) + rng.normal(size=(128, 1)),
}


@pytest.mark.parametrize("kind", NOISE)
def test_noise_has_no_spots(kind):
    rng = np.random.default_rng(3)
    with_spots = sum(len(find_peaks(power_spectrum(NOISE[kind](rng)))) > 0 for _ in range(50))
    assert with_spots <= 2  # at most 1 % are wanted: three of fifty would have a chance of 1 in 70


@pytest.mark.parametrize("value", [0, 7, -1e9])
def test_a_constant_image_has_no_spots(value):
    assert len(find_peaks(power_spectrum(np.full((64, 80), value)))) == 0


@pytest.mark.parametrize("sigma", [0.0, 1.0, 2.0])
def test_threshold_is_what_noise_exceeds(sigma):
    from napari_visualccc.processing.spectral_background import spread

    rng = np.random.default_rng(4)
    limit = threshold(0.05, 128 * 128 // 2, "hann", sigma)
    above = [spread(power_spectrum(rng.normal(size=(128, 128))).power, sigma).max() > limit for _ in range(150)]
    assert np.mean(above) < 0.1
