"""What a pre-trained network sees around each pixel, as further features for pixel classifiers."""

from __future__ import annotations

import copy
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from napari_visualccc.models.nn.encoders import begin_with, shipped_weights, width_in
from napari_visualccc.models.nn.fuse import fused
from napari_visualccc.models.nn.precision import fastest_precision
from napari_visualccc.models.nn.tiled import padded_to
from napari_visualccc.models.nn.unet import Architecture, build

# The level of the pyramid whose pixels the features belong to: a quarter of the resolution.
LEVEL = 2
_STRIDE = 2**LEVEL
# Steps of the decoder that lead there; the rest draws detail, which the pyramid has, and takes most of the time.
_BLOCKS = 4
_ENCODER = "resnet18"


class Context(nn.Module):
    """Encoder and the first steps of the decoder of the default network.

    Parameters
    ----------
    encoder
        Name of the encoder.
    weights
        File to fill it from; random if None.
    """

    def __init__(self, encoder: str = _ENCODER, weights: Path | None = None) -> None:
        super().__init__()
        network = build(Architecture(encoder=encoder, width=width_in(weights)))
        if weights is not None:
            begin_with(network, weights)
        self.name = encoder
        self.greys, self.encoder = network.greys, network.encoder
        self.blocks = network.decoder.blocks[:_BLOCKS]
        self.reduction, self.multiple = network.reduction, network.multiple
        self.channels = int(self.blocks[-1].conv2[0].out_channels)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Features of shape (N, channels, Y/4, X/4) (rounded up) of normalised images (N, 1, Y, X)."""
        height, width = (-(-n // _STRIDE) for n in image.shape[-2:])
        _, grey = self.greys(padded_to(image, self.multiple))
        seen = self.encoder(F.avg_pool2d(grey, self.reduction))
        values, skips = seen[-1], seen[-2:0:-1]
        for block, skip in zip(self.blocks, skips, strict=False):
            values = block(values, *skip.shape[-2:], skip)
        return values[..., :height, :width]


class ReadyContext:
    """A context made fast for this machine's CPU: normalisations folded in, in the quickest number format."""

    def __init__(self, context: Context) -> None:
        precision = fastest_precision("cpu")
        self._layout = precision.layout
        self._network = fused(copy.deepcopy(context)).to(precision.dtype).to(memory_format=precision.layout)

    @torch.inference_mode()  # type: ignore[untyped-decorator]
    def __call__(self, image: NDArray[np.float32]) -> torch.Tensor:
        """Features of shape (1, channels, Y/4, X/4) of a normalised image (Y, X)."""
        values = torch.from_numpy(np.ascontiguousarray(image))[None, None]
        features: torch.Tensor = self._network(values.contiguous(memory_format=self._layout))
        return features


@lru_cache(maxsize=1)
def shipped_context() -> Context | None:
    """Context with the weights that come with the package; None if there are none."""
    path = shipped_weights().get(_ENCODER)
    if path is None:
        return None
    context = Context(weights=path)
    context.eval()
    return context


@lru_cache(maxsize=1)
def ready_context() -> ReadyContext:
    """The shipped context, ready to be used."""
    context = shipped_context()
    assert context is not None
    return ReadyContext(context)
