"""Answers to "what looks like this?"."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_visualccc.core.errors import OptionError
from napari_visualccc.maps.neighbours import Matrix, nearest_neighbours
from napari_visualccc.maps.projection import place

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.maps.files import MicrographMap


def most_similar(made: MicrographMap, vector: Matrix, top: int = 10) -> pd.DataFrame:
    """Micrographs nearest to a vector, nearest first.

    Returns
    -------
    DataFrame
        ``row`` (in the map), ``name``, ``path``, ``plane``, ``distance``: root mean square of the differences of all
        features, in deviations over the map. 0 is the same picture; two that have nothing in common differ by about
        1.4.
    """
    near = nearest_neighbours(made.scaled, top, queries=made.scaling.apply(vector.reshape(1, -1)))
    rows = near.indices[0]
    found = made.entries.iloc[rows][["name", "path", "plane"]].reset_index(drop=True)
    found.insert(0, "row", rows)
    used = max(int(np.isfinite(made.scaling.spread).sum()), 1)
    result: pd.DataFrame = found.assign(distance=near.distances[0] / np.sqrt(used))
    return result


def place_of(made: MicrographMap, vector: Matrix) -> Matrix:
    """Where a micrograph lies on the map, shape (2,)."""
    placed = place(made.scaling.apply(vector.reshape(1, -1)), made.scaled, made.coordinates, made.options)
    return np.asarray(placed[0])


def check_embedder(made: MicrographMap, hash_of_embedder: str) -> None:
    """Raise `OptionError` if vectors of an embedder cannot be compared with those of the map."""
    if made.embedder != hash_of_embedder:
        raise OptionError("the map was made with other weights than are installed now: build it anew")
