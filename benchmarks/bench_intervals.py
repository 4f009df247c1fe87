"""How often 95 % intervals of Measure hold the truth, on simulated structures whose truth is known.

    python benchmarks/bench_intervals.py                      # both parts, some minutes
    python benchmarks/bench_intervals.py fractions --images 200
    python benchmarks/bench_intervals.py thickness

One line per structure: the share of intervals that hold the truth, and the share of images that have none.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.stats import norm

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.segment.chains import Piece
from napari_visualccc.segment.phases import PhaseCounts
from napari_visualccc.segment.thickness_interval import mean_interval

RESAMPLES = 300
LEVEL = 0.5  # at which Gaussian fields of variance 1 are cut
TRUE_SHARE = float(1 - norm.cdf(LEVEL))
TRUE_NM = 20.0

Rng = np.random.Generator
Mask = NDArray[np.bool_]


def field(rng: Rng, edge: int, sigma_y: float, sigma_x: float) -> Mask:
    """Phase of a Gaussian field, alike over so many pixels down and right."""
    pad_y, pad_x = int(4 * sigma_y), int(4 * sigma_x)
    noise = rng.normal(size=(edge + 2 * pad_y, edge + 2 * pad_x))
    smooth = gaussian_filter(noise, (sigma_y, sigma_x))[pad_y : pad_y + edge, pad_x : pad_x + edge]
    return smooth * np.sqrt(4 * np.pi * sigma_y * sigma_x) > LEVEL


def layers(rng: Rng, edge: int, sigma: float, degrees: float = 0.0) -> Mask:
    """Layers of random thickness that go through the image."""
    profile = gaussian_filter(rng.normal(size=3 * edge), sigma) * np.sqrt(2 * np.sqrt(np.pi) * sigma)
    y, x = np.mgrid[:edge, :edge]
    angle = np.radians(degrees)
    return profile[np.rint(y * np.cos(angle) + x * np.sin(angle)).astype(int) + edge] > LEVEL


def series(rng: Rng, length: int, sigma: float) -> NDArray[np.float64]:
    """Thickness along a layer: 20 ± 2 nm, alike over so many places."""
    pad = int(4 * sigma)
    smooth = gaussian_filter(rng.normal(size=length + 2 * pad), sigma)[pad : pad + length]
    return np.asarray(TRUE_NM + 2 * smooth * np.sqrt(2 * np.sqrt(np.pi) * sigma))


def piece(thickness: NDArray[np.float64], layer: int = 0) -> Piece:
    """A straight layer of this thickness."""
    along = np.arange(len(thickness), dtype=float)
    points = np.stack([np.full(len(thickness), 50.0 * layer), along], axis=1)
    return Piece(points, along, thickness, False, 1.0, layer)


def several(rng: Rng, count: int, length: int, deviation: float) -> list[list[Piece]]:
    """Layers of one plane, whose means differ."""
    return [[piece(series(rng, length, 5) + rng.normal(0, deviation), number) for number in range(count)]]


FRACTIONS: dict[str, Callable[[Rng], NDArray[np.bool_]]] = {
    "grains of 3 px, 512²": lambda rng: field(rng, 512, 3, 3),
    "grains of 16 px, 512²": lambda rng: field(rng, 512, 16, 16),
    "fibres 4 × 40 px, 512²": lambda rng: field(rng, 512, 4, 40),
    "layers of 4 px, 256²": lambda rng: layers(rng, 256, 4),
    "layers of 4 px, 512²": lambda rng: layers(rng, 512, 4),
    "layers of 4 px, tilted by 30°, 256²": lambda rng: layers(rng, 256, 4, 30),
    "layers of 10 px, 256²": lambda rng: layers(rng, 256, 10),
    "five planes, independent": lambda rng: np.stack([field(rng, 256, 6, 6) for _ in range(5)]),
    "five planes, the same": lambda rng: np.stack([field(rng, 256, 6, 6)] * 5),
}
THICKNESS: dict[str, Callable[[Rng], list[list[Piece]]]] = {
    "one layer, 2000 places, alike over 10": lambda rng: [[piece(series(rng, 2000, 10))]],
    "one layer, 600 places, alike over 20": lambda rng: [[piece(series(rng, 600, 20))]],
    "one layer, 400 places, alike over 40": lambda rng: [[piece(series(rng, 400, 40))]],
    "three layers of one mean": lambda rng: several(rng, 3, 400, 0),
    "three layers, means ± 3 nm": lambda rng: several(rng, 3, 400, 3),
    "six layers, means ± 3 nm": lambda rng: several(rng, 6, 200, 3),
    "six slices, independent": lambda rng: [[piece(series(rng, 400, 5))] for _ in range(6)],
    "thirty slices of one layer": lambda rng: [[piece(series(rng, 400, 5))]] * 30,
}


def of_fraction(labels: Mask) -> tuple[float, float]:
    """95 % interval of the area fraction."""
    planes = labels if labels.ndim > 2 else labels[None]
    counts = PhaseCounts(planes.shape)
    for plane in planes:
        counts.add(plane.astype(np.int32), np.array([0, 1]))
    table, _ = counts.table({}, PixelSize(), RESAMPLES, 0)
    return float(table.fraction_low[1]), float(table.fraction_high[1])


def of_thickness(planes: list[list[Piece]]) -> tuple[float, float]:
    """95 % interval of the mean thickness."""
    return mean_interval(planes, RESAMPLES, 0)


def main() -> None:
    """Measure coverage."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["fractions", "thickness"])
    parser.add_argument("--images", type=int, default=100, help="of each structure")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of means of nothing, where there is no interval
    parts = {"fractions": (FRACTIONS, of_fraction, TRUE_SHARE), "thickness": (THICKNESS, of_thickness, TRUE_NM)}
    for part, (structures, interval, true) in parts.items():
        for name, make in structures.items() if arguments.part in (None, part) else ():
            rng = np.random.default_rng(5)
            low, high = np.array([interval(make(rng)) for _ in range(arguments.images)]).T
            given = np.isfinite(low)
            holds = ((low <= true) & (true <= high))[given]
            line = {"part": part, "structure": name, "coverage": round(float(holds.mean()), 2) if given.any() else None,
                    "no interval": round(float(1 - given.mean()), 2)}  # fmt: skip
            print(json.dumps(line, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
