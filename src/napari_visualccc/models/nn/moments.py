"""What AdamW remembers of the gradients of each parameter: taken out by name, and put back."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

# Names that they have in a file, and in the optimiser.
_MOMENTS = {"moment1": "exp_avg", "moment2": "exp_avg_sq"}


def moments_of(network: nn.Module, optimiser: torch.optim.AdamW) -> dict[str, torch.Tensor]:
    """Moments of all parameters that have learnt, as ``moment1.*`` and ``moment2.*``."""
    found: dict[str, torch.Tensor] = {}
    for name, parameter in network.named_parameters():
        known = optimiser.state.get(parameter, {})
        found |= {f"{prefix}.{name}": known[key] for prefix, key in _MOMENTS.items() if key in known}
    return found


def put_back(network: nn.Module, optimiser: torch.optim.AdamW, tensors: Mapping[str, torch.Tensor], step: int) -> None:
    """Let an optimiser go on with moments from `moments_of`, after so many steps.

    They are laid out in memory as their parameter: the fused AdamW takes numbers in the order in which they lie there,
    and would pair each moment of a parameter in channels-last layout with another weight.
    """
    for name, parameter in network.named_parameters():
        if f"moment1.{name}" in tensors:
            optimiser.state[parameter] = {"step": torch.tensor(float(step), device=parameter.device)} | {
                key: torch.empty_like(parameter).copy_(tensors[f"{prefix}.{name}"]) for prefix, key in _MOMENTS.items()
            }
