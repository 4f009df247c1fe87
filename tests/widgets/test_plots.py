import pandas as pd
import pytest

from napari_visualccc.widgets._measure_plots import ProfilePlot


@pytest.fixture
def plot(qtbot):
    widget = ProfilePlot()
    qtbot.addWidget(widget)
    widget.show()
    return widget


def test_small_numbers_keep_their_unit_when_drawn_again(plot, qtbot):
    """pyqtgraph would write 500 for 0.5 and leave the label as it is."""
    columns = {"plane": 0, "layer": 1, "position_nm": [0.0, 200.0, 500.0], "thickness_nm": [50.0, 60.0, 55.0]}
    for _ in range(2):
        plot.show_profile(pd.DataFrame(columns), "nm", "µm", 1e-3)
        qtbot.wait(20)
    axes = [plot._view.getPlotItem().getAxis(side) for side in ("left", "bottom")]
    assert [axis.autoSIPrefixScale for axis in axes] == [1, 1]
