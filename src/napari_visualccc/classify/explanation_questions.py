"""From the options and a model's classes to what is asked of the network, plane by plane."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.classify.explanation_options import PREDICTED, ExplainOptions
from napari_visualccc.core.errors import OptionError
from napari_visualccc.models.card import ModelCard

if TYPE_CHECKING:
    import torch

    from napari_visualccc.models.nn.cam import Ask


class Model(Protocol):
    """What can be explained: a classifier, or a network that segments.

    Where a model shows planes to its network in a way of its own (resized, in crops, with scale bars hidden), it has a
    method ``view(planes, index, pixel_size)`` that gives a `napari_visualccc.models.windows.PlaneView`.
    """

    @property
    def network(self) -> Any:
        """Takes (N, 1, Y, X), gives (N, classes) or (N, classes, Y, X)."""

    @property
    def card(self) -> ModelCard:
        """Its classes, in the order of the outputs."""

    @property
    def hash(self) -> str:
        """Of its file."""


def target_of(card: ModelCard, options: ExplainOptions) -> int | None:
    """Number of the output to explain; None for the predicted class of each plane.

    Raises
    ------
    OptionError
        If the model has no such class.
    """
    wanted = options.target.strip()
    if wanted == PREDICTED:
        return None
    for number, one in enumerate(card.classes):
        if wanted == one.name or wanted == str(one.value):
            return number
    known = ", ".join(f"{one.name} ({one.value})" for one in card.classes)
    raise OptionError(f"the model has no class {wanted!r}: choose {PREDICTED}, {known}")


def predicted_class(outputs: torch.Tensor) -> torch.Tensor:
    """Class of each image, from scores (N, classes) or (N, classes, Y, X)."""
    if outputs.ndim == 2:
        return outputs.argmax(dim=1)
    classes = outputs.shape[1]
    labels = outputs.argmax(dim=1).flatten(1)
    import torch

    counts = torch.stack([(labels == number).sum(dim=1) for number in range(classes)], dim=1)
    # The first class is the ground that the others lie on; where there is nothing else, it is the answer.
    others = counts[:, 1:]
    return torch.where(others.amax(dim=1) > 0, others.argmax(dim=1) + 1, torch.zeros_like(others[:, 0]))


def ask_for(targets: list[int | None], regions: NDArray[np.float32] | None, options: ExplainOptions) -> Ask:
    """Question about a batch.

    Parameters
    ----------
    targets
        Output to explain for each image; None for the predicted class.
    regions
        Pixels that are asked about (not 0), shape (N, Y, X); None follows the options.
    options
        What the user wants.
    """
    import torch

    from napari_visualccc.models.nn.cam import Question

    def ask(outputs: torch.Tensor) -> Question:
        found = predicted_class(outputs)
        wanted = torch.tensor([-1 if target is None else target for target in targets], device=outputs.device)
        chosen = torch.where(wanted >= 0, wanted, found)
        if outputs.ndim == 2:
            return Question(chosen)
        if regions is not None:
            inside = torch.from_numpy(regions != 0).to(outputs.device)
        elif options.region == "everywhere":
            inside = torch.ones_like(outputs[:, 0], dtype=torch.bool)
        else:
            inside = outputs.argmax(dim=1) == chosen[:, None, None]
        return Question(chosen, _shares(inside.float()))

    return ask


def _shares(inside: torch.Tensor) -> torch.Tensor:
    return inside / inside.sum(dim=(-2, -1), keepdim=True).clamp(min=1)
