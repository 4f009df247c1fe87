"""What the Classify widget shows of a running fine-tuning: its curves, and how to end it with the best so far."""

from __future__ import annotations

from typing import Any

from qtpy.QtWidgets import QVBoxLayout, QWidget

from napari_visualccc.widgets._classify_words import TRAINING
from napari_visualccc.widgets._jobs import JobRunner
from napari_visualccc.widgets._layers import theme_colours
from napari_visualccc.widgets._parts import Fold, RunBar, button
from napari_visualccc.widgets._training_board import Board
from napari_visualccc.widgets._training_plot import TrainingPlot

# Curves are drawn by the GUI thread, on a core that the training could use.
_REDRAW_S = 0.5


class TuningView(QWidget):
    """Stop button and learning curve of a fine-tuning; hidden while there is none to see.

    Parameters
    ----------
    viewer
        napari viewer.
    runner, run_bar
        What trains, and what tells how far it is: they know of each other already.

    Attributes
    ----------
    board
        What the running training is told, and tells.
    """

    def __init__(self, viewer: Any, runner: JobRunner, run_bar: RunBar) -> None:
        super().__init__()
        self._viewer, self._runner, self._run_bar = viewer, runner, run_bar
        self.board = Board()
        self._drawn = 0.0  # seconds of the running job at which the curves were drawn
        self.stop_button = button("Stop and keep the best so far", "End the training now; the best model is kept")
        self.plot = TrainingPlot("balanced_accuracy", "accuracy", "balanced accuracy on the images held out")
        self.fold = Fold("Learning curve", self.plot)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.stop_button)
        layout.addWidget(self.fold)
        self.hide()
        self.stop_button.clicked.connect(self._stop)
        runner.progressed.connect(self._progressed)
        runner.finished.connect(self._finished)
        viewer.events.theme.connect(self._style)

    def begin(self, seconds: float, *, shown: bool) -> Board:
        """Board for another training of so many seconds; whether that has a curve to show."""
        self.board = Board(seconds)
        self._drawn = 0.0
        if shown:
            self._draw()
            self._style()
        self.stop_button.setEnabled(False)
        self.stop_button.show()
        self.fold.set_open(True)
        self.setVisible(shown)
        return self.board

    @property
    def is_training(self) -> bool:
        """True while a fine-tuning runs, which can be ended early."""
        return not self.isHidden() and not self.stop_button.isHidden()

    def _stop(self) -> None:
        self.board.stop = True
        self.stop_button.setEnabled(False)

    def _progressed(self, fraction: float, message: str, seconds_left: float | None) -> None:
        if self._runner.title != TRAINING or not self.board.moments:
            return
        if self.board.stop:
            self._run_bar.show_progress(fraction, f"stopping · {message}", None)
        # Not before the first step: there is nothing to keep.
        self.stop_button.setEnabled(not self.board.stop)
        if self._runner.seconds - self._drawn >= _REDRAW_S:
            self._drawn = self._runner.seconds
            self._draw()

    def _finished(self) -> None:
        """The training is over; one that was cancelled before its first step has no curve."""
        if self.stop_button.isHidden():
            return
        self.stop_button.hide()
        if self.board.moments:
            self._draw()
        else:
            self.hide()

    def _draw(self) -> None:
        self.plot.show_moments(list(self.board.moments))

    def _style(self, event: object = None) -> None:
        self.plot.set_colours(**theme_colours(self._viewer))
