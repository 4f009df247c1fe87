"""Opening large files: seconds and memory until a stack of several gigabytes can be looked at."""

from __future__ import annotations

import sys
import tempfile
import tracemalloc
from pathlib import Path

import numpy as np
import tifffile
from _timing import best_of, report

from napari_visualccc.io import read

EDGE, PLANES = 16384, 8


def sparse_mrc(path: Path) -> None:
    """MRC of 4 GB that takes no room on the disk."""
    header = np.zeros(256, "<i4")
    header[:4] = EDGE, EDGE, PLANES, 6
    header[7:10] = EDGE, EDGE, PLANES
    header[10:13].view("<f4")[:] = EDGE, EDGE, PLANES
    with path.open("wb") as file:
        file.write(header.tobytes())
        file.truncate(header.nbytes + EDGE * EDGE * PLANES * 2)


def sparse_tiff(path: Path) -> None:
    """Uncompressed BigTIFF of 2 GB."""
    tifffile.memmap(path, shape=(4, EDGE, EDGE), dtype=np.uint16, bigtiff=True).flush()


def opened(path: Path) -> tuple[float, float]:
    """Best seconds of five, and MB of memory at the peak."""
    read(path)
    seconds, _ = best_of(5, lambda: read(path))
    tracemalloc.start()
    read(path)
    peak = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return seconds, peak


def main() -> int:
    limits = {}
    with tempfile.TemporaryDirectory() as folder:
        for kind, make in (("mrc", sparse_mrc), ("tif", sparse_tiff)):
            path = Path(folder) / f"large.{kind}"
            make(path)
            seconds, peak = opened(path)
            limits[f"seconds to open {path.stat().st_size / 1e9:.1f} GB of {kind}"] = (seconds, "<=", 1.0)
            limits[f"MB of memory to open {kind}"] = (peak, "<=", 50.0)
    return 0 if report("open", limits) else 1


if __name__ == "__main__":
    sys.exit(main())
