"""From the card of a model to its network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.nn import classifier, pixels, unet
from napari_visualccc.models.nn.context import Context


def network_of(architecture: Mapping[str, Any]) -> nn.Module:
    """Network with random weights, as a card describes it.

    Raises
    ------
    OptionError
        If this version does not know such a network.
    """
    kind = architecture.get("kind")
    if kind == unet.KIND:
        return unet.build(unet.Architecture.from_dict(architecture))
    if kind == classifier.KIND:
        return classifier.build(architecture)
    if kind == pixels.KIND:
        try:
            encoder = str(architecture.get("context", ""))
            context = Context(encoder) if encoder else None
            size = int(architecture["levels"]), int(architecture["classes"])
            return pixels.PixelClassifier(*size, context, bool(architecture.get("lattice", False)))
        except (KeyError, TypeError, ValueError) as error:
            raise OptionError(f"the model's card does not describe a pixel classifier: {error}") from error
    raise OptionError(f"the model's network is of the kind {kind!r}, which this version does not know")
