"""Patches: where they are drawn, and that image and labels stay together."""

import dataclasses

import numpy as np
import pytest
import torch

from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.models.nn.patches import Augmentation, LabelledPlane, PatchSampler, _with_gamma, disturb

PLAIN = Augmentation(symmetry="none", rotation=0, scale=1, contrast=0, noise=0, blur=0)


def plane(shape=(90, 70), seed=0) -> LabelledPlane:
    """Image whose grey value tells the label."""
    labels = np.random.default_rng(seed).integers(0, 3, shape).astype(np.uint8)
    return LabelledPlane(labels.astype(np.float32), labels)


def test_plain_patches_are_crops():
    one = plane()
    images, labels = PatchSampler([one], 3, 32, 8, PLAIN).batch(0)
    assert images.shape == (8, 1, 32, 32)
    assert labels.dtype == torch.uint8
    windows = np.lib.stride_tricks.sliding_window_view(one.image, (32, 32))
    for image in images[:, 0].numpy():
        assert (np.abs(windows - image).max((-1, -2)) < 1e-4).any()


def test_mirrored_and_quarter_turned_patches_are_not_interpolated():
    turned = Augmentation(symmetry="all", rotation=0, scale=1, contrast=0, noise=0, blur=0)
    images, labels = PatchSampler([plane()], 3, 32, 16, turned).batch(3)
    np.testing.assert_allclose(images[:, 0], labels, atol=1e-4)


@pytest.mark.parametrize(("symmetry", "axis"), [("left-right", 0), ("up-down", 1)])
def test_images_with_a_direction_keep_it(symmetry, axis):
    ramp = np.arange(64, dtype=np.float32)
    image = np.repeat(ramp[:, None] if axis == 0 else ramp[None], 64, 1 - axis)
    other = np.random.default_rng(0).permutation(64 * 64).reshape(64, 64) % 7
    one = LabelledPlane(image, other.astype(np.uint8))
    for tilt in (0, 1):
        views = Augmentation(symmetry=symmetry, rotation=tilt, scale=1, contrast=0, noise=0, blur=0)
        images, labels = PatchSampler([one], 7, 32, 16, views).batch(0)
        slopes = images[:, 0].diff(dim=1 + axis).mean((1, 2))
        assert (slopes > 0.9).all()
    assert len(torch.unique(labels.flatten(1), dim=0)) > 8


def test_labels_follow_turns_and_zooms():
    """A smooth ramp thresholded: image and label agree except within a pixel of the step."""
    ramp = np.add.outer(np.arange(200.0), np.arange(200.0)).astype(np.float32) - 200
    one = LabelledPlane(ramp, (ramp > 0).astype(np.uint8))
    wild = Augmentation(symmetry="all", rotation=1, scale=1.5, contrast=0, noise=0, blur=0)
    images, labels = PatchSampler([one], 2, 48, 16, wild).batch(0)
    sure = images[:, 0].abs() > 2
    assert ((images[:, 0] > 0) == (labels > 0))[sure].all()
    assert 0 < labels.float().mean() < 1


def test_rare_classes_are_found():
    labels = np.zeros((256, 256), np.uint8)
    labels[200:203, 50:53] = 1
    one = LabelledPlane(labels.astype(np.float32), labels)
    _, with_rare = PatchSampler([one], 2, 32, 64, PLAIN).batch(0, 1.0)
    _, without = PatchSampler([one], 2, 32, 64, PLAIN).batch(0, 0.0)
    share = (with_rare == 1).flatten(1).any(1).float().mean()
    assert share > 0.3
    assert share > 4 * (without == 1).flatten(1).any(1).float().mean()


def test_sparse_strokes_are_in_every_patch():
    labels = np.full((300, 300), UNLABELLED, np.uint8)
    labels[10:14, 10:30] = 0
    labels[280:284, 250:270] = 1
    one = LabelledPlane(np.zeros((300, 300), np.float32), labels)
    _, targets = PatchSampler([one], 2, 64, 32, Augmentation()).batch(0)
    assert ((targets != UNLABELLED).flatten(1).sum(1) > 0).float().mean() > 0.9


def test_images_smaller_than_a_patch_are_mirrored():
    images, labels = PatchSampler([plane((20, 11))], 3, 32, 4, PLAIN).batch(0)
    np.testing.assert_allclose(images[:, 0], labels, atol=1e-4)


def test_one_pixel():
    one = LabelledPlane(np.ones((1, 1), np.float32), np.ones((1, 1), np.uint8))
    images, labels = PatchSampler([one], 2, 32, 2, Augmentation()).batch(0)
    assert torch.isfinite(images).all()
    assert (labels == 1).all()


