"""Axes of the learning curve."""

import pyqtgraph as pg

from napari_visualccc.widgets._training_plot import whole_steps


def test_steps_are_whole_numbers(qapp):
    axis = whole_steps()
    for last in (0.5, 1.0, 2.0, 9.0):
        levels = axis.tickSpacing(0.0, last, 200)
        assert levels
        assert all(spacing >= 1 for spacing, _ in levels), last
    assert axis.tickSpacing(0.0, 900.0, 200) == pg.AxisItem("bottom").tickSpacing(0.0, 900.0, 200)
