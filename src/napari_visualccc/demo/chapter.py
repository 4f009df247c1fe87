"""What a chapter of the demo is: one sample on its way through one tool."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.results import Colour, Result
from napari_visualccc.pictures import RGB, grey_picture, overlay_picture, with_scale_bar

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.samples import Sample


@dataclass(frozen=True)
class Measurement:
    """A number that the workflow found, beside the true one."""

    what: str
    measured: float
    true: float


@dataclass(frozen=True)
class Chapter:
    """One sample on its way through the workflow, as the report tells it.

    Attributes
    ----------
    title, text
        Of its section of the report.
    sample
        With its truth.
    result
        What was found; written as files.
    pictures
        By title, in the order in which they are shown.
    measured
        Numbers beside true ones.
    table, heading
        What is shown below, and its heading.
    recipe
        Steps of processing as text lines, if there were any.
    """

    title: str
    text: str
    sample: Sample
    result: Result
    pictures: Mapping[str, RGB]
    measured: list[Measurement]
    table: pd.DataFrame
    heading: str
    recipe: list[str] = field(default_factory=list)


def pictures_of(
    sample: Sample, what: str, labels: NDArray[Any], colours: Mapping[int, Colour], *, plane: int = 0,
    **between: RGB,
) -> dict[str, RGB]:  # fmt: skip
    """Micrograph with scale bar, what is `between`, the labels that were found, the true ones.

    Parameters
    ----------
    labels
        Shape of the sample's image.
    plane
        Which plane is shown.
    """
    image = sample.image[plane]
    return {
        "micrograph": with_scale_bar(grey_picture(image), sample.pixel_size),
        **between,
        what: overlay_picture(image, np.asarray(labels[plane]), colours),
        "truth": overlay_picture(image, sample.labels[plane], sample.colours),
    }
