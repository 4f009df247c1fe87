"""Training in another process, so that a viewer stays smooth and the training gets the whole machine.

A thread shares Python's lock with the viewer, whose every redraw then halts the training, and the other way round;
and glibc gives the memory of threads other than the first back to the system after each step. Both together made
training in the viewer half as fast as on the command line.
"""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_visualccc.core import errors
from napari_visualccc.core.progress import Cancelled, Progress, silent
from napari_visualccc.core.results import Stopwatch
from napari_visualccc.core.runtime import Device
from napari_visualccc.models.card import ModelCard
from napari_visualccc.segment import worker
from napari_visualccc.segment.annotations import Dataset
from napari_visualccc.segment.architecture import architecture_of
from napari_visualccc.segment.model import SegmentationModel
from napari_visualccc.segment.options import TrainOptions
from napari_visualccc.segment.record import history_of, record_of
from napari_visualccc.segment.training import TrainResult

if TYPE_CHECKING:
    from napari_visualccc.models.nn.fit import Moment, TrainingState

_log = logging.getLogger(__name__)
_LOOK_S = 0.05
# Threads that wait for each other must sleep, not spin: the viewer draws on the same cores. Spinning cost a training
# beside a busy program two and a half times the processor time; what comes out is the same.
_WAITING = {"OMP_WAIT_POLICY": "PASSIVE"}


