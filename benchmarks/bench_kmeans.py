"""k-means of pixels against scikit-learn and OpenCV, side by side in one run.

    python benchmarks/bench_kmeans.py            # all parts
    python benchmarks/bench_kmeans.py grey       # 16 Mpixel uint8, one feature
    python benchmarks/bench_kmeans.py features   # 4 Mpixel, 8 features
    python benchmarks/bench_kmeans.py huge       # 16384 x 16384 uint16 on disk

`--quick` shrinks the images to see that the script works; its ratios mean nothing.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
from _timing import best_of, report

from napari_visualccc.cluster.features import FeatureSet
from napari_visualccc.cluster.kmeans import assign, fit


def simulated(height: int, width: int, levels: int = 256, seed: int = 0) -> np.ndarray:
    """Four phases with soft borders and detector noise."""
    from scipy import ndimage

    rng = np.random.default_rng(seed)
    field = ndimage.zoom(rng.normal(size=(height // 32, width // 32)), 32, order=1)[:height, :width]
    phase = np.digitize(field, np.quantile(field[::8, ::8], [0.2, 0.55, 0.85]))
    mean = np.array([0.22, 0.38, 0.55, 0.80]) * levels
    image = mean[phase] + rng.normal(0, 0.05 * levels, field.shape)
    return np.clip(image, 0, levels - 1).astype(np.uint8 if levels <= 256 else np.uint16)


def grey(edge: int) -> bool:
    """One feature: the provable optimum, in the time of a histogram and a look-up."""
    import cv2
    from sklearn.cluster import KMeans

    from napari_visualccc.cluster import ClusterOptions, cluster_pixels

    image = simulated(edge, edge)
    ours, result = best_of(5, lambda: cluster_pixels(image, ClusterOptions(k=4)))

    def histogram_and_lookup() -> np.ndarray:
        np.bincount(image.ravel(), minlength=256)
        return np.arange(256, dtype=np.uint8)[image]

    floor, _ = best_of(5, histogram_and_lookup)
    points = image.reshape(-1, 1).astype(np.float32)
    sklearn, peer = best_of(1, lambda: KMeans(4, n_init=10, random_state=0).fit(points))
    sklearn_inertia = _inertia(image.ravel(), peer.labels_, 4)
    criteria = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-3)
    opencv, (_, cv_labels, _) = best_of(1, lambda: cv2.kmeans(points, 4, None, criteria, 10, cv2.KMEANS_PP_CENTERS))
    return report(
        "grey",
        {
            "times faster than sklearn (n_init=10)": (sklearn / ours, ">=", 100),
            "times faster than cv2.kmeans (10 attempts)": (opencv / ours, ">=", 100),
            "inertia / sklearn's": (result.inertia / sklearn_inertia, "<=", 1),
            "inertia / cv2's": (result.inertia / _inertia(image.ravel(), cv_labels.ravel(), 4), "<=", 1),
            "time / (histogram + look-up)": (ours / floor, "<=", 3),
        },
        megapixels=image.size / 1e6,
        seconds={"ours": ours, "histogram_and_lookup": floor, "sklearn": sklearn, "opencv": opencv},
    )


def _inertia(values: np.ndarray, labels: np.ndarray, k: int) -> float:
    """Float64 inertia of a partition about its own means, whatever precision the peer worked in."""
    counts, sums, squares = (np.bincount(labels, values.astype(np.float64) ** power, minlength=k) for power in range(3))
    return float((squares - sums**2 / counts).sum())


def features(edge: int) -> bool:
    """Eight features: intensity, three Gaussians, three gradients, one local deviation."""
    from sklearn.cluster import KMeans

    image = simulated(edge, edge, seed=1).astype(np.float32)
    made = FeatureSet(("intensity", "gaussian", "gradient", "local"), (1.0, 2.0, 4.0)).compute(image)[:8]
    points = made.reshape(8, -1).T
    points = np.ascontiguousarray((points - points.mean(0)) / points.std(0))

    def cluster() -> tuple[np.ndarray, float]:
        centers = fit(points, 6, seed=0).centers
        given = assign(points, centers)
        return given.labels, given.inertia

    ours, (_, inertia) = best_of(5, cluster)
    sklearn, peer = best_of(1, lambda: KMeans(6, n_init=10, random_state=0).fit(points))
    exact = float(((points.astype(np.float64) - peer.cluster_centers_[peer.labels_]) ** 2).sum())
    return report(
        "features",
        {
            "seconds per megapixel": (ours / (len(points) / 1e6), "<=", 0.15),
            "times faster than sklearn (n_init=10)": (sklearn / ours, ">=", 5),
            "inertia / best of sklearn's ten": (inertia / exact, "<=", 1.001),
        },
        megapixels=len(points) / 1e6,
        seconds={"ours": ours, "sklearn": sklearn},
    )


def huge(edge: int) -> bool:
    """A uint16 image on disk, in a fresh process: memory, progress and cancelling."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "huge.tif"
        _write_huge(path, edge)
        found = subprocess.run(
            [sys.executable, __file__, "huge-child", str(path)], check=True, capture_output=True, text=True
        )
    peak, seconds, gap, cancel, labels = (float(word) for word in found.stdout.split())
    return report(
        "huge",
        {
            "peak memory in GB": (peak, "<=", 3.0),
            "longest silence of progress in s": (gap, "<=", 0.5),
            "seconds until a cancel takes effect": (cancel, "<=", 1.0),
            "labels found": (labels, ">=", 4),
        },
        megapixels=edge * edge / 1e6,
        seconds=seconds,
    )


