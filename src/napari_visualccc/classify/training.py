"""Train a classifier of micrographs from labelled planes."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_visualccc.classify.calibration import softmax
from napari_visualccc.classify.dataset import Dataset, dataset_of, expect_learnable
from napari_visualccc.classify.duplicates import find_duplicates, report_of
from napari_visualccc.classify.evaluation import Evaluation, evaluation_by, evaluation_of
from napari_visualccc.classify.linear import LinearFit, fit_linear
from napari_visualccc.classify.magnification import record_of_sizes
from napari_visualccc.classify.model import ClassificationModel, model_of_fit
from napari_visualccc.classify.options import EvaluateOptions, TrainOptions
from napari_visualccc.classify.splits import joined_groups
from napari_visualccc.classify.unlike import Familiar
from napari_visualccc.core.errors import InputError
from napari_visualccc.core.params import to_arguments
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Provenance, Result, Stopwatch, fingerprint
from napari_visualccc.core.runtime import Device
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.embedding_options import EmbeddingOptions
from napari_visualccc.models.normalise import GreyScale

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.classify.vectors import Looker
    from napari_visualccc.models.embedding_cache import EmbeddingCache
    from napari_visualccc.models.nn.fit import Moment

# Share of the progress at which all planes were looked at, by method; how much fitting takes, and where all is over.
_LOOKED = {"fast": 0.9, "fine-tune": 0.08}
_FITTED, _OVER = 0.02, 0.98
# Pixel sizes that differ less are the same.
_SAME_SIZE = 0.05


@dataclass(frozen=True)
class TrainResult(Result):
    """A trained model and how good it is.

    Attributes
    ----------
    model
        The classifier.
    evaluation
        On planes held out; None if there were too few groups to hold any out.
    history
        Of fine-tuning, one row per look at the planes held out; empty for Fast.
    duplicates
        Planes that show the same across the split, or have two classes; in plain types.
    notes
        What a user should know, in words.
    """

    model: ClassificationModel
    evaluation: Evaluation | None
    history: pd.DataFrame
    duplicates: tuple[dict[str, object], ...]
    notes: tuple[str, ...]

    @property
    def metrics(self) -> dict[str, Any]:
        """On planes held out; empty if there were none."""
        return self.evaluation.metrics if self.evaluation else {}

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """History, and the planes held out."""
        held = {"held_out": self.evaluation.table} if self.evaluation else {}
        return {"history": self.history, **held}


def train(
    dataset: Dataset,
    options: TrainOptions | None = None,
    *,
    device: Device | str = Device.AUTO,
    looker: Looker | None = None,
    cache: EmbeddingCache | None = None,
    arguments: Sequence[str] | None = None,
    watch: Callable[[Moment], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train a classifier.

    Parameters
    ----------
    dataset
        Labelled planes. Those of the split ``"val"`` are measured on, ``"train"`` and those without a split are learnt
        from, others are not looked at. Without ``"val"``, quality is measured by cross-validation over groups.
    options
        See `TrainOptions`.
    device
        Where to compute.
    looker
        What has seen planes before, so that training again after a change of labels takes a second.
    cache
        File to keep vectors in between sessions, if no `looker` is given.
    arguments
        How the command line is told of the data, for the record.
    watch
        Given loss and scores while fine-tuning.
    should_stop
        Asked after each step of fine-tuning; True ends it with the best model so far.
    progress
        Reports and cancels.

    Raises
    ------
    InputError
        If there are not at least two planes of each of two classes.
    OptionError, ModelError
        If the encoder or its weights cannot be had.
    Cancelled
        From `progress`.
    """
    from napari_visualccc.classify.vectors import Looker

    options = options or TrainOptions()
    progress = silent(progress)
    clock = Stopwatch()
    learnt, measured, notes = sides_of(dataset)
    expect_learnable(learnt)
    progress(0.0, "loading the encoder")
    if looker is None:
        looker = Looker(embedding_of(options), mask_marks=options.mask_marks, device=device, cache=cache)
    reach = _LOOKED[options.method]
    both = learnt if measured is None else replace(learnt, examples=learnt.examples + measured.examples)
    sight = looker.look(both.micrographs, progress=progress.part(0, reach))
    vectors, count = sight.vectors, len(learnt)
    duplicates = find_duplicates(sight.looks)
    sides = (np.arange(len(both)) >= count).astype(np.int64)
    report = report_of(duplicates, both, sides)
    groups = joined_groups(learnt.groups, [(d.first, d.second) for d in duplicates if d.second < count])
    fit = fit_linear(
        vectors[:count], learnt.targets, groups, len(learnt.classes), rare_weight=options.rare_weight,
        count=options.folds, seed=options.seed, progress=progress.part(reach, reach + _FITTED),
    )  # fmt: skip
    familiar = Familiar.of(vectors[:count], groups, seed=options.seed)
    network = new_network(options, len(learnt.classes))
    card = _card(learnt, options, looker, uses_greys=network.uses_greys)
    model = model_of_fit(network, card, fit, familiar)
    history: list[dict[str, float]] = []
    evaluation = _held_out(model, fit, learnt, measured, vectors, options)
    if options.method == "fine-tune":
        from napari_visualccc.classify.finetune import fine_tune

        tuned = fine_tune(
            model, learnt, measured, groups, options, looker, watch=watch, should_stop=should_stop,
            progress=progress.part(reach + _FITTED, _OVER),
        )  # fmt: skip
        model, evaluation, history = tuned.model, tuned.evaluation, tuned.history
        notes += tuned.notes
    notes += _words_on(report, evaluation)
    return _result(model, evaluation, history, report, notes, learnt, options, looker, clock, arguments)


