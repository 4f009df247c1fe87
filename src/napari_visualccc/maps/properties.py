"""How well the look of a micrograph predicts a measured property, and whether that could be chance."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import random_generator
from napari_visualccc.core.scores import rank_correlation
from napari_visualccc.maps.files import MicrographMap
from napari_visualccc.maps.options import PropertyOptions
from napari_visualccc.maps.scaling import Scaling, principal_axes
from napari_visualccc.maps.smoothers import (
    Values,
    knn_predictions,
    r_squared,
    ridge_predictions,
)
from napari_visualccc.maps.tables import GROUPS, numbers_of

if TYPE_CHECKING:
    import pandas as pd

# Fewer values say nothing.
LEAST_ROWS = 8
# Directions of likeness that a regression may use.
COMPONENTS = 128


@dataclass(frozen=True)
class PropertyResult:
    """What the map knows of a property; all predictions are of micrographs whose group was held out.

    Attributes
    ----------
    target, n, groups, group_column
        Column, number of micrographs with a value, number of groups, and what said which belong together.
    ridge_r2, knn_r2, map_knn_r2
        Of a ridge regression and of nearest neighbours in the vectors, and of nearest neighbours on the 2-D map.
    spearman, knn_spearman
        Rank correlation of true values with the ridge's and the neighbours' predictions.
    p_value
        Share of shuffled properties whose rank correlation is at least as high (the higher of ridge and neighbours,
        so that nothing is gained by looking at both); NaN without permutations.
    p_value_knn, p_value_ridge
        The same for each alone.
    acquisition_r2
        Of pixel size, brightness and contrast alone: what can be had without looking at structure.
    group_r2
        Of the mean of the other micrographs of the same group: what the group's identity alone tells (not held out).
    strange
        Texts in the column that are no numbers.
    table
        ``row``, ``name``, ``true``, ``predicted``, ``predicted_knn``, ``group``.
    notes
        What to beware of, in words.
    """

    target: str
    n: int
    groups: int
    group_column: str
    ridge_r2: float
    knn_r2: float
    map_knn_r2: float
    spearman: float
    knn_spearman: float
    p_value: float
    p_value_ridge: float
    p_value_knn: float
    acquisition_r2: float
    group_r2: float
    strange: tuple[str, ...]
    table: pd.DataFrame
    notes: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON types, the table left out."""
        return {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "table"}


def predict_property(
    made: MicrographMap,
    target: str,
    options: PropertyOptions | None = None,
    *,
    values: NDArray[np.float64] | None = None,
    progress: Progress | None = None,
) -> PropertyResult:
    """Ask a map how well it predicts a property.

    Parameters
    ----------
    made
        Map with a table.
    target
        Column of numbers.
    options
        See `PropertyOptions`.
    values
        To be used instead of the column, shape (N,); NaN is left out.

    Raises
    ------
    OptionError
        If there is no such column, it holds too few numbers, or they do not vary.
    Cancelled
        From `progress`.

    Notes
    -----
    If the property is the same within each group, whole groups are shuffled, otherwise single micrographs; penalties
    are chosen anew each time. The p-value is (1 + number at least as high) / (1 + permutations).
    """
    options = options or PropertyOptions()
    progress = silent(progress)
    numbers, strange = numbers_of(made.table, target) if values is None else (np.asarray(values, float), [])
    rows = np.flatnonzero(np.isfinite(numbers))
    y = numbers[rows]
    if len(rows) < LEAST_ROWS:
        raise OptionError(f"column {target!r} has {len(rows)} numbers for these micrographs; {LEAST_ROWS} are needed")
    if np.ptp(y) == 0:
        raise OptionError(f"column {target!r} is {y[0]:g} everywhere: there is nothing to predict")
    groups, column = groups_of(made, options.group, target)
    groups = np.unique(groups[rows], return_inverse=True)[1]
    count = int(groups.max()) + 1
    if count < 2:
        raise OptionError(f"all micrographs are of one group (column {column!r}): choose another, or 'none'")
    X = components_of(made)[rows]
    Y = np.column_stack([y, *_shuffled(y, groups, options)])
    ridge = ridge_predictions(X, Y, groups, options.folds, progress.part(0, 0.8))
    knn = knn_predictions(X, Y, groups, options.folds, options.knn)
    progress(0.9, "comparing")
    chances = np.stack([rank_correlation(Y, ridge), rank_correlation(Y, knn)])
    own = y[:, None]
    on_map = knn_predictions(made.coordinates[rows].astype(float), own, groups, options.folds, options.knn)
    simple = ridge_predictions(_acquisition(made, rows), own, groups, options.folds)
    scores = {
        "ridge_r2": float(r_squared(own, ridge[:, :1])[0]), "knn_r2": float(r_squared(own, knn[:, :1])[0]),
        "map_knn_r2": float(r_squared(own, on_map)[0]), "acquisition_r2": float(r_squared(own, simple)[0]),
        "group_r2": _group_r2(y, groups),
    }  # fmt: skip
    import pandas as pd

    table = pd.DataFrame({
        "row": rows, "name": [made.names[row] for row in rows], "true": y, "predicted": ridge[:, 0],
        "predicted_knn": knn[:, 0], "group": groups,
    })  # fmt: skip
    progress(1.0)
    return PropertyResult(
        target, len(rows), count, column, **scores, spearman=float(chances[0, 0]), knn_spearman=float(chances[1, 0]),
        p_value=_p_value(chances.max(axis=0)), p_value_ridge=_p_value(chances[0]), p_value_knn=_p_value(chances[1]),
        strange=tuple(strange), table=table, notes=_notes(scores, column, count, y, groups),
    )  # fmt: skip


