"""Porous superconducting films as in SEM, with a critical current that follows from porosity and outgrowths.

Pores are a thresholded Gaussian random field (their share and size are set), outgrowths are bright grains on top. The
image brightens at edges, shades on one side, and carries shot noise and scan-line noise.

References
----------
.. [1] Torquato, "Random Heterogeneous Materials", Springer 2002, doi 10.1007/978-1-4757-6355-3 (level-cut fields).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.params import Options, option
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import random_generator
from napari_visualccc.samples.physics import detect, random_field
from napari_visualccc.samples.sample import Sample, colour

CLASS_NAMES = {1: "pore", 2: "film", 3: "outgrowth"}
COLOURS = {1: colour("4477AA"), 2: colour("CCBB44"), 3: colour("EE6677")}
_IMAGES_PER_SPECIMEN = 4
# Critical current density of the dense film, MA/cm², and how pores and outgrowths lower it.
_DENSE_MA_CM2 = 3.0
_PORE_EXPONENT = 2.0
_OUTGROWTH_LOSS = 3.0


@dataclass(frozen=True)
class PorousOptions(Options):
    """What is imaged, and how."""

    count: int = option(
        60, label="Images", help="Images of the series, four of each specimen.", minimum=1, maximum=10_000
    )
    size: int = option(384, label="Size", help="Edge of an image.", minimum=32, maximum=8192, unit="px")
    pixel_nm: float = option(5.0, label="Pixel size", help="Edge of a pixel.", minimum=0.2, maximum=500.0, unit="nm")
    pore_nm: float = option(
        90.0, label="Pore size", help="Correlation length of the pores.", minimum=1.0, maximum=1e4, unit="nm"
    )
    dose: float = option(
        120.0, label="Dose", help="Detected electrons per pixel on flat film.", minimum=1.0, maximum=1e5, unit="e/px"
    )
    scatter: float = option(
        0.05, label="Scatter", help="Relative scatter of the property.", minimum=0.0, maximum=2.0, step=0.01
    )
    seed: int = option(0, label="Seed", help="Same seed, same series.", minimum=0, maximum=2**31 - 1)


def porous(options: PorousOptions | None = None, *, progress: Progress | None = None) -> Sample:
    r"""Simulate a series of SEM images of porous films.

    Returns
    -------
    Sample
        Labels 1 pore, 2 film, 3 outgrowth. The table has a row per image: id, specimen, porosity and outgrowth
        fraction (both as labelled), mean pore size in nm, and critical current density in MA/cm².

    Notes
    -----
    .. math:: j_c = j_0 (1 - p)^2 \exp(-3 f_o)\, (1 + s\,\mathcal{N}(0, 1))

    with porosity p, outgrowth fraction f_o and scatter s.
    """
    import pandas as pd

    options = options or PorousOptions()
    shape = (options.count, options.size, options.size)
    image, labels = np.zeros(shape, np.uint16), np.zeros(shape, np.uint8)
    rows = []
    for plane in silent(progress).steps(range(options.count), message="simulating films"):
        specimen = plane // _IMAGES_PER_SPECIMEN
        of_specimen = random_generator(options.seed, 30, specimen)
        porosity, outgrowth = of_specimen.uniform(0.04, 0.40), of_specimen.uniform(0.0, 0.10)
        scatter = of_specimen.normal()
        rng = random_generator(options.seed, 31, plane)
        labels[plane] = _structure(options, rng, porosity, outgrowth)
        image[plane] = _image(options, rng, labels[plane])
        pores, grains = (float((labels[plane] == label).mean()) for label in (1, 3))
        current = _DENSE_MA_CM2 * (1 - pores) ** _PORE_EXPONENT * np.exp(-_OUTGROWTH_LOSS * grains)
        rows.append(
            {
                "id": f"film_{plane:03d}",
                "specimen": f"S{specimen:02d}",
                "porosity": pores,
                "outgrowth_fraction": grains,
                "pore_nm": options.pore_nm,
                "critical_current_ma_cm2": max(current * (1 + options.scatter * scatter), 0.0),
            }
        )
    return Sample(
        "porous films",
        image,
        labels,
        CLASS_NAMES,
        COLOURS,
        PixelSize(options.pixel_nm, options.pixel_nm, "nm"),
        pd.DataFrame(rows),
        about={"options": options.as_dict()},
    )


def _structure(
    options: PorousOptions, rng: np.random.Generator, porosity: float, outgrowth: float
) -> NDArray[np.uint8]:
    shape = (options.size, options.size)
    field = random_field(rng, shape, options.pore_nm / options.pixel_nm / 2)
    labels = np.where(field < np.quantile(field, porosity), 1, 2).astype(np.uint8)
    for _ in range(1000):
        if np.count_nonzero(labels == 3) >= outgrowth * labels.size:
            break
        cy, cx = rng.uniform(0, options.size, 2)
        long = options.pore_nm / options.pixel_nm * rng.uniform(0.5, 1.1)
        short = long * rng.uniform(0.45, 1.0)
        angle = rng.uniform(0, np.pi)
        low_y, low_x = (max(int(center - 1.5 * long), 0) for center in (cy, cx))
        box = (slice(low_y, int(cy + 1.5 * long) + 2), slice(low_x, int(cx + 1.5 * long) + 2))
        part = labels[box]
        y, x = np.mgrid[low_y : low_y + part.shape[0], low_x : low_x + part.shape[1]]
        u = (x - cx) * np.cos(angle) + (y - cy) * np.sin(angle)
        v = (y - cy) * np.cos(angle) - (x - cx) * np.sin(angle)
        part[(u / long) ** 4 + (v / short) ** 4 < 1] = 3
    return labels


def _image(options: PorousOptions, rng: np.random.Generator, labels: NDArray[np.uint8]) -> NDArray[np.uint16]:
    from scipy import ndimage

    height = ndimage.gaussian_filter(np.array([0.0, 0.0, 1.0, 1.6])[labels], 1.2)
    gy, gx = np.gradient(height)
    yield_ = np.array([0.0, 0.42, 1.0, 1.55])[labels] + 0.04 * random_field(rng, labels.shape, 3.0)
    secondary = ndimage.gaussian_filter(yield_, 0.8)
    secondary += 0.55 * np.hypot(gy, gx)  # steep walls emit more secondary electrons
    secondary += 0.25 * (gx - 0.4 * gy)  # the detector sits on one side
    secondary *= 1 + 0.06 * random_field(rng, labels.shape, options.size / 3)  # slow charging
    secondary *= 1 + 0.012 * rng.normal(size=(labels.shape[0], 1))  # beam current flickers from line to line
    return detect(rng, secondary, options.dose, gain=6.0)
