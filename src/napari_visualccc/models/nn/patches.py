"""Patches for training, drawn around labelled pixels and rare classes, turned and disturbed as micrographs are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from napari_visualccc.core.noise import noise_sigma
from napari_visualccc.core.runtime import random_generator
from napari_visualccc.core.scores import UNLABELLED
from napari_visualccc.models.symmetry import VIEWS

# Of each class of each image so many pixels are remembered as places to draw patches around.
_PLACES = 50_000
# Noise of an image, in its standard deviations, is taken to be this at least: figures are smoothed, samples simulated.
_LEAST_NOISE = 0.03
# It is measured in the middle of the image, on so many pixels along each edge at most.
_NOISE_REGION = 1024
# Images with a direction are turned by this angle at most (radians), as a sample may be mounted.
_TILT = 0.15


@dataclass(frozen=True)
class LabelledPlane:
    """One plane to learn from.

    Attributes
    ----------
    image
        Normalised values, shape (Y, X).
    labels
        0 … classes - 1, or `UNLABELLED`; uint8, shape (Y, X).
    stack
        Number of the image that it is a plane of; None if it is one by itself.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.uint8]
    stack: int | None = None


@dataclass(frozen=True)
class Augmentation:
    """How far patches may differ from the images they come from; all 0 gives crops as they are.

    Attributes
    ----------
    symmetry
        Views to draw from, one of `napari_visualccc.models.symmetry.SYMMETRIES`.
    rotation
        Share of patches turned by any angle (by a few degrees if not all views are allowed) and zoomed.
    scale
        Largest zoom factor, in or out; 1 for none.
    contrast
        Standard deviation of brightness and of the logarithms of contrast and γ; half of the patches keep γ.
    shade
        Standard deviation of a brightness that changes evenly across a patch, as under an uneven beam: of its value in
        the middle, and of its differences from edge to edge; two thirds of the patches have none.
    noise
        Largest standard deviation of added noise, in multiples of the noise that the image has already: 1.5 as at a
        third of the dose.
    blur
        Largest standard deviation of a Gaussian blur, in pixels.
    invert
        Share of patches whose contrast is inverted (bright and dark field).
    """

    symmetry: str = "all"
    rotation: float = 0.5
    scale: float = 1.25
    contrast: float = 0.2
    shade: float = 0.0
    noise: float = 1.5
    blur: float = 1.0
    invert: float = 0.0