def test_batches_depend_on_seed_and_step_alone():
    first, again, other = (PatchSampler([plane()], 3, 32, 2, Augmentation(), seed=s) for s in (1, 1, 2))
    assert torch.equal(first.batch(5)[0], again.batch(5)[0])
    assert not torch.equal(first.batch(6)[0], again.batch(5)[0])
    assert not torch.equal(first.batch(5)[0], other.batch(5)[0])


def test_a_class_that_one_image_lacks_is_taken_from_another():
    empty = LabelledPlane(np.zeros((64, 64), np.float32), np.zeros((64, 64), np.uint8))
    full = LabelledPlane(np.ones((64, 64), np.float32), np.ones((64, 64), np.uint8))
    _, labels = PatchSampler([empty] * 20 + [full], 2, 32, 64, PLAIN).batch(0, 1.0)
    assert (labels == 1).flatten(1).any(1).float().mean() == pytest.approx(0.5, abs=0.2)


def test_disturbing_changes_each_image_on_its_own_and_stays_finite():
    images = torch.randn(6, 1, 40, 40, generator=torch.Generator().manual_seed(0))
    images[0] = 0.0
    wild = Augmentation(contrast=0.5, noise=0.5, blur=2, invert=0.5)
    changed = disturb(images, wild, torch.Generator().manual_seed(3))
    assert torch.isfinite(changed).all()
    assert changed.shape == images.shape
    means = changed.mean((1, 2, 3)) - images.mean((1, 2, 3))
    assert len({round(float(m), 4) for m in means}) == 6


@pytest.mark.parametrize("noise", [0.5, 1.0])
@pytest.mark.parametrize("gamma", [0.5, 0.8, 1.0, 1.5])
def test_gamma_of_a_patch_is_that_of_the_normalised_image(noise, gamma):
    """However noisy the image is, which decides how far its darkest pixel is from its typical grey."""
    image = torch.randn(1, 1, 256, 256, generator=torch.Generator().manual_seed(0)) * noise
    image[..., 128:] += 2.0
    image = (image - image.mean()) / image.std()
    whole = (image - image.min()) ** gamma
    expected = (whole - whole.mean()) / whole.std()
    changed = _with_gamma(image, torch.tensor(gamma))
    for half in (slice(None, 128), slice(128, None)):
        assert float(changed[..., half].mean()) == pytest.approx(float(expected[..., half].mean()), abs=0.2)


@pytest.mark.parametrize(("own", "expected"), [(0.5, 0.5), (0.1, 0.1), (0.0, 0.03)])
def test_noise_is_added_in_proportion_to_the_noise_of_the_image(own, expected):
    ramp = np.linspace(0, 1, 1300, dtype=np.float32)[:, None]
    image = ramp + np.random.default_rng(0).normal(0, own, (1300, 96)).astype(np.float32)
    one = LabelledPlane(image, np.zeros(image.shape, np.uint8))
    noisy, plain = (
        PatchSampler([one], 1, 64, 200, dataclasses.replace(PLAIN, noise=noise)).batch(0)[0] for noise in (2.0, 0.0)
    )
    added = (noisy - plain).std((1, 2, 3))
    assert float(added.max()) == pytest.approx(2 * expected, rel=0.15)
    assert float((added > 0).float().mean()) == pytest.approx(0.5, abs=0.1)


def test_shade_is_an_even_slope_on_a_third_of_the_patches():
    images = torch.zeros(600, 1, 33, 17)
    changed = disturb(images, Augmentation(contrast=0, shade=0.3, noise=0, blur=0), torch.Generator().manual_seed(0))
    shaded = changed[changed.flatten(1).abs().max(1).values > 0][:, 0]
    assert len(shaded) / 600 == pytest.approx(1 / 3, abs=0.07)
    down, across = shaded.diff(dim=1), shaded.diff(dim=2)
    assert torch.allclose(down, down[:, :1, :1].expand_as(down), atol=1e-6)
    assert torch.allclose(across, across[:, :1, :1].expand_as(across), atol=1e-6)
    differences = [shaded[:, 16, 8], shaded[:, -1, 8] - shaded[:, 0, 8], shaded[:, 16, -1] - shaded[:, 16, 0]]
    assert [float(values.std()) for values in differences] == pytest.approx([0.3] * 3, rel=0.15)


def test_inversion():
    images = torch.randn(64, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    only = Augmentation(contrast=0, noise=0, blur=0, invert=0.5)
    changed = disturb(images, only, torch.Generator().manual_seed(0))
    flipped = [torch.equal(c, -i) for c, i in zip(changed, images, strict=True)]
    kept = [torch.equal(c, i) for c, i in zip(changed, images, strict=True)]
    assert 16 < sum(flipped) < 48
    assert sum(flipped) + sum(kept) == 64
