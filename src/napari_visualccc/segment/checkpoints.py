"""Trainings kept on disk, and what a training begins with that goes on from another."""

from __future__ import annotations

import errno
import json
import logging
from dataclasses import replace
from itertools import chain, count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_visualccc.core.errors import ModelError, OptionError, OutputError
from napari_visualccc.models.architectures import LAST_LAYER
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.files import load_tensors, read_metadata, save_tensors
from napari_visualccc.segment.options import TrainOptions

if TYPE_CHECKING:
    from torch import nn

    from napari_visualccc.models.nn.fit import TrainingState
    from napari_visualccc.models.nn.unet import Architecture
    from napari_visualccc.segment.model import SegmentationModel

_log = logging.getLogger(__name__)
_KEY = "visualccc-training"
_FULL = (errno.ENOSPC, errno.EDQUOT)


def beginning(
    model: SegmentationModel,
    options: TrainOptions,
    state: TrainingState | None,
    checkpoint: str | Path | None,
    held_out: str,
) -> TrainingState | None:
    """State that the training of a model begins with: the one given, or that in the file if there is one that fits.

    None if it begins anew. `held_out` as for `going_on`.
    """
    if state is None and checkpoint is not None:
        state = read_checkpoint(checkpoint, model.card)
    if state is None:
        return None
    begun = going_on(state, model.network, held_out)
    if begun is not state and state.step > 0:
        _log.warning(
            "the training that was cut off had other phases, or was measured on other labels: a new one begins with "
            "its best model"
        )
    elif begun.step >= options.steps > 0 or begun.seconds >= 60 * options.max_minutes:
        _log.warning("the training gone on with has ended: nothing more is learnt, only measured")
    return begun


def going_on(state: TrainingState, network: nn.Module, held_out: str) -> TrainingState:
    """State of an earlier training if it fits; what was learnt is not lost if only phases or what is held out differ.

    Parameters
    ----------
    state
        Of the earlier training.
    network
        If only its last layer differs (phases were added or taken away), it is filled with all that was learnt but
        that layer, and begins a training of its own.
    held_out
        Recognises what is measured on, see `napari_visualccc.segment.holdout.held_out_hash`. A model gone on from that
        was measured on something else may have learnt from this: the network is filled with it, but not compared. Nor
        does a training that was cut off go on with its schedule then: the scores so far are of another measure.

    Returns
    -------
    TrainingState
        To go on from.

    Raises
    ------
    OptionError
        If it was a training of another network.
    """
    if not state.tensors:
        return state
    own = network.state_dict()
    learnt = {name.removeprefix("best."): value for name, value in state.tensors.items() if name.startswith("best.")}
    common = {name: value for name, value in learnt.items() if name in own and value.shape == own[name].shape}
    missing = [name for name in own if name not in common]
    left_over = learnt.keys() - own.keys()
    if state.step > 0:  # earlier versions did not keep it
        is_comparable = state.about.get("held_out_hash", held_out) == held_out
    else:
        is_comparable = not held_out or state.earlier.get("held_out_hash") == held_out
    if not missing and not left_over and is_comparable:
        return state
    if left_over or any(not name.startswith(LAST_LAYER) for name in missing):
        raise OptionError(
            "the training to continue was of another network: choose the encoder, decoder, field of view and lattice "
            "fringes that it had, or begin anew"
        )
    network.load_state_dict(common, strict=False)
    if missing:
        _log.info("the phases are not those of the earlier training: only the last layer begins anew")
    return replace(state.renewed(_so_far(state)), tensors={})


def _so_far(state: TrainingState) -> dict[str, Any]:
    """Record of a training that was cut off, with those before it."""
    if state.step == 0:
        return state.earlier
    steps, seconds = (state.earlier.get(name, 0) for name in ("steps", "seconds"))
    return state.earlier | state.about | {"steps": steps + state.step, "seconds": seconds + state.seconds}


