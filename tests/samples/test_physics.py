import numpy as np
import pytest

from napari_visualccc.samples.physics import contrast_transfer, detect, drift_blur, random_field, wavelength_nm

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("kv", "pm"), [(80, 4.1757), (200, 2.5079), (300, 1.9687)])
def test_wavelengths_of_the_textbook(kv, pm):
    assert wavelength_nm(kv) * 1e3 == pytest.approx(pm, rel=1e-4)


def test_contrast_transfer_is_zero_in_focus_without_aberration_and_damped():
    k = np.linspace(0, 8, 100)
    words = {"voltage_kv": 300, "cs_mm": 0.0, "focal_spread_nm": 0.0, "convergence_mrad": 0.0}
    np.testing.assert_allclose(contrast_transfer(k, defocus_nm=0.0, **words), 0, atol=1e-12)
    coherent = contrast_transfer(k, defocus_nm=50.0, **words)
    expected = 2 * np.sin(np.pi * wavelength_nm(300) * 50 * k**2)
    np.testing.assert_allclose(coherent, expected, atol=1e-9)
    damped = contrast_transfer(k, defocus_nm=50.0, **{**words, "focal_spread_nm": 5.0})
    assert (np.abs(damped) <= np.abs(coherent) + 1e-12).all()


def test_dose_gives_poisson_statistics():
    counts = detect(RNG, np.ones((400, 400)), 20.0, gain=3.0).astype(float)
    assert counts.mean() == pytest.approx(60, rel=0.01)
    assert counts.var() / counts.mean() == pytest.approx(3.0, rel=0.03)


def test_drift_blurs_along_its_direction_only():
    field = random_field(RNG, (128, 128), 1.0)
    blurred = drift_blur(field, 1.0, 8.0, 0.0)
    along, across = (np.diff(blurred, axis=axis).var() / np.diff(field, axis=axis).var() for axis in (1, 0))
    assert along < 0.2 * across
    assert blurred.mean() == pytest.approx(field.mean(), abs=1e-9)


def test_random_field_has_unit_variance_and_its_correlation_length():
    field = random_field(RNG, (512, 512), 6.0)
    assert field.mean() == pytest.approx(0, abs=1e-9)
    assert field.std() == pytest.approx(1)
    correlation = np.fft.ifft2(np.abs(np.fft.fft2(field)) ** 2).real[0] / field.size
    assert correlation[6] == pytest.approx(np.exp(-1), abs=0.08)
