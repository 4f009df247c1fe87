"""The training loop: it learns, stops, goes on where it was, and keeps the best."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.models.nn.fit import Diverged, Moment, TrainingState, fit
from napari_visualccc.models.nn.precision import PLAIN, Precision
from napari_visualccc.models.nn.schedule import Schedule


class Line:
    """Learn y = 3 x - 1; the score is minus the error."""

    def __init__(self, scores: list[float] | None = None, scale: float = 1.0) -> None:
        self._scores, self._scale = scores, scale
        self.validated = 0

    def batch(self, step: int, done: float) -> tuple[torch.Tensor, torch.Tensor]:
        x = torch.randn(32, 1, 1, 1, generator=torch.Generator().manual_seed(step))
        return x, self._scale * (3 * x - 1)

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor, done: float) -> torch.Tensor:
        return ((outputs - targets) ** 2).mean()

    def validate(self, network: nn.Module) -> dict[str, float]:
        self.validated += 1
        if self._scores is not None:
            return {"score": self._scores[min(self.validated, len(self._scores)) - 1]}
        x = torch.linspace(-1, 1, 9)[:, None, None, None]
        with torch.no_grad():
            return {"score": -float(self.loss(network(x), 3 * x - 1, 1.0))}

    def words(self, scores: dict[str, float]) -> str:
        return f"accuracy {scores['score']}" if self._scores is not None else ""


def line(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Conv2d(1, 1, 1)


def test_it_learns_and_keeps_the_averaged_weights():
    network = line()
    state = fit(network, Line(), Schedule(steps=300, learning_rate=0.1), PLAIN)
    assert network.weight.item() == pytest.approx(3, abs=0.05)
    assert network.bias.item() == pytest.approx(-1, abs=0.05)
    assert state.step == 300
    assert [row["step"] for row in state.history][-1] == 300


def test_the_same_seed_gives_the_same_weights():
    first, second = line(), line()
    fit(first, Line(), Schedule(steps=20), PLAIN)
    fit(second, Line(), Schedule(steps=20), PLAIN)
    assert torch.equal(first.weight, second.weight)


def deep(seed: int = 0) -> nn.Module:
    """Weights that lie in memory in another order in channels-last layout."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 3, padding=1))


def dropping(seed: int = 0) -> nn.Module:
    """Draws at random."""
    return nn.Sequential(deep(seed), nn.Dropout(0.5))


@pytest.mark.parametrize("make", [line, deep, dropping])
@pytest.mark.parametrize("precision", [PLAIN, Precision(torch.float32, channels_last=True)])
def test_going_on_equals_never_having_stopped(make, precision):
    """Half the steps, state through plain arrays, the other half: bit for bit the uninterrupted run."""
    schedule = Schedule(steps=40, learning_rate=0.05, checks=4)
    whole = fit(make(), Line(), schedule, precision).tensors

    kept: list[TrainingState] = []
    half = make()
    seen: list[int] = []

    def keep(state: TrainingState) -> None:
        kept.append(
            TrainingState(dict(state.tensors), state.step, state.seconds, state.best_step, dict(state.scores),
                          list(state.history))
        )  # fmt: skip

    def stop_at_20(moment: Moment) -> None:
        seen.append(moment.step)

    fit(half, Line(), schedule, precision, keep=keep, watch=stop_at_20, should_stop=lambda: len(seen) >= 19)
    assert kept[-1].step == 20
    before = len(kept[-1].history)
    state = fit(make(seed=5), Line(), schedule, precision, state=kept[-1])
    assert state.step == 40
    assert (kept[-1].step, len(kept[-1].history)) == (20, before)  # the one given stays as it was
    # Not the best: what is looked at when it is cut off would not have been.
    for name in whole.keys() - {one for one in whole if one.startswith("best.")}:
        torch.testing.assert_close(state.tensors[name], whole[name], rtol=0, atol=0)


