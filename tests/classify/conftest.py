"""Models whose answers are known without training: one that sees bright spots, one that calls bright pixels a phase."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pytest
import torch
from torch import nn

from napari_visualccc.core.colours import label_colour
from napari_visualccc.models.card import ClassInfo, ModelCard


@dataclass(frozen=True)
class Made:
    network: nn.Module
    card: ModelCard
    hash: str = "blake2b:made"
    extra: dict = field(default_factory=dict)


def card(task, *names):
    return ModelCard(task, {}, tuple(ClassInfo(i, name, label_colour(i + 1)) for i, name in enumerate(names)))


class Spots(nn.Module):
    """Three strided convolutions that add up, a threshold after the first: scores are (no spot, spot)."""

    def __init__(self) -> None:
        super().__init__()
        layers = [nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU()]
        for _ in range(2):
            layers += [nn.Conv2d(4, 4, 3, stride=2, padding=1), nn.ReLU()]
        self.encoder = nn.Sequential(*layers)
        self.head = nn.Linear(4, 2)
        with torch.no_grad():
            for layer in self.encoder[::2]:
                kernel = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 16
                layer.weight.copy_(kernel.expand_as(layer.weight) / layer.in_channels)
                layer.bias.zero_()
            self.encoder[0].bias.fill_(-5)  # noise, of deviation 1, stays below
            self.head.weight.copy_(torch.tensor([[-400.0], [400.0]]).expand(2, 4))
            self.head.bias.copy_(torch.tensor([4.0, -4.0]))

    def forward(self, images):
        return self.head(self.encoder(images).mean(dim=(-2, -1)))


@pytest.fixture(scope="session")
def spots():
    return Made(Spots().eval(), card("classify", "plain", "spot"))


@pytest.fixture(scope="session")
def bright(bright_network):
    return Made(bright_network, card("segment", "ground", "bright"))


@pytest.fixture
def spot_image():
    """One bright pixel on an asymmetric plane; the place is given."""

    def make(y, x, shape=(96, 150)):
        image = np.random.default_rng(0).normal(100, 2, shape).astype(np.float32)
        image[y, x] = 900
        return image

    return make


@pytest.fixture
def blob():
    """A bright rectangle on noise: image and its mask."""
    rng = np.random.default_rng(1)
    mask = np.zeros((90, 140), np.uint8)
    mask[20:50, 80:120] = 1
    return (100 + 60 * mask + rng.normal(0, 5, mask.shape)).astype(np.float32), mask


@pytest.fixture
def with_view():
    """The same model with a way of its own of showing planes to its network."""

    def make(model, view):
        class Shown(Made):
            def view(self, planes, index, pixel_size):
                return view(planes, index, pixel_size)

        return Shown(model.network, replace(model.card), model.hash)

    return make
