"""Labels that are there already as strokes: what their values mean, and the menu in a real viewer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.progress import Progress
from napari_visualccc.segment.strokes import Strokes
from napari_visualccc.widgets._labels_taken import Labels, fitted, run_take

PHASES = {1: "phase 1", 2: "phase 2"}


@pytest.fixture(autouse=True)
def own_folder(monkeypatch, tmp_path):
    """Strokes are kept in a folder of the test."""
    monkeypatch.setattr("napari_visualccc.segment.strokes.strokes_folder", lambda: tmp_path / "strokes")


def taken(values, names=None, phases=PHASES):
    strokes = run_take(Labels(np.array([values]), names or {}, "mask"), phases, Progress())
    return strokes.labels[0].tolist(), dict(strokes.names)


@pytest.mark.parametrize(
    ("values", "painted", "names"),
    [
        ([1, 2, 2], [1, 2, 2], {1: "phase 1", 2: "phase 2"}),
        ([0, 1, 2], [0, 1, 2], {1: "phase 1", 2: "phase 2"}),  # 0 is not painted
        ([0, 255, 255], [1, 2, 2], {1: "phase 1", 2: "phase 2"}),  # a mask
        ([0, 1, -1], [1, 2, 0], {1: "phase 1", 2: "phase 2"}),
        ([3, 7, 0], [3, 7, 0], {3: "phase 3", 7: "phase 7"}),
        ([100, 200, 0], [1, 2, 0], {1: "phase 1", 2: "phase 2"}),
    ],
)
def test_values_without_names(values, painted, names):
    assert taken(values) == (painted, names)


def test_values_with_names_are_matched_in_any_case_and_others_mean_nothing():
    found = taken([0, 1, 2, 9], {0: "Matrix", 1: "pore", 2: "phase 1"}, {1: "matrix", 2: "film"})
    assert found == ([1, 2, 3, 0], {1: "matrix", 2: "pore", 3: "phase 1"})
    strokes = run_take(Labels(np.array([[0, 1]]), {0: "Film", 1: "pore"}, "mask"), {1: "matrix", 2: "film"}, Progress())
    strokes = fitted(strokes, {1: "matrix", 2: "film"}, in_use=False)
    assert (strokes.labels.tolist(), strokes.names) == ([[2, 3]], {1: "matrix", 2: "film", 3: "pore"})


def test_phases_of_labels_replace_those_that_nobody_uses():
    strokes = Strokes(np.array([[1, 2]], np.uint8), {1: "matrix", 2: "film"})
    assert fitted(strokes, PHASES, in_use=False) is strokes
    assert fitted(strokes, PHASES, in_use=True).labels.tolist() == [[3, 4]]


@pytest.mark.parametrize(("values", "why"), [([-1], "empty"), (range(200), "numbered objects")])
def test_what_teaches_nothing_is_refused(values, why):
    with pytest.raises(InputError, match=why):
        taken(values)


def test_in_the_viewer(make_napari_viewer, qtbot):
    viewer = make_napari_viewer(show=True)
    image = viewer.add_image(np.random.default_rng(0).normal(size=(2, 40, 60)), name="scan", scale=(1, 2, 2))
    mask = np.ones((2, 40, 60), np.uint8)
    mask[:, 10:20] = 2
    viewer.add_labels(mask[0, :20], name="other shape")
    labels = viewer.add_labels(mask, name="mask", scale=(1, 2, 2))
    labels.features = pd.DataFrame({"index": [1, 2], "class": ["matrix", "film"]})
    _, widget = viewer.window.add_plugin_dock_widget("napari-visualccc", "Segment")
    widget.chooser.choose(image)
    viewer.dims.set_current_step(0, 1)
    widget.labels_menu.choices.aboutToShow.emit()
    (action,) = widget.labels_menu.choices.actions()
    assert action.text() == "mask"
    action.trigger()
    qtbot.waitUntil(lambda: widget._ready, timeout=30_000)
    strokes = widget.strokes.of(image)
    np.testing.assert_array_equal(strokes.data, np.stack([np.zeros_like(mask[1]), mask[1]]))
    assert widget.phases.names == {1: "matrix", 2: "film"}
    assert "“mask” is painted" in widget.hint.text()
    assert widget.run_bar.button.isEnabled()
    # Corrected by hand, and taken again: the later word counts.
    labels.data[:, 30:35] = 2
    widget.chooser.stack_button.setChecked(True)
    widget.labels.take(labels)
    qtbot.waitUntil(lambda: bool((strokes.data == labels.data).all()), timeout=30_000)
    assert widget.phases.names == {1: "matrix", 2: "film"}
    viewer.layers.remove(labels)
    widget.labels_menu.choices.aboutToShow.emit()
    assert [one.isEnabled() for one in widget.labels_menu.choices.actions()] == [False]
    qtbot.waitUntil(lambda: not widget.strokes._keeper.is_running, timeout=30_000)
    widget._preparer.wait(60)
