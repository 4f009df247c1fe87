"""How good a classifier is on labelled planes, with intervals over groups, and which planes it got wrong."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.classify.dataset import Dataset, Example
from napari_visualccc.classify.model import ClassificationModel
from napari_visualccc.classify.options import EvaluateOptions
from napari_visualccc.classify.quality import Answers, metrics_of
from napari_visualccc.core.errors import OptionError
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.runtime import Device
from napari_visualccc.models.card import ClassInfo
from napari_visualccc.models.learnt import words_on_learnt

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.classify.vectors import Looker


@dataclass(frozen=True)
class Evaluation:
    """Answers on labelled planes and what they are worth.

    Attributes
    ----------
    classes
        Of the model.
    examples
        The planes.
    answers
        True classes, probabilities and groups.
    metrics
        All numbers by name, in plain types; see `napari_visualccc.classify.quality.metrics_of`. Of a model that is
        measured also ``unlike_fraction`` and ``learnt_from``, the number of planes that it learnt from.
    unlike
        Distance of each plane to the training planes, above 1 unlike all; shape (N,), empty if not known.
    how
        Where the planes come from, in words: ``"validation split"``, ``"cross-validation over groups"``.
    learnt
        True for planes that the model learnt from: they flatter it. Shape (N,), empty if each was held out.
    notes
        What to know before believing the numbers, in words.
    """

    classes: tuple[ClassInfo, ...]
    examples: tuple[Example, ...]
    answers: Answers
    metrics: dict[str, Any]
    unlike: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    how: str = ""
    learnt: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, np.bool_))
    notes: tuple[str, ...] = ()

    @property
    def table(self) -> pd.DataFrame:
        """One row per plane: path, plane, group, true class, class, confidence, whether right.

        If known, also whether the model learnt from it, and whether it is unlike anything learnt.
        """
        import pandas as pd

        names, called = self.answers.names, self.answers.called
        table = pd.DataFrame(
            {
                "path": [one.name for one in self.examples],
                "plane": [one.plane for one in self.examples],
                "group": [one.group for one in self.examples],
                "true": [names[n] for n in self.answers.targets],
                "class": [names[n] for n in called],
                "confidence": self.answers.probabilities.max(axis=1, initial=0),
                "right": called == self.answers.targets,
            }
        )
        if len(self.learnt):
            table["learnt_from"] = self.learnt
        if len(self.unlike):
            table["unlike"] = self.unlike > 1
        return table

    @property
    def per_class(self) -> pd.DataFrame:
        """One row per class: planes, precision, recall and F1 with 95 % intervals."""
        import pandas as pd

        intervals = self.metrics.get("intervals", {}).get("per_class", {})
        rows = []
        for name, numbers in self.metrics["per_class"].items():
            row: dict[str, Any] = {"class": name, "n": numbers["n"]}
            for key in ("precision", "recall", "f1"):
                row[key] = numbers[key]
                if name in intervals:
                    row[f"{key}_low"], row[f"{key}_high"] = intervals[name][key]
            rows.append(row)
        return pd.DataFrame(rows)

    def mistakes(self) -> list[int]:
        """Places of the planes that were called wrong, the surest first."""
        called = self.answers.called
        confidence = self.answers.probabilities.max(axis=1, initial=0)
        wrong = np.flatnonzero(called != self.answers.targets)
        return [int(place) for place in wrong[np.argsort(-confidence[wrong], kind="stable")]]


def evaluation_of(
    dataset: Dataset, probabilities: NDArray[np.float64], options: EvaluateOptions, how: str
) -> Evaluation:
    """Evaluation of probabilities (N, C) of the planes of a data set."""
    answers = Answers(dataset.targets, probabilities, dataset.groups, dataset.names)
    metrics = metrics_of(answers, resamples=options.bootstrap, seed=options.seed) | {"held_out": how}
    return Evaluation(dataset.classes, dataset.examples, answers, metrics, how=how)


def evaluation_by(
    model: ClassificationModel, dataset: Dataset, vectors: NDArray[np.float32], options: EvaluateOptions, how: str
) -> Evaluation:
    """Evaluation of a model on the planes of a data set, from their vectors (N, D).

    Planes that the model learnt from count like all others, and are told.
    """
    found = evaluation_of(dataset, model.probabilities(vectors), options, how)
    unlike, learnt = model.familiar.distances(vectors), model.familiar.learnt(vectors)
    count = int(learnt.sum())
    words = words_on_learnt(count, len(dataset), at_least=model.familiar.forgets)
    metrics = found.metrics | {"unlike_fraction": float((unlike > 1).mean()), "learnt_from": count}
    return replace(found, metrics=metrics, unlike=unlike, learnt=learnt, notes=(words,) if words else ())


def evaluate(
    model: ClassificationModel,
    dataset: Dataset,
    options: EvaluateOptions | None = None,
    *,
    split: str | None = None,
    looker: Looker | None = None,
    device: Device | str = Device.AUTO,
    progress: Progress | None = None,
) -> Evaluation:
    """Measure a model on labelled planes.

    Parameters
    ----------
    model
        Trained.
    dataset
        Planes whose classes the model knows.
    options
        See `EvaluateOptions`.
    split
        Only planes of this split; all by default.
    looker
        What has seen planes before; a new one by default.
    device
        Where to compute.

    Raises
    ------
    InputError
        If a class is not the model's.
    OptionError
        If there is no such split.
    Cancelled
        From `progress`.
    """
    progress = silent(progress)
    dataset = chosen_split(dataset, split).with_classes(model.card.classes)
    looker = looker or model.looker(device)
    seen = looker.look(dataset.micrographs, progress=progress.part(0, 0.95))
    how = f"split {split}" if split else "all images"
    found = evaluation_by(model, dataset, seen.vectors, options or EvaluateOptions(), how)
    progress(1.0)
    return found


def chosen_split(dataset: Dataset, split: str | None) -> Dataset:
    """Planes of a split; all if none is named.

    Raises
    ------
    OptionError
        If no plane is of that split.
    """
    if split is None:
        return dataset
    chosen = dataset.split(split)
    if not len(chosen):
        known = ", ".join(sorted(name or "(none)" for name in dataset.splits))
        raise OptionError(f"no image is of the split {split!r}: there is {known}")
    return chosen
