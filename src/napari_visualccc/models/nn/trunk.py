"""The part of a network that looks, without what it was trained to answer."""

from __future__ import annotations

import logging
from pathlib import Path

import segmentation_models_pytorch as smp
import torch
from torch import nn

from napari_visualccc.core.errors import ModelError, OptionError
from napari_visualccc.models.embedding_options import IMAGENET, EmbeddingOptions
from napari_visualccc.models.files import file_hash
from napari_visualccc.models.nn.encoders import RANDOM, begin_with, weights_for
from napari_visualccc.models.nn.unet import Greys

_log = logging.getLogger(__name__)


class Trunk(nn.Module):
    """The part of a network that is looked through, named as in model files."""

    def __init__(self, encoder: str, depth: int, weights: str | None = None) -> None:
        super().__init__()
        try:
            self.encoder = smp.encoders.get_encoder(encoder, in_channels=1, depth=depth, weights=weights)
        except (KeyError, ValueError, TypeError) as error:
            raise OptionError(f"encoder {encoder!r} is not known or has no such weights: {error}") from error
        except OSError as error:
            raise ModelError(f"weights {weights!r} of encoder {encoder!r} cannot be downloaded: {error}") from error
        self.greys = Greys()


def filled_trunk(options: EmbeddingOptions, depth: int) -> tuple[Trunk, str]:
    """Network with its weights, and their hash; random ones are the same every time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return _filled(options, depth)


def _filled(options: EmbeddingOptions, depth: int) -> tuple[Trunk, str]:
    if options.weights == IMAGENET:
        return Trunk(options.encoder, depth, IMAGENET), IMAGENET
    trunk = Trunk(options.encoder, depth)
    path: Path | None = weights_for(options.encoder, options.weights)
    if path is None:
        if options.weights != RANDOM:
            _log.warning("no weights come with encoder %s: it begins at random", options.encoder)
        return trunk, RANDOM
    begin_with(trunk, path)
    return trunk, file_hash(path)
