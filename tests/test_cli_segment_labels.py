"""`visualccc segment`: which pixels have a label, and what it is called."""

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_visualccc.cli import main
from napari_visualccc.segment import SegmentationModel

VOID = 200


def write(folder, labels, name="a"):
    folder.mkdir(exist_ok=True)
    tifffile.imwrite(folder / f"{name}.tif", labels)
    return folder


@pytest.fixture(scope="module")
def truth():
    """Three bands: 0, 1 and 2."""
    return np.repeat(np.arange(3, dtype=np.uint8), 24)[:, None] * np.ones((1, 80), np.uint8)


@pytest.fixture(scope="module")
def raw(tmp_path_factory, truth):
    image = 60 + 60 * truth + np.random.default_rng(0).normal(0, 6, truth.shape)
    return write(tmp_path_factory.mktemp("set") / "raw", image.astype(np.uint8))


@pytest.fixture(scope="module")
def model(raw, truth):
    """Quick model of 0 (ground), 1 (film) and 2 (cap)."""
    masks, path = write(raw.parent / "masks", truth), raw.parent / "bands.safetensors"
    assert main([*map(str, train(raw, masks, path, "--classes", "ground,film,cap"))]) == 0
    return path


def train(raw, masks, output, *more):
    return ["segment", "train", "--quick", "--images", raw, "--masks", masks, "--output", output, *more]


def evaluate(model, raw, masks, *more):
    return ["segment", "evaluate", model, "--images", raw, "--masks", masks, *more]


def classes_of(path):
    return {one.value: one.name for one in SegmentationModel.load(path).card.classes}


def test_an_ignored_value_is_no_class(raw, truth, run, tmp_path):
    """Names of as many values as there are name these, more name the values from 0."""
    masks = write(tmp_path / "m", np.where(truth == 2, VOID, truth))
    code, answer, _ = run(*train(raw, masks, tmp_path / "a.safetensors", "--ignore-label", VOID))
    assert (code, answer["classes"]) == (0, ["class 0", "class 1"])
    for names in ("void,film,cap", "film,cap"):
        flags = ["--ignore-label", "0", "--classes", names]
        code, answer, _ = run(*train(raw, write(tmp_path / "t", truth), tmp_path / "b.safetensors", *flags))
        assert (code, answer["classes"]) == (0, ["film", "cap"])
        assert classes_of(tmp_path / "b.safetensors") == {1: "film", 2: "cap"}


def test_what_is_called_by_the_ignored_value_is_missed(raw, truth, model, run, tmp_path):
    masks = truth.copy()
    masks[:6] = 1  # ground, which the model calls 0
    masks[:6, :2] = 0
    flags = ["--ignore-label", "0"]
    code, answer, _ = run(*evaluate(model, raw, write(tmp_path / "m", masks), *flags))
    assert code == 0
    assert np.shape(answer["confusion"]) == (3, 3)
    assert answer["confusion"][0] == [0, 0, 0]
    assert answer["confusion"][1][0] > 5 * 70
    assert answer["iou"]["ground"] is answer["dice"]["ground"] is answer["boundary_f1"]["ground"] is None
    assert answer["iou"]["film"] < 0.85
    assert answer["mean_iou"] == pytest.approx((answer["iou"]["film"] + answer["iou"]["cap"]) / 2)
    assert answer["labelled_share"] == pytest.approx((masks > 0).mean())


def test_the_ignored_value_is_that_of_the_files(raw, truth, model, run, tmp_path):
    masks = truth.astype(np.uint8) + 1
    masks[:, :20] = 255
    place = write(tmp_path / "m", masks)
    code, answer, _ = run(*evaluate(model, raw, place, "--offset", "-1", "--ignore-label", "255"))
    assert code == 0
    assert answer["labelled_share"] == pytest.approx(0.75)
    assert answer["mean_iou"] > 0.8
    strokes = np.where(masks == 255, 0, masks)
    code, answer, _ = run(
        *train(raw, write(tmp_path / "s", strokes), tmp_path / "s.safetensors", "--strokes"),
        "--val-images", raw, "--val-masks", write(tmp_path / "v", np.where(masks == 255, 255, truth)),
        "--val-offset", "1", "--ignore-label", "255",
    )  # fmt: skip
    assert code == 0
    assert answer["metrics"]["labelled_share"] == pytest.approx(0.75)
    code, _, err = run(*evaluate(model, raw, place, "--offset", "-2", "--ignore-label", "255"))
    assert (code, "the label 1, which -2 makes negative" in err) == (2, True)