def write_checkpoint(path: str | Path, state: TrainingState, card: ModelCard) -> None:
    """Keep the state of a training in a file.

    Raises
    ------
    OutputError
        If it cannot be written.
    """
    record = {
        "step": state.step, "seconds": state.seconds, "best_step": state.best_step, "scores": state.scores,
        "history": state.history, "earlier": state.earlier, "about": state.about, "values": _values(card),
        "architecture": dict(card.architecture),
    }  # fmt: skip
    save_tensors(path, {name: value.numpy() for name, value in state.tensors.items()}, {_KEY: json.dumps(record)})


class Keeper:
    """Keeps the state of a training in a file; a disk that fills up is told once, and does not end the training.

    Parameters
    ----------
    path
        File to write.
    card
        Of the model that is trained.
    """

    def __init__(self, path: str | Path, card: ModelCard) -> None:
        self._path, self._card = path, card
        self._has_kept = self._has_told = False

    def __call__(self, state: TrainingState) -> None:
        """Write the file.

        Raises
        ------
        OutputError
            If nothing can be written there for another reason than a full disk: better known now than at the end.
        """
        try:
            write_checkpoint(self._path, state, self._card)
            self._has_kept = True
        except OutputError as error:
            # The model itself is a fifth of the size: it may well fit.
            if not self._has_kept and getattr(error.__cause__, "errno", None) not in _FULL:
                raise
            if not self._has_told:
                _log.warning("%s: the training goes on, but if it is cut off now, what it learnt since is lost", error)
            self._has_told = True


def read_checkpoint(path: str | Path, card: ModelCard) -> TrainingState | None:
    """State of a training to go on from; None if there is none that fits: it is moved aside then, and that told."""
    path = Path(path)
    if not path.exists():
        return None
    try:
        return load_checkpoint(path, card)
    except ModelError as error:
        _log.warning("%s: starting anew; it is kept as %s", error, move_aside(path))
        return None


def load_checkpoint(path: str | Path, card: ModelCard) -> TrainingState:
    """State of a training to go on from.

    Raises
    ------
    ModelError
        If the file cannot be read, or is of a training with other classes or another network.
    """
    import torch

    from napari_visualccc.models.nn.fit import TrainingState
    from napari_visualccc.models.nn.unet import Architecture

    path = Path(path)
    try:
        record = json.loads(read_metadata(path)[_KEY])
        same = Architecture.from_dict(record["architecture"]) == Architecture.from_dict(card.architecture)
        if same and record["values"] == _values(card):
            tensors = {name: torch.from_numpy(np.array(value)) for name, value in load_tensors(path).items()}
            return TrainingState(
                tensors, record["step"], record["seconds"], record["best_step"], record["scores"], record["history"],
                record.get("earlier", {}), record.get("about", {}),
            )  # fmt: skip
    except (ModelError, OptionError, KeyError, ValueError) as error:
        raise ModelError(f"{path} cannot be read ({error})") from error
    raise ModelError(f"{path} is of a training with other classes or another network")


def move_aside(path: str | Path) -> Path:
    """Rename a checkpoint, so that another training does not write over it, nor over one renamed before."""
    path = Path(path)
    names = (path.with_name(f"{path.name}.old{number}") for number in chain([""], count(2)))
    return path.rename(next(name for name in names if not name.exists()))


def checkpoint_architecture(path: str | Path) -> Architecture | None:
    """The network of a training kept in a file, by this or an earlier version; None if it cannot be read."""
    from napari_visualccc.models.nn.unet import Architecture

    try:
        record = json.loads(read_metadata(Path(path))[_KEY]) if Path(path).exists() else {}
        return Architecture.from_dict(record["architecture"])
    except (ModelError, OptionError, KeyError, ValueError, TypeError):
        return None


def _values(card: ModelCard) -> list[int]:
    """Labels of the phases: names may change from one training to the next."""
    return [one.value for one in card.classes]
