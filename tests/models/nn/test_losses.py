"""Losses against closed forms and an independent implementation."""

import pytest
import segmentation_models_pytorch as smp
import torch

from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.models.nn.losses import class_weights, dice_loss, lovasz_loss, segmentation_loss


@pytest.fixture
def scores() -> torch.Tensor:
    return torch.randn(2, 3, 8, 9, generator=torch.Generator().manual_seed(1))


@pytest.fixture
def labels() -> torch.Tensor:
    return torch.randint(0, 3, (2, 8, 9), generator=torch.Generator().manual_seed(2)).to(torch.uint8)


@pytest.mark.parametrize("name", ["ce_dice", "focal_dice", "lovasz"])
def test_unlabelled_pixels_do_not_count(name, scores, labels):
    weighted = segmentation_loss(name)

    def loss(scores, labels):
        return weighted(scores, labels, torch.ones(3))

    labels[0, :4] = UNLABELLED
    other = scores.clone()
    other[0, :, :4] = 17.0
    assert loss(scores, labels).item() == pytest.approx(loss(other, labels).item(), abs=1e-6)
    scores.requires_grad_()
    loss(scores, labels).backward()
    assert scores.grad[0, :, :4].abs().max() == 0
    assert scores.grad[0, :, 4:].abs().max() > 0


@pytest.mark.parametrize("name", ["ce_dice", "focal_dice", "lovasz"])
def test_nothing_labelled_gives_zero_and_no_nan(name, scores):
    scores.requires_grad_()
    loss = segmentation_loss(name)(scores, torch.full((2, 8, 9), UNLABELLED, dtype=torch.uint8), torch.ones(3))
    loss.backward()
    assert loss.item() == 0
    assert torch.isfinite(scores.grad).all()


@pytest.mark.parametrize("name", ["ce_dice", "focal_dice", "lovasz"])
def test_perfect_scores_cost_nothing(name, labels):
    perfect = 40.0 * torch.nn.functional.one_hot(labels.long(), 3).movedim(-1, 1).float()
    assert segmentation_loss(name)(perfect, labels, torch.ones(3)).item() == pytest.approx(0, abs=1e-3)


def test_dice_by_hand():
    probabilities = torch.tensor([[[[1.0, 0.5]], [[0.0, 0.5]]]])
    labels = torch.tensor([[[0, 1]]])
    expected = 1 - ((2 * 1 + 1) / (1.5 + 1 + 1) + (2 * 0.5 + 1) / (0.5 + 1 + 1)) / 2
    assert dice_loss(probabilities, labels).item() == pytest.approx(expected)


def test_lovasz_equals_that_of_segmentation_models(scores, labels):
    theirs = smp.losses.LovaszLoss("multiclass")(scores, labels.long())
    assert lovasz_loss(scores.softmax(1), labels).item() == pytest.approx(theirs.item(), abs=1e-5)


def test_class_weights():
    weights = class_weights(torch.tensor([900, 100, 0]), 0.5)
    assert weights[2] == 0
    assert (weights[1] / weights[0]).item() == pytest.approx(3)
    assert (0.9 * weights[0] + 0.1 * weights[1]).item() == pytest.approx(1)
    assert class_weights(torch.tensor([900, 100]), 0.0).tolist() == pytest.approx([1, 1])