def train_apart(
    dataset: Dataset,
    options: TrainOptions | None = None,
    *,
    device: Device | str = Device.AUTO,
    state: TrainingState | None = None,
    watch: Callable[[Moment], None] | None = None,
    look: Callable[[], worker.View | None] | None = None,
    show: Callable[[NDArray[Any]], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> TrainResult:
    """Train a network in a process of its own; otherwise as `train`.

    Parameters
    ----------
    dataset, options, device, state, watch, should_stop
        As for `train`.
    look
        Asked all the time: grey values of shape (Y, X) that the user looks at, alone or as a pair with their
        `PixelSize`, or None if that did not change.
    show
        Given the labels of these grey values after each validation; not if there can be none, as of an empty plane.
    progress
        Reports; cancelling ends the other process at once.

    Returns
    -------
    TrainResult

    Raises
    ------
    InputError, OptionError
        As from `train`; also if the system ended the process, as it does when memory runs out. Once there is a model,
        none of them is raised: the best so far is the result, which says in `TrainResult.broke_off` what happened.
    Cancelled
        From `progress`.
    """
    options, progress = options or TrainOptions(), silent(progress)
    stopwatch = Stopwatch()
    with TemporaryDirectory(prefix="visualccc-training-") as name:
        folder = Path(name)
        worker.describe(dataset, options, folder, device)
        if state is not None:
            _keep(state, dataset, options, folder)
        conversation = _Conversation(folder, watch, show, progress)
        before = _written(folder / worker.STATE)
        broke_off = ""
        try:
            for _ in conversation.go_on():
                if look is not None:
                    conversation.hand_over(look)
                if should_stop is not None and should_stop():
                    (folder / worker.STOP).touch()
                progress.check()
            done = conversation.done
        except Exception as error:
            if isinstance(error, Cancelled) or _written(folder / worker.STATE) == before:
                raise
            done = _best_so_far(folder, progress, error)
            words = str(error).strip() or type(error).__name__
            broke_off = words.splitlines()[-1]  # of a traceback the last line says it
        result = _result(dataset, options, folder, done, stopwatch.seconds)
        return replace(result, broke_off=broke_off)


def _written(path: Path) -> int | None:
    """When a file was written; None if it is not there."""
    return path.stat().st_mtime_ns if path.exists() else None


def _best_so_far(folder: Path, progress: Progress, error: Exception) -> dict[str, Any]:
    """Let another process make a model of the state that a training left when it broke off with an error."""
    _log.warning("the training broke off; the best model so far is kept: %s", error)
    conversation = _Conversation(folder, None, None, progress.quiet())
    try:
        worker.end_at_once(folder)
        for _ in conversation.go_on():
            progress.check()
    except Cancelled:
        raise
    except Exception as second:
        raise error from second
    return conversation.done | {"stopped": True}


class _Conversation:
    """The other process, and what it reports."""

    def __init__(
        self,
        folder: Path,
        watch: Callable[[Moment], None] | None,
        show: Callable[[NDArray[Any]], None] | None,
        progress: Progress,
    ) -> None:
        self._folder, self._watch, self._show, self._progress = folder, watch, show, progress
        self._read = self._views = 0
        self.done: dict[str, Any] = {}

    def go_on(self) -> Iterator[None]:
        """Start the process; yield a few times per second until it is over."""
        command = [sys.executable, "-m", worker.__name__, str(self._folder), str(os.getpid())]
        self._progress(0.0, "starting")
        with (self._folder / "errors.txt").open("wb") as file:
            process = subprocess.Popen(
                command, env=_WAITING | dict(os.environ), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                stderr=file,
            )  # fmt: skip
            try:
                while process.poll() is None:
                    self._listen()
                    yield
                    time.sleep(_LOOK_S)
            finally:
                process.kill()
                process.wait()
        self._listen()
        if not self.done:
            raise _lost(process.returncode, (self._folder / "errors.txt").read_text(errors="replace"))

    def hand_over(self, look: Callable[[], worker.View | None]) -> None:
        """Tell what the user looks at; a plane that cannot be read or written does not end a training."""
        try:
            view = look()
            if view is not None:
                self._views += 1
                worker.save_view(self._folder, view, self._views)
        except Exception as error:  # noqa: BLE001 - reading a plane may fail in any way
            _log.warning("the plane that is looked at cannot be handed over: %s", error)

    def _listen(self) -> None:
        path = self._folder / worker.REPORT
        if not path.exists():
            return
        with path.open("rb") as file:
            file.seek(self._read)
            news = file.read()
        whole = news[: news.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            self._take(json.loads(line))

    def _take(self, entry: dict[str, Any]) -> None:
        from napari_visualccc.models.nn.fit import Moment

        if "progress" in entry:
            self._progress(*entry["progress"])
        elif "moment" in entry and self._watch is not None:
            self._watch(Moment(*entry["moment"]))
        elif "picture" in entry and self._show is not None:
            if entry["picture"] == self._views:  # not of what was looked at before
                self._show(np.load(self._folder / worker.PICTURE))
        elif "done" in entry:
            self.done = entry["done"]
        elif "error" in entry:
            kind, words = entry["error"]
            raise getattr(errors, kind)(words)
        elif "crash" in entry:
            raise RuntimeError(f"the training failed:\n{entry['crash']}")


def _lost(code: int, words: str) -> Exception:
    """What to raise when the process ended without a word of its own."""
    if code < 0 or code == 137:  # noqa: PLR2004 - killed, as shells number it
        return errors.OptionError(
            "the system ended the training, most likely because memory ran out: choose smaller patches (More options)"
        )
    return RuntimeError(f"the training process ended with code {code}:\n{words[-2000:]}")


def _keep(state: TrainingState, dataset: Dataset, options: TrainOptions, folder: Path) -> None:
    """Write the state of an earlier training for the other process."""
    from napari_visualccc.segment.checkpoints import write_checkpoint

    architecture = architecture_of(options, len(dataset.classes), (), state)
    write_checkpoint(folder / worker.STATE, state, ModelCard("segment", architecture.as_dict(), dataset.classes))


def _result(dataset: Dataset, options: TrainOptions, folder: Path, done: dict[str, Any], seconds: float) -> TrainResult:
    from napari_visualccc.models.nn.fit import TrainingState
    from napari_visualccc.segment.checkpoints import load_checkpoint

    model = SegmentationModel.load(folder / worker.MODEL)
    told = TrainingState({}, done["step"], done["seconds"], done["best_step"], {}, done["history"], done["earlier"])
    try:
        state = load_checkpoint(folder / worker.STATE, model.card)
    except errors.ModelError as error:
        _log.debug("%s", error)
        state = TrainingState()
    if not state.tensors or state.step != told.step:  # the disk was full
        _log.warning("the training can be used, but not continued: its state could not be kept")
        state = TrainingState()
    # The record names the images as they are here, not the planes that were handed over.
    record = record_of(dataset, options, told, done["device"], seconds, None, done["stopped"])
    card = replace(model.card, training={**model.card.training, **record["training"]})
    return TrainResult(
        record["provenance"], replace(model, card=card, hash=""), dict(card.metrics), history_of(told), state,
        told.step, done["stopped"],
    )  # fmt: skip
