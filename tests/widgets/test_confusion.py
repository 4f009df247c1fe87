"""What stands in the cells of a confusion matrix fits into them."""

import numpy as np
import pytest

from napari_visualccc.widgets._confusion import ConfusionTable

NAMES = ["network", "pearlite", "spheroidite", "spheroidite with widmanstätten"]
MATRIX = np.array([[133, 2, 12, 0], [0, 30, 0, 1], [7, 0, 101, 9], [0, 0, 0, 25]])


@pytest.mark.parametrize(
    ("counts", "words"), [(True, ["133\n90%", "133\n90%", "133"]), (False, ["90.5%", "90%", "90"])]
)
def test_cells_hold_as_much_as_their_width_allows(qtbot, counts, words):
    table = ConfusionTable("planes", counts=counts)
    qtbot.addWidget(table)
    table.resize(800, 400)
    table.show_matrix(MATRIX, NAMES)
    table.show()
    room = table.verticalHeader().width()
    for longest, text in zip(("100.0%", "100%", "133"), words, strict=True):
        cell = table.fontMetrics().horizontalAdvance(longest) + 9
        table.resize(room + 4 * cell + 4, table.height())
        assert table.item(0, 0).text() == text
        assert all(table.sizeHintForColumn(j) <= table.columnWidth(j) for j in range(4))
        assert table.item(0, 3).text() == "0"
    assert "133 of 147 planes (90.5%) of “network” were called “network”" in table.item(0, 0).toolTip()
    assert table.verticalScrollBar().maximum() == table.horizontalScrollBar().maximum() == 0


def test_matrices_of_any_size_follow_each_other(qtbot):
    table = ConfusionTable("pixels", counts=False)
    qtbot.addWidget(table)
    table.resize(320, 200)
    table.show()
    with qtbot.captureExceptions() as caught:
        for classes in (3, 20, 40, 2, 20):  # scroll bars come while the cells are made, and go
            table.show_matrix(np.eye(classes, dtype=np.int64), [f"phase {number}" for number in range(classes)])
            assert table.item(classes - 1, classes - 1).text().startswith("100")
    assert not caught