def components_of(made: MicrographMap) -> Values:
    """Vectors of a map along their main directions, float64, shape (N, k)."""
    scaled = made.scaled
    axes = principal_axes(scaled, COMPONENTS)[0]
    return np.asarray(scaled.astype(np.float64) @ axes if axes.size else np.zeros((len(scaled), 1)))


def groups_of(made: MicrographMap, wanted: str, target: str = "") -> tuple[NDArray[np.int64], str]:
    """Number of the group of each micrograph, and the column that says so.

    Pictures with the same pixels are in one group whatever the column says; those without a group are for themselves.
    """
    columns = {column.lower(): column for column in made.table.columns if column != target}
    if wanted == "auto":
        column = next((columns[name] for name in GROUPS if name in columns), "")
    elif wanted == "none":
        column = ""
    elif wanted in made.table.columns:
        column = wanted
    else:
        raise OptionError(f"there is no column {wanted!r} to group by; there are: {', '.join(columns.values())}")
    names = [str(digest) for digest in made.entries["hash"]]
    if not column:
        return np.unique(names, return_inverse=True)[1].astype(np.int64), "none: each micrograph for itself"
    filled = made.table[column].notna().to_numpy()
    texts = made.table[column].astype(str)
    own = np.array([f"g {t}" if f else f"i {n}" for t, f, n in zip(texts, filled, names, strict=True)])
    return np.unique(own, return_inverse=True)[1].astype(np.int64), column


def _shuffled(y: Values, groups: NDArray[np.int64], options: PropertyOptions) -> list[Values]:
    generator = random_generator(options.seed, 7)
    count = int(groups.max()) + 1
    first = np.array([y[groups == group][0] for group in range(count)])
    if (y == first[groups]).all() and count < len(y):
        return [first[generator.permutation(count)][groups] for _ in range(options.permutations)]
    return [generator.permutation(y) for _ in range(options.permutations)]


def _p_value(chances: Values) -> float:
    shuffled = chances[1:]
    if not len(shuffled):
        return float("nan")
    return float((1 + (shuffled >= chances[0] - 1e-12).sum()) / (1 + len(shuffled)))


def _acquisition(made: MicrographMap, rows: NDArray[np.int64]) -> Values:
    """Pixel size, brightness and contrast, with their squares, scaled."""
    about = made.entries.iloc[rows]
    known = about["pixel_nm"].to_numpy(float)
    sizes = np.log(np.where(np.isfinite(known), known, 1.0))
    grey = about[["brightness", "contrast"]].to_numpy(float)
    plain = np.column_stack([sizes, np.isfinite(known), grey, np.log(about["height"] * about["width"])])
    scaled = Scaling.of(plain.astype(np.float32)).apply(plain.astype(np.float32)).astype(float)
    return np.column_stack([scaled, scaled**2])


def _group_r2(y: Values, groups: NDArray[np.int64]) -> float:
    """R² of the mean of the others of a group; micrographs without others get the mean of all."""
    sums, counts = np.bincount(groups, y), np.bincount(groups)
    others = counts[groups] - 1
    if not others.any():
        return float("nan")
    predicted = np.where(others > 0, (sums[groups] - y) / np.maximum(others, 1), y.mean())
    return float(r_squared(y[:, None], predicted[:, None])[0])


def _notes(scores: dict[str, float], column: str, count: int, y: Values, groups: NDArray[np.int64]) -> tuple[str, ...]:
    notes = []
    if column.startswith("none"):
        notes.append("no group is known: if several micrographs show one specimen, the prediction looks too good")
    elif scores["group_r2"] > 0.9:
        notes.append(
            f"the property is nearly the same within each '{column}' ({count} groups for {len(y)} micrographs): what "
            "is predicted may be the specimen and not the property"
        )
    if scores["acquisition_r2"] > max(scores["ridge_r2"], scores["knn_r2"], 0.0):
        notes.append("pixel size, brightness and contrast alone predict it better than structure does")
    if count < 20:
        notes.append(f"{count} groups are few: the numbers are uncertain")
    return tuple(notes)
