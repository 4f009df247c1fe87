"""Train a segmentation network from dense masks or sparse strokes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.params import AUTO
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Result, Stopwatch
from napari_visualccc.core.runtime import Device, choose_device
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.normalise import GreyScale
from napari_visualccc.models.symmetry import symmetry_of
from napari_visualccc.segment.annotations import Dataset
from napari_visualccc.segment.architecture import architecture_of
from napari_visualccc.segment.bites import learn_in_bites
from napari_visualccc.segment.holdout import held_out_hash, left_out
from napari_visualccc.segment.model import SegmentationModel
from napari_visualccc.segment.notes import on_held_out, on_learnt, on_left_out, on_pixel_sizes
from napari_visualccc.segment.options import TrainOptions
from napari_visualccc.segment.origin import begun_with
from napari_visualccc.segment.preparation import common_pixel_size, patch_of, planes_of, turns_of
from napari_visualccc.segment.quality import metrics_of
from napari_visualccc.segment.record import about_training, history_of, record_of
from napari_visualccc.segment.seeding import Hints, ask_quick

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.models.nn.fit import Moment, TrainingState
    from napari_visualccc.models.nn.unet import Architecture

_log = logging.getLogger(__name__)
# Learning rate of an encoder that knows something already, as a share of the rest's: it is adapted, not overwritten.
_KEEPING = 0.3


@dataclass(frozen=True)
class TrainResult(Result):
    """A trained model and how it came about.

    Attributes
    ----------
    model
        Best on the data held out (the last if that shows not every phase).
    metrics
        On the data held out; empty if nothing was.
    history
        One row per validation: step, seconds, loss, mean IoU and IoU per class.
    state
        To continue the training with.
    steps
        Steps taken.
    stopped
        True if it was stopped before its time.
    broke_off
        What ended it before its time though nobody stopped it; empty as a rule.
    """

    model: SegmentationModel
    metrics: dict[str, Any]
    history: pd.DataFrame
    state: TrainingState
    steps: int
    stopped: bool = False
    broke_off: str = ""

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """The history."""
        return {"history": self.history}

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of how it came about: of the images, and whether it ended before its steps were taken."""
        return (*self.model.card.training.get("remarks", ()), *self._endings)

    @property
    def _endings(self) -> tuple[str, ...]:
        if self.broke_off:
            return (f"the training broke off, this is the best model so far: {self.broke_off}",)
        kept = self.state.best_step == 0 and bool(self.state.earlier)
        remarks = ("no look showed a better model than the one gone on from, which stays",) if kept else ()
        steps = self.provenance.parameters.get("steps", 0)
        if self.stopped or self.steps >= steps:
            return remarks
        return (
            *remarks,
            f"the training time was over after {self.steps} of {steps} steps, before the last ones, which refine: "
            "give it more time or fewer steps",
        )


