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
        network = network_of(file.card.architecture)
        fill(network, file.tensors, str(path))
        return cls(network.eval(), file.card, file.hash)


def weights(network: nn.Module) -> dict[str, NDArray[Any]]:
    """All weights and running statistics; in half precision where that changes no number, as with shipped weights."""
    return {name: _shortest(value.detach().cpu().numpy()) for name, value in network.state_dict().items()}


def _shortest(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype != np.float32:
        return values
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), values) else values


def fill(network: nn.Module, tensors: Any, source: str) -> None:
    """Put weights into a network.

    Raises
    ------
    ModelError
        If names or shapes differ.
    """
    import torch

    try:
        network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in tensors.items()})
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(f"the weights in {source} do not fit the network its card describes: {reason}") from error
