import json

import numpy as np
import pytest

from napari_visualccc.cli import main
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.io import read, write_tiff
from napari_visualccc.processing import Pipeline

RNG = np.random.default_rng(0)
IMAGE = (RNG.normal(60, 5, (40, 60)) + 100 * (np.hypot(*(np.mgrid[:40, :60] - 20)) < 9)).astype(np.uint8)


@pytest.fixture
def micrograph(tmp_path):
    return write_tiff(tmp_path / "scan.ome.tif", IMAGE, PixelSize(0.5, 0.5, "nm"))


def run_json(capsys, *arguments):
    code = main([*map(str, arguments), "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    return json.loads(captured.out)


def test_steps_in_order_with_the_right_pixel_size(capsys, micrograph, tmp_path):
    out = tmp_path / "out"
    answer = run_json(
        capsys, "process", micrograph, "--step", "median:width=1.5nm", "--step", "bin:factor=2", "--step", "otsu",
        "--output", out,
    )  # fmt: skip
    (image,) = answer["images"]
    assert image["shape"] == [20, 30]
    assert image["pixel_size"] == [1, 1]
    assert image["content"] == "labels"
    (written,) = read(next(path for path in answer["outputs"] if path.endswith(".tif")))
    assert written.pixel_size == PixelSize(1.0, 1.0, "nm")
    assert written.axes[-1].offset == pytest.approx(0.25)
    labels = np.squeeze(written.data)
    assert np.mean((labels > 0) != (np.hypot(*(np.mgrid[:20, :30] - 9.75)) < 4.5)) < 0.02
    assert answer["steps"] == ["median:width=1.5nm", "bin", "otsu"]


def test_the_command_of_the_record_does_the_same(capsys, micrograph, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    first = run_json(capsys, "process", micrograph, "--step", "glcm:property=all,distances=1,2", "--output", "out")
    assert len([path for path in first["outputs"] if path.endswith(".tif")]) == 6
    import shlex

    words = shlex.split(first["images"][0]["provenance"]["command"])[1:]
    again = run_json(capsys, *words)
    a, b = (read(next(p for p in one["outputs"] if "entropy" in p))[0].data for one in (first, again))
    np.testing.assert_array_equal(a, b)


def test_recipes(capsys, micrograph, tmp_path):
    recipe = tmp_path / "recipe.json"
    run_json(capsys, "process", micrograph, "--step", "tv", "--output", tmp_path / "a", "--save-recipe", recipe)
    assert [str(step) for step in Pipeline.load(recipe).steps] == ["tv"]
    answer = run_json(capsys, "process", micrograph, "--recipe", recipe, "--step", "otsu", "--output", tmp_path / "b")
    assert answer["steps"] == ["tv", "otsu"]


def test_drift_comes_as_a_table(capsys, tmp_path):
    stack = np.stack([np.roll(IMAGE, shift, 1) for shift in (0, 2, 4)])
    path = write_tiff(tmp_path / "stack.ome.tif", stack, PixelSize(0.5, 0.5, "nm"))
    answer = run_json(capsys, "process", path, "--step", "align", "--output", tmp_path / "out")
    drift = answer["images"][0]["drift"]
    assert [row["drift_x_nm"] for row in drift] == pytest.approx([0, 1, 2], abs=0.1)
    assert any(path.endswith("_drift.csv") for path in answer["outputs"])


def test_one_plane_and_zarr(capsys, tmp_path):
    path = write_tiff(tmp_path / "stack.ome.tif", np.stack([IMAGE, 255 - IMAGE]), PixelSize())
    answer = run_json(
        capsys, "process", path, "--plane", 1, "--step", "stretch", "--output", tmp_path / "out", "--format", "zarr"
    )
    assert answer["images"][0]["shape"] == [40, 60]
    assert any(path.endswith(".ome.zarr") for path in answer["outputs"])


def test_catalogue(capsys):
    steps = run_json(capsys, "process", "--list")["steps"]
    assert {"gaussian", "watershed", "align", "glcm"} <= {step["name"] for step in steps}
    assert main(["process", "--list"]) == 0
    assert "sigma=1px" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--step", "gausian", "--output", "o"], "did you mean gaussian"),
        (["--step", "gaussian:sigma=2 parsec", "--output", "o"], "px, nm or µm"),
        (["--step", "watershed", "--output", "o"], "put a threshold"),
        (["--output", "o"], "nothing to do"),
        (["--step", "otsu"], "--output DIR"),
        (["--recipe", "none.json", "--output", "o"], "none.json"),
        (["--step", "bin:factor=99", "--output", "o"], "larger than the image"),
        (["--step", "otsu", "--plane", "3", "--output", "o"], "there is no 3"),
    ],
)
def test_what_the_user_must_change(capsys, micrograph, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)
    assert main(["process", str(micrograph), *arguments]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert len(captured.err.strip().splitlines()) == 1
    assert words in captured.err


def test_words_for_people(capsys, micrograph, tmp_path):
    assert main(["process", str(micrograph), "--step", "bin", "--output", str(tmp_path / "o")]) == 0
    assert "20 × 30 image, pixel 1 × 1 nm" in capsys.readouterr().out
