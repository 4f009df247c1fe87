"""No file is replaced that the user was not asked about, and each has its ending."""

from pathlib import Path

import pytest
from qtpy.QtWidgets import QMessageBox, QWidget

import napari_visualccc.widgets
from napari_visualccc.widgets._comparison_jobs import score_files
from napari_visualccc.widgets._saving import ask_path

YES, NO = QMessageBox.StandardButton.Yes, QMessageBox.StandardButton.No
FIGURE, PAGE = "Figure (*.svg)", "Page (*.html *.htm)"


@pytest.fixture
def ask(qtbot, type_name, tmp_path):
    """Path that comes of a name typed into the dialog, and what was asked about it."""
    parent = QWidget()
    qtbot.addWidget(parent)

    def asked(typed, answer=NO, *, proposal="scores.csv", pattern="Tables (*.csv)", ending=".csv", chosen="", **files):
        questions = type_name(typed and tmp_path / typed, chosen, answer)
        path = ask_path(parent, "Save", proposal, pattern, ending=ending, **files)
        return path.removeprefix(f"{tmp_path}/"), questions

    return asked


def test_a_path_gets_its_ending(ask):
    assert ask("") == ("", [])
    assert ask("run") == ("run.csv", [])
    assert ask("run.1.5") == ("run.1.5.csv", [])
    assert ask("RUN.CSV") == ("RUN.CSV", [])


def test_an_ending_may_have_several_parts(ask):
    words = {"proposal": "a.map.zarr.zip", "pattern": "Map (*.map.zarr.zip)", "ending": ".map.zarr.zip"}
    assert ask("run", **words)[0] == "run.map.zarr.zip"
    assert ask("run.map.zarr.zip", **words)[0] == "run.map.zarr.zip"
    assert ask("run.zip", **words)[0] == "run.zip.map.zarr.zip"


@pytest.mark.parametrize(
    ("typed", "chosen", "expected"),
    [
        ("run", "", "run.svg"),
        ("run", FIGURE, "run.svg"),
        ("run", PAGE, "run.html"),
        ("run.1.5", PAGE, "run.1.5.html"),
        ("run.HTM", PAGE, "run.HTM"),
        ("run.html", FIGURE, "run.html"),
        ("run.html", "", "run.html"),
        ("run.svg", PAGE, "run.html"),  # as proposed: the dialog did not change it
        ("run.svg.html", PAGE, "run.svg.html"),
    ],
)
def test_the_kind_of_file_that_was_chosen_tells_the_ending(ask, typed, chosen, expected):
    assert ask(typed, proposal="map.svg", pattern=f"{FIGURE};;{PAGE}", ending=".svg", chosen=chosen)[0] == expected


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


def test_every_widget_asks_here():
    modules = Path(napari_visualccc.widgets.__file__).parent.glob("*.py")
    assert [one.name for one in modules if "getSaveFileName" in one.read_text(encoding="utf-8")] == ["_saving.py"]