def test_the_best_of_the_second_half_is_kept_not_the_last():
    """0.95, reached while the learning rate was high, is luck."""
    task = Line(scores=[0.95, 0.1, 0.9, 0.3])
    weights = []
    network = line()
    state = fit(
        network, task, Schedule(steps=40, checks=4), PLAIN,
        keep=lambda s: weights.append(s.tensors["average.weight"].item()),
    )  # fmt: skip
    assert state.scores["score"] == 0.9
    assert network.weight.item() == weights[2]


def test_the_last_is_kept_where_scores_do_not_tell():
    task, network = Line(scores=[0.95, 0.1, 0.9, 0.3]), line()
    state = fit(network, task, Schedule(steps=40, checks=4, kept="last"), PLAIN)
    assert (state.best_step, state.scores) == (40, {"score": 0.3})
    torch.testing.assert_close(network.weight, state.tensors["average.weight"], rtol=0, atol=0)


@pytest.mark.parametrize(("kept", "worth"), [("best", 0.95), ("last", 0.3)])
def test_the_task_says_what_scores_mean(kept, worth):
    """Of the model that would be kept: that is what a user gets who stops there."""
    said: list[str] = []
    progress = Progress(lambda done, words: said.append(words))
    fit(line(), Line(scores=[0.2, 0.95, 0.3]), Schedule(steps=40, checks=2, kept=kept), PLAIN, progress=progress)
    assert said[0].startswith("step 1, loss ")
    assert said[0].endswith(", kept so far: accuracy 0.2")
    assert said[-1].endswith(f", kept so far: accuracy {worth}")
    assert not any("score" in words for words in said)
    said.clear()
    fit(line(), Line(), Schedule(steps=4, checks=2), PLAIN, progress=progress)
    assert not any("so far" in words for words in said), "there is nothing to say of the scores"


def test_the_last_moment_is_known_as_such():
    seen: list[Moment] = []
    fit(line(), Line(), Schedule(steps=3), PLAIN, watch=seen.append)
    assert [moment.is_last for moment in seen] == [False, False, True]
    seen.clear()
    fit(line(), Line(), Schedule(steps=30), PLAIN, watch=seen.append, should_stop=lambda: len(seen) == 1)
    assert [moment.is_last for moment in seen] == [False, True]


def test_cancelling_leaves_the_best_so_far_in_the_network():
    calls = []

    def cancelled() -> bool:
        calls.append(1)
        return len(calls) > 30

    network = line()
    before = network.weight.item()
    with pytest.raises(Cancelled):
        fit(network, Line(), Schedule(steps=1000, checks=100), PLAIN, progress=Progress(is_cancelled=cancelled))
    assert network.weight.item() != before
    assert not network.training


def test_a_loss_that_is_not_a_number_stops_at_once():
    with pytest.raises(Diverged, match="step 0"):
        fit(line(), Line(scale=math.nan), Schedule(steps=10), PLAIN)


def test_time_budget_is_kept():
    state = fit(line(), Line(), Schedule(seconds=0.3, checks=3), PLAIN)
    assert 0.3 <= state.seconds < 2
    assert state.step > 3


def test_schedule_rises_and_falls():
    schedule = Schedule(learning_rate=1.0, warm_up=0.1)
    rates = [schedule.rate(done) for done in np.linspace(0, 1, 101)]
    assert rates[10] == pytest.approx(1.0)
    assert max(rates) == pytest.approx(1.0)
    assert rates[0] < 0.05
    assert rates[-1] == pytest.approx(0.005)
    assert all(b < a for a, b in zip(rates[10:], rates[11:], strict=False))


class Clock:
    """Time as a task lets it pass."""

    def __init__(self, monkeypatch) -> None:
        self.now = 0.0
        monkeypatch.setattr("napari_visualccc.models.nn.fit.time.perf_counter", lambda: self.now)


class Slow(Line):
    """Takes so many seconds for its first steps, then one each; remembers at which share of the schedule they were."""

    def __init__(self, clock: Clock, *seconds: float) -> None:
        super().__init__()
        self._clock, self._seconds = clock, dict(enumerate(seconds))
        self.shares: list[float] = []

    def batch(self, step: int, done: float) -> tuple[torch.Tensor, torch.Tensor]:
        self.shares.append(done)
        self._clock.now += self._seconds.get(step, 1.0)
        return super().batch(step, done)


