"""How long and how fast to learn: warm-up, then half a cosine."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

_ENCODER = "encoder."


@dataclass(frozen=True)
class Schedule:
    """How long and how fast to learn.

    Attributes
    ----------
    seconds
        Time budget, validation included; infinite if only steps count.
    steps
        Number of steps; 0 for as many as fit into the time. Only a number of steps is repeatable to the last bit: it
        alone then sets the pace, and the time is where training ends even if steps are left.
    learning_rate, weight_decay
        Of AdamW, at the top of the schedule.
    encoder_rate
        Learning rate of what is named ``encoder``, as a share of `learning_rate`: less than 1 where it knows much.
    warm_up
        Share of the schedule with rising learning rate.
    average
        Decay of the moving average of the weights, per step; the average is what is validated and kept.
    checks
        Number of validations, spread evenly.
    kept
        Of the models validated, the best by its score, or the last, where the score does not tell.
    """

    seconds: float = math.inf
    steps: int = 0
    learning_rate: float = 1e-3
    encoder_rate: float = 1.0
    weight_decay: float = 1e-2
    warm_up: float = 0.05
    average: float = 0.99
    checks: int = 20
    kept: Literal["best", "last"] = "best"

    def rate(self, done: float) -> float:
        """Learning rate when the share `done` of the schedule is over (linear rise, then half a cosine)."""
        if done < self.warm_up:
            return self.learning_rate * max(done / self.warm_up, 0.02)
        fall = (done - self.warm_up) / (1 - self.warm_up)
        return self.learning_rate * (0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * min(fall, 1.0))))


def groups(network: nn.Module, schedule: Schedule) -> list[dict[str, Any]]:
    """Parameter groups of an optimiser; ``"share"`` is what the schedule's rate is to be multiplied by.

    Weight decay for matrices only: biases and normalisation are left free.
    """
    found: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            share = schedule.encoder_rate if name.startswith(_ENCODER) else 1.0
            decay = schedule.weight_decay if parameter.ndim > 1 else 0.0
            found.setdefault((share, decay), []).append(parameter)
    return [{"params": own, "weight_decay": decay, "share": share} for (share, decay), own in found.items()]
