"""Networks that have forgotten what they learnt, from the end on: for the sanity check of heatmaps."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from napari_visualccc.models.nn.cam import Ask, Question
from napari_visualccc.models.nn.explainer import Explainer

# Parts of a network: modules at most this deep, such as encoder.layer4.
_DEPTH = 2


def randomised_from_the_end(network: nn.Module, seed: int) -> Iterator[tuple[str, Callable[[], nn.Module]]]:
    """For each part of a network, last first: its name, and a function that makes a copy random from there on."""
    parts = _parts(network)
    for count in range(1, len(parts) + 1):
        yield parts[-count], lambda count=count: _randomised(network, parts[-count:], seed)  # type: ignore[misc]


def _parts(network: nn.Module) -> list[str]:
    names: list[str] = []
    for name, module in network.named_modules():
        if not name or not _resettable(module):
            continue
        part = ".".join(name.split(".")[:_DEPTH])
        if part not in names:
            names.append(part)
    return names


def _resettable(module: nn.Module) -> bool:
    return hasattr(module, "reset_parameters") and any(True for _ in module.parameters(recurse=False))


def _randomised(network: nn.Module, parts: list[str], seed: int) -> nn.Module:
    forgetful = copy.deepcopy(network)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for name, module in forgetful.named_modules():
            if _resettable(module) and any(name == part or name.startswith(part + ".") for part in parts):
                module.reset_parameters()
    return forgetful


def same_question(explainer: Explainer, images: NDArray[np.float32], ask: Ask) -> Ask:
    """The question as it is put to the network that has learnt, whatever is answered later."""
    asked: Question = ask(explainer.outputs(images))
    return lambda _: asked
