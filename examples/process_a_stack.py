"""Align a drifting series, flatten and denoise it, and write it with its drift table, as a script.

    python examples/process_a_stack.py [IMAGE] [FOLDER]

Without an image it takes a simulated porous film that drifts.
"""

import sys
from pathlib import Path

import numpy as np

from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.io import read, write_result
from napari_visualccc.processing import Pipeline, apply
from napari_visualccc.samples import PorousOptions, porous


def drifting_film() -> tuple[np.ndarray, tuple[Axis, ...], object]:
    """A film that moves by 3 and 2 pixels from plane to plane."""
    film = porous(PorousOptions(count=1, size=256))
    plane = np.squeeze(film.image)
    stack = np.stack([plane[3 * k : 200 + 3 * k, 20 - 2 * k : 220 - 2 * k] for k in range(4)])
    size = film.pixel_size
    axes = (Axis("time", 4), Axis("y", 200, size.y, 0.0, size.unit), Axis("x", 200, size.x, 0.0, size.unit))
    return stack, axes, size


def main(arguments: list[str]) -> None:
    folder = Path(arguments[1] if len(arguments) > 1 else "processed")
    if arguments:
        signal = read(arguments[0])[0]
        images, axes, size = signal.planes, signal.axes, signal.pixel_size
    else:
        images, axes, size = drifting_film()
    pipeline = Pipeline.parse(["align", "flat_field:sigma=60px", "anscombe"])
    result = apply(pipeline, images, pixel_size=size)
    print(result.tables["drift"].round(2).to_string(index=False))
    for path in write_result(result, folder, "film", axes):
        print("wrote", path)
    print("recipe", pipeline.save(folder / "recipe.json"))


if __name__ == "__main__":
    main(sys.argv[1:])
