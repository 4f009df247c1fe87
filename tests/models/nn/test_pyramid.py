"""Features against closed forms and scipy; the classifier against what it must be able to tell apart."""

import numpy as np
import pytest
import torch

from napari_visualccc.models.nn import pixels as pixel_network
from napari_visualccc.models.nn import pyramid
from napari_visualccc.models.nn.pixels import PaintedPixels, PixelClassifier, chosen_places, fit_pixels
from napari_visualccc.models.nn.pyramid import feature_count, features_at, pyramid_features


def own(image, level=0, levels=1):
    found = pyramid_features(np.asarray(image, np.float32), levels, torch.float32)
    return found[level][0].numpy()


def test_blur_is_the_gaussian_of_scipy():
    from scipy.ndimage import gaussian_filter

    image = np.random.default_rng(0).normal(size=(70, 150))
    expected = gaussian_filter(image, 1.0, mode="nearest", truncate=3.0)
    np.testing.assert_allclose(own(image)[1], expected, atol=2e-6)


def test_derivatives_of_polynomials_are_exact():
    y, x = np.mgrid[-30:30, -40:40].astype(float)
    inside = (slice(5, -5), slice(5, -5))
    ramp = own(3 * y + 4 * x)
    np.testing.assert_allclose(ramp[2][inside], 5, atol=1e-3)
    bowl = own(1.5 * y**2 - x**2)
    np.testing.assert_allclose(bowl[3][inside], 3, atol=2e-2)
    np.testing.assert_allclose(bowl[4][inside], -2, atol=2e-2)


def test_turning_the_image_turns_the_features():
    image = np.random.default_rng(1).normal(size=(64, 64))
    for straight, turned in zip(
        pyramid_features(image.astype(np.float32), 3, torch.float32),
        pyramid_features(np.rot90(image).astype(np.float32).copy(), 3, torch.float32), strict=True,
    ):  # fmt: skip
        torch.testing.assert_close(torch.rot90(straight, 1, (-2, -1)), turned, atol=1e-4, rtol=1e-3)


def test_bands_leave_no_seams(monkeypatch):
    image = np.random.default_rng(2).normal(size=(130, 90)).astype(np.float32)
    network = PixelClassifier(4, 3)
    banded = [pyramid_features(image, 4, torch.float32), None]
    banded[1] = network.probabilities(banded[0])
    monkeypatch.setattr(pyramid, "BAND_ROWS", 1 << 20)
    monkeypatch.setattr(pixel_network, "BAND_ROWS", 1 << 20)
    whole = pyramid_features(image, 4, torch.float32)
    for a, b in zip(banded[0], whole, strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(banded[1], network.probabilities(whole), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (3, 2), (65, 129)])
def test_odd_sizes(shape):
    levels = pyramid_features(np.ones(shape, np.float32), 5)
    assert sum(level.shape[1] for level in levels) == feature_count(5)
    labels = PixelClassifier(5, 2).labels(levels)
    assert labels.shape == shape


def test_single_pixels_get_the_features_of_the_maps():
    image = np.random.default_rng(3).normal(size=(40, 52)).astype(np.float32)
    levels = pyramid_features(image, 3, torch.float32)
    places = np.array([[0, 0], [39, 51], [17, 4]])
    features = features_at(levels, places)
    assert features.shape == (3, feature_count(3))
    for row, (y, x) in zip(features, places, strict=True):
        torch.testing.assert_close(row[:5], levels[0][0, :, y, x], atol=1e-5, rtol=1e-4)


def two_textures(seed=0):
    """Left: fine noise, right: coarse noise, of equal mean and deviation."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    image = rng.normal(size=(128, 160))
    coarse = gaussian_filter(rng.normal(size=image.shape), 3)
    image[:, 80:] = (coarse / coarse.std())[:, 80:]
    truth = np.zeros(image.shape, np.uint8)
    truth[:, 80:] = 1
    return image.astype(np.float32), truth


def painted(image, truth, levels=5):
    labels = np.full(truth.shape, 255, np.uint8)
    labels[30:34, 20:50], labels[90:94, 100:140] = 0, 1
    pyramid_levels = pyramid_features(image, levels)
    places, found = chosen_places(labels, 2, 0)
    return pyramid_levels, [PaintedPixels(features_at(pyramid_levels, places), found)]


def test_textures_are_told_apart():
    image, truth = two_textures()
    levels, pixels = painted(image, truth)
    assert (fit_pixels(pixels, 5, 2).labels(levels) == truth).mean() > 0.95


def test_same_seed_same_classifier():
    levels, pixels = painted(*two_textures())
    first, again, other = (fit_pixels(pixels, 5, 2, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.first.weight, again.first.weight)
    assert not torch.equal(first.first.weight, other.first.weight)


def test_a_warm_start_goes_on():
    image, truth = two_textures()
    levels, pixels = painted(image, truth)
    first = fit_pixels(pixels, 5, 2)
    again = fit_pixels(pixels, 5, 2, start=first)
    assert (again.labels(levels) == truth).mean() > 0.95
    assert torch.equal(again.mean, first.mean)


def test_going_on_changes_nothing_but_the_scale_of_features():
    torch.manual_seed(0)
    first, again = PixelClassifier(3, 2), PixelClassifier(3, 2)
    features = torch.randn(50, feature_count(3)) * 3 + 1
    first.standardise_by(features[:20])
    again.standardise_by(features)
    again.go_on_from(first)
    torch.testing.assert_close(again.classify(features), first.classify(features), atol=1e-4, rtol=1e-4)


def test_maps_and_modules_agree():
    """The network as a module (as it is saved and tiled) gives what the kept features give."""
    image, _ = two_textures()
    levels, pixels = painted(image, _)
    network = fit_pixels(pixels, 5, 2)
    kept = network.probabilities(pyramid_features(image, 5, torch.float32))
    with torch.inference_mode():
        direct = network(torch.from_numpy(image)[None, None]).float().softmax(dim=1)[0]
    torch.testing.assert_close(kept, direct, atol=0.03, rtol=0)
    torch.testing.assert_close(network.probabilities(levels), direct, atol=1e-5, rtol=1e-4)


def test_many_painted_pixels_are_thinned_out():
    labels = np.zeros((200, 200), np.uint8)
    labels[0, 0] = 1
    places, found = chosen_places(labels, 2, 0)
    assert (found == 0).sum() == pixel_network.MOST_PER_CLASS
    assert (found == 1).sum() == 1
    assert len(np.unique(places, axis=0)) == len(places)


def test_features_of_single_pixels_are_those_of_whole_maps():
    rng = np.random.default_rng(3)
    levels = pyramid_features(rng.normal(size=(45, 70)).astype(np.float32), 4, torch.float32)
    places = np.argwhere(rng.random((45, 70)) < 0.1)
    places = np.concatenate([places, [[0, 0], [44, 69], [0, 69]]])
    x, y = (torch.from_numpy((places[:, a] + 0.5) / n * 2 - 1).float() for a, n in ((1, 70), (0, 45)))
    grid = torch.stack([x, y], dim=-1)[None, None]
    words = {"mode": "bilinear", "padding_mode": "border", "align_corners": False}
    expected = torch.cat([torch.nn.functional.grid_sample(level, grid, **words)[0, :, 0] for level in levels]).T
    torch.testing.assert_close(features_at(levels, places), expected, rtol=1e-4, atol=1e-4)
