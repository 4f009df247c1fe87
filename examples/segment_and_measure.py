"""Train a network on a few painted strokes, segment a stack, and measure its phases, as a script.

    python examples/segment_and_measure.py [FOLDER] [MINUTES]

The micrographs are simulated porous films, of which the truth is known; the strokes are dots of it.
"""

import sys
from pathlib import Path

import numpy as np

from napari_visualccc.core.pixel_size import Axis
from napari_visualccc.io import write_result
from napari_visualccc.samples import PorousOptions, porous
from napari_visualccc.segment import (
    MeasureOptions,
    TrainOptions,
    annotated,
    compare,
    dataset_of_strokes,
    measure_phases,
    predict,
    train,
)


def main(arguments: list[str]) -> None:
    folder = Path(arguments[0] if arguments else "segmented")
    minutes = float(arguments[1]) if len(arguments) > 1 else 2.0
    films = porous(PorousOptions(count=3, size=256))

    # Labels 1, 2, … are phases, 0 is not painted. Two of the three films are painted, a few dots each.
    strokes = np.zeros(films.labels.shape, np.uint8)
    strokes[:2, 10::40, 10::40] = films.labels[:2, 10::40, 10::40]
    painted = annotated(films.image, strokes, pixel_size=films.pixel_size, name=films.name)
    learnt = train(dataset_of_strokes([painted], names=films.class_names), TrainOptions(max_minutes=minutes))
    learnt.model.save(folder / "films.safetensors")

    result = predict(learnt.model, films.image, pixel_size=films.pixel_size, name=films.name)
    scores = compare(films.labels[2:], result.labels[2:], learnt.model.card.classes, pixel_size=films.pixel_size)
    print(f"mean IoU on the film that was not painted: {scores.metrics['mean_iou']:.3f}")

    measured = measure_phases(
        result.labels, films.image, MeasureOptions(objects_of="pore"), pixel_size=films.pixel_size,
        class_names=films.class_names, name=films.name,
    )  # fmt: skip
    print(measured.phases[["class", "fraction", "fraction_low", "fraction_high"]].to_string(index=False))
    print(measured.sizes.to_string(index=False))

    size = films.pixel_size
    axes = (Axis("plane", 3), Axis("y", 256, size.y, 0.0, size.unit), Axis("x", 256, size.x, 0.0, size.unit))
    for path in [*write_result(result, folder, "films", axes), *write_result(measured, folder, "measured", axes)]:
        print("wrote", path)


if __name__ == "__main__":
    main(sys.argv[1:])
