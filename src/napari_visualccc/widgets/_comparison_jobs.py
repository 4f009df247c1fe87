"""Comparing labels in the background: plain functions of arrays, without Qt."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress
from napari_visualccc.core.runtime import allocate
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


def run_agree(
    true: Named,
    called: Named,
    size: PixelSize,
    tolerance_px: float,
    progress: Progress,
    *,
    phases: Literal["both", "called"] = "both",
) -> Comparison:
    """Compare labels with labels; outlines are met within so many pixels.

    By name, in any case, where both have names: a phase that only one of them has is missed by the other, and labels
    without a name count nowhere, which is told. Else by value: 0 then is taken to mean nothing if it has no name,
    unless there is only one other value, as in masks of one phase.

    With the phases of `called`, which then has names, others do not count, which is told: a model cannot find what it
    never learnt. Values are called there what they are called here, if `true` has no names.
    """
    from napari_visualccc.core.colours import label_colour
    from napari_visualccc.models.card import ClassInfo
    from napari_visualccc.segment import compare

    held = [_values(one.labels, progress) for one in (true, called)]
    matched = "matched by name" if true.names and called.names else "matched by value"
    if phases == "called" and not true.names:
        true = replace(true, names=called.names)
    remarks: tuple[str, ...] = ()
    if true.names and called.names:
        names, meaning = _by_name(true.names, called.names, phases)
        others = [name for value, name in true.names.items() if value not in meaning[0]]
        matched += f", without {', '.join(others)}" if others else ""
        remarks = _on_unnamed((held[0] - set(true.names)) | (held[1] - set(called.names)))
    else:
        names, meaning = _by_value({**true.names, **called.names}, held[0] | held[1])
    if matched == "matched by value" and 0 in held[0] | held[1] and 0 not in meaning[1]:
        matched += ", without 0"
    if len(names) > _MOST_PHASES:
        raise InputError(f"these labels have {len(names)} values: phases can be compared, not numbered objects")
    first, second = (
        _renumbered(one.labels, table, progress) for one, table in zip((true, called), meaning, strict=True)
    )
    classes = [ClassInfo(place + 1, name, label_colour(place + 1)) for place, name in enumerate(names)]
    tolerance = tolerance_px * size.edge
    evaluation = compare(first, second, classes, pixel_size=size, tolerance=tolerance, progress=progress)
    return Comparison(replace(evaluation, remarks=(*evaluation.remarks, *remarks)), matched)


Matching = tuple[list[str], list[dict[int, int]]]
"""Names of the phases, and the number of the phase, from 1 on, that each value means on either side."""


def _by_name(true: Mapping[int, str], called: Mapping[int, str], phases: str) -> Matching:
    spelled = {name.casefold(): name for names in (true, called) for name in names.values()}
    keys = [{value: name.casefold() for value, name in names.items()} for names in (true, called)]
    if not set(keys[0].values()) & set(keys[1].values()):
        raise InputError(
            f"these labels are called {', '.join(true.values())}, those {', '.join(called.values())}: "
            "rename them so that the same have the same name"
        )
    order = list(dict.fromkeys([*keys[1].values(), *(keys[0].values() if phases == "both" else ())]))
    meaning = [{value: order.index(key) + 1 for value, key in one.items() if key in order} for one in keys]
    return [spelled[key] for key in order], meaning


def _by_value(known: Mapping[int, str], held: set[int]) -> Matching:
    values = sorted(held - {NO_DATA})
    if 0 in values and 0 not in known and len(values) > 2:  # noqa: PLR2004 - else it is the other phase
        values.remove(0)
    meaning = {value: place + 1 for place, value in enumerate(values)}
    return [known.get(value, f"label {value}") for value in values], [meaning, meaning]


def _on_unnamed(values: set[int]) -> tuple[str, ...]:
    """That labels without a name count nowhere; 0 and -1 mean nothing."""
    unnamed = sorted(values - {0, NO_DATA})
    return (f"labels without a name count nowhere: {some_of([str(value) for value in unnamed])}",) if unnamed else ()


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


def _values(labels: Any, progress: Progress) -> set[int]:
    """Values that labels hold."""
    found: set[int] = set()
    for plane in _planes(labels):
        progress.check()
        found.update(int(value) for value in np.unique(np.asarray(plane)))
    return found


def _renumbered(labels: Any, table: Mapping[int, int], progress: Progress) -> NDArray[np.uint8]:
    """Labels by the numbers of a table, 0 where it has none."""
    found: NDArray[np.uint8] = allocate(labels.shape, np.uint8)
    for target, plane in zip(_planes(found), _planes(labels), strict=True):
        progress.check()
        source = np.asarray(plane)
        for value, number in table.items():
            target[source == value] = number
    return found


def _planes(labels: Any) -> Any:
    """Planes one by one: a stack may be larger than memory, and need not be in it yet."""
    return labels.reshape(-1, *labels.shape[-2:])
