"""Segmentation as the training loop sees it: batches, loss, and how good a network is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_visualccc.core import scores
from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.segment.holdout import glimpses
from napari_visualccc.segment.options import TrainOptions

if TYPE_CHECKING:
    import torch
    from torch import nn

    from napari_visualccc.models.nn.patches import LabelledPlane

# Shares of the training between which favouring rare phases fades out.
_FAVOUR_UNTIL, _FAIR_FROM = 0.3, 0.7
# Validation must not eat the training time: so many pixels, spread over the planes held out.
_MOST_VALIDATED = 1 << 22


class SegmentationTask:
    """Batches of patches, the loss, and IoU on planes held out; a `napari_visualccc.models.nn.fit.Task`."""

    def __init__(
        self,
        learnt: Sequence[LabelledPlane],
        measured: Sequence[LabelledPlane],
        classes: int,
        options: TrainOptions,
        symmetry: str,
        turns: tuple[float, float],
        patch: tuple[int, int],
        device: str,
        finish: Callable[[nn.Module], nn.Module],
    ) -> None:
        import torch

        from napari_visualccc.models.nn.losses import class_weights, segmentation_loss
        from napari_visualccc.models.nn.patches import Augmentation, PatchSampler

        augmentation = Augmentation(
            symmetry=symmetry, rotation=turns[0], scale=turns[1], contrast=options.contrast,
            shade=options.shade, noise=options.noise, blur=options.blur, invert=options.invert,
        )  # fmt: skip
        self._sampler = PatchSampler(learnt, classes, *patch, augmentation, seed=options.seed, device=str(device))
        self._rare_patches = options.rare_patches
        self._weights = class_weights(torch.from_numpy(self._sampler.pixels), options.rare_weight).to(str(device))
        self._loss = segmentation_loss(options.loss)
        self._measured, self._classes, self._device, self._finish = list(measured), classes, str(device), finish
        self._glimpses = glimpses(self._measured, classes, _MOST_VALIDATED, options.seed)
        self.preview: Callable[[nn.Module], None] | None = None

    def batch(self, step: int, done: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Patches and their labels."""
        return self._sampler.batch(step, self._rare_patches * favour(done))

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor, done: float) -> torch.Tensor:
        """Loss on labelled pixels."""
        return self._loss(outputs, targets, self._weights ** favour(done))

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """Mean IoU as the score (0 if nothing is held out), and the IoU of each class.

        Of the network as the user would get it now.
        """
        network = self._finish(network)
        if self.preview is not None:
            self.preview(network)
        matrix = self._matrix(network, self._glimpses)
        if matrix is None:
            return {"score": 0.0}
        each = {f"iou_{i}": float(value) for i, value in enumerate(scores.iou(matrix))}
        return {"score": scores.mean_iou(matrix), "pooled_iou": scores.pooled_iou(matrix), **each}

    def words(self, scores: Mapping[str, float]) -> str:
        """Mean IoU; nothing if nothing is held out."""
        return f"mean IoU {scores['score']:.3f}" if self._measured else ""

    def matrix(self, network: nn.Module) -> Any:
        """Confusion matrix on all planes held out; None if there are none."""
        return self._matrix(network, self._measured)

    def _matrix(self, network: nn.Module, planes: Sequence[LabelledPlane]) -> Any:
        from napari_visualccc.models.nn.segmenter import Segmenter

        if not planes:
            return None
        segmenter = Segmenter(network, self._device)
        total = np.zeros((self._classes, self._classes), np.int64)
        for plane in planes:
            height, width = plane.image.shape
            for rows, probabilities in segmenter.bands(plane.image.__getitem__, (height, width)):
                called = probabilities.argmax(axis=0)
                total += scores.confusion_matrix(plane.labels[rows], called, self._classes, ignore=UNLABELLED)
        return total


def favour(done: float) -> float:
    """How much rare phases are favoured when the share `done` of the training is over: first fully, at last not.

    A network that sees a rare phase too often, or pays too much for missing it, finds it, but draws it too large. One
    that never favours it may not find it at all. So it is favoured until it is found, and then seen as it is.
    """
    return float(min(1.0, max(0.0, (_FAIR_FROM - done) / (_FAIR_FROM - _FAVOUR_UNTIL))))
