"""A classifier of micrographs: an encoder, what it finds pooled over the field of view, and a linear layer.

The vector is the one of `napari_visualccc.models.nn.embedding`, so that a classifier that was fitted to vectors becomes
a network without being trained again, can be trained further, and can be asked what in the image speaks for a class::

    image ─┬─────────── encoder ─ seen.0 ─ mean ─┐
           ├─ half ──── encoder ─ seen.1 ─ mean ─┤
           └─ quarter ─ encoder ─ seen.2 ─ mean ─┴─ vector ─ head ─ scores
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.nn.trunk import REDUCTIONS, Trunk, new_trunk

KIND = "mean-pooled-encoder"


class Head(nn.Module):
    """Standardises vectors and gives a score per class: ``((vector - shift) * scale) @ weight.T + bias``."""

    def __init__(self, dimensions: int, classes: int) -> None:
        super().__init__()
        self.register_buffer("shift", torch.zeros(dimensions))
        self.register_buffer("scale", torch.ones(dimensions))
        self.weight = nn.Parameter(torch.zeros(classes, dimensions))
        self.bias = nn.Parameter(torch.zeros(classes))

    def forward(self, vectors: torch.Tensor) -> torch.Tensor:
        """Scores of shape (N, classes)."""
        return F.linear((vectors - self.shift) * self.scale, self.weight, self.bias)


class Classifier(Trunk):
    """A trunk with a last layer: answers once per image.

    Parameters
    ----------
    trunk
        What it is built on; its parts become parts of the network.
    classes
        Number of outputs.
    """

    def __init__(self, trunk: Trunk, classes: int) -> None:
        super().__init__(trunk.encoder, trunk.greys, uses_greys=trunk.uses_greys)
        # What is seen passes through these unchanged: places to look at and to explain, each used once.
        self.seen = nn.ModuleList(nn.Identity() for _ in REDUCTIONS)
        self.head = Head(len(REDUCTIONS) * trunk.channels, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (N, classes) of normalised images (N, 1, Y, X) of any size."""
        return self.head(self.vectors(images))

    def vectors(self, images: torch.Tensor) -> torch.Tensor:
        """What `napari_visualccc.models.nn.embedding.Embedder` gives for whole images; shape (N, D), float32."""
        counts = torch.ones((1, *images.shape[1:]), device=images.device)
        parts = []
        for through, reduction in zip(self.seen, REDUCTIONS, strict=True):
            found, share = self.maps(images, counts, reduction)
            parts.append((through(found).float() * (share / share.sum())).sum((2, 3)))
        return torch.cat(parts, dim=1)

    @property
    def trunk(self) -> Trunk:
        """The network without its last layer; weights are shared."""
        return Trunk(self.encoder, self.greys, uses_greys=self.uses_greys)


def describe(encoder: str, classes: int, uses_greys: bool) -> dict[str, Any]:
    """What is needed to build the network again, for the card."""
    return {"kind": KIND, "encoder": encoder, "classes": classes, "greys": uses_greys}


def build(architecture: Mapping[str, Any]) -> Classifier:
    """Network with random weights, as a card describes it.

    Raises
    ------
    OptionError
        If the card describes something else.
    """
    try:
        encoder, classes, greys = str(architecture["encoder"]), int(architecture["classes"]), architecture["greys"]
    except (KeyError, TypeError, ValueError) as error:
        raise OptionError(f"the model's card does not describe a classifier: {error}") from error
    return Classifier(new_trunk(encoder, uses_greys=bool(greys)), classes)
