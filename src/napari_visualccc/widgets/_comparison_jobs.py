"""Comparing labels in the background: plain functions of arrays, without Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress
from napari_visualccc.segment.measure_options import NO_DATA
from napari_visualccc.segment.notes import some_of

if TYPE_CHECKING:
    from napari_visualccc.segment import Evaluation

# Labels of more values are numbered objects, not phases.
_MOST_PHASES = 64


@dataclass(frozen=True)
class Comparison:
    """How labels agree, and how they were told to mean the same."""

    evaluation: Evaluation
    matched: str


@dataclass(frozen=True)
class Named:
    """Labels of shape (…, Y, X), and what their values are called, if that is known."""

    labels: Any
    names: Mapping[int, str]


def run_agree(true: Named, called: Named, size: PixelSize, tolerance_px: float, progress: Progress) -> Comparison:
    """Compare labels with labels; outlines are met within so many pixels.

    By name, in any case, where both have names: a phase that only one of them has is missed by the other, and labels
    without a name count nowhere, which is told. Else by value: 0 then is
    taken to mean nothing if it has no name, unless there is only one other value, as in masks of one phase.
    """
    from napari_visualccc.core.colours import label_colour
    from napari_visualccc.models.card import ClassInfo
    from napari_visualccc.segment import compare

    by_name = bool(true.names and called.names)
    if by_name:
        spelled = {name.casefold(): name for one in (true, called) for name in one.names.values()}
        keys = [{value: name.casefold() for value, name in one.names.items()} for one in (true, called)]
        if not set(keys[0].values()) & set(keys[1].values()):
            raise InputError(
                f"these labels are called {', '.join(true.names.values())}, those {', '.join(called.names.values())}: "
                "rename them so that the same have the same name"
            )
        order = list(dict.fromkeys([*keys[1].values(), *keys[0].values()]))
        names = [spelled[key] for key in order]
        matched = "matched by name"
        meaning = [{value: order.index(key) + 1 for value, key in one.items()} for one in keys]
    else:
        known = {**true.names, **called.names}
        values = sorted({int(v) for one in (true, called) for v in np.unique(one.labels)} - {NO_DATA})
        matched = "matched by value"
        if 0 in values and 0 not in known and len(values) > 2:  # noqa: PLR2004 - else it is the other phase
            values.remove(0)
            matched += ", without 0"
        names = [known.get(value, f"label {value}") for value in values]
        meaning = [{value: place + 1 for place, value in enumerate(values)}] * 2
    if len(names) > _MOST_PHASES:
        raise InputError(f"these labels have {len(names)} values: phases can be compared, not numbered objects")
    progress.check()
    first, second = (_renumbered(one.labels, table) for one, table in zip((true, called), meaning, strict=True))
    classes = [ClassInfo(place + 1, name, label_colour(place + 1)) for place, name in enumerate(names)]
    tolerance = tolerance_px * size.edge
    evaluation = compare(first, second, classes, pixel_size=size, tolerance=tolerance, progress=progress)
    remarks = _on_unnamed(true, called) if by_name else ()
    return Comparison(replace(evaluation, remarks=(*evaluation.remarks, *remarks)), matched)


def _on_unnamed(*both: Named) -> tuple[str, ...]:
    """That labels without a name count nowhere; 0 and -1 mean nothing."""
    unnamed = {int(value) for one in both for value in np.unique(one.labels) if value not in one.names} - {0, NO_DATA}
    if not unnamed:
        return ()
    return (f"labels without a name count nowhere: {some_of([str(value) for value in sorted(unnamed)])}",)


def score_files(path: str) -> tuple[Path, Path, Path]:
    """Scores per phase (CSV), the confusion matrix beside them (CSV) and all numbers (JSON)."""
    table = Path(path if path.lower().endswith(".csv") else f"{path}.csv")
    return table, table.with_name(f"{table.stem}_confusion.csv"), table.with_suffix(".json")


def save_scores(comparison: Comparison, path: str) -> list[Path]:
    """Write `score_files`."""
    import pandas as pd

    from napari_visualccc.io.writers import write_csv, write_json

    evaluation = comparison.evaluation
    table, matrix, numbers = score_files(path)
    names = [one.name for one in evaluation.classes]
    confusion = pd.DataFrame(evaluation.confusion, columns=[f"called {name}" for name in names])
    confusion.insert(0, "true", names)
    return [
        write_csv(table, evaluation.table),
        write_csv(matrix, confusion),
        write_json(numbers, {"matched": comparison.matched, **evaluation.metrics}),
    ]


def _renumbered(labels: Any, table: Mapping[int, int]) -> NDArray[np.uint8]:
    """Labels by the numbers of a table, 0 where it has none."""
    labels = np.asarray(labels)
    found = np.zeros(labels.shape, np.uint8)
    for value, number in table.items():
        found[labels == value] = number
    return found
