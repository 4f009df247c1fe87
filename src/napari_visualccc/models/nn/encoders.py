"""The weights that networks begin with."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_visualccc.core.errors import ModelError
from napari_visualccc.core.progress import Progress
from napari_visualccc.models.architectures import LAST_LAYER
from napari_visualccc.models.download import download
from napari_visualccc.models.files import EXTENSION, KEY, file_hash, load_tensors, read_card, read_metadata
from napari_visualccc.models.nn.foreign import grey_tensors
from napari_visualccc.models.nn.offers import offer_of, shipped_weights
from napari_visualccc.models.nn.unet import KIND, WIDTH, Architecture
from napari_visualccc.models.zoo import AUTO, FOREIGN, NAMES, RANDOM

__all__ = ["RANDOM", "begin", "begin_with", "shipped_weights", "weights_for", "width_in"]

# A file that fills less than this share of an encoder's weights was made for another one.
_LEAST_SHARE = 0.5
_ENCODER, _SHARES = "encoder.", "greys.shares"

_log = logging.getLogger(__name__)


def weights_for(encoder: str, wanted: str, progress: Progress | None = None) -> Path | None:
    """File with the weights that a network begins with, downloaded if need be; None for random ones.

    Parameters
    ----------
    encoder
        Name of the encoder.
    wanted
        ``"auto"``: those that come with the package, if there are any; ``"random"``; one of `FOREIGN`; or a file.
    progress
        Told of a download, and cancels it.

    Raises
    ------
    OptionError
        If nobody offers such weights for this encoder.
    ModelError
        If it is neither a name nor a file, or cannot be downloaded.
    """
    if wanted == RANDOM:
        return None
    if wanted == AUTO:
        if encoder not in shipped_weights():
            _log.warning("no weights come with encoder %s: it begins at random", encoder)
        return shipped_weights().get(encoder)
    if wanted in FOREIGN:
        offer = offer_of(encoder, wanted)
        return download(offer.url, offer.path, digest=offer.digest, progress=progress)
    if not Path(wanted).is_file():
        raise ModelError(f"weights {wanted!r} are neither a file that is there nor one of {', '.join(NAMES)}")
    return Path(wanted)


def width_in(path: Path | None) -> int:
    """Width of the network in a file (see `Architecture`), so that one that begins with it takes all of it over.

    Parameters
    ----------
    path
        If it is no segmentation network of ours, the width is that of new ones.
    """
    if path is None or path.suffix != EXTENSION or not path.is_file() or KEY not in read_metadata(path):
        return WIDTH
    record = read_card(path).architecture
    return Architecture.from_dict(record).width if record.get("kind") == KIND else WIDTH


def begin(network: nn.Module, encoder: str, wanted: str, progress: Progress | None = None) -> str:
    """Fill a network with the weights that the options name.

    Parameters
    ----------
    network
        Changed in place; its part ``encoder`` is of the name `encoder` and takes one grey channel.
    encoder, wanted, progress
        See `weights_for`.

    Returns
    -------
    str
        Hash of the file, or ``"random"``.

    Raises
    ------
    OptionError, ModelError
        If the weights cannot be had, or do not fit.
    """
    path = weights_for(encoder, wanted, progress)
    if path is None:
        return RANDOM
    if path.suffix == EXTENSION and KEY in read_metadata(path):
        begin_with(network, path)
    else:
        _begin_with_foreign(network, encoder, path)
    return file_hash(path)


def begin_with(network: nn.Module, path: Path) -> list[str]:
    """Fill a network with the weights of a file of ours wherever name and shape agree, but for the last layer.

    Parameters
    ----------
    network
        Changed in place.
    path
        Weights that come with the package, or any model of ours: a network trained on another material, with other
        classes, is often the best beginning. An encoder alone is enough.

    Returns
    -------
    list of str
        Names of the tensors that were not filled, the last layer aside.

    Raises
    ------
    ModelError
        If the file is no model of ours, or of another encoder.
    """
    card = read_card(path)
    own = network.state_dict()
    tensors = load_tensors(path)
    fitting = _fitting(own, tensors)
    wanted = {name: value.numel() for name, value in own.items() if not name.startswith(LAST_LAYER)}
    # What lies behind the encoder may be another decoder, or missing: the encoder is what took long to learn.
    asked = {name: count for name, count in wanted.items() if name.startswith(_ENCODER)}
    if sum(count for name, count in asked.items() if name in fitting) < _LEAST_SHARE * sum(asked.values()):
        raise ModelError(
            f"{path} does not fit this network: it holds {_words(card.architecture)}. Choose that encoder, "
            f"or begin with '{RANDOM}' weights"
        )
    network.load_state_dict(fitting, strict=False)
    left = sorted(wanted.keys() - fitting.keys())
    if left:
        _log.info("%d tensors are not in %s and begin at random: %s", len(left), path, ", ".join(left[:5]))
    return left


def _begin_with_foreign(network: nn.Module, encoder: str, path: Path) -> None:
    """Fill the encoder alone; it is shown the image as it is, as it was in its training."""
    tensors = {_ENCODER + name: value for name, value in grey_tensors(encoder, path).items()}
    own = network.state_dict()
    fitting = {name: tensors[name].to(own[name].dtype) for name in tensors.keys() & own.keys()}
    if _SHARES in own:
        fitting[_SHARES] = torch.zeros_like(own[_SHARES]).index_fill_(0, torch.tensor([0]), 1.0)
    network.load_state_dict(fitting, strict=False)


def _fitting(own: Mapping[str, torch.Tensor], tensors: Mapping[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
    """Tensors of a file that a network has too, in the network's number format."""
    return {
        name: torch.from_numpy(np.array(value)).to(own[name].dtype)
        for name, value in tensors.items()
        if name in own and not name.startswith(LAST_LAYER) and tuple(value.shape) == tuple(own[name].shape)
    }


def _words(architecture: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in architecture.items() if key in ("encoder", "decoder", "kind"))
