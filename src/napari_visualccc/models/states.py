"""Weights of networks on their way to model files and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import ModelError

if TYPE_CHECKING:
    from torch import nn


def weights(network: nn.Module) -> dict[str, NDArray[Any]]:
    """All weights and running statistics; in half precision where that changes no number, as with shipped weights."""
    return {name: _shortest(value.detach().cpu().numpy()) for name, value in network.state_dict().items()}


def _shortest(values: NDArray[Any]) -> NDArray[Any]:
    if values.dtype != np.float32:
        return values
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    return half if np.array_equal(half.astype(np.float32), values) else values


def fill(network: nn.Module, tensors: Mapping[str, NDArray[Any]], source: str) -> None:
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
