import time
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from qtpy.QtCore import Qt
from qtpy.QtWidgets import QFileDialog, QMessageBox

from napari_visualccc.classify.finetune import NO_BETTER
from napari_visualccc.samples import LithiumOptions, lithium
from napari_visualccc.widgets._classify_labels import classes_of
from napari_visualccc.widgets._classify_view import _lines, text_overlay_of
from napari_visualccc.widgets._classify_words import after_training
from napari_visualccc.widgets.classify import ClassifyWidget


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))


@pytest.fixture
def sample():
    return lithium(LithiumOptions(count=10, size=96, pixel_nm=16.0, seed=1))


@pytest.fixture
def open_classify(viewer):
    def build():
        widget = ClassifyWidget(viewer)
        viewer.window.add_dock_widget(widget, name="Classify")
        return widget

    return build


@pytest.fixture
def stack(viewer, sample):
    layer = viewer.add_image(sample.image, name="lithium", scale=(1, 16, 16), units=("pixel", "nm", "nm"))
    viewer.dims.set_current_step(0, 0)
    return layer


def label(widget, sample, count):
    for plane in range(count):
        widget._go_to(plane)
        widget.label_plane(sample.plane_labels[plane])


def wait(qtbot, widget):
    qtbot.waitUntil(lambda: not widget.runner.is_running and not widget.runner._delay.isActive(), timeout=300_000)
    qtbot.waitUntil(lambda: not widget._writer.is_running, timeout=300_000)


def test_number_keys_label_and_go_on(viewer, open_classify, stack, qtbot):
    widget = open_classify()
    canvas = viewer.window._qt_viewer.canvas.native
    canvas.setFocus()
    qtbot.keyClick(canvas, Qt.Key.Key_1)
    assert classes_of(stack) == {}
    widget.classes.keys_box.setChecked(True)
    for key in (Qt.Key.Key_1, Qt.Key.Key_2, Qt.Key.Key_9):
        qtbot.keyClick(canvas, key)
    assert classes_of(stack) == {0: "class 1", 1: "class 2"}
    assert viewer.dims.current_step[0] == 2
    viewer.dims.set_current_step(0, 0)
    qtbot.keyClick(canvas, Qt.Key.Key_0)
    assert classes_of(stack) == {1: "class 2"}
    assert "1 plane" in widget.classes._numbers[1].text()


def test_renaming_a_class_renames_its_labels(open_classify, stack):
    widget = open_classify()
    widget.label_plane("class 1")
    widget.classes.fields[0].setText("mossy")
    widget.classes.fields[0].editingFinished.emit()
    assert classes_of(stack) == {0: "mossy"}
    widget.classes.fields[1].setText("mossy")  # taken
    widget.classes.fields[1].editingFinished.emit()
    assert widget.classes.names == ["mossy", "class 2"]


def test_words_on_the_canvas_are_not_wider_than_a_narrow_one():
    assert _lines("predicted: mossy", "98%", "") == ["predicted: mossy 98%"]
    assert _lines("predicted: mossy", "98%", "(unlike anything learnt)") == [
        "predicted: mossy 98%", "(unlike anything learnt)"
    ]  # fmt: skip
    long = "predicted: spheroidite_widmanstatten and network"
    assert _lines(long, "(learnt from)", "") == [long, "(learnt from)"]


