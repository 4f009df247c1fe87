"""Small images with known phases, and a model trained on them in seconds."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.segment import TrainOptions, annotated, dataset_of_masks, train

# Enough for bright discs on a dark ground, little enough for a test.
QUICK = TrainOptions(steps=50, max_minutes=5, reduction="2", patch=128, batch=2, learning_rate=3e-3, validation=0.25)


def _discs(seed: int, shape: tuple[int, int] = (160, 192)) -> tuple[NDArray[np.uint16], NDArray[np.uint8]]:
    """Noisy bright discs: image (uint16) and mask (0, 1)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    mask = np.zeros(shape, np.uint8)
    for _ in range(8):
        cy, cx, r = rng.uniform(0, shape[0]), rng.uniform(0, shape[1]), rng.uniform(8, 20)
        mask[(y - cy) ** 2 + (x - cx) ** 2 < r**2] = 1
    image = 1000 + 400.0 * mask + rng.normal(0, 100, shape)
    return image.astype(np.uint16), mask


@pytest.fixture(scope="session")
def trained():
    """Model for `discs`, calibrated at 2 nm per pixel."""
    items = [annotated(*_discs(seed), pixel_size=PixelSize(2, 2, "nm"), name=f"discs {seed}") for seed in range(4)]
    return train(dataset_of_masks(items, names=["ground", "disc"]), QUICK, device="cpu")


@pytest.fixture(scope="session")
def model(trained):
    return trained.model


@pytest.fixture(scope="session")
def discs():
    """Makes an image and its mask from a seed."""
    return _discs


@pytest.fixture(scope="session")
def lattices():
    """Makes an image of two lattices that differ in nothing but their spacing, 9 and 10 pixels, and its mask."""

    def make(seed: int, edge: int = 256) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:edge, :edge]
        mask = (x + rng.uniform(-30, 30) > edge / 2).astype(np.uint8)
        period = np.where(mask, 10.0, 9.0)
        turn = rng.uniform(0, np.pi)
        waves = [np.cos(2 * np.pi / period * (np.cos(a) * x + np.sin(a) * y)) for a in (turn, turn + np.pi / 2)]
        return (sum(waves) + rng.normal(0, 3, (edge, edge))).astype(np.float32), mask

    return make
