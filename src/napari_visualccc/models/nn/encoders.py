"""Encoders that networks can be built on, and the weights that networks begin with."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import segmentation_models_pytorch as smp
import torch
from numpy.typing import NDArray
from torch import nn

from napari_visualccc.core.errors import ModelError
from napari_visualccc.models.architectures import LAST_LAYER
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.files import EXTENSION, load_tensors, read_card

# Weights that come with the package: one file per encoder, a card in its header (see `training/`).
SHIPPED = Path(__file__).parents[1] / "weights"
RANDOM = "random"
# A file that fills less than this share of a network's weights was made for another one.
_LEAST_SHARE = 0.5

_log = logging.getLogger(__name__)


def shipped_weights() -> dict[str, Path]:
    """Files of the weights that come with the package, by the encoder's name."""
    return {path.name.removesuffix(EXTENSION): path for path in sorted(SHIPPED.glob(f"*{EXTENSION}"))}


def encoders_at_hand() -> list[dict[str, Any]]:
    """Name, weights and licence of each encoder of segmentation-models-pytorch; timm's go by ``tu-<name>``.

    Encoders whose weights come with the package stand first.
    """
    shipped = [_of_card(name, read_card(path)) for name, path in shipped_weights().items()]
    others = sorted(set(smp.encoders.encoders) - shipped_weights().keys())
    return shipped + [{"name": name, "weights": RANDOM, "licence": "BSD-3-Clause"} for name in others]


def _of_card(name: str, card: ModelCard) -> dict[str, Any]:
    return {
        "name": name, "weights": f"shipped: {card.training.get('data')}", "licence": card.licence,
        "metrics": dict(card.metrics),
    }  # fmt: skip


def weights_for(encoder: str, wanted: str) -> Path | None:
    """File with the weights that a network begins with; None for random ones.

    Parameters
    ----------
    encoder
        Name of the encoder.
    wanted
        ``"auto"``: those that come with the package, if there are any; ``"random"``; or a model file.
    """
    if wanted == RANDOM:
        return None
    if wanted == "auto":
        return shipped_weights().get(encoder)
    return Path(wanted)


def begin_with(network: nn.Module, path: Path) -> list[str]:
    """Fill a network with the weights of a file wherever name and shape agree; the last layer is left as it is.

    Parameters
    ----------
    network
        Changed in place.
    path
        Weights that come with the package, or any model of ours: a network trained on another material, with other
        classes, is often the best beginning.

    Returns
    -------
    list of str
        Names of the tensors that were not filled, the last layer aside.

    Raises
    ------
    ModelError
        If the file is no model of ours, or has little in common with the network.
    """
    card = read_card(path)
    own = network.state_dict()
    fitting = _fitting(own, load_tensors(path))
    wanted = {name: value.numel() for name, value in own.items() if not name.startswith(LAST_LAYER)}
    filled = sum(wanted[name] for name in fitting)
    if filled < _LEAST_SHARE * sum(wanted.values()):
        raise ModelError(
            f"{path} does not fit this network: it holds {_words(card.architecture)}. Choose that encoder and decoder, "
            f"or begin with '{RANDOM}' weights"
        )
    network.load_state_dict(fitting, strict=False)
    left = sorted(wanted.keys() - fitting.keys())
    if left:
        _log.info("%d tensors are not in %s and begin at random: %s", len(left), path, ", ".join(left[:5]))
    return left


def _fitting(own: Mapping[str, torch.Tensor], tensors: Mapping[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
    """Tensors of a file that a network has too, in the network's number format."""
    return {
        name: torch.from_numpy(np.array(value)).to(own[name].dtype)
        for name, value in tensors.items()
        if name in own and not name.startswith(LAST_LAYER) and tuple(value.shape) == tuple(own[name].shape)
    }


def _words(architecture: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in architecture.items() if key in ("encoder", "decoder", "kind"))
