"""How long a training goes on, as its moments tell; without Qt."""

import pytest

from napari_visualccc.models.nn.fit import Moment
from napari_visualccc.widgets._training_board import Board


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_time_left_goes_on_while_a_step_is_made():
    clock = Clock()
    board = Board(60, clock)
    assert board.seconds_left() is None
    board.tell(Moment(1, 21.0, 0.35, 0.5))
    assert board.seconds_left() == pytest.approx(39)
    clock.now += 15  # at 60 % of the time
    assert board.seconds_left() == pytest.approx(24)
    clock.now += 100
    assert board.seconds_left() == 0
    board.tell(Moment(2, 30.0, 0.5, 0.5))
    assert board.seconds_left() == pytest.approx(30)


def test_time_left_is_that_of_the_steps_if_they_end_first():
    clock = Clock()
    board = Board(600, clock)
    board.tell(Moment(10, 20.0, 0.5, 0.5))
    clock.now += 5
    assert board.seconds_left() == pytest.approx(15)


@pytest.mark.parametrize("done", [0.4, 1.0])
def test_after_the_last_step_nothing_is_said_of_time(done):
    """Also where training ended early, as no look was better: what is measured then may take a minute."""
    board = Board(60, Clock())
    board.tell(Moment(7, 60 * done, done, 0.5, is_last=True))
    assert board.seconds_left() is None
