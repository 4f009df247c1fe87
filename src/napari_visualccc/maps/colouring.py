"""Colours of points by a number or a category; missing values are grey."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import OptionError
from napari_visualccc.maps.tables import numeric_columns

if TYPE_CHECKING:
    from collections.abc import Sequence

    from napari_visualccc.maps.files import MicrographMap

# Viridis at nine places (van der Walt & Smith 2015, CC0), even to the eye and to colour-blind ones.
_BAR = np.array([
    [68, 1, 84], [71, 44, 122], [59, 81, 139], [44, 113, 142], [33, 144, 141], [39, 173, 129], [92, 200, 99],
    [170, 220, 50], [253, 231, 37],
]) / 255  # fmt: skip
# Paul Tol's "bright" and "muted" sets: told apart by colour-blind eyes too.
_CATEGORIES = ("4477AA", "EE6677", "228833", "CCBB44", "66CCEE", "AA3377", "999933", "882255", "44AA99", "332288",
               "DDCC77", "117733")  # fmt: skip
MISSING = np.array([0.6, 0.6, 0.6, 0.55])
REST = "others"
NO_VALUE = "no value"
# A column of so few different whole numbers is a category only if it is text; numbers always get a bar.
_ENDS = (1, 99)


@dataclass(frozen=True)
class Colouring:
    """Colours of all points.

    Attributes
    ----------
    title
        Column; empty if points are all alike.
    rgba
        Float, shape (N, 4).
    categories
        Colour of each category, the most frequent first; empty for numbers.
    low, high
        Ends of the colour bar: 1st and 99th percentile, so that one outlier does not take all colours.
    values
        Numbers by which the points are coloured, NaN where there is none; empty for categories.
    missing
        How many points have no value, and are grey.
    """

    title: str
    rgba: NDArray[np.float64]
    categories: dict[str, NDArray[np.float64]] = field(default_factory=dict)
    low: float = 0.0
    high: float = 1.0
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    missing: int = 0

    def at(self, share: float) -> NDArray[np.float64]:
        """Colour of a place on the bar, 0 … 1."""
        return np.asarray(_bar(np.array([share]))[0])


def columns_for_colour(made: MicrographMap) -> list[str]:
    """Columns that a map can be coloured by: properties first, then what is known of the files."""
    about = ["brightness", "contrast"] + (["pixel_nm"] if made.entries["pixel_nm"].notna().any() else [])
    return [*map(str, made.table.columns), *(name for name in about if name not in made.table.columns)]


def colouring_of(made: MicrographMap, column: str | None) -> Colouring:
    """Colours by a column.

    Raises
    ------
    OptionError
        If there is no such column.
    """
    if not column:
        return Colouring("", np.tile(_rgba(_CATEGORIES[0]), (len(made), 1)))
    if column not in columns_for_colour(made):
        raise OptionError(f"there is no column {column!r}; there are: {', '.join(columns_for_colour(made))}")
    values = made.column(column)
    if column in made.table.columns and column not in numeric_columns(made.table[[column]]):
        return by_category(column, ["" if empty else str(v) for v, empty in zip(values, values.isna(), strict=True)])
    import pandas as pd

    return by_number(column, pd.to_numeric(values, errors="coerce").to_numpy(float, na_value=np.nan))


def by_number(title: str, values: NDArray[np.float64]) -> Colouring:
    """Colours on a bar; values beyond its ends get the colour of the end."""
    finite = values[np.isfinite(values)]
    low, high = (float(v) for v in np.percentile(finite, _ENDS)) if finite.size else (0.0, 1.0)
    if high <= low:
        low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    share = (values - low) / (high - low if high > low else 1.0)
    rgba = np.where(np.isfinite(values)[:, None], _bar(np.nan_to_num(share, posinf=1, neginf=0)), MISSING)
    return Colouring(title, rgba, {}, low, high, values, int((~np.isfinite(values)).sum()))


def by_category(title: str, names: Sequence[str]) -> Colouring:
    """Colours of categories, the most frequent first; beyond the twelfth they share grey. Empty names are missing."""
    found, counts = np.unique([name for name in names if name], return_counts=True)
    order = [str(found[i]) for i in np.argsort(-counts, kind="stable")]
    legend: dict[str, Any] = {name: _rgba(one) for name, one in zip(order, _CATEGORIES, strict=False)}
    if len(order) > len(legend):
        legend[REST] = MISSING
    rgba = np.array([legend.get(name, MISSING) for name in names]).reshape(-1, 4)
    return Colouring(title, rgba, legend, missing=sum(not name for name in names))


def hex_of(rgba: NDArray[np.float64]) -> str:
    """``#rrggbb`` of a colour."""
    return "#" + "".join(f"{round(float(c) * 255):02x}" for c in rgba[:3])


def _rgba(text: str) -> NDArray[np.float64]:
    return np.array([*(int(text[i : i + 2], 16) / 255 for i in (0, 2, 4)), 1.0])


def _bar(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    places = np.linspace(0, 1, len(_BAR))
    channels = [np.interp(shares, places, _BAR[:, channel]) for channel in range(3)]
    return np.stack([*channels, np.ones_like(shares)], axis=-1)
