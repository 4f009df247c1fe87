"""The part of a network that looks, without what it was trained to answer."""

from __future__ import annotations

import segmentation_models_pytorch as smp
import torch
from torch import nn
from torch.nn import functional as F

from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.embedding_options import EmbeddingOptions
from napari_visualccc.models.nn.encoders import begin
from napari_visualccc.models.nn.unet import Greys

# An image is seen as it is, and reduced by these.
REDUCTIONS = (1, 2, 4)
# Smaller images get a margin: encoders halve them five times.
_SMALLEST_SIDE = 32


class Trunk(nn.Module):
    """The part of a network that is looked through, named as in model files.

    Parameters
    ----------
    encoder, greys
        Of one grey channel each; they become part of the trunk.
    uses_greys
        Whether the encoder learnt to look through `Greys`; those by others look at the image as it is.
    """

    def __init__(self, encoder: nn.Module, greys: Greys, *, uses_greys: bool = True) -> None:
        super().__init__()
        self.encoder, self.greys = encoder, greys
        self.uses_greys = uses_greys

    @property
    def channels(self) -> int:
        """Maps of the deepest level."""
        return int(self.encoder.out_channels[-1])

    def maps(self, images: torch.Tensor, counts: torch.Tensor, reduction: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What the encoder finds at each place, and how much of each place counts.

        Parameters
        ----------
        images
            Normalised grey values, float32, shape (N, 1, Y, X).
        counts
            1 where the picture is to be looked at, 0 elsewhere; same shape, or N = 1.
        reduction
            One of `REDUCTIONS`.

        Returns
        -------
        maps, share : Tensor
            Shapes (N, channels, y, x), in the encoder's number format, and (N or 1, 1, y, x), float32, 0 … 1.
        """
        if reduction > 1:
            images, counts = (
                F.avg_pool2d(one, reduction, ceil_mode=True, count_include_pad=False) for one in (images, counts)
            )
        low, narrow = (max(0, _SMALLEST_SIDE - n) for n in images.shape[-2:])
        if low or narrow:
            images, counts = (F.pad(one, (0, narrow, 0, low)) for one in (images, counts))
        grey = self.greys(images)[1] if self.uses_greys else images.to(self.greys.shares.dtype)
        found = self.encoder(grey)[-1]
        return found, F.adaptive_avg_pool2d(counts, found.shape[-2:])


def new_trunk(encoder: str, *, uses_greys: bool = True) -> Trunk:
    """Trunk with random weights.

    Raises
    ------
    OptionError
        If there is no encoder of that name.
    """
    try:
        made = smp.encoders.get_encoder(encoder, in_channels=1, weights=None)
    except (KeyError, ValueError, TypeError) as error:
        raise OptionError(f"encoder {encoder!r} is not known: {error}") from error
    return Trunk(made, Greys(), uses_greys=uses_greys)


def filled_trunk(options: EmbeddingOptions) -> tuple[Trunk, str]:
    """Network with its weights, and their hash; random ones are the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trunk = new_trunk(options.encoder)
    weights_hash = begin(trunk, options.encoder, options.weights)
    trunk.uses_greys = not trunk.greys.is_plain
    return trunk, weights_hash
