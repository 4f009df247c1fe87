"""Losses for segmentation with unlabelled pixels and rare classes."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch.nn import functional as F

from napari_visualccc.core.scores import UNLABELLED

Loss = Callable[[torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def segmentation_loss(name: str) -> Loss:
    """Loss of scores (N, C, Y, X) against labels (N, Y, X) with weights (C,) per class; `UNLABELLED` is left out.

    Parameters
    ----------
    name
        ``"ce_dice"``: cross entropy + soft Dice; ``"focal_dice"``: focal loss (γ = 2) + soft Dice;
        ``"lovasz"``: cross entropy + Lovász softmax.

    Notes
    -----
    The weights count in the pixel-wise part.

    References
    ----------
    .. [1] Milletari et al., V-Net (soft Dice), doi 10.1109/3DV.2016.79.
    .. [2] Lin et al., Focal Loss for Dense Object Detection, doi 10.1109/ICCV.2017.324.
    .. [3] Berman et al., The Lovász-Softmax loss, doi 10.1109/CVPR.2018.00464.
    """

    def loss(scores: torch.Tensor, labels: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        scores = scores.float()
        labels = labels.long()
        known = labels != UNLABELLED
        pixelwise = F.cross_entropy(scores, labels, weights, ignore_index=UNLABELLED, reduction="none")
        probabilities = scores.softmax(dim=1)
        if name == "focal_dice":
            chosen = probabilities.gather(1, labels.where(known, 0)[:, None])[:, 0]
            pixelwise = pixelwise * (1 - chosen) ** 2
        share = weights[labels.where(known, 0)] * known
        total = pixelwise.sum() / share.sum().clamp_min(1e-6)
        overlap = lovasz_loss if name == "lovasz" else dice_loss
        return total + overlap(probabilities, labels)

    return loss


def dice_loss(probabilities: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """One minus the soft Dice coefficient, mean over the classes that the batch holds; summed over the whole batch."""
    known = (labels != UNLABELLED)[:, None]
    truth = F.one_hot(labels.where(known[:, 0], 0), probabilities.shape[1]).movedim(-1, 1) * known
    probabilities = probabilities * known
    axes = (0, 2, 3)
    both = (probabilities * truth).sum(axes)
    dice = (2 * both + 1) / (probabilities.sum(axes) + truth.sum(axes) + 1)
    present = truth.sum(axes) > 0
    return 1 - dice[present].mean() if present.any() else probabilities.sum() * 0


def lovasz_loss(probabilities: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Lovász extension of the Jaccard loss, mean over the classes that the batch holds."""
    flat = probabilities.movedim(1, -1).reshape(-1, probabilities.shape[1])
    flat_labels = labels.reshape(-1)
    keep = flat_labels != UNLABELLED
    flat, flat_labels = flat[keep], flat_labels[keep]
    losses = []
    for label in range(flat.shape[1]):
        truth = (flat_labels == label).float()
        if truth.sum() == 0:
            continue
        errors, order = (truth - flat[:, label]).abs().sort(descending=True)
        losses.append(torch.dot(errors, _jaccard_gradient(truth[order])))
    return torch.stack(losses).mean() if losses else probabilities.sum() * 0


def _jaccard_gradient(sorted_truth: torch.Tensor) -> torch.Tensor:
    total = sorted_truth.sum()
    intersection = total - sorted_truth.cumsum(0)
    union = total + (1 - sorted_truth).cumsum(0)
    jaccard = 1 - intersection / union
    return torch.cat([jaccard[:1], jaccard[1:] - jaccard[:-1]])


def class_weights(pixels: torch.Tensor, power: float) -> torch.Tensor:
    """Weights ∝ (share of the class)^-power, scaled so that the mean over the pixels is 1; absent classes get 0."""
    share = pixels.double() / pixels.sum().clamp_min(1)
    raw = torch.where(share > 0, share.clamp_min(1e-12) ** -power, torch.zeros_like(share))
    return (raw / (raw * share).sum().clamp_min(1e-12)).float()