def test_numbered_particles_are_one_class(raw, truth, run, tmp_path):
    numbered = np.where(truth == 2, 1 + np.arange(80) // 8, 0).astype(np.uint16)
    masks = write(tmp_path / "m", numbered)
    flags = ["--binary", "--classes", "ground,particle"]
    code, answer, _ = run(*train(raw, masks, tmp_path / "b.safetensors", *flags))
    assert (code, answer["classes"]) == (0, ["ground", "particle"])
    code, answer, _ = run(*evaluate(tmp_path / "b.safetensors", raw, masks, "--binary"))
    assert code == 0
    assert answer["mean_iou"] > 0.8
    code, _, err = run(*evaluate(tmp_path / "b.safetensors", raw, masks))
    assert (code, "has the label 2" in err) == (2, True)
    code, answer, _ = run(*evaluate(tmp_path / "b.safetensors", raw, masks, "--binary", "--ignore-label", "1"))
    assert answer["labelled_share"] == pytest.approx((numbered != 1).mean())
    assert answer["iou"]["particle"] > 0.7
    for words in (["--offset", "1"], ["--offset", "-1"]):
        code, _, err = run(*evaluate(tmp_path / "b.safetensors", raw, masks, "--binary", *words))
        assert (code, "--binary" in err) == (2, True)


def test_minus_one_has_no_label(raw, truth, run, tmp_path):
    masks = truth.astype(np.int16)
    masks[:, :20] = -1
    model = tmp_path / "m.safetensors"
    code, answer, _ = run(*train(raw, write(tmp_path / "m", masks), model))
    assert (code, answer["classes"]) == (0, ["class 0", "class 1", "class 2"])
    code, answer, _ = run("segment", "predict", model, raw, "--output", tmp_path / "out")
    assert code == 0
    for offset, values in ((0, masks), (1, np.where(masks < 0, -1, masks - 1))):
        place = write(tmp_path / "m", values.astype(np.int16))
        code, answer, err = run(*evaluate(model, raw, place, "--offset", offset))
        # Of the second, 0 is -1 by itself and has no label.
        assert code == 0, err
        assert answer["labelled_share"] == pytest.approx(0.75 if not offset else 0.5)
    masks[:, :10] = -3
    for more in ((), ("--binary",), ("--strokes",)):
        code, _, err = run(*train(raw, write(tmp_path / "m", masks), model, *more))
        assert code == 2
        assert "-3" in err


def test_strokes_and_names_fit_or_it_is_said(raw, truth, run, tmp_path):
    gap = write(tmp_path / "gap", np.array([0, 1, 3], np.uint8)[truth])
    output = tmp_path / "m.safetensors"
    code, _, err = run(*train(raw, gap, output, "--strokes", "--classes", "a,b"))
    assert code == 2
    assert "names the values 1 … 2, but painted are 1, 3" in err
    code, answer, _ = run(*train(raw, gap, output, "--strokes"))
    assert (code, answer["classes"]) == (0, ["phase 1", "phase 3"])
    code, answer, _ = run(*train(raw, write(tmp_path / "s", truth + 1), output, "--strokes", "--ignore-label", 3))
    assert (code, answer["classes"]) == (0, ["phase 1", "phase 2"])
    code, _, err = run(*train(raw, gap, output, "--strokes", "--binary"))
    assert code == 2
    assert "not for --strokes" in err


def test_outlines_are_met_within_the_tolerance(raw, truth, model, run, tmp_path):
    masks = write(tmp_path / "m", np.roll(truth, 4, axis=0)[4:])
    image = write(tmp_path / "i", iio.imread(raw / "a.tif")[4:])
    found = {within: run(*evaluate(model, image, masks, "--tolerance", within))[1] for within in ("1.5", "5")}
    assert found["1.5"]["boundary_tolerance"] == 1.5
    assert found["1.5"]["boundary_f1"]["cap"] < 0.3
    assert found["5"]["boundary_f1"]["cap"] > 0.9
    assert found["5"]["iou"] == found["1.5"]["iou"]


def test_pixels_without_a_value_are_no_phase(truth, model, run, caplog, tmp_path):
    """From the image to the fractions: labels without a name count nowhere unless they are asked for."""
    image = (60 + 60 * truth).astype(np.float32)
    image[:, :16] = np.nan
    code, answer, _ = run(
        "segment", "predict", model, write(tmp_path / "raw", image), "--output", tmp_path / "out", "--seed", "3"
    )
    assert code == 0
    measure = [
        "segment",
        "measure",
        tmp_path / "out" / "a_phases.ome.tif",
        "--output",
        tmp_path / "a",
        "--device",
        "cpu",
    ]
    code, answer, _ = run(*measure)
    assert code == 0
    assert [row["class"] for row in answer["fractions"]] == ["ground", "film", "cap"]
    assert sum(row["fraction"] for row in answer["fractions"]) == pytest.approx(1)
    assert sum(row["pixels"] for row in answer["fractions"]) == 72 * 64
    assert {row["class"] for row in answer["objects"]} == {"ground", "film", "cap"}
    assert answer["notes"] == ["20 % of the pixels have labels without a name (255) and count nowhere"]
    assert answer["notes"][0] in caplog.text
    code, answer, _ = run(*measure, "--ignore", "255, Cap")
    assert [row["class"] for row in answer["fractions"]] == ["ground", "film"]
    assert answer["notes"] == []
    code, answer, _ = run(*measure, "--objects-of", "255")
    assert answer["fractions"][-1]["fraction"] == pytest.approx(0.2)
    assert [row["class"] for row in answer["objects"]] == ["class 255"]
    code, _, err = run(*measure, "--ignore", "rust")
    assert code == 2
    assert "--ignore knows no phase 'rust': give ground (0), film (1), cap (2)" in err


def test_two_annotators_are_compared(raw, truth, run, tmp_path):
    """The values of both count, ignored pixels on neither side."""
    other = truth.copy()
    other[20:24], other[:6] = 1, VOID
    anna, berta = write(tmp_path / "anna", truth), write(tmp_path / "berta", other, "a_labels")
    words = ["segment", "compare", anna, berta, "--ignore-label", VOID]
    code, answer, err = run(*words, "--classes", "ground,film,cap")
    assert (code, err) == (0, "")
    assert answer["iou"] == pytest.approx({"ground": 14 / 18, "film": 24 / 28, "cap": 1})
    assert answer["confusion"] == [[14 * 80, 4 * 80, 0], [0, 24 * 80, 0], [0, 0, 24 * 80]]
    assert answer["labelled_share"] == pytest.approx(66 / 72)
    code, named, _ = run(*words, "--classes", "2=cap,0=ground,1=film, oxidised")
    assert named["iou"] == pytest.approx({"ground": 14 / 18, "film, oxidised": 24 / 28, "cap": 1})
    code, _, err = run(*words, "--classes", "2=cap,0=ground")
    assert (code, "no name for the values [1]" in err) == (2, True)
    code, back, _ = run("segment", "compare", berta, anna, "--ignore-label", VOID)
    assert list(back["iou"].values()) == pytest.approx(list(answer["iou"].values()))
    code, answer, _ = run("segment", "compare", anna / "a.tif", anna)
    assert (code, answer["mean_iou"], answer["n"]) == (0, 1, 1)
    code, _, err = run("segment", "compare", anna, write(tmp_path / "carla", np.full_like(truth, VOID)), *words[-2:])
    assert code == 2
    assert "no pixel is labelled on both sides" in err
    code, _, err = run("segment", "compare", anna, write(tmp_path / "wide", truth[:, :40]))
    assert code == 2
    assert "has shape" in err


def test_results_are_compared_with_masks(raw, truth, model, run, tmp_path):
    masks = write(tmp_path / "m", truth)
    code, _, _ = run("segment", "predict", model, raw, "--output", tmp_path / "out")
    assert code == 0
    code, answer, _ = run("segment", "compare", masks, tmp_path / "out")
    _, expected, _ = run(*evaluate(model, raw, masks))
    assert code == 0
    assert answer["confusion"] == expected["confusion"]
    code, back, _ = run("segment", "compare", tmp_path / "out", masks)
    assert (code, back["n"]) == (0, 1)
    assert np.transpose(back["confusion"]).tolist() == expected["confusion"]
    iio.imwrite(tmp_path / "a.png", np.random.default_rng(0).integers(0, 9, (*truth.shape, 3), np.uint8))
    code, _, err = run("segment", "compare", tmp_path / "a.png", masks)
    assert code == 2
    assert "a.png is a colour picture" in err
    write(masks, truth, "a_mask")
    code, _, err = run("segment", "compare", masks, tmp_path / "out")
    assert code == 2
    assert "several labels of “a”" in err