def _write_huge(path: Path, edge: int) -> None:
    import tifffile

    band = simulated(min(edge, 1024), edge, 65536, seed=2)
    target = tifffile.memmap(path, shape=(edge, edge), dtype=np.uint16, photometric="minisblack")
    for top in range(0, edge, len(band)):
        target[top : top + len(band)] = band[: edge - top]
    target.flush()


def huge_child(path: str) -> None:
    """Cluster, then cluster again and cancel; print the measurements."""
    from napari_visualccc.cluster import ClusterOptions, cluster_pixels
    from napari_visualccc.core.progress import Cancelled, Progress
    from napari_visualccc.core.runtime import peak_memory
    from napari_visualccc.io import read

    signal = read(path)[0]
    calls = [time.perf_counter()]
    start = time.perf_counter()
    result = cluster_pixels(
        signal.planes, ClusterOptions(k=4), progress=Progress(lambda *_: calls.append(time.perf_counter()))
    )
    seconds = time.perf_counter() - start
    gap = max(np.diff([*calls, time.perf_counter()]))
    labels = len(result.table)
    del result
    wanted = threading.Event()
    stopped_after = float("inf")
    asked = [0.0]

    def ask() -> None:
        asked[0] = time.perf_counter()
        wanted.set()

    threading.Timer(min(0.3, seconds / 3), ask).start()
    try:
        cluster_pixels(
            signal.planes, ClusterOptions(k=4, features=("gaussian",)), progress=Progress(is_cancelled=wanted.is_set)
        )
    except Cancelled:
        stopped_after = time.perf_counter() - asked[0]
    print(peak_memory() / 1e9, seconds, gap, stopped_after, labels)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["all", "grey", "features", "huge", "huge-child"], default="all")
    parser.add_argument("path", nargs="?")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    if arguments.part == "huge-child":
        huge_child(arguments.path)
        return 0
    parts = {
        "grey": lambda: grey(512 if arguments.quick else 4096),
        "features": lambda: features(256 if arguments.quick else 2048),
        "huge": lambda: huge(2048 if arguments.quick else 16384),
    }
    chosen = parts if arguments.part == "all" else {arguments.part: parts[arguments.part]}
    met = [run() for run in chosen.values()]
    return 0 if all(met) or arguments.quick else 1


if __name__ == "__main__":
    sys.exit(main())
