"""How fast the preview of the Process widget follows a slider: 2048 x 2048 pixels seen, all of them computed anew.

    python benchmarks/bench_process.py

Seconds are those of the engine, from the new value of the option to the array that is shown; the peer is the bare
filter of SciPy or scikit-image on the whole array, one thread, where there is one. `cpu` is the time of all threads
together, which other work on the machine does not add to.

`--quick` shrinks the image to see that the script works; its numbers mean nothing.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _timing import best_of, report
from scipy import ndimage
from skimage import filters

from napari_visualccc.core.planes import Planes
from napari_visualccc.processing import Pipeline
from napari_visualccc.processing.preview import Previewer

_RUNS = 7
_TARGET_S = 0.1
# Two values that a slider could have, and what others would call for the first.
CHEAP: dict[str, tuple[str, str, Callable[[Any], Any] | None]] = {
    "gaussian": ("gaussian:sigma=1px", "gaussian:sigma=2px", lambda image: ndimage.gaussian_filter(image, 2)),
    "median": ("gamma", "median:width=3px", lambda image: ndimage.median_filter(image, 3)),
    "stretch": ("stretch:low=1", "stretch:low=2", None),
    "gamma": ("gamma:gamma=0.5", "gamma:gamma=0.6", None),
    "unsharp": ("unsharp:amount=1", "unsharp:amount=2", None),
    "otsu": ("otsu", "otsu:objects=dark", filters.threshold_otsu),
    "flat_field": ("flat_field:sigma=50px", "flat_field:sigma=60px", lambda image: ndimage.gaussian_filter(image, 60)),
    "hot_pixels": ("hot_pixels:threshold=6", "hot_pixels:threshold=5", lambda image: ndimage.median_filter(image, 3)),
    "sobel": ("sobel:sigma=1px", "sobel:sigma=1.5px", filters.sobel),
}


def follow(planes: Planes, first: str, second: str) -> tuple[float, float]:
    """Wall and processor seconds of one preview after another option was set; the best of several."""
    previewer, seen = Previewer(), (slice(0, planes.plane_shape[0]), slice(0, planes.plane_shape[1]))
    pipelines = [Pipeline.parse([first]), Pipeline.parse([second])]
    previewer.show(pipelines[0], planes, 0, seen, key=1)
    wall, cpu = [], []
    for run in range(2 * _RUNS):
        begun, used = time.perf_counter(), time.process_time()
        previewer.show(pipelines[(run + 1) % 2], planes, 0, seen, key=1)
        if run % 2 == 0:
            wall.append(time.perf_counter() - begun)
            cpu.append(time.process_time() - used)
    return min(wall), min(cpu)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    edge = 256 if arguments.quick else 2048
    image = np.random.default_rng(0).poisson(60, (edge, edge)).astype(np.uint16)
    planes = Planes(image)
    checks, details = {}, {}
    for name, (first, second, peer) in CHEAP.items():
        wall, cpu = follow(planes, first, second)
        checks[f"{name}: seconds"] = (wall, "<=", _TARGET_S)
        details[name] = {"cpu": round(cpu, 4)}
        if peer is not None:
            details[name]["peer"] = round(best_of(2, lambda peer=peer: peer(image.astype(np.float32)))[0], 4)
    met = report("preview", checks, megapixels=image.size / 1e6, seconds=details)
    return 0 if met or arguments.quick else 1


if __name__ == "__main__":
    sys.exit(main())
