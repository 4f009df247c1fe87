import numpy as np
import pytest
from scipy import ndimage
from skimage import metrics

from napari_visualccc.processing.denoise import anscombe, inverse_anscombe
from napari_visualccc.processing.median import median
from napari_visualccc.processing.noise import detector_of
from napari_visualccc.processing.starlet import starlet_denoise, starlet_reach


@pytest.fixture
def truth():
    """Phases with soft borders, 0.2 … 1."""
    field = ndimage.gaussian_filter(np.random.default_rng(1).normal(size=(160, 200)), 12)
    return 0.2 + 0.8 * (ndimage.gaussian_filter((field > 0).astype(float), 1.5))


def test_gaussian_is_scipys(run, rng):
    image = rng.normal(size=(50, 60)).astype(np.float32)
    np.testing.assert_allclose(
        run(image, "gaussian:sigma=2px"), ndimage.gaussian_filter(image, 2, mode="nearest"), rtol=1e-6, atol=1e-6
    )
    np.testing.assert_array_equal(run(image, "gaussian:sigma=0"), image)


@pytest.mark.parametrize("size", [(1, 1), (3, 3), (5, 5), (3, 7)])
@pytest.mark.parametrize("shape", [(20, 30), (1, 5), (2, 2), (1, 1)])
def test_median_is_scipys(rng, size, shape):
    image = rng.integers(0, 50, shape).astype(np.float32)
    np.testing.assert_array_equal(median(image, size), ndimage.median_filter(image, size, mode="nearest"))


@pytest.mark.parametrize("step", ["gaussian", "median", "bilateral", "nlm", "tv", "wavelet", "anscombe"])
@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e4])
def test_noise_goes_and_structure_stays_at_any_scale(run, rng, truth, step, scale):
    image = scale * (truth + rng.normal(0, 0.1, truth.shape))
    before, after = (np.sqrt(((array / scale - truth) ** 2).mean()) for array in (image, run(image, step)))
    assert after < 0.6 * before


def test_the_starlet_puts_together_what_it_took_apart(rng):
    image = rng.normal(size=(64, 64)).astype(np.float32)
    np.testing.assert_allclose(starlet_denoise(image, 0.0, 4), image, atol=1e-5)


def test_the_starlet_takes_white_noise_out(rng):
    noise = rng.normal(0, 7, (256, 256))
    left = starlet_denoise(noise, 3 * 7, 5)
    assert left.std() < 0.2 * 7
    assert starlet_reach(1) == 2
    assert starlet_reach(4) == 30


def test_anscombe_makes_the_noise_of_counts_equal(rng):
    for mean in (5, 20, 100):
        counts = rng.poisson(mean, 200_000)
        assert anscombe(counts).std() == pytest.approx(1, abs=0.03)
        assert anscombe(counts * 3.0 + 50, 3.0, 50.0).std() == pytest.approx(1, abs=0.03)


def test_the_way_back_has_no_bias(rng):
    for mean in (0.5, 2, 5, 30):
        middle = anscombe(rng.poisson(mean, 400_000)).mean()
        assert inverse_anscombe(np.array(middle)) == pytest.approx(mean, rel=0.01, abs=0.02)
    assert inverse_anscombe(np.array(0.0)) == 0


def test_gain_and_offset_are_found(rng, truth):
    counts = rng.poisson(200 * np.kron(truth, np.ones((3, 3))))
    found = detector_of((2.5 * counts + 40).astype(np.float32))
    assert found.gain == pytest.approx(2.5, rel=0.15)
    assert found.offset == pytest.approx(40, abs=40)
    flat = detector_of(rng.normal(0, 1, (300, 300)) + 100 * np.kron(truth, np.ones((3, 3)))[:300, :300])
    assert flat.gain < 0.02


def test_anscombe_is_worth_it_where_there_are_few_counts(run, rng):
    """Against the same wavelet without it, on counts of 1 to 40."""
    truth = 1 + 39 * np.linspace(0, 1, 200) ** 2 * np.ones((200, 1))
    truth[60:140:20] *= 0.7
    image = rng.poisson(truth)
    plain, even = (run(image, step) for step in ("wavelet", "anscombe:gain=1,offset=0"))
    errors = [metrics.normalized_root_mse(np.sqrt(truth), np.sqrt(np.maximum(found, 0))) for found in (plain, even)]
    assert errors[1] < errors[0]
    assert run(image, "anscombe").mean() == pytest.approx(image.mean(), rel=0.02)