def train(
    dataset: Dataset,
    options: TrainOptions | None = None,
    *,
    validation: Dataset | None = None,
    device: Device | str = Device.AUTO,
    checkpoint: str | Path | None = None,
    state: TrainingState | None = None,
    arguments: Sequence[str] | None = None,
    watch: Callable[[Moment], None] | None = None,
    preview: Callable[[SegmentationModel], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train a network on labelled images.

    Parameters
    ----------
    dataset
        Images with masks or strokes; sizes, types, contrast and pixel sizes may differ.
    options
        See `TrainOptions`.
    validation
        Images to measure on; by default some of `dataset` is held out.
    device
        Where to compute.
    checkpoint
        File that the state of the training is kept in after each validation. If it is there already, and was made
        with the same classes and network, the training goes on from it; with a schedule of its own, as from a
        `renewed` state, if other labels are held out now. Remove it once the model is saved.
    state
        Of an earlier training of the same network, to go on from: with the rest of its schedule, or, if it was
        `renewed`, from its model with a new one. That model stays if it is the best on the data held out; it is not
        compared if it may have learnt from them, as others were held out then. If phases were added or taken away
        since, only the last layer begins anew.
    arguments
        How the command line is told of the data, for the record.
    watch
        Given the loss after each step and the scores after each validation.
    preview
        Given the model so far after each validation, to look at; called from the thread that trains.
    should_stop
        Asked after each step; True ends the training with the best model so far.
    progress
        Reports; cancelling raises `Cancelled`, the checkpoint stays.

    Returns
    -------
    TrainResult

    Raises
    ------
    InputError
        If there is nothing to learn from.
    OptionError
        If network and options do not go together, memory ran out even with small patches, or the training diverged.
    OutputError
        If the checkpoint cannot be written, unless it is for a full disk: that is told in the log.

    Notes
    -----
    AdamW with warm-up and cosine decay over the time budget (over the steps, if a number of them is asked for: the
    time then is but a limit), loss on labelled pixels only, moving average of the weights, best on the data held out
    (the last if they do not show all phases that are learnt).

    References
    ----------
    .. [1] Ronneberger et al., U-Net, doi 10.1007/978-3-319-24574-4_28.
    """
    from napari_visualccc.models.nn.fit import TrainingState, fit
    from napari_visualccc.models.nn.precision import fastest_precision
    from napari_visualccc.models.nn.schedule import Schedule
    from napari_visualccc.segment.checkpoints import Keeper, beginning
    from napari_visualccc.segment.learning import SegmentationTask

    options = options or TrainOptions()
    progress = silent(progress)
    watch_time = Stopwatch()
    device = choose_device(device)
    classes = len(dataset.classes)
    progress(0.0, "reading the images")
    size = common_pixel_size(dataset.items)
    remarks = _tell(on_pixel_sizes([*dataset.items, *(validation.items if validation is not None else ())], size))
    learnt, measured, about = planes_of(dataset, validation, size, options, progress.part(0, 0.02))
    if not learnt:
        raise InputError("there is nothing to learn from: no labelled pixel has a finite value")
    unmeasured = [dataset.classes[number].name for number in left_out(learnt, measured, classes)]
    remarks += _tell(on_left_out(unmeasured, bool(measured)) if validation or options.validation > 0 else ())
    progress(0.02, "asking a quick model")
    hints = ask_quick(
        learnt, classes, fill=options.fill, shares=options.shares, seed=options.seed, progress=progress.quiet()
    )
    progress(0.02, f"preparing the network on {device}")
    symmetry = symmetry_of([plane.image for plane in hints.planes]) if options.symmetry == AUTO else options.symmetry
    architecture = architecture_of(options, classes, [plane.image for plane in hints.planes], state, checkpoint)
    model, begun = _new_model(dataset, options, architecture, size, symmetry, progress.part(0.02, 0.03))
    patch = patch_of(options, hints.planes, model.network.multiple)
    held_out = held_out_hash(measured)
    state = beginning(model, options, state, checkpoint, held_out) or TrainingState()
    state = replace(state, about=about_training(dataset, begun, held_out, state.about or state.earlier))
    remarks += _tell(on_learnt(validation, state.about["data"]))
    schedule = Schedule(
        seconds=options.max_minutes * 60, steps=options.steps, learning_rate=options.learning_rate, average=0.99,
        encoder_rate=_KEEPING if begun["hash"] else 1.0, kept="last" if unmeasured else "best",
    )  # fmt: skip
    stop = _Stop(should_stop)
    first = {name: value.clone() for name, value in model.network.state_dict().items()}

    def learn(
        patch: tuple[int, int], state: TrainingState | None, keep: Callable[[TrainingState], None]
    ) -> tuple[TrainingState, SegmentationTask]:
        task = SegmentationTask(
            hints.planes, measured, classes, options, symmetry,
            turns_of(options, dataset.items, fringes=architecture.lattice), patch, device,
            finish=partial(_expecting, hints=hints),
        )  # fmt: skip
        if preview is not None:
            task.preview = lambda network: preview(replace(model, network=network))
        model.network.load_state_dict(first)
        return fit(
            model.network, task, schedule, fastest_precision(device), device=str(device), state=state, keep=keep,
            watch=watch, should_stop=stop, progress=progress.part(0.03, 0.98),
        ), task  # fmt: skip

    keeper = Keeper(checkpoint, model.card) if checkpoint is not None else None
    (final, task), remark = learn_in_bites(learn, patch, model.network.multiple, state, keeper)
    remarks += [remark] if remark else []
    remarks += _tell(on_held_out(final) if measured else ())
    model = replace(model, network=_expecting(model.network, hints=hints))
    matrix = task.matrix(model.network)
    metrics = {} if matrix is None else metrics_of(matrix, dataset.classes) | about
    record = record_of(dataset, options, final, device, watch_time.seconds, arguments, stop.was_asked)
    card = replace(model.card, training=record["training"] | {"remarks": remarks}, metrics=metrics)
    progress(1.0)
    result = TrainResult(
        record["provenance"], replace(model, card=card), metrics, history_of(final), final, final.step, stop.was_asked
    )
    _tell(result._endings)
    return result


class _Stop:
    """Asks whether to stop, and remembers that it was to."""

    def __init__(self, ask: Callable[[], bool] | None) -> None:
        self._ask = ask or (lambda: False)
        self.was_asked = False

    def __call__(self) -> bool:
        self.was_asked = self._ask() or self.was_asked
        return self.was_asked


def _tell(notes: Iterable[str]) -> list[str]:
    """Say in the log what to know; give it back."""
    for note in (notes := list(notes)):
        _log.warning("%s", note)
    return notes


def _expecting(network: Any, *, hints: Hints) -> Any:
    """The network, or a copy that takes phases to be as common as they are, not as they were painted."""
    if hints.ratios is None:
        return network
    network = deepcopy(network)
    network.expect(hints.ratios)
    return network


def _new_model(
    dataset: Dataset,
    options: TrainOptions,
    architecture: Architecture,
    size: PixelSize,
    symmetry: str,
    progress: Progress,
) -> tuple[SegmentationModel, dict[str, str]]:
    """Network to begin with, and name, licence and hash of the weights that it was filled with."""
    import torch

    from napari_visualccc.models.nn.encoders import begin
    from napari_visualccc.models.nn.unet import build

    torch.manual_seed(options.seed)
    card = ModelCard("segment", architecture.as_dict(), dataset.classes, size, GreyScale.METHOD, symmetry)
    network = build(architecture)
    digest = begin(network, options.encoder, options.weights, progress)
    return SegmentationModel(network, card), begun_with(options.encoder, options.weights, digest)