class PatchSampler:
    """Endless batches of patches; batch number `step` is the same in every run with the same seed.

    Parameters
    ----------
    planes
        What to learn from; sizes may differ.
    classes
        Number of classes.
    patch
        Edge of a patch in pixels.
    batch
        Patches per batch.
    augmentation
        How to disturb them.
    seed
        Of all choices.
    device
        Where the planes are kept and the batches made.
    """

    def __init__(
        self,
        planes: Sequence[LabelledPlane],
        classes: int,
        patch: int,
        batch: int,
        augmentation: Augmentation,
        *,
        seed: int = 0,
        device: str = "cpu",
    ) -> None:
        self._patch, self._batch, self._augmentation = patch, batch, augmentation
        self._seed, self._device = seed, device
        self._images = [torch.from_numpy(plane.image).to(device) for plane in planes]
        self._noise = [_noise(plane.image) for plane in planes]
        self._labels = [torch.from_numpy(plane.labels).to(device) for plane in planes]
        rng = random_generator(seed, 0)
        self._places = [[_places(plane.labels, label, rng) for label in range(classes)] for plane in planes]
        self.pixels = sum(
            np.bincount(plane.labels.ravel(), minlength=256)[:classes] for plane in planes
        )  # fmt: skip
        counts = np.array([[len(found) for found in row] for row in self._places], float)
        self._present = counts > 0
        labelled = [float((plane.labels != UNLABELLED).mean()) * plane.labels.size for plane in planes]
        # The square root lets a small but labelled image count beside a large one.
        self._plane_share = np.sqrt(labelled) / np.sqrt(labelled).sum()

    def batch(self, step: int, rare: float = 0.5) -> tuple[torch.Tensor, torch.Tensor]:
        """Images (N, 1, Y, X) float32 and labels (N, Y, X) uint8.

        Parameters
        ----------
        step
            Number of the batch.
        rare
            Share of patches centred on a class drawn with equal chances; the others fall anywhere on labelled pixels.
        """
        rng = random_generator(self._seed, 1, step)
        images, labels, noise = zip(*(self._draw(rng, rare) for _ in range(self._batch)), strict=True)
        generator = torch.Generator(self._device).manual_seed(int(rng.integers(2**62)))
        own_noise = torch.tensor(noise, device=self._device)
        return disturb(torch.stack(images), self._augmentation, generator, own_noise), torch.stack(labels)

    def _draw(self, rng: np.random.Generator, rare: float) -> tuple[torch.Tensor, torch.Tensor, float]:
        number, (y, x) = self._centre(rng, rare)
        image, labels = self._images[number], self._labels[number]
        jitter = rng.uniform(-0.45, 0.45, 2) * self._patch
        grid = _grid(image.shape, (y + jitter[0], x + jitter[1]), self._patch, self._transform(rng))
        grid = grid.to(image.device)[None]
        pixels = _sample(image[None, None], grid, "bilinear")[0]
        targets = _sample(labels[None, None].float(), grid, "nearest")[0, 0]
        return pixels, targets.to(torch.uint8), self._noise[number]

    def _centre(self, rng: np.random.Generator, rare: float) -> tuple[int, NDArray[np.int64]]:
        number = int(rng.choice(len(self._images), p=self._plane_share))
        places = self._places[number]
        present = np.flatnonzero(self._present[number])
        if rng.random() < rare:
            # a class that few planes hold is looked for where it is
            label = int(rng.choice(np.flatnonzero(self._present.any(0))))
            if not self._present[number, label]:
                number = int(rng.choice(np.flatnonzero(self._present[:, label])))
                places = self._places[number]
        else:
            shares = np.array([len(places[label]) for label in present], float)
            label = int(rng.choice(present, p=shares / shares.sum()))
        return number, places[label][rng.integers(len(places[label]))]

    def _transform(self, rng: np.random.Generator) -> NDArray[np.float64]:
        """Matrix (2, 2) from patch to source coordinates (x, y)."""
        a = self._augmentation
        views = VIEWS[a.symmetry]
        turns, mirrored = views[int(rng.integers(len(views)))]
        angle = turns * math.pi / 2
        zoom = 1.0
        if rng.random() < a.rotation:
            angle += rng.uniform(0, math.pi / 2) if a.symmetry == "all" else rng.uniform(-_TILT, _TILT)
            zoom = math.exp(rng.uniform(-1, 1) * math.log(max(a.scale, 1.0)))
        cos, sin = round(math.cos(angle), 9), round(math.sin(angle), 9)
        return np.array([[cos, -sin], [sin, cos]]) @ np.diag([-1.0 if mirrored else 1.0, 1.0]) / zoom


