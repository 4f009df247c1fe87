import json
import subprocess
import sys
from argparse import ArgumentParser
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from napari_visualccc.cli import _Bar, _commands, build_parser, main
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.io import read, write_tiff

RNG = np.random.default_rng(0)
TRUTH = np.kron(RNG.integers(0, 3, (4, 5)), np.ones((16, 16), int))
IMAGE = (np.array([30, 110, 200])[TRUTH] + RNG.normal(0, 5, TRUTH.shape)).astype(np.uint8)


@pytest.fixture
def micrograph(tmp_path):
    path = tmp_path / "scan.ome.tif"
    write_tiff(path, IMAGE, PixelSize(0.5, 0.5, "nm"))
    return path


def run_json(capsys, *arguments):
    code = main([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


def test_info_says_what_was_understood(capsys, micrograph):
    (signal,) = run_json(capsys, "info", micrograph)["signals"]
    assert signal["shape"] == list(IMAGE.shape)
    assert signal["dtype"] == "uint8"
    assert signal["pixel_size"] == pytest.approx([0.5, 0.5])
    assert signal["unit"] == "nm"
    assert [axis["name"] for axis in signal["axes"]] == ["y", "x"]
    assert "metadata" in signal


def test_info_for_people(capsys, micrograph):
    assert main(["info", str(micrograph)]) == 0
    assert "0.5 × 0.5 nm" in capsys.readouterr().out


def test_cluster_writes_labels_and_table(capsys, micrograph, tmp_path):
    answer = run_json(capsys, "cluster", micrograph, "--k", "3", "--output", tmp_path / "out")
    shares = [(phase == TRUTH).mean() for phase in range(3)]
    assert [row["area_fraction"] for row in answer["clusters"]] == pytest.approx(shares, abs=0.01)
    assert [row["label"] for row in answer["clusters"]] == [1, 2, 3]
    assert answer["clusters"][0]["mean_intensity"] == pytest.approx(30, abs=2)
    assert answer["clusters"][0]["area_nm2"] == pytest.approx(answer["clusters"][0]["pixels"] * 0.25)
    assert answer["inertia"] > 0
    assert answer["seconds"] > 0
    labels_path = next(path for path in answer["outputs"] if path.endswith(".tif"))
    labels = read(labels_path)[0]
    assert labels.pixel_size.x == pytest.approx(0.5)
    np.testing.assert_array_equal(np.squeeze(labels.data), TRUTH + 1)
    table = next(path for path in answer["outputs"] if path.endswith(".csv"))
    assert "area_nm2" in Path(table).read_text(encoding="utf-8").splitlines()[0]


def test_a_folder_is_clustered_as_one_stack(capsys, tmp_path):
    for name in ("a2.png", "a10.png"):
        (tmp_path / "in").mkdir(exist_ok=True)
        iio.imwrite(tmp_path / "in" / name, IMAGE)
    answer = run_json(capsys, "cluster", tmp_path / "in", "--k", "auto", "--output", tmp_path / "out")
    assert answer["k"] == 3
    assert sum(row["pixels"] for row in answer["clusters"]) == 2 * IMAGE.size


def test_options_reach_the_engine(capsys, micrograph, tmp_path):
    answer = run_json(
        capsys, "cluster", micrograph, "--output", tmp_path, "--k", "2", "--features", "gaussian,local",
        "--scales", "1,3", "--seed", "7", "--device", "cpu",
    )  # fmt: skip
    assert answer["provenance"]["parameters"]["features"] == ["gaussian", "local"]
    assert answer["provenance"]["seed"] == 7


def test_one_plane_of_a_stack(capsys, tmp_path):
    path = write_tiff(tmp_path / "stack.ome.tif", np.stack([IMAGE, 255 - IMAGE]), PixelSize())
    answer = run_json(capsys, "cluster", path, "--plane", "1", "--k", "3", "--output", tmp_path / "out")
    assert sum(row["pixels"] for row in answer["clusters"]) == IMAGE.size
    assert answer["clusters"][0]["mean_intensity"] == pytest.approx(55, abs=2)
    assert "--plane 1" in answer["provenance"]["command"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["info", "nowhere.dm3"], "nowhere.dm3"),
        (["cluster", "nowhere.dm3", "--output", "out"], "nowhere.dm3"),
        (["cluster", "{image}", "--output", "out", "--k", "0"], "at least 1"),
        (["cluster", "{image}", "--output", "out", "--k", "some"], "whole number or 'auto'"),
        (["cluster", "{image}", "--output", "out", "--features", "smell"], "intensity, gaussian"),
        (["cluster", "{image}", "--output", "out", "--signal", "4"], "there is no 4"),
        (["cluster", "{image}", "--output", "out", "--plane", "1"], "there is no 1"),
        (["cluster", "{image}", "--output", "{image}"], "scan.ome.tif"),
    ],
)
def test_what_the_user_must_change_is_one_line_and_exit_2(capsys, micrograph, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main([argument.format(image=micrograph) for argument in arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert words in captured.err


@pytest.mark.parametrize("columns", [20, 60, 80, 200])
def test_the_progress_bar_keeps_to_one_line(capsys, monkeypatch, columns):
    """What went on in a second line could not be written over, and each report would scroll."""
    monkeypatch.setenv("COLUMNS", str(columns))
    said = []
    for words in ("reading", "balanced accuracy 0.833, " * 4):
        bar = _Bar()
        bar.visible = True
        bar(0.5, words)
        said.append(capsys.readouterr().err.removeprefix("\r\x1b[K"))
        assert len(said[-1]) < columns
    assert "reading" in said[0] or columns < 30
    assert said[1].endswith(", " if columns == 200 else "…")
    assert [one.count("█") for one in said] == {20: [5, 5], 60: [15, 5], 80: [15, 5], 200: [15, 15]}[columns]


def test_wrong_flags_are_one_line_too(capsys):
    with pytest.raises(SystemExit) as stopped:
        main(["cluster"])
    assert stopped.value.code == 2
    assert len(capsys.readouterr().err.strip().splitlines()) == 1


@pytest.mark.parametrize("command", ["info", "cluster", "process", "demo"])
def test_every_command_has_help_with_an_example(capsys, command):
    with pytest.raises(SystemExit):
        build_parser().parse_args([command, "--help"])
    text = capsys.readouterr().out
    assert f"visualccc {command}" in text.split("example:")[1]


def test_every_command_that_computes_takes_a_seed_and_a_device():
    for command in _commands():
        parser = ArgumentParser()
        command.declare(parser)
        said = parser.format_help()
        computes = command.name not in ("info", "map export") and not command.name.startswith("models")
        assert [flag in said for flag in ("--seed", "--device")] == [computes, computes], command.name


def test_a_bug_is_exit_1_with_a_traceback():
    code = (
        "import sys, napari_visualccc.io as io; io.read = lambda *_: 1 / 0;"
        "from napari_visualccc.cli import main; sys.exit(main(['info', 'x']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


def test_a_file_that_vanishes_is_said_in_a_line(monkeypatch, capsys, tmp_path):
    def gone(path):
        raise FileNotFoundError(2, "No such file or directory", "scan.mrc")

    monkeypatch.setattr("napari_visualccc.io.read", gone)
    assert main(["info", str(tmp_path)]) == 2
    assert capsys.readouterr().err == "visualccc: [Errno 2] No such file or directory: 'scan.mrc'\n"


def test_too_little_memory_is_said_in_a_line(monkeypatch, capsys, tmp_path):
    def greedy(path):
        raise MemoryError("Unable to allocate 8 TiB")

    monkeypatch.setattr("napari_visualccc.io.read", greedy)
    assert main(["info", str(tmp_path)]) == 2
    assert "not enough memory" in capsys.readouterr().err


def test_who_reads_may_stop_reading(tmp_path):
    import subprocess
    import sys

    np.save(tmp_path / "a.npy", np.ones((4, 4)))
    words = [sys.executable, "-m", "napari_visualccc.cli", "info", str(tmp_path / "a.npy")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0