def test_label_train_predict_explain_save_load(viewer, open_classify, stack, sample, qtbot, tmp_path):
    widget = open_classify()
    widget.classes.set_names(["dendritic", "spherical"])
    widget._refresh()
    assert not widget.run_bar.button.isEnabled()
    label(widget, sample, 8)
    assert widget.run_bar.button.isEnabled()
    qtbot.mouseClick(widget.run_bar.button, Qt.MouseButton.LeftButton)
    wait(qtbot, widget)
    assert widget.model.names == ("dendritic", "spherical")
    assert len(widget.prediction.table.frame) == 10
    assert "predicted" in text_overlay_of(viewer).text
    shown = widget.prediction.table.model()
    sure = {shown.index(n, 0).data(): shown.index(n, 2).data() for n in range(shown.rowCount())}
    assert [sure[str(n)] for n in range(8)] == ["learnt from"] * 8
    assert all(sure[str(n)].endswith("%") for n in (8, 9))
    assert "8 learnt from" in widget.prediction.words.text()
    widget._go_to(9)
    assert text_overlay_of(viewer).text.endswith("%")
    widget._go_to(3)
    assert text_overlay_of(viewer).text.endswith("(learnt from)")
    assert "Balanced accuracy" in widget.quality.words.text()
    assert widget.quality.confusion.rowCount() == 2
    widget.prediction.table.select_labels([3])
    widget.prediction.plane_chosen.emit(3)
    assert viewer.dims.current_step[0] == 3
    viewer.add_labels(sample.labels, name="deposit", scale=(1, 16, 16), units=("pixel", "nm", "nm"))
    viewer.layers.selection.active = stack
    widget.explain_panel.judge_box.setChecked(False)
    widget.explain_panel.phases.setCurrentIndex(1)
    qtbot.mouseClick(widget.explain_panel.run_bar.button, Qt.MouseButton.LeftButton)
    wait(qtbot, widget)
    assert any("Grad-CAM" in layer.name for layer in viewer.layers)
    assert "Not judged" in widget.explain_panel.words.text()
    qtbot.waitUntil(lambda: widget.explain_panel.table.frame is not None)
    assert np.isclose(widget.explain_panel.table.frame["heat_fraction"].sum(), 1)
    path = tmp_path / "m.safetensors"
    widget.save(str(path))
    wait(qtbot, widget)
    widget.load(str(path))
    wait(qtbot, widget)
    assert "Loaded" in widget.hint.text()


def test_another_magnification_is_told(viewer, open_classify, stack, sample, qtbot):
    widget = open_classify()
    widget.classes.set_names(["dendritic", "spherical"])
    label(widget, sample, 8)
    widget.train()
    wait(qtbot, widget)
    assert "its pixels" not in widget.prediction.words.text()
    viewer.add_image(sample.image[8:], name="overview", scale=(1, 160, 160), units=("pixel", "nm", "nm"))
    widget.predict()
    wait(qtbot, widget)
    assert "⚠ overview: its pixels (160 nm) are 10 times larger" in widget.prediction.words.text()


def test_fine_tuning_shows_its_curve_and_ends_with_the_best_so_far(open_classify, stack, sample, qtbot):
    widget = open_classify()
    widget.classes.set_names(["dendritic", "spherical"])
    label(widget, sample, 10)
    tuning = widget.tuning
    assert tuning.isHidden()
    widget.form.set_values({"method": "fine-tune", "max_minutes": 10.0, "crop": 64, "batch": 2})
    widget.train()
    assert not tuning.isHidden()
    assert not tuning.stop_button.isEnabled(), "there is nothing to keep yet"
    assert "Stop keeps the best model so far" in widget.hint.text()
    qtbot.waitUntil(tuning.stop_button.isEnabled, timeout=300_000)
    qtbot.waitUntil(lambda: "kept so far: balanced accuracy" in widget.run_bar.words.text(), timeout=300_000)
    assert tuning.board.seconds_left() <= 600
    tuning.stop_button.click()
    qtbot.waitUntil(lambda: "stopping" in widget.run_bar.words.text())
    wait(qtbot, widget)
    assert widget.model is not None
    assert tuning.stop_button.isHidden()
    steps, losses = tuning.plot._lines[0].getData()
    assert len(steps) == len(losses) == widget.model.card.training["steps"]
    assert len(tuning.plot._lines[1].getData()[0]) >= 1
    assert tuning.board.moments[-1].is_last
    assert tuning.board.seconds_left() is None
    widget.form.set_values({"method": "fast"})
    widget.train()
    assert tuning.isHidden()
    assert "Stop" not in widget.hint.text()
    wait(qtbot, widget)


def test_that_fine_tuning_was_no_better_is_said_first():
    found = SimpleNamespace(evaluation=object(), notes=("something else",))
    assert after_training(found).startswith("Trained: look at")
    found.notes += (NO_BETTER,)
    assert after_training(found).startswith("Trained, but fine-tuning was no better")
    found.evaluation = None
    assert "too few planes" in after_training(found)


def result_of_a_plane():
    from napari_visualccc.classify import PredictionResult
    from napari_visualccc.core.colours import label_colour
    from napari_visualccc.core.pixel_size import PixelSize
    from napari_visualccc.core.results import Provenance
    from napari_visualccc.models.card import ClassInfo

    classes = (ClassInfo(1, "dendritic", label_colour(1)), ClassInfo(2, "spherical", label_colour(2)))
    made = Provenance("classify predict", {}, "lithium", "")
    chances, distance, learnt = np.array([[0.9, 0.1]]), np.zeros(1), np.zeros(1, bool)
    return PredictionResult(made, classes, chances, distance, learnt, None, None, PixelSize())


