"""Labels compared with labels in a real viewer: two annotators, with and without names."""

import json

import dask.array as da
import numpy as np
import pandas as pd
import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_visualccc.core.errors import InputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Progress
from napari_visualccc.widgets import MeasureWidget
from napari_visualccc.widgets._comparison import ComparePart
from napari_visualccc.widgets._comparison_jobs import Named, run_agree, save_scores

NM = PixelSize(2, 2, "nm")


def bands(edge=20):
    labels = np.ones((40, 60), np.uint8)
    labels[edge:] = 2
    return labels


def features(*names):
    return pd.DataFrame({"index": range(1, len(names) + 1), "class": names})


def agree(true, called, **keywords):
    found = run_agree(true, called, NM, 2.0, Progress(), **keywords)
    return found.evaluation.metrics["iou"], found.matched


def test_labels_without_names_are_matched_by_value():
    iou, matched = agree(Named(bands(20), {}), Named(bands(24), {1: "film", 2: "cap"}))
    assert iou == pytest.approx({"film": 20 / 24, "cap": 16 / 20})
    assert matched == "matched by value"
    iou, _ = agree(Named(bands() * 2, {}), Named(bands() * 2, {}))
    assert iou == {"label 2": 1, "label 4": 1}


def test_zero_means_nothing_unless_it_is_called_something_or_the_other_phase():
    true, called = bands() - 1, bands(24) - 1
    expected = {"label 0": 20 / 24, "label 1": 16 / 20}
    assert agree(Named(true, {}), Named(called, {})) == (pytest.approx(expected), "matched by value")
    iou, _ = agree(Named(true, {0: "film", 1: "cap"}), Named(called, {}))
    assert iou == pytest.approx({"film": 20 / 24, "cap": 16 / 20})
    strokes = np.where(np.arange(60) < 30, bands(), 0)
    iou, matched = agree(Named(bands(), {}), Named(strokes, {}))
    assert (iou, matched) == ({"label 1": 1, "label 2": 1}, "matched by value, without 0")
    never = np.where(np.arange(60) < 30, bands().astype(int), -1)
    assert agree(Named(bands(), {}), Named(never, {}))[0] == {"label 1": 1, "label 2": 1}


def test_outlines_are_met_within_the_tolerance():
    pair = Named(bands(20), {}), Named(bands(23), {})
    near, far = (run_agree(*pair, NM, pixels, Progress()).evaluation for pixels in (2.0, 4.0))
    assert (near.tolerance, far.tolerance, far.unit) == (4, 8, "nm")
    assert far.boundary.tolist() == [1, 1]
    assert (near.boundary < 0.6).all()


def test_scores_are_saved_under_the_name_asked_for_and_unknown_ones_are_null(tmp_path):
    true, called = Named(bands(), {1: "film", 2: "cap", 3: "pore"}), Named(bands(24), {1: "film", 2: "cap", 3: "pore"})
    written = save_scores(run_agree(true, called, NM, 2.0, Progress()), str(tmp_path / "film 1.5 nm"))
    names = ["film 1.5 nm.csv", "film 1.5 nm_confusion.csv", "film 1.5 nm.json"]
    assert [one.name for one in written] == names
    text = written[2].read_text(encoding="utf-8")
    assert "NaN" not in text
    assert json.loads(text)["iou"] == {"film": pytest.approx(20 / 24), "cap": pytest.approx(16 / 20), "pore": None}


def test_scores_replace_files_after_a_question_only(qtbot, tmp_path, monkeypatch):
    part = ComparePart("")
    qtbot.addWidget(part)
    (tmp_path / "run_confusion.csv").touch()
    written = []
    monkeypatch.setattr(part, "save", written.append)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "run.csv"), ""))
    for answer in (QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes):
        monkeypatch.setattr(QMessageBox, "question", lambda *_, answer=answer: answer)
        part.save_button.click()
    assert written == [str(tmp_path / "run.csv")]


def test_a_phase_that_one_of_them_has_not_is_missed():
    true, called = Named(bands(), {1: "film", 2: "cap"}), Named(3 - bands(), {2: "film", 1: "pore"})
    iou, matched = agree(true, called)
    assert iou == {"film": 1, "pore": 0, "cap": 0}
    assert matched == "matched by name"


def test_names_are_the_same_in_any_case():
    iou, _ = agree(Named(bands(), {1: "Film", 2: "cap"}), Named(bands(), {1: "film", 2: "Cap"}))
    assert iou == {"film": 1, "Cap": 1}


def test_labels_without_a_name_are_told():
    called = np.where(np.arange(60) < 30, bands(), 7)
    found = run_agree(Named(bands(), {1: "film", 2: "cap"}), Named(called, {1: "film", 2: "cap"}), NM, 2, Progress())
    assert found.evaluation.notes[-1] == "labels without a name count nowhere: 7"


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ({1: "Film", 2: "cap"}, "matched by name"),
        ({1: "film", 2: "cap", 3: "dirt"}, "matched by name, without dirt"),
        ({}, "matched by value"),
    ],
)
def test_phases_that_a_model_never_learnt_do_not_count_against_it(names, words):
    true = np.where(np.arange(60) < 10, 3, bands())
    comparison = run_agree(
        Named(true, names), Named(bands(24), {1: "film", 2: "cap"}), NM, 2.0, Progress(), phases="called"
    )
    assert comparison.matched == words
    assert comparison.evaluation.metrics["iou"] == pytest.approx({"film": 20 / 24, "cap": 16 / 20})
    told = [] if 3 in names else ["labels without a name count nowhere: 3"]
    assert [note for note in comparison.evaluation.notes if "without a name" in note] == told


