"""No file is replaced that the user was not asked about, and each has its ending."""

import pytest
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_visualccc.widgets._comparison_jobs import score_files
from napari_visualccc.widgets._saving import ask_path

YES, NO = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No


@pytest.fixture
def ask(qtbot, monkeypatch, tmp_path):
    """Path that comes of a name typed into the dialog, and what was asked about it."""
    parent = QWidget()
    qtbot.addWidget(parent)

    def asked(typed, answer=NO, **keywords):
        questions = []
        monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *_: (typed and str(tmp_path / typed), ""))
        monkeypatch.setattr(QMessageBox, "question", lambda *said: questions.append(said[2]) or answer)
        path = ask_path(parent, "Save", "scores.csv", "Tables (*.csv)", ending=".csv", **keywords)
        return path.removeprefix(f"{tmp_path}/"), questions

    return asked


def test_a_path_gets_its_ending(ask):
    assert ask("") == ("", [])
    assert ask("run") == ("run.csv", [])
    assert ask("run.1.5") == ("run.1.5.csv", [])
    assert ask("RUN.CSV") == ("RUN.CSV", [])


def test_what_the_dialog_did_not_ask_about_is_asked_here(ask, tmp_path):
    (tmp_path / "run.csv").touch()
    assert ask("run.csv") == ("run.csv", [])
    question = [f"In {tmp_path} there is already run.csv. Replace?"]
    assert ask("run") == ("", question)
    assert ask("run", YES) == ("run.csv", question)


def test_files_beside_it_are_asked_about_too(ask, tmp_path):
    (tmp_path / "run.csv").touch()
    (tmp_path / "run.json").touch()
    assert ask("run.csv", files=score_files) == ("", [f"In {tmp_path} there is already run.json. Replace?"])
    assert ask("run", files=score_files) == ("", [f"In {tmp_path} there are already run.csv, run.json. Replace?"])
    assert ask("run", YES, files=score_files)[0] == "run.csv"
