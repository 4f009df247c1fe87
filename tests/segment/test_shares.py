"""How common phases are, judged from images of which only a little is painted."""

import numpy as np
import pytest
import torch

from napari_visualccc.models.nn.unet import Architecture, build
from napari_visualccc.segment import QuickOptions, QuickSegmenter, annotated, dataset_of_strokes, predict
from napari_visualccc.segment.shares import area_shares, share_ratios


def gaussian_posteriors(true, learnt, distance=2.0, count=20_000, seed=0):
    """Posteriors of two overlapping Gaussians under the learnt shares, at samples drawn with the true ones."""
    rng = np.random.default_rng(seed)
    means = np.arange(len(true)) * distance
    values = rng.normal(means[rng.choice(len(true), count, p=true)], 1)
    likelihood = np.exp(-0.5 * (values[:, None] - means) ** 2) * learnt
    return likelihood / likelihood.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("true", [(0.5, 0.5), (0.95, 0.05), (0.2, 0.7, 0.1)])
def test_true_shares_are_found(true):
    learnt = np.full(len(true), 1 / len(true))
    found = area_shares(gaussian_posteriors(true, learnt), learnt, np.zeros(len(true)))
    assert found.sum() == pytest.approx(1)
    np.testing.assert_allclose(found, true, atol=0.015)


def test_unequal_learnt_shares_do_not_matter():
    learnt = np.array([0.1, 0.9])
    found = area_shares(gaussian_posteriors((0.8, 0.2), learnt), learnt, np.zeros(2))
    np.testing.assert_allclose(found, (0.8, 0.2), atol=0.015)


def test_what_is_painted_is_there():
    certain = np.tile([1.0, 0.0], (100, 1))
    assert area_shares(certain, np.array([0.5, 0.5]), np.array([0.0, 0.02]))[1] == pytest.approx(0.0196, abs=1e-4)


def test_phases_that_are_not_painted_stay_as_they_are():
    seen = np.tile([0.7, 0.3, 0.0], (50, 1))
    ratios = share_ratios(seen, np.array([0.5, 0.5, 0.0]), np.array([10, 10, 0]), 1000)
    assert ratios[2] == 1
    assert np.isfinite(ratios).all()


def dotted(seed=0):
    """Faint dots on 2 % of the area, in much noise; strokes paint both phases alike."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:160, :160]
    truth = ((y % 32 - 16) ** 2 + (x % 32 - 16) ** 2 < 7).astype(np.uint8)
    image = rng.normal(0, 1, truth.shape) + 3.0 * truth
    strokes = np.zeros_like(truth)
    strokes[truth == 1] = 2
    strokes[80:] = 0
    strokes[2:5, :100] = 1
    return image.astype(np.float32), truth, strokes


def test_quick_does_not_see_the_rare_phase_everywhere():
    image, truth, strokes = dotted()
    dataset = dataset_of_strokes([annotated(image, strokes)])
    found = {}
    for shares in (False, True):
        model = QuickSegmenter(QuickOptions(shares=shares)).fit(dataset).model
        found[shares] = predict(model, image).labels == 2
    true = truth.mean()
    assert abs(found[True].mean() - true) < 0.5 * abs(found[False].mean() - true)


def test_the_correction_does_not_pile_up_from_fit_to_fit():
    image, _, strokes = dotted()
    dataset = dataset_of_strokes([annotated(image, strokes)])
    quick = QuickSegmenter()
    first = quick.fit(dataset).model.network.shift.clone()
    again = quick.fit(dataset).model.network.shift
    torch.testing.assert_close(first, again, atol=0.3, rtol=0)


def small_network():
    torch.manual_seed(0)
    return build(Architecture(classes=2)).eval()


def test_expecting_a_class_shifts_the_odds_everywhere():
    network = small_network()
    image = torch.randn(1, 1, 128, 128)
    with torch.inference_mode():
        before = network(image)
        network.expect(np.array([1.0, 8.0]))
        after = network(image)
    torch.testing.assert_close(after[:, 0], before[:, 0])
    torch.testing.assert_close(after[:, 1] - before[:, 1], torch.full_like(before[:, 1], np.log(8)))
