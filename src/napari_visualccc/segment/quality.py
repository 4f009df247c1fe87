"""What a comparison of labels with labels comes to: scores per class and over all, and what to know of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core import scores
from napari_visualccc.models.card import ClassInfo
from napari_visualccc.models.learnt import words_on_learnt
from napari_visualccc.segment.coverage import words_on_painted

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Evaluation:
    """Quality over a whole data set.

    Attributes
    ----------
    classes
        Phases.
    confusion
        Pixels of true class i (row) called j (column).
    boundary
        Boundary F1 per class at `tolerance`.
    tolerance, unit
        Distance within which an outline counts as met.
    n
        Number of planes.
    labelled_share
        Share of their pixels that have a label and count, 0 … 1.
    learnt
        Number of planes of images that the model learnt from; None if it is not known of which it did.
    unlabelled
        Positions of classes that no label can show, as their value is ignored: pixels of others that are called so
        are missed, but their own scores are not known (NaN) and are in no mean over classes.
    remarks
        On how it was compared, in words.
    """

    classes: tuple[ClassInfo, ...]
    confusion: NDArray[np.int64]
    boundary: NDArray[np.float64]
    tolerance: float
    unit: str
    n: int
    labelled_share: float = 1.0
    learnt: int | None = None
    unlabelled: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know before believing the numbers, in words."""
        learnt = words_on_learnt(self.learnt or 0, self.n)
        painted = words_on_painted({"labelled_share": self.labelled_share})
        return (*([learnt] if learnt else ()), *painted, *self.remarks)

    @property
    def metrics(self) -> dict[str, Any]:
        """The numbers by name, in plain types."""
        names = [one.name for one in self.classes]
        return metrics_of(self.confusion, self.classes, self.unlabelled) | {
            "boundary_f1": dict(zip(names, self.boundary.tolist(), strict=True)),
            "boundary_tolerance": self.tolerance,
            "boundary_unit": self.unit,
            "n": self.n,
            "labelled_share": self.labelled_share,
            "learnt_from": self.learnt,
        }

    @property
    def table(self) -> pd.DataFrame:
        """One row per class: IoU, Dice, precision, recall, boundary F1."""
        import pandas as pd

        return pd.DataFrame(
            {
                "label": [one.value for one in self.classes],
                "class": [one.name for one in self.classes],
                **{
                    name: known(score(self.confusion), self.unlabelled)
                    for name, score in (
                        ("iou", scores.iou),
                        ("dice", scores.dice),
                        ("precision", scores.precision),
                        ("recall", scores.recall),
                    )
                },
                "boundary_f1": self.boundary,
                "true_pixels": self.confusion.sum(axis=1),
            }
        )


def metrics_of(
    confusion: NDArray[np.int64], classes: Sequence[ClassInfo], unlabelled: Sequence[int] = ()
) -> dict[str, Any]:
    """Class-mean IoU, pooled IoU (never compare the two), IoU and Dice per class, pixel accuracy, confusion matrix.

    See `Evaluation.unlabelled`.
    """
    names = [one.name for one in classes]
    iou = known(scores.iou(confusion), unlabelled)
    dice = known(scores.dice(confusion), unlabelled)
    return {
        "mean_iou": float(scores.mean_of_classes(iou)),
        "pooled_iou": scores.pooled_iou(confusion),
        "iou": dict(zip(names, iou.tolist(), strict=True)),
        "dice": dict(zip(names, dice.tolist(), strict=True)),
        "pixel_accuracy": scores.accuracy(confusion),
        "confusion": confusion.tolist(),
    }


def known(values: NDArray[np.float64], unlabelled: Sequence[int]) -> NDArray[np.float64]:
    """Scores per class, NaN for those that no label can show."""
    return np.where(np.isin(np.arange(len(values)), unlabelled), np.nan, values)