def test_time_has_no_say_in_what_a_number_of_steps_learns(monkeypatch):
    found = []
    for first in (1, 70):
        network, task = line(), Slow(Clock(monkeypatch), first)
        state = fit(network, task, Schedule(seconds=100, steps=20), PLAIN)
        assert state.step == 20
        found.append((task.shares, [row["step"] for row in state.history], network.weight.item()))
    assert found[0] == found[1]
    assert found[0][0] == [step / 20 for step in range(20)]


def test_time_ends_a_training_that_has_steps_left(monkeypatch):
    state = fit(line(), Slow(Clock(monkeypatch), 1, 1, 1, 97), Schedule(seconds=100, steps=20), PLAIN)
    assert state.step == 4
    assert state.history[-1]["step"] == 4, "it is looked at before it ends"


def test_a_training_that_goes_on_from_a_model_learns_as_fast_as_one_that_begins_with_its_weights():
    schedule = Schedule(steps=30, learning_rate=0.05)
    first = fit(line(), Line(), schedule, PLAIN)
    before = {name: value.clone() for name, value in first.tensors.items()}
    fresh, on = line(), line()
    fresh.load_state_dict({name.removeprefix("best."): v for name, v in before.items() if name.startswith("best.")})
    fit(fresh, Line(), schedule, PLAIN)
    fit(on, Line(), schedule, PLAIN, state=first.renewed())
    assert torch.equal(on.weight, fresh.weight)
    assert all(torch.equal(before[name], value) for name, value in first.tensors.items()), "the one given is as it was"


def test_a_training_that_goes_on_from_a_model_sees_other_batches():
    seen = []

    class Counted(Line):
        def batch(self, step, done):
            seen.append(step)
            return super().batch(step, done)

    begun = fit(line(), Counted(), Schedule(steps=3), PLAIN)
    more = fit(line(), Counted(), Schedule(steps=2), PLAIN, state=begun.renewed({"steps": 3}))
    assert seen == [0, 1, 2, 3, 4]
    assert (more.step, more.earlier) == (2, {"steps": 3})


def test_a_worse_model_does_not_replace_the_one_gone_on_from():
    """Neither early, nor when the first half is over, nor at the end."""
    begun = fit(line(), Line(), Schedule(steps=4, checks=4), PLAIN)
    on = line()
    state = fit(
        on, Line(scores=[0.8, 0.1, 0.7, 0.5, 0.6]), Schedule(steps=40, checks=4), PLAIN, state=begun.renewed()
    )  # fmt: skip
    assert [row["step"] for row in state.history] == [0, 10, 20, 30, 40]
    assert (state.best_step, state.scores) == (0, {"score": 0.8})
    assert torch.equal(on.weight, begun.tensors["best.weight"])


@pytest.mark.parametrize(("scores", "best"), [([0.5, 0.9, 0.4, 0.3, 0.2], 10), ([0.5, 0.9, 0.6, 0.7, 0.4], 30)])
def test_a_young_model_that_is_better_than_the_one_gone_on_from_gives_way_to_a_grown_up_that_is_too(scores, best):
    begun = fit(line(), Line(), Schedule(steps=4), PLAIN)
    state = fit(line(), Line(scores=scores), Schedule(steps=40, checks=4), PLAIN, state=begun.renewed())
    assert state.best_step == best


@pytest.mark.parametrize("stop", [10, 20, 30])
def test_a_training_that_was_cut_off_still_knows_how_young_its_best_model_was(stop):
    begun = fit(line(), Line(), Schedule(steps=4), PLAIN)
    schedule, task, seen = Schedule(steps=40, checks=4), Line(scores=[0.5, 0.9, 0.4, 0.7, 0.45]), []
    half = fit(
        line(), task, schedule, PLAIN, state=begun.renewed(), watch=seen.append,
        should_stop=lambda: len(seen) >= stop - 1,
    )  # fmt: skip
    assert half.step == stop
    assert fit(line(), task, schedule, PLAIN, state=half).best_step == 30
