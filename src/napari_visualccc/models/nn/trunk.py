"""The part of a network that looks, without what it was trained to answer."""

from __future__ import annotations

import segmentation_models_pytorch as smp
import torch
from torch import nn

from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.embedding_options import EmbeddingOptions
from napari_visualccc.models.nn.encoders import begin
from napari_visualccc.models.nn.unet import Greys


class Trunk(nn.Module):
    """The part of a network that is looked through, named as in model files.

    Parameters
    ----------
    encoder
        Name of the encoder.
    uses_greys
        Whether it learnt to look through `Greys`; encoders by others look at the image as it is.
    """

    def __init__(self, encoder: str, *, uses_greys: bool = True) -> None:
        super().__init__()
        self.uses_greys = uses_greys
        try:
            self.encoder = smp.encoders.get_encoder(encoder, in_channels=1, weights=None)
        except (KeyError, ValueError, TypeError) as error:
            raise OptionError(f"encoder {encoder!r} is not known: {error}") from error
        self.greys = Greys()

    @property
    def channels(self) -> int:
        """Maps of the deepest level."""
        return int(self.encoder.out_channels[-1])


def filled_trunk(options: EmbeddingOptions) -> tuple[Trunk, str]:
    """Network with its weights, and their hash; random ones are the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trunk = Trunk(options.encoder)
    weights_hash = begin(trunk, options.encoder, options.weights)
    trunk.uses_greys = not trunk.greys.is_plain
    return trunk, weights_hash
