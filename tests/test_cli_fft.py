import json

import numpy as np
import pytest

from napari_visualccc.cli import build_parser, main
from napari_visualccc.core.phases import choose_phases
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.io import read, write_tiff

SCALE = 0.025


@pytest.fixture(scope="module")
def micrograph(tmp_path_factory):
    """Gold along [110] in the left half, noise in the right."""
    (crystal,) = choose_phases(["Au"])
    y, x = np.mgrid[:192, :384] * SCALE
    image = np.random.default_rng(0).normal(size=y.shape)
    for reflection in crystal.reflections((1, 1, 0), 0.13):
        image[:, :192] += 0.5 * np.cos(2 * np.pi * (reflection.vector[0] * y + reflection.vector[1] * x))[:, :192]
    path = tmp_path_factory.mktemp("fft") / "gold.ome.tif"
    write_tiff(path, np.rint(100 * (image - image.min())).astype(np.uint16), PixelSize(SCALE, SCALE, "nm"))
    return path


def run_json(capsys, *arguments):
    code = main(["fft", *map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


def test_peaks_with_matches(capsys, micrograph):
    answer = run_json(capsys, micrograph, "--roi", "0,0,192,192", "--phases", "Au,Si,SrTiO3")
    assert answer["phases"][0]["phase"] == "Au"
    (first, *_) = answer["peaks"]
    assert {"d_nm", "d_error_nm", "angle_deg", "snr", "matches"} <= set(first)
    assert first["matches"][0]["phase"] == "Au"
    spacings = [peak["d_nm"] for peak in answer["peaks"]]
    assert any(d == pytest.approx(0.23548, rel=5e-3) for d in spacings)
    assert answer["outputs"] == []


def test_noise_has_no_peaks(capsys, micrograph):
    assert run_json(capsys, micrograph, "--roi", "0,200,192,184")["peaks"] == []


def test_map_and_files(capsys, micrograph, tmp_path):
    answer = run_json(capsys, micrograph, "--map", "--bragg", "--output", tmp_path)
    assert [row["phase"] for row in answer["grains"]][0] in ("Au", "LiF")
    assert answer["crystalline_fraction"] == pytest.approx(0.5, abs=0.06)
    names = sorted(path.name for path in tmp_path.iterdir())
    for ending in ("_crystal-phases.ome.tif", "_crystals.ome.tif", "_crystallinity.ome.tif", "_grains.csv",
                   "_fft_peaks.csv", "_bragg.ome.tif"):  # fmt: skip
        assert any(name.endswith(ending) for name in names), ending
    phases = read(next(tmp_path.glob("*crystal-phases*")))[0]
    assert phases.pixel_size.x == pytest.approx(SCALE)


def test_own_table_and_calibration(capsys, micrograph, tmp_path):
    table = tmp_path / "mine.csv"
    table.write_text("name,a_nm,space_group\nMine,0.40786,F m -3 m\n")
    answer = run_json(capsys, micrograph, "--roi", "0,0,192,192", "--phase-table", table, "--phases", "Mine,Si")
    assert answer["phases"][0]["phase"] == "Mine"
    strongest = answer["peaks"][0]["d_nm"]
    twice = run_json(capsys, micrograph, "--roi", "0,0,192,192", "--known-d", 2 * strongest)
    assert twice["pixel_size"][0] == pytest.approx(2 * SCALE, rel=1e-3)


def test_words_for_people(capsys, micrograph):
    assert main(["fft", str(micrograph), "--roi", "0,0,192,192"]) == 0
    text = capsys.readouterr().out
    assert "d = 0." in text
    assert "log-odds" in text


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--roi", "0,0,10"], "four whole numbers"),
        (["--roi", "900,0,64,64"], "covers less than"),
        (["--plane", "7"], "there is no 7"),
        (["--signal", "3"], "there is no 3"),
        (["--phases", "Unobtainium"], "Unobtainium"),
        (["--map"], "--output"),
        (["--false-alarms", "2"], "at most 0.5"),
    ],
)
def test_what_the_user_must_change_is_one_line_and_exit_2(capsys, micrograph, arguments, words):
    assert main(["fft", str(micrograph), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert words in captured.err


def test_help_has_an_example(capsys):
    with pytest.raises(SystemExit):
        build_parser().parse_args(["fft", "--help"])
    assert "visualccc fft" in capsys.readouterr().out.split("example:")[1]
