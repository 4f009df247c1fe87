"""Lithium deposits as in cryo-TEM: branching dendrites or rounded grains on a carbon film.

Projected thickness attenuates the beam and, at its edges, shifts its phase (Fresnel fringes); a thin interphase rim
scatters more than the metal; film and ice are granular and uneven; electrons are counted.

References
----------
.. [1] Li et al., "Atomic structure of sensitive battery materials and interfaces revealed by cryo-electron
   microscopy", Science 358 (2017) 506, doi 10.1126/science.aam6014 (what deposits look like).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.params import Options, option
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import random_generator
from napari_visualccc.samples.physics import Field, detect, random_field
from napari_visualccc.samples.sample import Sample, colour

CLASSES = ("dendritic", "spherical")
CLASS_NAMES = {0: "background", 1: "deposit"}
COLOURS = {1: colour("EE6677")}
# Mean free paths for being lost from the bright-field image at 300 kV, in nm: light metal, denser interphase.
_PATH_LITHIUM_NM = 700.0
_PATH_RIM_NM = 160.0
_RIM_NM = 18.0
_FRINGE = 0.05


@dataclass(frozen=True)
class LithiumOptions(Options):
    """What is imaged, and how."""

    count: int = option(24, label="Images", help="Planes of the stack; classes alternate.", minimum=1, maximum=10_000)
    size: int = option(512, label="Size", help="Edge of an image.", minimum=32, maximum=8192, unit="px")
    pixel_nm: float = option(4.0, label="Pixel size", help="Edge of a pixel.", minimum=0.2, maximum=50.0, unit="nm")
    dose: float = option(
        0.04, label="Dose", help="Electrons per square ångström.", minimum=1e-4, maximum=1e4, step=0.01, unit="e/Å²"
    )
    seed: int = option(0, label="Seed", help="Same seed, same images.", minimum=0, maximum=2**31 - 1)


def lithium(options: LithiumOptions | None = None, *, progress: Progress | None = None) -> Sample:
    """Simulate a stack of cryo-TEM images of lithium deposits, half of them dendritic, half spherical.

    Coverage, thickness, brightness and gradients are drawn alike for both classes: only shape tells them apart.

    Returns
    -------
    Sample
        Labels 0 background and 1 deposit; `plane_labels` and the table give the class of each plane.
    """
    import pandas as pd

    options = options or LithiumOptions()
    shape = (options.count, options.size, options.size)
    image, labels = np.zeros(shape, np.uint16), np.zeros(shape, np.uint8)
    classes = [CLASSES[plane % 2] for plane in range(options.count)]
    for plane in silent(progress).steps(range(options.count), message="simulating lithium"):
        rng = random_generator(options.seed, 10, plane)
        thickness, rim = _deposit(options, rng, classes[plane])
        labels[plane] = thickness > 0
        image[plane] = _image(options, rng, thickness, rim)
    fractions = labels.reshape(options.count, -1).mean(1)
    table = pd.DataFrame({"plane": range(options.count), "class": classes, "deposit_fraction": fractions})
    return Sample(
        "lithium deposits",
        image,
        labels,
        CLASS_NAMES,
        COLOURS,
        PixelSize(options.pixel_nm, options.pixel_nm, "nm"),
        table,
        plane_labels=tuple(classes),
        about={"options": options.as_dict()},
    )


def _deposit(options: LithiumOptions, rng: np.random.Generator, kind: str) -> tuple[Field, Field]:
    """Projected thickness of metal and of rim in nm, grown until a drawn share of the field is covered."""
    shape = (options.size, options.size)
    thickness, rim = np.zeros(shape), np.zeros(shape)
    wanted = rng.uniform(0.12, 0.30)
    extent = options.size * options.pixel_nm
    grow = _branches if kind == "dendritic" else _spheres
    for _ in range(400):
        for (y0, x0), (y1, x1), r0, r1 in grow(rng, extent):
            _add_rod(thickness, rim, np.array([y0, x0]), np.array([y1, x1]), r0, r1, options.pixel_nm)
            if np.count_nonzero(thickness) >= wanted * thickness.size:
                return thickness, rim
    return thickness, rim


Rod = tuple[tuple[float, float], tuple[float, float], float, float]


def _spheres(rng: np.random.Generator, extent: float) -> list[Rod]:
    """A cluster of touching rounded grains, slightly longer than wide."""
    y, x = rng.uniform(0, extent, 2)
    rods = []
    for _ in range(rng.integers(1, 5)):
        radius = extent * rng.uniform(0.025, 0.075)
        angle = rng.uniform(0, 2 * np.pi)
        dy, dx = 0.25 * radius * np.sin(angle), 0.25 * radius * np.cos(angle)
        rods.append(((y - dy, x - dx), (y + dy, x + dx), radius, radius))
        y, x = y + 2.2 * radius * np.sin(angle), x + 2.2 * radius * np.cos(angle)
    return rods


def _branches(rng: np.random.Generator, extent: float) -> list[Rod]:
    """A tree of kinked, tapering whiskers."""
    rods: list[Rod] = []
    y, x = rng.uniform(0, extent, 2)
    todo = [(y, x, rng.uniform(0, 2 * np.pi), extent * rng.uniform(0.016, 0.028), 0)]
    while todo:
        y, x, angle, radius, depth = todo.pop()
        for _ in range(rng.integers(2, 6)):
            length = radius * rng.uniform(2.5, 6.0)
            thinner = radius * rng.uniform(0.85, 0.97)
            end = (y + length * np.sin(angle), x + length * np.cos(angle))
            rods.append(((y, x), end, radius, thinner))
            (y, x), radius = end, thinner
            angle += rng.normal(0, 0.35)  # whiskers kink
            if depth < 3 and rng.random() < 0.5:
                side = angle + rng.choice([-1, 1]) * rng.uniform(0.6, 1.3)
                todo.append((y, x, side, radius * rng.uniform(0.6, 0.85), depth + 1))
    return rods


def _add_rod(thickness: Field, rim: Field, start: Field, end: Field, r0: float, r1: float, pixel: float) -> None:
    """Add a tapering rod with round ends; where deposits overlap the thicker one counts."""
    reach = max(r0, r1)
    low = np.maximum(np.floor((np.minimum(start, end) - reach) / pixel).astype(int), 0)
    high = np.minimum(np.ceil((np.maximum(start, end) + reach) / pixel).astype(int) + 1, thickness.shape)
    if (high <= low).any():
        return
    box = (slice(low[0], high[0]), slice(low[1], high[1]))
    y, x = np.mgrid[box] * pixel
    along = end - start
    place = ((y - start[0]) * along[0] + (x - start[1]) * along[1]) / max(float(along @ along), 1e-12)
    place = np.clip(place, 0, 1)
    radius = r0 + (r1 - r0) * place
    squared = (y - start[0] - place * along[0]) ** 2 + (x - start[1] - place * along[1]) ** 2
    outer = 2 * np.sqrt(np.maximum(radius**2 - squared, 0))
    inner = 2 * np.sqrt(np.maximum(np.maximum(radius - _RIM_NM, 0) ** 2 - squared, 0))
    thicker = outer > thickness[box]
    thickness[box] = np.where(thicker, outer, thickness[box])
    rim[box] = np.where(thicker, outer - inner, rim[box])


def _image(options: LithiumOptions, rng: np.random.Generator, thickness: Field, rim: Field) -> NDArray[np.uint16]:
    from scipy import ndimage

    shape = thickness.shape
    film = 0.015 * random_field(rng, shape, 2.0) + 0.015 * random_field(rng, shape, 8.0)
    ice = 0.05 * random_field(rng, shape, max(options.size / 4, 2))
    loss = (thickness - rim) / _PATH_LITHIUM_NM + rim / _PATH_RIM_NM
    wave = np.exp(-loss * rng.uniform(0.8, 1.3)) * (1 + film + ice)
    smooth = ndimage.gaussian_filter(thickness, 1.0)
    edge = ndimage.laplace(smooth)
    wave *= 1 + _FRINGE * np.tanh(edge / max(float(edge.std()), 1e-9) / 2)
    beam = rng.uniform(0.7, 1.3)
    expected = ndimage.gaussian_filter(wave, 0.6)  # the detector spreads each electron over its neighbours
    return detect(rng, expected * beam, options.dose * (10 * options.pixel_nm) ** 2, gain=20.0)