def test_zero_counts_for_a_model_only_if_it_is_a_phase_of_it():
    true = np.where(np.arange(60) < 30, bands(), 0)
    called = Named(bands(), {1: "film", 2: "cap"})
    assert agree(Named(true, {}), called, phases="called") == ({"film": 1, "cap": 1}, "matched by value, without 0")
    called = Named(bands(24) - 1, {0: "film", 1: "cap"})
    iou, matched = agree(Named(bands() - 1, {}), called, phases="called")
    assert iou == pytest.approx({"film": 20 / 24, "cap": 16 / 20})
    assert matched == "matched by value"


def test_phases_of_a_model_that_has_none_of_these_are_not_compared():
    with pytest.raises(InputError, match="called a, b, those film, cap: rename"):
        agree(Named(bands(), {1: "a", 2: "b"}), Named(bands(), {1: "film", 2: "cap"}), phases="called")


@pytest.mark.parametrize("names", [{}, {1: "film", 2: "cap"}])
def test_labels_need_not_be_in_memory(names):
    stack = np.stack([bands(), bands(24)])
    lazy = da.from_array(stack, chunks=(1, 40, 60))
    assert agree(Named(lazy, names), Named(lazy[::-1], names)) == agree(Named(stack, names), Named(stack[::-1], names))


def test_what_cannot_be_compared_is_said_in_words():
    with pytest.raises(InputError, match="called film, cap, those a, b: rename"):
        agree(Named(bands(), {1: "film", 2: "cap"}), Named(bands(), {1: "a", 2: "b"}))
    objects = np.arange(2400).reshape(40, 60)
    with pytest.raises(InputError, match="phases can be compared, not numbered objects"):
        agree(Named(objects, {}), Named(objects, {}))
    with pytest.raises(InputError, match="no pixel is labelled on both sides"):
        agree(Named(np.where(bands() == 1, 1, 0), {}), Named(np.where(bands() == 2, 2, 0), {}))


def test_two_annotators_in_the_viewer(make_napari_viewer, qtbot, monkeypatch, tmp_path):
    viewer = make_napari_viewer(show=True)
    anna, berta = np.stack([bands()] * 2), np.stack([bands(), bands(24)])
    where = {"scale": (1, 2, 2), "units": ("px", "nm", "nm"), "features": features("film", "cap")}
    layer = viewer.add_labels(anna, name="anna", **where)
    _, widget = viewer.window.add_plugin_dock_widget("napari-visualccc", "Measure")
    part = widget.comparison
    assert not part.compare_button.isEnabled()
    other = viewer.add_labels(berta, name="berta", **where)
    viewer.add_labels(bands(), name="of one plane")
    widget.chooser.choose(layer)
    assert [part.truth.itemText(place) for place in range(part.truth.count())] == ["berta"]
    widget.comparison_fold.set_open(True)
    part.compare_button.click()
    qtbot.waitUntil(lambda: "mean IoU" in part.scores.text(), timeout=60_000)
    assert part.scores.text().startswith("Against berta (matched by name): mean IoU 0.905 over classes")
    assert "within 4 nm" in part.scores.text()
    assert part.details.isVisible()
    cells = [[part.confusion.item(i, j).text() for j in range(2)] for i in range(2)]
    assert cells == [["90.9%", "9.1%"], ["0", "100.0%"]]  # rows are of the other labels, which are taken as true
    part.save(str(tmp_path / "scores.csv"))
    saved = pd.read_csv(tmp_path / "scores_confusion.csv").set_index("true")
    assert saved.loc["film"].tolist() == [40 * 60, 4 * 60]
    assert pd.read_csv(tmp_path / "scores.csv")["class"].tolist() == ["film", "cap"]
    assert json.loads((tmp_path / "scores.json").read_text(encoding="utf-8"))["mean_iou"] == pytest.approx(
        0.905, abs=1e-3
    )
    part.tolerance.setValue(4.5)
    part.compare_button.click()
    qtbot.waitUntil(lambda: "within 9 nm" in part.scores.text(), timeout=60_000)
    again = MeasureWidget(viewer)
    qtbot.addWidget(again)
    assert again.comparison.tolerance.value() == 4.5
    viewer.dims.set_current_step(0, 0)
    widget.chooser.plane_button.setChecked(True)
    assert part.scores.isHidden(), "they were of the whole stack"
    part.compare_button.click()
    qtbot.waitUntil(lambda: "mean IoU 1.000" in part.scores.text(), timeout=60_000)
    other.data_setitem((np.array([0]), np.array([0]), np.array([0])), 2)
    qtbot.waitUntil(part.scores.isHidden, timeout=10_000)
    other.undo()
    part.compare_button.click()
    qtbot.waitUntil(lambda: "mean IoU 1.000" in part.scores.text() and not part.scores.isHidden(), timeout=60_000)
    viewer.dims.set_current_step(0, 1)
    assert part.scores.isHidden(), "they were of the other plane"
    other.name = "carla"
    assert part.truth.currentText() == "carla"
    told = []
    monkeypatch.setattr("napari_visualccc.widgets._jobs.show_problem", told.append)
    other.features = features("a", "b")
    part.compare_button.click()
    qtbot.waitUntil(lambda: bool(told) and part.scores.isHidden(), timeout=60_000)
    viewer.layers.remove(other)
    assert not part.compare_button.isEnabled()
    widget._preparer.wait(60)
