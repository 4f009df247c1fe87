"""What the viewer shows of a running training: its curves, and what it makes of the plane that the user looks at."""

from __future__ import annotations

import weakref
from typing import Any

from qtpy.QtCore import QObject

from napari_visualccc.widgets._chooser import SourceChooser
from napari_visualccc.widgets._layers import theme_colours
from napari_visualccc.widgets._parts import Fold
from napari_visualccc.widgets._segment_preview import show_preview
from napari_visualccc.widgets._source import current_plane, make_source
from napari_visualccc.widgets._strokes import StrokeLayers
from napari_visualccc.widgets._training_board import Board
from napari_visualccc.widgets._training_plot import TrainingPlot

# Curves are drawn by the GUI thread, on a core that the training could use.
_REDRAW_S = 0.5


class TrainingView(QObject):
    """Curves and live picture of a training.

    Attributes
    ----------
    board
        What the running training is told, and tells.
    fold
        Part of the dock with the curves; hidden before the first training.
    """

    def __init__(self, viewer: Any, chooser: SourceChooser) -> None:
        super().__init__(chooser)
        self._viewer, self._chooser = viewer, chooser
        self.board = Board()
        self._drawn = 0.0  # seconds of the running job at which the curves were drawn
        self.plot = TrainingPlot()
        self.fold = Fold("Learning curve", self.plot)
        self.fold.hide()
        viewer.events.theme.connect(self._style)

    def begin(self, seconds: float) -> Board:
        """Board for another training, which takes no longer than this."""
        self.board = Board(seconds)
        self.look()
        self.fold.show()
        self.fold.set_open(True)
        self._style()
        return self.board

    def look(self) -> None:
        """Tell the training which plane the user looks at."""
        layer = self._chooser.layer
        if layer is not None and not self._chooser.problem:
            source = make_source(layer)
            plane = current_plane(layer, self._viewer)
            self.board.look_at(source.planes, plane, source.pixel_size, weakref.ref(layer))

    def draw(self, seconds: float, strokes: StrokeLayers, colours: Any) -> None:
        """Show what is new at this time of the job."""
        if seconds - self._drawn >= _REDRAW_S or seconds < self._drawn:
            self._drawn = seconds
            self.plot.show_moments(list(self.board.moments))
        picture = self.board.take_picture()
        image = picture.of() if picture is not None else None
        if picture is not None and image is not None:
            below = strokes.of(image)
            show_preview(self._viewer, image, picture.plane, picture.labels, colours, below=below)

    def end(self) -> None:
        """The training is over; one that was cancelled before its first step has no curve."""
        if not self.board.moments:
            self.fold.hide()

    def _style(self, event: object = None) -> None:
        self.plot.set_colours(**theme_colours(self._viewer))
