"""Brush strokes as a person would paint them, simulated from a mask.

    python benchmarks/strokes.py MASKS OUT [--strokes 5] [--fraction 0.01] [--seed 0]

Writes one image per mask: 0 not painted, class + 1 where painted; usable with `visualccc segment train --strokes`.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

# Radius of the brush in pixels, and how far a stroke bends per pixel (radians, standard deviation).
BRUSH, BEND = 1.5, 0.12


def simulate_strokes(
    mask: NDArray[Any], *, strokes: int = 5, fraction: float = 0.01, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """Strokes inside the phases of a mask.

    Each class gets `strokes` of them and an equal share of the painted pixels, as far as it has room. A stroke starts
    at a random pixel of the class, away from its outline if there is room, runs in a bending line and ends where it
    would leave the phase; small objects get dots. People keep to the inside, so outlines are left to the learner.

    Parameters
    ----------
    mask
        Class of each pixel, shape (Y, X).
    strokes
        Per class.
    fraction
        Of the pixels to paint in all.

    Returns
    -------
    ndarray of uint8
        0 not painted, class + 1 where painted.
    """
    from scipy.ndimage import distance_transform_edt

    painted = np.zeros(mask.shape, np.uint8)
    classes = np.unique(mask)
    budget = fraction * mask.size / len(classes)
    yy, xx = np.mgrid[-2:3, -2:3]
    dab = np.stack([yy, xx], -1)[yy**2 + xx**2 <= BRUSH**2]
    for label in classes:
        inside = mask == label
        depth = distance_transform_edt(np.pad(inside, 1))[1:-1, 1:-1]
        good = np.argwhere(depth >= min(BRUSH + 1, depth.max()))
        done = 0
        for number in range(20 * strokes):
            if done >= budget or (number >= strokes and done >= 0.5 * budget):
                break
            length = max(1, (budget - done) / max(strokes - number, 1) / (2 * BRUSH))
            done += _stroke(painted, inside, good[rng.integers(len(good))], int(length), dab, int(label) + 1, rng)
    return painted


def _stroke(
    painted: NDArray[np.uint8], inside: NDArray[np.bool_], start: NDArray[np.int64], length: int,
    dab: NDArray[np.int64], value: int, rng: np.random.Generator,
) -> int:  # fmt: skip
    """Paint one stroke; give the number of new pixels."""
    before = int((painted == value).sum())
    y, x = start.astype(float)
    angle = rng.uniform(0, 2 * np.pi)
    for _ in range(length):
        here = np.rint([y, x]).astype(int) + dab
        here = here[(here >= 0).all(1) & (here < inside.shape).all(1)]
        here = here[inside[here[:, 0], here[:, 1]]]
        if not len(here):
            break
        painted[here[:, 0], here[:, 1]] = value
        angle += rng.normal(0, BEND)
        y, x = y + np.sin(angle), x + np.cos(angle)
        if not (0 <= y < inside.shape[0] - 0.5 and 0 <= x < inside.shape[1] - 0.5) or not inside[round(y), round(x)]:
            break
    return int((painted == value).sum()) - before


def main() -> int:
    from napari_visualccc.core.pixel_size import PixelSize
    from napari_visualccc.io import read, write_tiff
    from napari_visualccc.segment.folders import image_files, stem

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("masks", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--strokes", type=int, default=5)
    parser.add_argument("--fraction", type=float, default=0.01)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    for number, path in enumerate(image_files(arguments.masks)):
        mask = read(path)[0].planes.read(0)
        rng = np.random.default_rng([arguments.seed, number])
        strokes = simulate_strokes(mask, strokes=arguments.strokes, fraction=arguments.fraction, rng=rng)
        write_tiff(arguments.out / f"{stem(path)}.tif", strokes, PixelSize(), labels=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
