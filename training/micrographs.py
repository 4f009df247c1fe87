"""Simulated micrographs of random microstructures, with everything known about them.

From phases to what a detector sees: grey value and texture of each phase, edge effects, thickness, shading, blur,
noise, charging, curtaining, burnt-in scale bars; bright or dark field.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from fields import Field, Generator, band_noise, fractal_noise, log_uniform, smooth_noise
from microstructures import OVERLAY, Microstructure, random_microstructure
from numpy.typing import NDArray
from scipy import ndimage

# Distances to outlines are told up to this many pixels.
MOST_DISTANCE = 64


@dataclass(frozen=True)
class Micrograph:
    """A simulated image and its truth.

    Attributes
    ----------
    image
        What the microscope shows, uint8, shape (Y, X).
    clean
        The mean grey of each pixel's phase on the scale of `image`, without texture, shading and noise, uint8.
    kinds
        Position in `microstructures.KINDS`, uint8.
    outlines
        True at pixels that touch a pixel of another phase.
    distance
        Distance to the nearest outline in pixels, at most `MOST_DISTANCE`, uint8.
    """

    image: NDArray[np.uint8]
    clean: NDArray[np.uint8]
    kinds: NDArray[np.uint8]
    outlines: NDArray[np.bool_]
    distance: NDArray[np.uint8]


def micrograph(seed: int, size: int = 512) -> Micrograph:
    """Simulated micrograph number `seed`."""
    rng = np.random.default_rng([20260101, seed])
    shape = (size, size)
    structure = random_microstructure(rng, shape)
    outlines = touching(structure.phases)
    distance = ndimage.distance_transform_edt(~outlines)
    clean = _greys(rng, structure)
    image = clean + _textures(rng, structure) + _relief(rng, structure)
    image += rng.uniform(0, 0.3) ** 1.5 * smooth_noise(rng, shape, rng.uniform(60, 200))
    image = _optics(rng, image)
    image, clean = _contrast(rng, image, clean)
    kinds = structure.kinds
    if rng.random() < 0.25:
        image, kinds = _overlay(rng, image, kinds)
    low, high = np.percentile(image, [rng.uniform(0, 1), rng.uniform(99, 100)])
    scale = 255 / max(high - low, 1e-6)
    return Micrograph(
        _to_bytes((image - low) * scale), _to_bytes((clean - low) * scale), kinds, outlines,
        np.minimum(distance, MOST_DISTANCE).astype(np.uint8),
    )  # fmt: skip


def touching(phases: NDArray[np.int32]) -> NDArray[np.bool_]:
    """Pixels with a neighbour (of four) of another phase."""
    found = np.zeros(phases.shape, bool)
    down, right = phases[1:] != phases[:-1], phases[:, 1:] != phases[:, :-1]
    found[1:] |= down
    found[:-1] |= down
    found[:, 1:] |= right
    found[:, :-1] |= right
    return found


def _greys(rng: Generator, structure: Microstructure) -> Field:
    """Mean grey of each phase; neighbours differ by little or much."""
    count = int(structure.phases.max()) + 1
    contrast = log_uniform(rng, 0.1, 1.0)
    greys = rng.uniform(0, 1, count) * contrast
    for number in range(1, count):  # nothing may be told apart by nothing
        others = np.delete(greys, number)
        for _ in range(10):
            if np.abs(others - greys[number]).min() > 0.15 * contrast:
                break
            greys[number] = rng.uniform(0, 1) * contrast
    return np.asarray(greys[structure.phases], np.float32)


def _textures(rng: Generator, structure: Microstructure) -> Field:
    """Texture of each phase, some without."""
    texture = np.zeros(structure.phases.shape, np.float32)
    for number in range(int(structure.phases.max()) + 1):
        if rng.random() < 0.4:
            continue
        inside = structure.phases == number
        texture[inside] = (log_uniform(rng, 0.01, 0.2) * _texture(rng, texture.shape))[inside]
    return texture


def _texture(rng: Generator, shape: tuple[int, int]) -> Field:
    choice = rng.integers(5)
    if choice == 0:
        return smooth_noise(rng, shape, log_uniform(rng, 0.7, 8))
    if choice == 1:
        return fractal_noise(rng, shape, rng.uniform(0.5, 2.5))
    if choice == 2:  # lattice fringes, polishing scratches
        y, x = np.indices(shape, np.float32)
        angle = rng.uniform(0, np.pi)
        phase = (x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / log_uniform(rng, 2.5, 16)
        return np.asarray(np.sin(phase + 0.7 * smooth_noise(rng, shape, 30)), np.float32)
    if choice == 3:  # fine pores or spots
        noise = smooth_noise(rng, shape, rng.uniform(0.8, 2.5))
        return np.asarray((noise > rng.uniform(1.2, 2.2)) * rng.choice([-3.0, 3.0]), np.float32)
    return band_noise(rng, shape, log_uniform(rng, 4, 20), 0.2)


def _relief(rng: Generator, structure: Microstructure) -> Field:
    """Bright rims and halos (SEM edges), projected thickness (TEM), illumination from one side."""
    relief = np.zeros(structure.phases.shape, np.float32)
    for mask, _ in structure.objects:
        effect = rng.integers(5)
        strength = rng.choice([-1, 1]) * log_uniform(rng, 0.03, 0.4)
        if effect == 0:
            depth = ndimage.distance_transform_edt(mask)
            relief += mask * strength * np.exp(-depth / log_uniform(rng, 1, 8))
        elif effect == 1:
            depth = ndimage.distance_transform_edt(~mask)
            relief += ~mask * strength * np.exp(-depth / log_uniform(rng, 1, 12))
        elif effect == 2:
            depth = ndimage.distance_transform_edt(mask)
            relief += strength * np.sqrt(depth / max(float(depth.max()), 1.0))
        elif effect == 3:
            soft = ndimage.gaussian_filter(mask.astype(np.float32), log_uniform(rng, 1, 5))
            relief += 4 * strength * (soft - np.roll(soft, (2, 1), (0, 1)))
    return relief


def _optics(rng: Generator, image: Field) -> Field:
    """Blur, noise of detector and electrons, curtaining, charging."""
    shape = image.shape
    image = ndimage.gaussian_filter(image, log_uniform(rng, 0.3, 2.5))
    spread = float(image.std()) + 1e-6
    if rng.random() < 0.15:
        image = image + spread * rng.uniform(0.1, 0.5) * smooth_noise(rng, shape, 2, rng.uniform(20, 80), np.pi / 2)
    if rng.random() < 0.15:
        lines = ndimage.gaussian_filter1d(rng.standard_normal(shape[0]), rng.uniform(0.5, 3))[:, None]
        image = image + spread * rng.uniform(0.05, 0.4) * lines
    level = spread * log_uniform(rng, 0.03, 1.5)
    noise = rng.standard_normal(shape, np.float32)
    if rng.random() < 0.5:  # shot noise
        bright = (image - image.min()) / max(float(np.ptp(image)), 1e-6)
        noise *= np.sqrt(2 * bright)
    if rng.random() < 0.3:  # detectors and file formats correlate neighbours
        noise = ndimage.gaussian_filter(noise, rng.uniform(0.4, 1.0))
        noise /= noise.std()
    return np.asarray(image + level * noise, np.float32)


def _contrast(rng: Generator, image: Field, clean: Field) -> tuple[Field, Field]:
    """γ and bright or dark field, for image and clean image alike."""
    low, span = float(image.min()), max(float(np.ptp(image)), 1e-6)
    gamma = np.exp(rng.normal(0, 0.3))
    inverted = rng.random() < 0.5
    changed = []
    for one in (image, clean):
        value = np.clip((one - low) / span, 0, 1) ** gamma
        changed.append(np.asarray(1 - value if inverted else value, np.float32))
    return changed[0], changed[1]


def _overlay(rng: Generator, image: Field, kinds: NDArray[np.uint8]) -> tuple[Field, NDArray[np.uint8]]:
    """Burnt-in scale bar and blocks like letters, perhaps on a banner."""
    image, kinds = image.copy(), kinds.copy()
    height, width = image.shape
    colour = float(rng.choice([0.0, 1.0]))
    bottom = int(rng.integers(height // 2, height - 30))
    if rng.random() < 0.4:
        image[bottom : bottom + 40] = 1 - colour
        kinds[bottom : bottom + 40] = OVERLAY
    left, length = int(rng.integers(0, width // 2)), int(rng.integers(30, width // 2))
    marks = [(bottom + 12, left, int(rng.integers(2, 8)), length)]
    for number in range(int(rng.integers(0, 8))):
        marks += [
            (bottom + int(rng.integers(0, 14)), left + 14 * number + int(rng.integers(8)), 2 + int(rng.integers(10)), 2)
        ]
        marks += [(bottom + int(rng.integers(0, 14)), left + 14 * number, 2, 2 + int(rng.integers(8)))]
    for y, x, high, wide in marks:
        image[y : y + high, x : x + wide] = colour
        kinds[y : y + high, x : x + wide] = OVERLAY
    return image, kinds


def _to_bytes(values: Field) -> NDArray[np.uint8]:
    return np.asarray(np.clip(np.rint(values), 0, 255), np.uint8)