def _noise(image: NDArray[np.float32]) -> float:
    middle = tuple(slice(max(0, (n - _NOISE_REGION) // 2), (n + _NOISE_REGION) // 2) for n in image.shape)
    return max(noise_sigma(image[middle]), _LEAST_NOISE)


def _places(labels: NDArray[np.uint8], label: int, rng: np.random.Generator) -> NDArray[np.int64]:
    flat = np.flatnonzero(labels.ravel() == label)
    if len(flat) > _PLACES:
        flat = rng.choice(flat, _PLACES, replace=False)
    return np.stack(np.divmod(flat, labels.shape[1]), 1)


def _grid(shape: Sequence[int], centre: tuple[float, float], patch: int, matrix: NDArray[np.float64]) -> torch.Tensor:
    """Where each pixel of the patch lies in the source, in `grid_sample`'s coordinates, shape (patch, patch, 2).

    Without turning or zooming by fractions, patch pixels fall onto source pixels and nothing is interpolated.
    """
    height, width = shape
    half = (patch - 1) / 2
    # A patch that reaches over the border is moved inside as far as it fits: mirrored pixels teach little.
    centre_y, centre_x = (
        (min(max(round(c - half), 0), n - patch) if n >= patch else (n - patch) // 2) + half
        for c, n in zip(centre, (height, width), strict=True)
    )
    steps = np.arange(patch) - half
    x = centre_x + matrix[0, 0] * steps[None, :] + matrix[0, 1] * steps[:, None]
    y = centre_y + matrix[1, 0] * steps[None, :] + matrix[1, 1] * steps[:, None]
    grid = np.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)
    return torch.from_numpy(grid.astype(np.float32))


def _sample(values: torch.Tensor, grid: torch.Tensor, mode: str) -> torch.Tensor:
    return F.grid_sample(values, grid, mode=mode, padding_mode="reflection", align_corners=False)


def disturb(
    images: torch.Tensor, augmentation: Augmentation, generator: torch.Generator, noise: torch.Tensor | None = None
) -> torch.Tensor:
    """Change brightness, contrast, γ, noise and blur of each image of a batch (N, 1, Y, X) on its own.

    Parameters
    ----------
    images, augmentation, generator
        What to change, how far, and by which random numbers.
    noise
        Standard deviation of the noise of each image, shape (N,); 1 if not given.
    """
    a = augmentation
    count = len(images)

    def random(*shape: int) -> torch.Tensor:
        return torch.rand(count, *shape, generator=generator, device=images.device)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(count, *shape, generator=generator, device=images.device)

    def sometimes(chance: float) -> torch.Tensor:
        return (random(1, 1, 1) < chance).float()

    if a.blur:
        images = _blurred(images, random(1)[:, 0] * a.blur * sometimes(0.3)[:, 0, 0, 0])
    if a.contrast:
        images = _with_gamma(images, torch.exp(normal(1, 1, 1) * a.contrast * sometimes(0.5)))
        images = images * torch.exp(normal(1, 1, 1) * a.contrast) + normal(1, 1, 1) * a.contrast
    if a.shade:
        images = images + a.shade * sometimes(1 / 3) * (normal(1, 1, 1) + _slope(images, normal(2)))
    if a.noise:
        level = random(1, 1, 1) * a.noise * sometimes(0.5)
        if noise is not None:
            level = level * noise[:, None, None, None]
        # Half of the noisy ones are shot noise: its variance grows with the signal.
        low, high = images.amin((1, 2, 3), keepdim=True), images.amax((1, 2, 3), keepdim=True)
        brightness = ((images - low) / (high - low).clamp_min(1e-6)).clamp(0, 1)
        shape = torch.where(sometimes(0.5) > 0, torch.sqrt(2 * brightness), torch.ones_like(brightness))
        images = images + level * shape * normal(*images.shape[1:])
    if a.invert:
        images = torch.where(sometimes(a.invert) > 0, -images, images)
    return images


def _with_gamma(images: torch.Tensor, gamma: torch.Tensor) -> torch.Tensor:
    """Grey values of normalised images after γ, normalised again: the typical grey stays 0 and contrast there stays.

    A plain γ moves the typical grey, the more the wider noise makes the range. A whole image with another γ loses that
    when it is normalised; a patch that kept it would teach that dark phases may be as grey as bright ones.
    """
    black = images.amin((1, 2, 3), keepdim=True).clamp_max(-1)
    return ((1 - images / black).clamp_min(0) ** gamma - 1) * -black / gamma


def _slope(images: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
    """Brightness that grows evenly along x and y, 0 in the middle and half of `slopes` (N, 2) at the edges."""
    height, width = images.shape[2:]
    y = torch.linspace(-0.5, 0.5, height, device=images.device)[None, None, :, None]
    x = torch.linspace(-0.5, 0.5, width, device=images.device)[None, None, None, :]
    return slopes[:, None, :1, None] * y + slopes[:, None, 1:, None] * x


def _blurred(images: torch.Tensor, sigmas: torch.Tensor) -> torch.Tensor:
    """Blur each image with its own σ (0 leaves it as it is)."""
    if not bool((sigmas > 0.2).any()):
        return images
    radius = 3
    offsets = torch.arange(-radius, radius + 1, device=images.device, dtype=torch.float32)
    kernels = torch.exp(-(offsets**2) / (2 * sigmas.clamp_min(1e-2)[:, None] ** 2))
    kernels = kernels / kernels.sum(1, keepdim=True)
    padded = F.pad(images, (radius,) * 4, mode="reflect").transpose(0, 1)
    count = len(images)
    once = F.conv2d(padded, kernels[:, None, :, None], groups=count)
    return F.conv2d(once, kernels[:, None, None, :], groups=count).transpose(0, 1)
