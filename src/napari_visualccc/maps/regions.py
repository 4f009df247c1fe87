"""Which regions of a micrograph drive the prediction of a property.

The regression is linear in means of feature maps over all places. The prediction is therefore exactly the mean over
places of a contribution, the class activation map of the regression (Zhou et al. 2016, doi 10.1109/CVPR.2016.319).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.maps.files import MicrographMap
from napari_visualccc.maps.properties import COMPONENTS, groups_of
from napari_visualccc.maps.scaling import principal_axes
from napari_visualccc.maps.similar import check_embedder
from napari_visualccc.maps.smoothers import choose_penalty, ridge_weights
from napari_visualccc.maps.tables import numbers_of
from napari_visualccc.models.micrographs import Micrograph
from napari_visualccc.processing.text import marks_of

if TYPE_CHECKING:
    from napari_visualccc.models.nn.embedding import Embedder


@dataclass(frozen=True)
class Regressor:
    """Linear prediction of a property from raw vectors.

    Attributes
    ----------
    weights, constant
        Prediction = vector · weights + constant.
    mean
        Prediction for the typical micrograph of the map.
    """

    target: str
    weights: NDArray[np.float64]
    constant: float
    mean: float


@dataclass(frozen=True)
class Regions:
    """How much each place raises or lowers the prediction.

    Attributes
    ----------
    heatmap
        Float32, shape of the plane, in units of the property, relative to the typical micrograph: its mean over the
        plane is `prediction` minus the regressor's mean.
    prediction
        Of the whole micrograph.
    """

    heatmap: NDArray[np.float32]
    prediction: float
    regressor: Regressor


def fit_regressor(made: MicrographMap, target: str, group: str = "auto") -> Regressor:
    """Regression on all micrographs with a value, its penalty chosen by grouped cross-validation."""
    numbers, _ = numbers_of(made.table, target)
    rows = np.flatnonzero(np.isfinite(numbers))
    groups = np.unique(groups_of(made, group, target)[0][rows], return_inverse=True)[1]
    scaled = made.scaled.astype(np.float64)
    axes = principal_axes(scaled, COMPONENTS)[0]
    X = scaled @ axes
    inner, constant = ridge_weights(X[rows], numbers[rows], choose_penalty(X[rows], numbers[rows], groups))
    weights = (axes @ inner) / made.scaling.spread
    shift = float(made.scaling.mean.astype(np.float64) @ weights)
    return Regressor(target, weights, constant - shift, constant)


def driving_regions(
    made: MicrographMap,
    target: str,
    micrograph: Micrograph,
    embedder: Embedder,
    *,
    group: str = "auto",
    regressor: Regressor | None = None,
    progress: Progress | None = None,
) -> Regions:
    """Heatmap of a property over a plane.

    Parameters
    ----------
    micrograph
        Need not be of the map. What was written into it is left out as it was in the map's, unless it has a mask.
    embedder
        The one that the map was made with.
    regressor
        As `fit_regressor` gives it, to be used for several planes.

    Raises
    ------
    OptionError
        If the embedder is another one.
    Cancelled
        From `progress`.

    Notes
    -----
    Planes that are seen through crops are covered whole here, crop by crop; the mean of the heatmap is then the
    prediction from all of the plane.
    """
    from napari_visualccc.models.nn.contributions import contributions

    check_embedder(made, embedder.hash)
    progress = silent(progress)
    if micrograph.mask is None and made.options.marks:
        micrograph = replace(micrograph, mask=marks_of)
    regressor = regressor or fit_regressor(made, target, group)
    raw, vector = contributions(embedder, micrograph, regressor.weights.astype(np.float32), progress)
    prediction = float(vector.astype(np.float64) @ regressor.weights + regressor.constant)
    # What a typical micrograph has everywhere says nothing of this one's regions.
    heatmap: NDArray[Any] = raw + np.float32(regressor.constant - regressor.mean)
    return Regions(np.asarray(heatmap, np.float32), prediction, regressor)
