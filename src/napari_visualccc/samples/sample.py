"""What a simulation gives: the image, and all that is true of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import Axis, PixelSize
from napari_visualccc.core.results import Colour

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Sample:
    """Simulated micrographs with their truth.

    Attributes
    ----------
    name
        What is shown.
    image
        Detector counts, uint16, shape (N, Y, X).
    labels
        True phase of each pixel, uint8, shape of `image`.
    class_names
        Phase of each label.
    colours
        RGBA of each label.
    pixel_size
        Size of a pixel.
    table
        One row per plane (or per grain) with its true properties.
    plane_labels
        True class of each plane, if the planes have one.
    about
        Parameters of the simulation.
    """

    name: str
    image: NDArray[np.uint16]
    labels: NDArray[np.uint8]
    class_names: Mapping[int, str]
    colours: Mapping[int, Colour]
    pixel_size: PixelSize
    table: pd.DataFrame
    plane_labels: tuple[str, ...] = ()
    about: Mapping[str, Any] = field(default_factory=dict)

    @property
    def axes(self) -> tuple[Axis, Axis, Axis]:
        """Axes of image and labels."""
        count, height, width = self.image.shape
        size = self.pixel_size
        return (
            Axis("image", count),
            Axis("y", height, size.y, 0.0, size.unit),
            Axis("x", width, size.x, 0.0, size.unit),
        )

    def fractions(self) -> dict[str, float]:
        """True area fraction of each phase over all planes."""
        counts = np.bincount(self.labels.ravel(), minlength=max(self.class_names) + 1)
        return {name: float(counts[label] / self.labels.size) for label, name in self.class_names.items()}


def colour(text: str) -> Colour:
    """RGBA of a hexadecimal colour: ``"4477AA"``."""
    red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue, 1.0
