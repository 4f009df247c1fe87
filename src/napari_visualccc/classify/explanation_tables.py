"""From heat to labels, and how much of the heat each phase carries."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.classify.explanation_result import Explanation
from napari_visualccc.core.colours import label_colour
from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.planes import as_planes
from napari_visualccc.core.results import Provenance, Result, ResultLayer, Stopwatch

if TYPE_CHECKING:
    import pandas as pd

OTSU = "otsu"


@dataclass(frozen=True)
class HeatLabels(Result):
    """Where heat lies above a threshold.

    Attributes
    ----------
    labels
        1 where it is hot, uint8, shape of the heat.
    threshold
        Heat from which on it is hot.
    title
        Of the layer.
    """

    labels: NDArray[np.uint8]
    threshold: float
    title: str

    @property
    def table(self) -> pd.DataFrame:
        """Label, name and share of the area."""
        import pandas as pd

        return pd.DataFrame({"label": [1], "class": ["hot"], "area_fraction": [float(self.labels.mean())]})

    @property
    def layers(self) -> tuple[ResultLayer, ...]:
        """The labels."""
        return (ResultLayer(self.labels, "labels", self.title, {1: label_colour(2)}, self.table),)

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """Share of the area."""
        return {"hot": self.table}


def label_heat(explanation: Explanation, threshold: float | str = OTSU) -> HeatLabels:
    """Label what is hotter than a threshold.

    Parameters
    ----------
    explanation
        Heat in 0 … 1.
    threshold
        Between 0 and 1, or ``"otsu"``: the value that parts the heat of all planes into two groups, each as alike as
        can be.

    Raises
    ------
    OptionError
        If the threshold lies outside 0 … 1.
    """
    from skimage.filters import threshold_otsu

    watch = Stopwatch()
    heat = explanation.heat
    if threshold == OTSU:
        finite = heat[np.isfinite(heat)]
        value = float(threshold_otsu(finite)) if finite.size and np.ptp(finite) > 0 else 1.0
    else:
        try:
            value = float(threshold)
        except ValueError as error:
            raise OptionError(f"the threshold of heat must be a number or {OTSU!r}, not {threshold!r}") from error
        if not 0 <= value <= 1:
            raise OptionError(f"the threshold of heat must lie between 0 and 1, not {value}")
    with np.errstate(invalid="ignore"):
        labels = (heat > value).astype(np.uint8)
    before = explanation.provenance
    provenance = Provenance(
        "threshold heat", {"threshold": value, "heat": before.as_dict()}, before.input_name, before.input_hash,
        model_hash=before.model_hash, seconds=watch.seconds,
    )  # fmt: skip
    return HeatLabels(provenance, labels, value, f"{explanation.title} hot")


def heat_by_phase(
    heat: NDArray[np.float32], labels: Any, class_names: Mapping[int, str] | None = None, *, by_plane: bool = False
) -> pd.DataFrame:
    """How much of the heat each phase carries, relative to its area.

    Parameters
    ----------
    heat
        As `Explanation.heat`.
    labels
        Phases or clusters, whole numbers of the same shape; or one plane for all of a stack.
    class_names
        Names of the label values.
    by_plane
        Give a row per plane and phase instead of pooling the planes.

    Returns
    -------
    DataFrame
        ``label, class, area_fraction, heat_fraction, heat_per_area`` (and ``plane`` first, if asked for):
        ``heat_per_area`` is the ratio of the two, 1 if the network looks at the phase as much as at any other place.
        Pixels without heat value do not count.

    Raises
    ------
    InputError
        If the shapes differ or the labels are not whole numbers.
    """
    import pandas as pd

    hot, phases = as_planes(heat, rgb=False), as_planes(labels, rgb=False, name="the labels")
    if phases.plane_shape != hot.plane_shape or len(phases) not in (1, len(hot)):
        raise InputError(f"the labels have the shape {phases.shape}, the heat {hot.shape}: they must be the same")
    if not phases.is_integer:
        raise InputError(f"the labels hold values of type {phases.dtype}: choose a layer of whole numbers")
    parts = []
    for index in range(len(hot)):
        values, label = hot.plane(index), phases.read(index if len(phases) > 1 else 0)
        known = np.isfinite(values)
        found, inverse = np.unique(label[known], return_inverse=True)
        parts.append(
            pd.DataFrame(
                {
                    "plane": index,
                    "label": found.astype(int),
                    "area": np.bincount(inverse, minlength=len(found)),
                    "heat": np.bincount(inverse, weights=values[known], minlength=len(found)),
                }
            )
        )
    table = pd.concat(parts, ignore_index=True)
    groups = ["plane"] if by_plane else []
    table = table.groupby([*groups, "label"], as_index=False)[["area", "heat"]].sum()
    total = table.groupby("plane")[["area", "heat"]].transform("sum") if by_plane else table[["area", "heat"]].sum()
    names = class_names or {}
    table["class"] = [names.get(int(label), f"label {label}") for label in table["label"]]
    table["area_fraction"] = table["area"] / total["area"]
    table["heat_fraction"] = table["heat"] / total["heat"]
    table["heat_per_area"] = table["heat_fraction"] / table["area_fraction"]
    return table[[*groups, "label", "class", "area_fraction", "heat_fraction", "heat_per_area"]]