def test_the_saved_table_numbers_planes_as_the_stack_does(open_classify, stack, tmp_path, monkeypatch):
    import pandas as pd

    widget = open_classify()
    widget.chooser.plane_button.setChecked(True)
    widget._go_to(7)
    widget._predicted(widget.chooser.source(), result_of_a_plane())
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "classes"), ""))
    widget.prediction.export_button.click()
    assert pd.read_csv(tmp_path / "classes.csv")["plane"].tolist() == [7]


def test_a_model_is_replaced_after_a_question_only(open_classify, tmp_path, monkeypatch):
    widget = open_classify()
    (tmp_path / "mine.safetensors").touch()
    written = []
    monkeypatch.setattr(widget, "save", written.append)
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (str(tmp_path / "mine"), ""))
    for answer in (QMessageBox.StandardButton.No, QMessageBox.StandardButton.Yes):
        monkeypatch.setattr(QMessageBox, "question", lambda *_, answer=answer: answer)
        widget.model_panel.save_clicked.emit()
    assert written == [str(tmp_path / "mine.safetensors")]


def test_files_are_learnt_from_too(open_classify, tmp_path, sample, qtbot):
    from napari_visualccc.core.pixel_size import PixelSize
    from napari_visualccc.io import write_tiff

    for number, name in enumerate(sample.plane_labels):
        write_tiff(tmp_path / name / f"{number}.tif", sample.image[number], PixelSize())
    widget = open_classify()
    widget.read_files(str(tmp_path))
    wait(qtbot, widget)
    assert widget.classes.names == ["dendritic", "spherical"]
    assert "10 labelled images" in widget.data_words.text()
    assert widget.run_bar.button.isEnabled()


def test_words_on_the_canvas_go_with_the_widget(viewer, open_classify, stack):
    widget = open_classify()
    widget.label_plane("class 1")
    assert "labelled: class 1" in text_overlay_of(viewer).text
    widget.hide()
    widget.view.refresh()
    assert not text_overlay_of(viewer).visible


def test_long_class_names_leave_room_for_the_rest(qtbot):
    import pandas as pd

    from napari_visualccc.widgets._classify_panel import _COLUMNS
    from napari_visualccc.widgets._tables import ResultTable

    table = ResultTable()
    qtbot.addWidget(table)
    table.resize(300, 200)
    names = ["spheroidite with widmanstätten and pearlite", "network"]
    frame = pd.DataFrame({"label": [7, 128], "plane": [7, 128], "class": names, "confidence": [0.99, 0.5],
                          "learnt_from": [True, False], "unlike": [0.0, 1.0], "distance": [0.1, 0.9]})  # fmt: skip
    table.show_table(frame, _COLUMNS, {})
    table.show()
    qtbot.waitUntil(lambda: table.columnWidth(1) > 24)
    words = table.fontMetrics().horizontalAdvance
    assert table.columnWidth(0) > words("128")
    assert table.columnWidth(2) > words("learnt from")
    assert sum(table.columnWidth(i) for i in range(4)) <= 300
    assert "spheroidite with widmanstätten and pearlite" in table.model().index(0, 1).data(Qt.ItemDataRole.ToolTipRole)


def test_what_is_done_beside_a_training_does_not_end_it(open_classify, stack, sample, qtbot, tmp_path, monkeypatch):
    widget = open_classify()
    widget.classes.set_names(["dendritic", "spherical"])
    label(widget, sample, 8)
    widget.train()
    wait(qtbot, widget)

    def run_train(*_, progress):
        while True:
            time.sleep(0.02)
            progress.check()

    monkeypatch.setattr("napari_visualccc.widgets._classify_jobs.run_train", run_train)
    widget.train()
    assert not widget.model_panel.apply_button.isEnabled()
    widget.save(str(tmp_path / "m.safetensors"))
    qtbot.waitUntil(lambda: not widget._writer.is_running, timeout=60_000)
    assert (tmp_path / "m.safetensors").exists()
    assert widget.runner.is_running
    name = widget._memory["name"]
    widget._saved(replace(widget.model), Path("other.safetensors"))  # of a model that is no longer at hand
    assert widget._memory["name"] == name
    widget.runner.cancel()
    wait(qtbot, widget)
    assert widget.model_panel.apply_button.isEnabled()
