import json

import pytest

from napari_visualccc.cli import main
from napari_visualccc.demo import has_display


def test_the_demo_measures_what_is_true(capsys, tmp_path):
    assert main(["demo", "--output", str(tmp_path / "demo"), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    for one in answer["measured"]:
        tolerance = 0.05 if "fraction" in one["what"] else 0.15
        if one["what"].endswith("in nm"):
            assert one["measured"] == pytest.approx(one["true"], rel=0.01), one
        assert one["measured"] == pytest.approx(one["true"], abs=tolerance), one
    report = (tmp_path / "demo" / "report.html").read_text(encoding="utf-8")
    for path in answer["outputs"]:
        assert (tmp_path / "demo" / path.split("/")[-1]).exists()
        if path.endswith(".png"):
            assert path.split("/")[-1] in report
    for command in ("visualccc cluster", "visualccc process", "visualccc fft"):
        assert command in report
    assert "glcm:property=dissimilarity" in report  # the recipe, step by step
    names = {path.split("/")[-1] for path in answer["outputs"]}
    assert {
        "HRTEM_interphase_lattice_spectrum.png",
        "HRTEM_interphase_lattice_phases_by_lattice.png",
        "HRTEM_interphase_lattice_grains.csv",
        "HRTEM_interphase_processed_GLCM_dissimilarity.png",
    } <= names


def test_the_demo_says_when_it_cannot_write(capsys, tmp_path):
    (tmp_path / "taken").write_text("a file")
    assert main(["demo", "--output", str(tmp_path / "taken"), "--json"]) == 2
    assert "taken" in capsys.readouterr().err


def test_no_window_is_opened_on_ci(monkeypatch):
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("DISPLAY", ":1")
    assert not has_display()