def sides_of(dataset: Dataset) -> tuple[Dataset, Dataset | None, tuple[str, ...]]:
    """Planes to learn from, planes to measure on (None: cross-validation), and notes.

    Raises
    ------
    InputError
        If no plane is there to learn from.
    """
    named = {one.label for one in dataset.examples}
    learnt = [one for one in dataset.examples if one.split in ("", "train")]
    measured = [one for one in dataset.examples if one.split == "val"]
    if not learnt:
        raise InputError("no image is of the split 'train': there is nothing to learn from")
    notes = list(dataset.notes)
    taught = {one.label for one in learnt}
    order = [name for name in dataset.names if name in taught]
    colours = {one.name: one.colour for one in dataset.classes}
    if named - taught:
        notes.append(f"left out, as no image to learn from has it: {', '.join(sorted(named - taught))}")
    first = dataset_of(learnt, names=order, colours=colours)
    second = [one for one in measured if one.label in taught]
    return first, replace(first, examples=tuple(second)) if second else None, tuple(notes)


def embedding_of(options: TrainOptions) -> EmbeddingOptions:
    """What looks at the planes."""
    return EmbeddingOptions(encoder=options.encoder, weights=options.weights)


def new_network(options: TrainOptions, classes: int) -> Any:
    """Classifier with the weights that planes were looked at through."""
    from napari_visualccc.models.nn.classifier import Classifier
    from napari_visualccc.models.nn.trunk import filled_trunk

    trunk, _ = filled_trunk(embedding_of(options))
    return Classifier(trunk, classes).eval()


def _held_out(
    model: ClassificationModel, fit: LinearFit, learnt: Dataset, measured: Dataset | None, vectors: Any,
    options: TrainOptions,
) -> Evaluation | None:  # fmt: skip
    """Quality on the validation split, or on the planes that were held out in turn."""
    how = EvaluateOptions(seed=options.seed)
    if measured is not None:
        return evaluation_by(model, measured, vectors[len(learnt) :], how, "validation split")
    known = np.flatnonzero(np.isfinite(fit.held_scores).all(axis=1))
    if not len(known):
        return None
    probabilities = softmax(fit.held_scores[known], fit.temperature)
    return evaluation_of(learnt.chosen(known), probabilities, how, "cross-validation over groups")


def _card(dataset: Dataset, options: TrainOptions, looker: Looker, *, uses_greys: bool) -> ModelCard:
    from napari_visualccc.models.nn.classifier import describe

    architecture = describe(options.encoder, len(dataset.classes), uses_greys)
    architecture |= {
        "method": options.method, "mask_marks": options.mask_marks, "weights_hash": looker.weights_hash,
        "side": int(np.median([min(one.image.plane_shape) for one in dataset.examples])),
    }  # fmt: skip
    size = _common_size([one.pixel_size for one in dataset.examples])
    return ModelCard("classify", architecture, dataset.classes, size, GreyScale.METHOD, options.symmetry)


def _common_size(sizes: Sequence[PixelSize]) -> PixelSize:
    """Pixel size that all planes have, to a few per cent; not calibrated if they differ."""
    first = sizes[0]
    alike = all(
        one.unit == first.unit and abs(one.y / first.y - 1) < _SAME_SIZE and abs(one.x / first.x - 1) < _SAME_SIZE
        for one in sizes
    )
    return first if alike else PixelSize()


def _words_on(report: list[dict[str, object]], evaluation: Evaluation | None) -> tuple[str, ...]:
    notes = []
    across = [row for row in report if row["across_split"]]
    torn = [row for row in report if not row["across_split"]]
    if across:
        notes.append(
            f"{len(across)} pair(s) of images lie on both sides of the split and show (nearly) the same: the numbers "
            f"flatter the model; first: {across[0]['first']} and {across[0]['second']}"
        )
    if torn:
        notes.append(
            f"{len(torn)} pair(s) of images show (nearly) the same but have different classes; first: "
            f"{torn[0]['first']} and {torn[0]['second']}"
        )
    notes += evaluation.notes if evaluation else ()
    if evaluation is None:
        notes.append("there are too few groups of each class to hold any out: quality is not known")
    elif evaluation.metrics["n_groups"] < len(evaluation.classes) * 3:
        notes.append(f"quality was measured on {evaluation.metrics['n_groups']} groups only: the intervals are rough")
    return tuple(notes)


def _result(
    model: ClassificationModel, evaluation: Evaluation | None, history: list[dict[str, float]],
    report: list[dict[str, object]], notes: Sequence[str], dataset: Dataset, options: TrainOptions, looker: Looker,
    clock: Stopwatch, arguments: Sequence[str] | None,
) -> TrainResult:  # fmt: skip
    import pandas as pd

    names = [one.title for one in dataset.examples]
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    command = shlex.join(["visualccc", "classify", "train", *(arguments or ()), *to_arguments(options)])
    first = dataset.examples[0]
    provenance = Provenance(
        "classify train", options.as_dict(), shown, fingerprint(first.image.only(first.plane)), command, options.seed,
        None, clock.seconds,
    )  # fmt: skip
    metrics = evaluation.metrics if evaluation else {}
    training = {
        "options": options.as_dict(), "data": [{"name": name} for name in names], "counts": dataset.counts(),
        "steps": int(history[-1]["step"]) if history else 0, "seconds": round(clock.seconds, 1),
        "device": looker.device, "seed": options.seed, "command": command, "notes": list(notes),
    }  # fmt: skip
    training |= record_of_sizes([one.pixel_size for one in dataset.examples])
    card = replace(model.card, training=training, metrics={k: v for k, v in metrics.items() if k != "curves"})
    return TrainResult(
        provenance, replace(model, card=card), evaluation, pd.DataFrame(history), tuple(report), tuple(notes)
    )
