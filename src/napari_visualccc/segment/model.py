"""A trained segmentation network with its card."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import ModelError
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.files import load_model, save_model
from napari_visualccc.models.states import fill, weights

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class SegmentationModel:
    """Network and card.

    Attributes
    ----------
    network
        Takes normalised grey values (N, 1, Y, X), gives scores (N, classes, Y, X).
    card
        What it is.
    hash
        Of the file it came from; empty before it is saved.
    """

    network: nn.Module
    card: ModelCard
    hash: str = ""

    @property
    def values(self) -> NDArray[Any]:
        """Label value of each output, in the smallest unsigned type that holds them (and a free one for nothing)."""
        values = [one.value for one in self.card.classes]
        return np.asarray(values, np.min_scalar_type(max(values) + 1))

    @property
    def nothing(self) -> int:
        """Label of pixels that are not finite: 0, or, where 0 is a phase, the largest of the type."""
        values = self.values
        return 0 if 0 not in values else int(np.iinfo(values.dtype).max)

    def save(self, path: str | Path) -> Path:
        """Write the model as one ``.safetensors`` file.

        Raises
        ------
        OutputError
            If it cannot be written.
        """
        return save_model(path, self.card, weights(self.network))

    @classmethod
    def load(cls, path: str | Path) -> SegmentationModel:
        """Read a model.

        Raises
        ------
        ModelError
            If the file is not a segmentation model of ours, or is damaged.
        """
        from napari_visualccc.models.nn.networks import network_of

        file = load_model(path)
        file.card.expect("segment", str(path))
        outputs = file.card.architecture.get("classes")
        if outputs != len(file.card.classes):
            raise ModelError(f"{path} names {len(file.card.classes)} classes but has {outputs} outputs")
        if any(one.value < 0 for one in file.card.classes):
            raise ModelError(f"{path} has a class of negative value, which no labels can hold: train it anew")
        network = network_of(file.card.architecture)
        fill(network, file.tensors, str(path))
        return cls(network.eval(), file.card, file.hash)
