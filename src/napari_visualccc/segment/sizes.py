"""How the sizes of objects are distributed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import PixelSize

if TYPE_CHECKING:
    import pandas as pd

_QUANTILES = (0.1, 0.5, 0.9)
_BINS_PER_DECADE = 10
_MOST_BINS = 60


def size_summary(
    objects: pd.DataFrame, phases: pd.DataFrame, begun: Mapping[Any, int], pixel_size: PixelSize
) -> pd.DataFrame:
    """Number and diameter of the objects of each phase.

    Parameters
    ----------
    objects
        Table of objects.
    phases
        Table of phases; its areas sum to the area that was looked at.
    begun
        By label, how many objects begin in that area (`PlaneObjects.begun`).
    pixel_size
        Of the images.

    Returns
    -------
    pandas.DataFrame
        One row per phase that has objects: ``label``, ``class``, ``objects``, number per area
        (``number_per_nm2``), mean and standard deviation of the equivalent diameter, D10, D50 and D90 by number
        (``d10_number_nm`` …) and by area (``d10_area_nm`` …): so much of the number, or of the area, lies in objects
        smaller than that.

    Notes
    -----
    Of all objects that are seen, too many lie partly outside, and of those that are seen whole too few are large. The
    number per area is therefore of objects that the upper and left edges do not cut, whether the table lists them or
    not. That is right for objects without deep bays, and small against the image.

    References
    ----------
    Gundersen, H. J. G., "Notes on the estimation of the numerical density of arbitrary profiles: the edge effect",
    J. Microsc. 111 (1977) 219-223, https://doi.org/10.1111/j.1365-2818.1977.tb00062.x.
    """
    import pandas as pd

    unit = pixel_size.column_unit
    diameter, area = f"equivalent_diameter_{unit}", f"area_{unit}2"
    whole = float(phases[area].sum())
    rows = []
    for (label, name), group in objects.groupby(["label", "class"], sort=True):
        values, areas = group[diameter].to_numpy(float), group[area].to_numpy(float)
        row = {
            "label": label, "class": name, "objects": len(group), f"number_per_{unit}2": begun[label] / whole,
            f"mean_diameter_{unit}": values.mean(), f"std_diameter_{unit}": values.std(),
        }  # fmt: skip
        for kind, weights in (("number", np.ones(len(values))), ("area", areas)):
            found = weighted_quantiles(values, weights, _QUANTILES)
            row |= {f"d{round(100 * q)}_{kind}_{unit}": float(d) for q, d in zip(_QUANTILES, found, strict=True)}
        rows.append(row)
    columns = [
        "label", "class", "objects", f"number_per_{unit}2", f"mean_diameter_{unit}", f"std_diameter_{unit}",
        *(f"d{round(100 * q)}_{kind}_{unit}" for kind in ("number", "area") for q in _QUANTILES),
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def size_histogram(
    diameters: ArrayLike,
    areas: ArrayLike | None = None,
    *,
    scale: Literal["log", "linear"] = "log",
    bins: int | None = None,
) -> pd.DataFrame:
    """Histogram of sizes, by number and by area.

    Parameters
    ----------
    diameters
        Size of each object, positive.
    areas
        Weight of each object; the square of its size if not given.
    scale
        ``"log"`` for bins of equal ratio, ``"linear"`` for bins of equal width.
    bins
        Number of bins; by default ten per decade, or as many as Freedman and Diaconis advise.

    Returns
    -------
    pandas.DataFrame
        One row per bin: ``low``, ``high`` (the last bin includes it), ``objects``, ``number_share``, ``area_share``
        and ``number_cumulative``, ``area_cumulative`` up to ``high``. Empty without objects.

    Raises
    ------
    InputError
        If a size is not positive.

    Examples
    --------
    >>> size_histogram([1, 2, 2, 4], scale="linear", bins=3).objects.tolist()
    [1, 2, 1]
    """
    import pandas as pd

    sizes = np.asarray(diameters, np.float64).ravel()
    if not (sizes > 0).all():
        raise InputError("sizes of objects must be positive to make a histogram of them")
    weights = sizes**2 if areas is None else np.asarray(areas, np.float64).ravel()
    edges = _edges(sizes, scale, bins)
    place = np.clip(np.searchsorted(edges, sizes, side="right") - 1, 0, max(len(edges) - 2, 0))
    count = np.bincount(place, minlength=len(edges) - 1) if len(sizes) else np.zeros(0, np.int64)
    area = np.bincount(place, weights, len(edges) - 1) if len(sizes) else np.zeros(0)
    number_share, area_share = count / max(count.sum(), 1), area / (area.sum() if len(sizes) else 1)
    return pd.DataFrame(
        {
            "low": edges[:-1], "high": edges[1:], "objects": count, "number_share": number_share,
            "area_share": area_share, "number_cumulative": np.cumsum(number_share),
            "area_cumulative": np.cumsum(area_share),
        }
    )  # fmt: skip


def size_histograms(objects: pd.DataFrame, pixel_size: PixelSize) -> pd.DataFrame:
    """Histograms of the equivalent diameter of the objects of each phase, one below the other.

    Columns are ``label``, ``class``, the edges ``low_nm`` and ``high_nm`` (``px`` if not calibrated), and the others of
    `size_histogram`, whose bins of equal ratio these are.
    """
    import pandas as pd

    unit = pixel_size.column_unit
    nothing = size_histogram([])
    tables = [nothing.reindex(columns=["label", "class", *nothing.columns])]
    for (label, name), group in objects.groupby(["label", "class"], sort=True):
        table = size_histogram(group[f"equivalent_diameter_{unit}"], group[f"area_{unit}2"])
        table.insert(0, "label", [label] * len(table))
        table.insert(1, "class", [name] * len(table))
        tables.append(table)
    table = pd.concat(tables[1:] or tables, ignore_index=True)
    return table.rename(columns={"low": f"low_{unit}", "high": f"high_{unit}"})


def weighted_quantiles(
    values: NDArray[np.float64], weights: NDArray[np.float64], shares: tuple[float, ...]
) -> NDArray[np.float64]:
    """Values below which the given shares of the weight lie, each value taken to lie at the middle of its weight.

    Examples
    --------
    >>> weighted_quantiles(np.array([1.0, 2.0, 3.0]), np.ones(3), (0.5,)).tolist()
    [2.0]
    """
    order = np.argsort(values)
    weight = weights[order]
    middle = (np.cumsum(weight) - weight / 2) / weight.sum()
    return np.interp(shares, middle, values[order])


def _edges(sizes: NDArray[np.float64], scale: str, bins: int | None) -> NDArray[np.float64]:
    if not len(sizes):
        return np.zeros(1)
    low, high = float(sizes.min()), float(sizes.max())
    if low == high:
        low, high = low * 0.95, high * 1.05
    if scale == "log":
        count = bins or max(1, math.ceil(_BINS_PER_DECADE * math.log10(high / low)))
        return np.geomspace(low, high, min(count, _MOST_BINS if bins is None else count) + 1)
    if bins is None:
        quarter, three_quarters = np.quantile(sizes, [0.25, 0.75])
        width = 2 * float(three_quarters - quarter) / len(sizes) ** (1 / 3)
        bins = min(_MOST_BINS, max(1, math.ceil((high - low) / width))) if width > 0 else _BINS_PER_DECADE
    return np.linspace(low, high, bins + 1)
