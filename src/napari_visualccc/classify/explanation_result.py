"""Heatmaps, how far they can be trusted, and on which scale they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.classify.explanation_options import METHODS
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.results import Result, ResultLayer

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Explanation(Result):
    """What in each plane speaks for a class.

    Attributes
    ----------
    heat
        0 … 1, float32, shape of the source without colours; NaN where the source is not finite.
    planes
        One row per plane: ``plane, class, probability, score, peak, total`` (largest heat, and all heat of the cells
        added up, before scaling, in units of the score) and, for planes that were judged, ``insertion_auc,
        deletion_auc, average_drop`` and the controls'.
    method
        Key of `METHODS`.
    layer
        Layer that was looked at; empty for methods at the pixels.
    comparable
        Whether the heat of one plane can be compared with that of another.
    note
        What the scale is, in words.
    trust
        Means over the judged planes; empty if none were.
    pixel_size
        Of the source.
    brightest
        Heat from which on a picture need not get brighter; see `napari_visualccc.classify.explanation_notes.Spread`.
    notes
        What to know before believing the heat, in words.
    """

    heat: NDArray[np.float32]
    planes: pd.DataFrame
    method: str
    layer: str
    comparable: bool
    note: str
    trust: Mapping[str, float]
    pixel_size: PixelSize
    brightest: float = 1.0
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """Method and class, for the layer."""
        classes = self.planes["class"].unique()
        return f"{METHODS[self.method]} {classes[0] if len(classes) == 1 else 'predicted class'}"

    @property
    def insertion_auc(self) -> float:
        """Mean over the judged planes; NaN if none were."""
        return float(self.trust.get("insertion_auc", np.nan))

    @property
    def deletion_auc(self) -> float:
        """Mean over the judged planes; NaN if none were."""
        return float(self.trust.get("deletion_auc", np.nan))

    @property
    def layers(self) -> tuple[ResultLayer, ...]:
        """The heat."""
        return (ResultLayer(self.heat, "image", self.title, limits=(0.0, self.brightest), colormap="inferno"),)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The planes."""
        return {"explained": self.planes}

    def summary(self) -> dict[str, Any]:
        """What the command line says, in plain JSON types."""
        return {
            "method": self.method,
            "layer": self.layer,
            "insertion_auc": self.insertion_auc,
            "deletion_auc": self.deletion_auc,
            "trust": dict(self.trust),
            "comparable": self.comparable,
            "scale": self.note,
            "notes": list(self.notes),
            "planes": self.planes.to_dict("records"),
        }
