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

# Planes are seen reduced by these.
REDUCTIONS = (1, 2, 4)
_SMALLEST_SIDE = 32


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

    def look(self, values: torch.Tensor, weights: torch.Tensor, reduction: int) -> tuple[torch.Tensor, torch.Tensor]:
        """What the encoder's deepest level finds at each place, and how much of each place counts.

        Parameters
        ----------
        values
            Normalised grey values, float32, shape (N, 1, Y, X).
        weights
            1 where the picture is to be looked at, 0 elsewhere; same shape, or 1 for N.
        reduction
            One of `REDUCTIONS`.

        Returns
        -------
        found, share : Tensor
            Shapes (N, channels, y, x), in the number format of the encoder, and (N, 1, y, x), float32.
        """
        if reduction > 1:
            values, weights = (
                F.avg_pool2d(one, reduction, ceil_mode=True, count_include_pad=False) for one in (values, weights)
            )
        missing = [max(0, _SMALLEST_SIDE - n) for n in values.shape[-2:]]
        if any(missing):
            values, weights = (F.pad(one, (0, missing[1], 0, missing[0])) for one in (values, weights))
        grey = self.greys(values)[1] if self.uses_greys else values.to(self.greys.shares.dtype)
        found = self.encoder(grey)[-1]
        return found, F.adaptive_avg_pool2d(weights, found.shape[-2:])


def filled_trunk(options: EmbeddingOptions) -> tuple[Trunk, str]:
    """Network with its weights, and their hash; random ones are the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        trunk = Trunk(options.encoder)
    weights_hash = begin(trunk, options.encoder, options.weights)
    trunk.uses_greys = not trunk.greys.is_plain
    return trunk, weights_hash
