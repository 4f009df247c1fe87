"""Train a segmentation network from dense masks or sparse strokes."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_visualccc.core.errors import InputError, OptionError
from napari_visualccc.core.params import AUTO, to_arguments
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.core.results import Provenance, Result, Stopwatch, fingerprint
from napari_visualccc.core.runtime import Device, choose_device
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.normalise import GreyScale
from napari_visualccc.models.symmetry import symmetry_of
from napari_visualccc.segment.annotations import Dataset
from napari_visualccc.segment.architecture import architecture_of
from napari_visualccc.segment.evaluation import metrics_of
from napari_visualccc.segment.model import SegmentationModel
from napari_visualccc.segment.options import TrainOptions
from napari_visualccc.segment.preparation import common_pixel_size, patch_of, planes_of
from napari_visualccc.segment.seeding import Hints, ask_quick

if TYPE_CHECKING:
    import pandas as pd

    from napari_visualccc.models.nn.fit import Moment, TrainingState
    from napari_visualccc.models.nn.unet import Architecture

_log = logging.getLogger(__name__)
# Learning rate of an encoder that knows something already, as a share of the rest's: it is adapted, not overwritten.
_KEEPING = 0.3
# What torch says where batch normalisation has nothing to average over.
_ONE_VALUE = "more than 1 value per channel"


@dataclass(frozen=True)
class TrainResult(Result):
    """A trained model and how it came about.

    Attributes
    ----------
    model
        Best on the data held out (the last if nothing was).
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
        """What to know of how it came about: whether it ended before its steps were taken, and why."""
        if self.broke_off:
            return (f"the training broke off, this is the best model so far: {self.broke_off}",)
        steps = self.provenance.parameters.get("steps", 0)
        if self.stopped or self.steps >= steps:
            return ()
        return (
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
        with the same classes and network, the training goes on from it. Remove it once the model is saved.
    state
        Of an earlier training of the same network, to go on from; if phases were added or taken away since, only the
        last layer begins anew.
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
        If network and options do not go together, memory ran out, or the training diverged.
    OutputError
        If the checkpoint cannot be written, unless it is for a full disk: that is told in the log.

    Notes
    -----
    AdamW with warm-up and cosine decay over the time budget (over the steps, if a number of them is asked for: the
    time then is but a limit), loss on labelled pixels only, moving average of the weights, best on the data held out.

    References
    ----------
    .. [1] Ronneberger et al., U-Net, doi 10.1007/978-3-319-24574-4_28.
    """
    from napari_visualccc.models.nn.fit import fit
    from napari_visualccc.models.nn.precision import fastest_precision
    from napari_visualccc.models.nn.schedule import Schedule
    from napari_visualccc.segment.learning import Keeper, SegmentationTask, going_on, read_checkpoint

    options = options or TrainOptions()
    progress = silent(progress)
    watch_time = Stopwatch()
    device = choose_device(device)
    classes = len(dataset.classes)
    progress(0.0, "reading the images")
    size = common_pixel_size(dataset.items)
    learnt, measured, about = planes_of(dataset, validation, size, options, progress.part(0, 0.02))
    if not learnt:
        raise InputError("there is nothing to learn from: no labelled pixel has a finite value")
    progress(0.02, "asking a quick model")
    hints = ask_quick(
        learnt, classes, fill=options.fill, shares=options.shares, seed=options.seed, progress=progress.quiet()
    )
    progress(0.02, f"preparing the network on {device}")
    symmetry = symmetry_of([plane.image for plane in hints.planes]) if options.symmetry == AUTO else options.symmetry
    architecture = architecture_of(options, classes, [plane.image for plane in hints.planes], state, checkpoint)
    model, knows_much = _new_model(dataset, options, architecture, size, symmetry, progress.part(0.02, 0.03))
    patch = patch_of(options, hints.planes, model.network.multiple)
    task = SegmentationTask(
        hints.planes, measured, classes, options, symmetry, patch, device, finish=partial(_expecting, hints=hints)
    )
    if checkpoint is not None and state is None:
        state = read_checkpoint(checkpoint, model.card)
        if state is not None and (state.step >= options.steps > 0 or state.seconds >= 60 * options.max_minutes):
            _log.warning("%s is of a training that has ended: nothing more is learnt, only measured", checkpoint)
    if state is not None:
        state = going_on(state, model.network)
    schedule = Schedule(
        seconds=options.max_minutes * 60, steps=options.steps, learning_rate=options.learning_rate, average=0.99,
        encoder_rate=_KEEPING if knows_much else 1.0,
    )  # fmt: skip
    stopped: list[bool] = []

    def stop() -> bool:
        if should_stop is not None and should_stop():
            stopped.append(True)
        return bool(stopped)

    if preview is not None:
        task.preview = lambda network: preview(replace(model, network=network))
    with _in_words(patch):
        final = fit(
            model.network, task, schedule, fastest_precision(device), device=str(device), state=state,
            keep=Keeper(checkpoint, model.card) if checkpoint is not None else None, watch=watch, should_stop=stop,
            progress=progress.part(0.03, 0.98),
        )  # fmt: skip
    model = replace(model, network=_expecting(model.network, hints=hints))
    matrix = task.matrix(model.network)
    metrics = {} if matrix is None else metrics_of(matrix, dataset.classes) | about
    record = record_of(dataset, options, final, device, watch_time.seconds, arguments, bool(stopped))
    card = replace(model.card, training=record["training"], metrics=metrics)
    progress(1.0)
    result = TrainResult(
        record["provenance"], replace(model, card=card), metrics, history_of(final), final, final.step, bool(stopped)
    )
    for note in result.notes:
        _log.warning(note)
    return result


@contextmanager
def _in_words(patch: tuple[int, int]) -> Iterator[None]:
    """Say in words what can be mended when learning from patches (their edge, how many of them per step) fails."""
    from napari_visualccc.models.nn.fit import Diverged
    from napari_visualccc.models.nn.segmenter import is_out_of_memory

    edge, batch = patch
    try:
        yield
    except Diverged as error:
        raise OptionError(f"training went astray ({error}): choose a smaller learning rate") from error
    except (MemoryError, RuntimeError, ValueError) as error:
        if is_out_of_memory(error):
            raise OptionError(
                f"the training does not fit into memory: make the patches ({edge} pixels) smaller, or take fewer of "
                f"them per step ({batch})"
            ) from error
        if _ONE_VALUE in str(error):
            raise OptionError(
                f"this network cannot learn from {batch} patch of {edge} pixels per step: take more patches per step"
            ) from error
        raise


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
) -> tuple[SegmentationModel, bool]:
    """Network to begin with, and whether its encoder was filled with weights that know something."""
    import torch

    from napari_visualccc.models.nn.encoders import RANDOM, begin
    from napari_visualccc.models.nn.unet import build

    torch.manual_seed(options.seed)
    card = ModelCard("segment", architecture.as_dict(), dataset.classes, size, GreyScale.METHOD, symmetry)
    network = build(architecture)
    begun = begin(network, options.encoder, options.weights, progress)
    return SegmentationModel(network, card), begun != RANDOM


def record_of(
    dataset: Dataset,
    options: TrainOptions,
    state: TrainingState,
    device: str,
    seconds: float,
    arguments: Sequence[str] | None,
    stopped: bool,
) -> dict[str, Any]:
    """Record of a training: ``"provenance"``, and ``"training"`` for the card."""
    data = [{"name": item.name, "hash": fingerprint(item.image), "labels": fingerprint(item.labels)}
            for item in dataset.items]  # fmt: skip
    names = ", ".join(one["name"] for one in data[:3]) + (f" and {len(data) - 3} more" if len(data) > 3 else "")
    command = shlex.join(["visualccc", "segment", "train", *(arguments or ()), *to_arguments(options)])
    provenance = Provenance(
        "segment train", options.as_dict(), names, data[0]["hash"], command, options.seed, None, seconds
    )
    training = {
        "options": options.as_dict(), "data": data, "steps": state.step, "best_step": state.best_step,
        "seconds": round(state.seconds, 1), "device": str(device), "seed": options.seed, "stopped": stopped,
        "command": command,
    }  # fmt: skip
    return {"provenance": provenance, "training": training}


def history_of(state: TrainingState) -> pd.DataFrame:
    """One row per validation."""
    import pandas as pd

    return pd.DataFrame(state.history)
