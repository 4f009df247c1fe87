"""Cluster a micrograph into phases and write labels and table, as a script.

    python examples/cluster_a_micrograph.py [IMAGE] [FOLDER]

Without an image it takes a simulated porous film.
"""

import sys
from pathlib import Path

from napari_visualccc.cluster import ClusterOptions, cluster_pixels
from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.io import read, write_result
from napari_visualccc.samples import PorousOptions, porous


def main(arguments: list[str]) -> None:
    folder = Path(arguments[1] if len(arguments) > 1 else "clusters")
    if arguments:
        signal = read(arguments[0])[0]
        images, axes, size, name = signal.planes, signal.axes, signal.pixel_size, signal.name
    else:
        film = porous(PorousOptions(count=1, size=256))
        images, size, name = film.image, film.pixel_size, film.name
        axes = (Axis("plane", 1), Axis("y", 256, size.y, 0.0, size.unit), Axis("x", 256, size.x, 0.0, size.unit))
    options = ClusterOptions(k=3, features=("intensity", "gaussian"), min_size=20)
    result = cluster_pixels(images, options, pixel_size=size, name=name)
    print(result.table.to_string(index=False))
    for path in write_result(result, folder, "phases", axes):
        print("wrote", path)


if __name__ == "__main__":
    main(sys.argv[1:])
