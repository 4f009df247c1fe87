"""What measuring a label image gives: tables, and images to show."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.results import Result, ResultLayer
from napari_visualccc.segment.sizes import size_histogram, size_histograms

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class MeasureResult(Result):
    """Everything that was measured on a label image.

    Attributes
    ----------
    phases
        One row per phase: area, fraction and its 95 % interval, perimeter; see `PhaseCounts.table`.
    objects
        One row per connected patch, ``object`` being its value in `object_labels`; see `measure_objects`.
    sizes
        One row per phase: number and diameters of its objects; see `size_summary`.
    interfaces
        One row per pair of phases that meet; None if not asked for.
    thickness, thickness_summary
        Profile along the layer, and its statistics; None if not asked for.
    object_labels
        uint32, shape of the labels: number of the object of each pixel, through all planes; 0 for none.
    thickness_map
        float32, shape of the labels: thickness at the pixels of the layer, NaN elsewhere; None if not asked for.
    pixel_size
        Of the labels.
    notes
        What to know before believing the numbers, in words.
    """

    phases: pd.DataFrame
    objects: pd.DataFrame
    sizes: pd.DataFrame
    object_labels: NDArray[np.uint32]
    interfaces: pd.DataFrame | None = None
    thickness: pd.DataFrame | None = None
    thickness_summary: pd.DataFrame | None = None
    thickness_map: NDArray[np.float32] | None = None
    pixel_size: PixelSize = field(default_factory=PixelSize)
    notes: tuple[str, ...] = ()

    def histogram(
        self, label: int | None = None, *, scale: Literal["log", "linear"] = "log", bins: int | None = None
    ) -> pd.DataFrame:
        """Distribution of the equivalent diameter of the objects of one phase, or of all; see `size_histogram`."""
        unit = self.pixel_size.column_unit
        chosen = self.objects if label is None else self.objects[self.objects["label"] == label]
        return size_histogram(chosen[f"equivalent_diameter_{unit}"], chosen[f"area_{unit}2"], scale=scale, bins=bins)

    @property
    def layers(self) -> tuple[ResultLayer, ...]:
        """Thickness if it was measured, and the objects with their measures."""
        shown: list[ResultLayer] = []
        if self.thickness_map is not None:
            shown.append(ResultLayer(self.thickness_map, "image", "thickness"))
        table = self.objects.rename(columns={"label": "class_label", "object": "label"})
        return (*shown, ResultLayer(self.object_labels, "labels", "objects", table=table))

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The tables that there are."""
        found = {
            "phases": self.phases, "objects": self.objects, "sizes": self.sizes, "interfaces": self.interfaces,
            "histogram": size_histograms(self.objects, self.pixel_size),
            "thickness_summary": self.thickness_summary, "thickness": self.thickness,
        }  # fmt: skip
        return {name: table for name, table in found.items() if table is not None}
