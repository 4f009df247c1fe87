"""The one training loop: warm-up and cosine over time or steps, averaged weights, the best model kept, resumable."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import torch
from torch import nn

from napari_visualccc.core.progress import Progress, silent
from napari_visualccc.models.nn.chance import repeatable
from napari_visualccc.models.nn.memory import kept_memory
from napari_visualccc.models.nn.moments import moments_of, put_back
from napari_visualccc.models.nn.precision import Precision
from napari_visualccc.models.nn.schedule import Schedule, groups

Tensors = dict[str, torch.Tensor]
# Share of the schedule after which a model is no longer young.
_GROWN_UP = 0.5
_BEST = "best."


class Task(Protocol):
    """What is learnt: batches, a loss, and how good a network is."""

    def batch(self, step: int, done: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Inputs and targets of a step, when the share `done` of the schedule is over."""

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor, done: float) -> torch.Tensor:
        """A number to make small."""

    def validate(self, network: nn.Module) -> Mapping[str, float]:
        """Scores on data held out; ``"score"`` decides which model is kept (higher is better)."""

    def words(self, scores: Mapping[str, float]) -> str:
        """What to tell people of scores, in the field's words; empty if they say nothing."""


@dataclass(frozen=True)
class Moment:
    """What is known at a step: loss always, scores after a validation, and whether no other comes."""

    step: int
    seconds: float
    done: float
    loss: float
    scores: Mapping[str, float] = field(default_factory=dict)
    is_last: bool = False


@dataclass
class TrainingState:
    """All that training needs to go on: plain tensors and numbers, no code.

    Attributes
    ----------
    tensors
        ``network.*``, ``average.*``, ``best.*`` and AdamW's ``moment1.*``, ``moment2.*``; or only ``best.*``, from
        which a new schedule begins.
    step, seconds
        How far it has come.
    best_step, scores
        When the best model was seen, and its scores.
    history
        Step, seconds, loss and scores of each validation; step 0 is the model gone on from, which has no loss.
    earlier
        Record of the trainings before this one, if it goes on from their model; see `renewed`.
    about
        What is recorded of this one, with those before it, and known from its beginning, such as its data.
    """

    tensors: Tensors = field(default_factory=dict)
    step: int = 0
    seconds: float = 0.0
    best_step: int = -1
    scores: dict[str, float] = field(default_factory=dict)
    history: list[dict[str, float]] = field(default_factory=list)
    earlier: dict[str, Any] = field(default_factory=dict)
    about: dict[str, Any] = field(default_factory=dict)

    def renewed(self, earlier: Mapping[str, Any] | None = None) -> TrainingState:
        """What a training with a schedule of its own begins with that goes on from the best model of this one.

        No moments: AdamW would divide them as young ones, and learn too slowly for hundreds of steps.

        Parameters
        ----------
        earlier
            Record of this training, as in the model's card.
        """
        best = {name: value for name, value in self.tensors.items() if name.startswith(_BEST)}
        return TrainingState(best, earlier=dict(earlier or {}))


class Diverged(RuntimeError):  # noqa: N818
    """The loss is not a number any more."""


