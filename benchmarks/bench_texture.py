"""Texture (GLCM) of every pixel against a loop of `skimage.feature.graycomatrix`, side by side in one run.

    python benchmarks/bench_texture.py            # both parts
    python benchmarks/bench_texture.py binary     # 512 x 512, two levels, 5 x 5 window
    python benchmarks/bench_texture.py large      # 4 Mpixel, 32 levels, 21 x 21 window

The loop would take minutes (`binary`) or hours (`large`): it is timed on pixels drawn at random, and its time for all
pixels is extrapolated from these. The maps are compared with it at the same pixels.

`--quick` shrinks the images to see that the script works; its ratios mean nothing.
"""

from __future__ import annotations

import argparse
import sys
import time

import numpy as np
from _timing import best_of, report

from napari_visualccc.processing.glcm import PROPERTIES, glcm_maps, offsets_of


def levels_of(edge: int, count: int, seed: int = 0) -> np.ndarray:
    """Levels of a blurred random field with noise: texture of two scales."""
    from scipy.ndimage import gaussian_filter

    rng = np.random.default_rng(seed)
    field = gaussian_filter(rng.normal(size=(edge, edge)), 3)
    field = field / field.std() + 0.3 * rng.normal(size=field.shape)
    edges = np.quantile(field, np.linspace(0, 1, count + 1)[1:-1])
    return np.digitize(field, edges).astype(np.uint8)


def loop(levels: np.ndarray, count: int, window: int, angles: list[float], pixels: np.ndarray) -> np.ndarray:
    """All properties by scikit-image, pixel by pixel, as Visual-CCC computes its texture maps."""
    from skimage.feature import graycomatrix, graycoprops

    half = window // 2
    found = np.empty((len(PROPERTIES), len(pixels)))
    for place, (y, x) in enumerate(pixels):
        part = levels[y - half : y + half + 1, x - half : x + half + 1]
        matrix = graycomatrix(part, [1], np.deg2rad(angles), count, symmetric=True, normed=True)
        found[:, place] = [graycoprops(matrix, name).mean() for name in PROPERTIES]
    return found


def compare(name: str, edge: int, count: int, window: int, angles: list[float], samples: int,
            wanted: dict[str, float]) -> bool:  # fmt: skip
    """Time both, compare them, and print the ratio."""
    levels = levels_of(edge, count)
    half = window // 2
    pixels = np.random.default_rng(1).integers(half, edge - half, (samples, 2))
    loop(levels, count, window, angles, pixels[:20])
    begun = time.perf_counter()
    theirs = loop(levels, count, window, angles, pixels)
    extrapolated = (time.perf_counter() - begun) / samples * levels.size
    ours, maps = best_of(
        3, lambda: glcm_maps(levels, count=count, window=(window, window), offsets=offsets_of([1], angles))
    )
    error = max(float(np.abs(maps[p][tuple(pixels.T)] - theirs[i]).max()) for i, p in enumerate(PROPERTIES))
    checks = {"largest difference to scikit-image": (error, "<=", 1e-6)}
    if "times" in wanted:
        checks["times faster than the loop (extrapolated)"] = (extrapolated / ours, ">=", wanted["times"])
    if "seconds" in wanted:
        checks["seconds"] = (ours, "<=", wanted["seconds"])
    return report(
        name, checks, megapixels=levels.size / 1e6, levels=count, window=window, angles=angles, sampled_pixels=samples,
        seconds={"ours": ours, "loop, extrapolated": extrapolated},
    )  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["all", "binary", "large"], default="all")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    small = arguments.quick
    parts = {
        "binary": lambda: compare("binary", 64 if small else 512, 2, 5, [0], 200 if small else 2000, {"times": 200}),
        "large": lambda: (
            compare("large", 128 if small else 2048, 32, 21, [0], 100 if small else 500, {"seconds": 10})
            & compare("large, four angles", 128 if small else 2048, 32, 21, [0, 45, 90, 135], 50 if small else 300,
                      {"seconds": 30})
        ),
    }  # fmt: skip
    chosen = parts if arguments.part == "all" else {arguments.part: parts[arguments.part]}
    met = [run() for run in chosen.values()]
    return 0 if all(met) or small else 1


if __name__ == "__main__":
    sys.exit(main())
