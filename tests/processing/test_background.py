import numpy as np
import pytest
from scipy import ndimage

Y, X = np.mgrid[:150, :203]


@pytest.fixture
def particles():
    image = np.zeros(Y.shape)
    for y, x in ((30, 40), (80, 60), (110, 150), (40, 160)):
        image[(Y - y) ** 2 + (X - x) ** 2 < 8**2] = 50
    return image


@pytest.mark.parametrize("degree", [1, 2, 3])
def test_a_polynomial_is_taken_out_exactly(run, degree):
    surface = 100 + 0.3 * Y - 0.2 * X + (degree > 1) * 1e-3 * (X - 90) ** 2 + (degree > 2) * 1e-5 * Y**2 * X
    flat = run(surface, f"plane_fit:degree={degree}")
    np.testing.assert_allclose(flat, surface.mean(), rtol=2e-3 if degree > 1 else 1e-5)


def test_a_plane_is_fitted_through_holes(run):
    surface = 100 + 0.3 * Y - 0.2 * X
    surface[20:60, 30:90] = np.nan
    flat = run(surface, "plane_fit")
    np.testing.assert_allclose(flat[np.isfinite(flat)], np.nanmean(flat), rtol=1e-5)


def test_division_takes_out_illumination(run, particles):
    light = 1 + 0.5 * X / X.max()
    flat = run((100 + particles) * light, "flat_field:sigma=80px,mode=divide")
    background = particles == 0
    assert flat[background].std() / flat[background].mean() < 0.05
    assert (100 * light)[background].std() / 100 > 0.12


def test_flat_field_is_what_a_gaussian_sees(run, rng):
    image = rng.normal(100, 5, Y.shape) + 0.2 * X
    want = image - ndimage.gaussian_filter(image, 24, mode="nearest")
    found = run(image, "flat_field:sigma=24px")
    difference = found - found.mean() - want + want.mean()
    inner = difference[24:-24, 24:-24]  # at the border the peer repeats single noisy pixels
    assert np.abs(inner - inner.mean()).max() < 0.2


def test_the_ball_leaves_particles_and_takes_the_slope(run, particles):
    flat = run(particles + 0.4 * X + 10, "rolling_ball:radius=40px")
    background = ndimage.binary_erosion(particles == 0, iterations=4)
    assert flat[background].std() < 4
    inside = ndimage.binary_erosion(particles > 0, iterations=3)
    assert flat[inside].mean() - flat[background].mean() == pytest.approx(50, abs=4)
    dark = run(200 - particles - 0.4 * X, "rolling_ball:radius=40px,background=bright")
    assert dark[background].mean() - dark[inside].mean() == pytest.approx(50, abs=4)


def test_the_mean_stays(run, rng):
    image = rng.normal(70, 3, Y.shape) + 0.1 * Y
    for step in ("flat_field", "plane_fit:degree=2", "plane_fit:mode=divide"):
        assert run(image, step).mean() == pytest.approx(image.mean(), rel=0.01)