def fit(
    network: nn.Module,
    task: Task,
    schedule: Schedule,
    precision: Precision,
    *,
    device: str = "cpu",
    state: TrainingState | None = None,
    keep: Callable[[TrainingState], None] | None = None,
    watch: Callable[[Moment], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    progress: Progress | None = None,
) -> TrainingState:
    """Train `network`; on return it holds the averaged weights to be kept, and the state all that is needed to go on.

    Parameters
    ----------
    network
        Trained in place.
    task
        What to learn.
    schedule
        How long.
    precision
        Number format of the forward and backward pass (weights and sums stay float32).
    state
        Of an earlier training, to go on from.
    keep
        Given the state after each validation, to write it to a file.
    watch
        Given the loss after every step and the scores after each validation.
    should_stop
        Asked after every step; True ends training early with what is best so far.
    progress
        Reports; cancelling raises `Cancelled` (what `keep` was given stays good).

    Raises
    ------
    Cancelled
        From `progress`.
    Diverged
        If the loss becomes NaN or infinite.
    """
    progress = silent(progress)
    trainer = _Trainer(network, task, schedule, precision, device, state)
    try:
        with kept_memory():
            _run(trainer, schedule, progress, keep, watch, should_stop or (lambda: False))
        trainer.snapshot()
    finally:
        trainer.restore_best()
    return trainer.state


def _run(
    trainer: _Trainer,
    schedule: Schedule,
    progress: Progress,
    keep: Callable[[TrainingState], None] | None,
    watch: Callable[[Moment], None] | None,
    should_stop: Callable[[], bool],
) -> None:
    state = trainer.state
    start = time.perf_counter() - state.seconds
    if trainer.has_earlier:
        trainer.check()  # no worse one may replace it
    checked = trainer.done()
    while not trainer.is_over():
        loss = trainer.step(trainer.done())
        state.seconds = time.perf_counter() - start
        done = trainer.done()
        stop = should_stop() or trainer.is_over()
        scores: Mapping[str, float] = {}
        # The first look comes early, so that there is a model to keep and a picture to show.
        if stop or done - checked >= 1 / schedule.checks or (state.best_step < 0 and done >= 0.02):
            checked = done
            scores = trainer.check(loss)
            state.seconds = time.perf_counter() - start
            if keep is not None:
                keep(trainer.snapshot())
        if watch is not None:
            watch(Moment(state.step, state.seconds, done, loss, scores, stop))
        progress(min(done, 1.0), f"step {state.step}, loss {loss:.3f}{trainer.words()}")
        if stop:
            break


class _Trainer:
    """Weights, their average, the optimiser and the best so far."""

    def __init__(
        self,
        network: nn.Module,
        task: Task,
        schedule: Schedule,
        precision: Precision,
        device: str,
        state: TrainingState | None,
    ) -> None:
        self._network = network.to(device).to(memory_format=precision.layout)
        # The one given stays as it is, also if this training is cancelled.
        self.state = TrainingState() if state is None else replace(state, history=list(state.history))
        self._task, self._schedule, self._precision, self._device = task, schedule, precision, device
        self._optimiser = torch.optim.AdamW(groups(network, schedule), lr=0.0, fused=device != "mps")
        self._average: Tensors = {name: value.detach().clone() for name, value in network.state_dict().items()}
        self._best: Tensors = {}
        if self.state.tensors:
            self._load(self.state.tensors)

    def done(self) -> float:
        """Share of the schedule that is over: of its steps if it has a number of them, else of its time.

        Were it the larger of the two, a slow first step would change what is learnt from the steps after it.
        """
        return self._share(self.state.step, self.state.seconds)

    def _share(self, step: float, seconds: float) -> float:
        if self._schedule.steps:
            return step / self._schedule.steps
        return seconds / self._schedule.seconds if math.isfinite(self._schedule.seconds) else 0.0

    @property
    def has_earlier(self) -> bool:
        """True before the first look at a training that goes on from a model."""
        return bool(self._best) and self.state.best_step < 0

    def is_over(self) -> bool:
        """True at the end of the schedule, and when the time is up even if there are steps left."""
        return self.done() >= 1 or self.state.seconds >= self._schedule.seconds

    def step(self, done: float) -> float:
        # Not the same batches again that the trainings before had.
        number = self.state.step + int(self.state.earlier.get("steps", 0))
        images, targets = self._task.batch(number, done)
        self._network.train()
        for group in self._optimiser.param_groups:
            group["lr"] = self._schedule.rate(done) * group["share"]
        self._optimiser.zero_grad(set_to_none=True)
        half = self._precision.dtype != torch.float32
        with repeatable(number, self._device), torch.autocast(self._device, self._precision.dtype, enabled=half):
            outputs = self._network(images.contiguous(memory_format=self._precision.layout))
        loss = self._task.loss(outputs, targets, done)
        loss.backward()
        nn.utils.clip_grad_norm_(self._network.parameters(), 5.0)
        value = float(loss.detach())
        if not math.isfinite(value):
            raise Diverged(f"the loss became {value} at step {self.state.step}")
        self._optimiser.step()
        self.state.step += 1
        self._update_average()
        return value

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def _update_average(self) -> None:
        # A young average forgets faster.
        decay = min(self._schedule.average, (1 + self.state.step) / (10 + self.state.step))
        theirs = self._network.state_dict()
        floating = [name for name, value in theirs.items() if value.is_floating_point()]
        torch._foreach_lerp_([self._average[n] for n in floating], [theirs[n] for n in floating], 1 - decay)
        for name in theirs.keys() - set(floating):
            self._average[name].copy_(theirs[name])

    def check(self, loss: float | None = None) -> dict[str, float]:
        """Validate the averaged weights; remember them if they are to be kept."""
        own = {name: value.detach().clone() for name, value in self._network.state_dict().items()}
        self._network.load_state_dict(self._average)
        self._network.eval()
        try:
            scores = dict(self._task.validate(self._network))
        finally:
            self._network.load_state_dict(own)
        state = self.state
        if state.best_step < 0 or self._schedule.kept == "last" or self._is_best(scores["score"]):
            self._best = {name: value.clone() for name, value in self._average.items()}
            state.best_step, state.scores = state.step, scores
        known = {} if loss is None else {"loss": loss}
        state.history.append({"step": state.step, "seconds": state.seconds, **known, **scores})
        return scores

    def _is_best(self, score: float) -> bool:
        """True for a score as high as the best, or of the first grown-up model as high as that of the one gone on from.

        A model of the first half, made at a high learning rate, must not win by luck on few labels.
        """
        best = next(row for row in self.state.history if row["step"] == self.state.best_step)
        young = self._share(best["step"], best["seconds"]) < _GROWN_UP <= self.done()
        earlier = [row["score"] for row in self.state.history if row["step"] == 0]
        least = earlier if young else [self.state.scores["score"]]
        return not any(score < one for one in least)

    def words(self) -> str:
        """What is known of the model that would be kept now, as a part of a sentence."""
        known = self._task.words(self.state.scores) if self.state.scores else ""
        return known and f", kept so far: {known}"

    def restore_best(self) -> None:
        if self._best:
            self._network.load_state_dict(self._best)
        self._network.eval()

    def snapshot(self) -> TrainingState:
        """State with copies of all tensors, on the CPU."""
        sources = {"network": self._network.state_dict(), "average": self._average, "best": self._best}
        tensors = {f"{prefix}.{name}": value for prefix, source in sources.items() for name, value in source.items()}
        tensors |= moments_of(self._network, self._optimiser)
        self.state.tensors = {n: value.detach().to("cpu", copy=True).contiguous() for n, value in tensors.items()}
        return self.state

    def _load(self, tensors: Tensors) -> None:
        def part(prefix: str) -> Tensors:
            found = {n.removeprefix(prefix): v for n, v in tensors.items() if n.startswith(prefix)}
            # Copies: the average is changed in place, and the state given stays as it is.
            return {name: value.to(self._device, copy=True) for name, value in found.items()}

        self._best = part(_BEST)
        self._average = part("average.") or part(_BEST)
        self._network.load_state_dict(part("network.") or self._best)
        put_back(self._network, self._optimiser, tensors, self.state.step)
