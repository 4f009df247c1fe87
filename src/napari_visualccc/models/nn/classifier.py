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
from napari_visualccc.models.nn.embedding import REDUCTIONS
from napari_visualccc.models.nn.trunk import Trunk

KIND = "mean-pooled-encoder"
_SMALLEST_SIDE = 32


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


class Classifier(nn.Module):
    """Network that answers once per image.

    Parameters
    ----------
    trunk
        Encoder; becomes part of the network.
    classes
        Number of outputs.
    """

    def __init__(self, trunk: Trunk, classes: int) -> None:
        super().__init__()
        self.encoder, self.greys = trunk.encoder, trunk.greys
        self.uses_greys = trunk.uses_greys
        # What is seen passes through these unchanged: places to look at and to explain, each used once.
        self.seen = nn.ModuleList(nn.Identity() for _ in REDUCTIONS)
        self.head = Head(len(REDUCTIONS) * trunk.channels, classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Scores (N, classes) of normalised images (N, 1, Y, X) of any size."""
        return self.head(self.vectors(images))

    def vectors(self, images: torch.Tensor) -> torch.Tensor:
        """What `napari_visualccc.models.nn.embedding.Embedder` gives for whole images; shape (N, D), float32."""
        parts = []
        for through, reduction in zip(self.seen, REDUCTIONS, strict=True):
            values = images
            if reduction > 1:
                values = F.avg_pool2d(values, reduction, ceil_mode=True, count_include_pad=False)
            missing = [max(0, _SMALLEST_SIDE - n) for n in values.shape[-2:]]
            shown = tuple(values.shape[-2:])
            if any(missing):
                values = F.pad(values, (0, missing[1], 0, missing[0]))
            grey = self.greys(values)[1] if self.uses_greys else values
            seen = through(self.encoder(grey)[-1])
            share = torch.ones((1, 1, *shown), device=images.device)
            if any(missing):
                share = F.pad(share, (0, missing[1], 0, missing[0]))
            share = F.adaptive_avg_pool2d(share, seen.shape[-2:])
            parts.append((seen.float() * (share / share.sum())).sum((2, 3)))
        return torch.cat(parts, dim=1)

    @property
    def trunk(self) -> Trunk:
        """The encoder as a trunk that shares its weights."""
        trunk = Trunk.__new__(Trunk)
        nn.Module.__init__(trunk)
        trunk.encoder, trunk.greys, trunk.uses_greys = self.encoder, self.greys, self.uses_greys
        return trunk


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
    return Classifier(Trunk(encoder, uses_greys=bool(greys)), classes)
