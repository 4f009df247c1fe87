"""`visualccc explain`: the names and keys that others script against."""

import imageio.v3 as iio
import numpy as np
import pandas as pd
import pytest
import torch

from napari_visualccc.cli import main
from napari_visualccc.core.colours import label_colour
from napari_visualccc.io import read
from napari_visualccc.models.card import ClassInfo, ModelCard
from napari_visualccc.models.nn.unet import Architecture, build
from napari_visualccc.segment import SegmentationModel


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A U-Net that has learnt nothing, three images, labels."""
    root = tmp_path_factory.mktemp("explain")
    torch.manual_seed(2)  # by chance it calls most pixels Li/Li2O, so that there is something to explain
    architecture = Architecture(encoder="resnet18", classes=2)
    classes = (ClassInfo(0, "ground", label_colour(1)), ClassInfo(1, "Li/Li2O", label_colour(2)))
    SegmentationModel(build(architecture), ModelCard("segment", architecture.as_dict(), classes)).save(
        root / "phases.safetensors"
    )
    rng = np.random.default_rng(0)
    (root / "raw").mkdir()
    for name in "abc":
        iio.imwrite(root / "raw" / f"{name}.png", rng.integers(0, 255, (70, 100)).astype(np.uint8))
    iio.imwrite(root / "labels.png", (np.arange(7000).reshape(70, 100) % 3).astype(np.uint8))
    return root


def test_explain_an_image(folder, run, tmp_path):
    code, answer, err = run(
        "explain", folder / "phases.safetensors", folder / "raw" / "a.png", "--method", "layercam",
        "--target", "Li/Li2O", "--labels", folder / "labels.png", "--threshold", "0.5", "--output", tmp_path,
    )  # fmt: skip
    assert (code, err) == (0, "")
    assert 0 <= answer["insertion_auc"] <= 1
    assert 0 <= answer["deletion_auc"] <= 1
    assert answer["planes"][0]["class"] == "Li/Li2O"
    assert any("hardly surer of the class than chance" in note for note in answer["notes"])
    assert {row["label"] for row in answer["phases"]} == {0, 1, 2}
    assert sum(row["heat_fraction"] for row in answer["phases"]) == pytest.approx(1)
    heat = read(tmp_path / "a_LayerCAM Li-Li2O.ome.tif")[0]
    assert heat.data.shape == (70, 100)
    assert heat.data.max() == 1
    hot = read(tmp_path / "a_threshold_LayerCAM Li-Li2O hot.ome.tif")[0].data
    np.testing.assert_array_equal(hot, heat.data > 0.5)
    assert iio.imread(tmp_path / "a_heat.png").shape == (70, 100, 3)
    assert all((tmp_path / name).exists() for name in ("a_explained.csv", "a_heat_by_phase.csv", "a_provenance.json"))


def explained_with(folder, run, tmp_path, labels):
    flags = ["--no-faithfulness", "--labels", labels, "--output", tmp_path / "out"]
    return run("explain", folder / "phases.safetensors", folder / "raw" / "a.png", *flags)


def test_labels_are_read_as_masks(folder, run, tmp_path):
    """Of a palette the indices, of grey saved in colours the grey, of floats the whole numbers: always the same."""
    from PIL import Image

    values = np.asarray(iio.imread(folder / "labels.png"))
    picture = Image.fromarray(values)
    picture.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    picture.save(tmp_path / "palette.png")
    iio.imwrite(tmp_path / "colours.png", np.repeat(values[..., None], 3, axis=-1))
    iio.imwrite(tmp_path / "floats.tif", values.astype(np.float32))
    _, expected, _ = explained_with(folder, run, tmp_path, folder / "labels.png")
    assert [row["label"] for row in expected["phases"]] == [0, 1, 2]
    for name in ("palette.png", "colours.png", "floats.tif"):
        code, answer, err = explained_with(folder, run, tmp_path, tmp_path / name)
        assert (code, err) == (0, "")
        assert answer["phases"] == expected["phases"]


def test_labels_that_cannot_be_right_are_refused_before_any_work(folder, run, tmp_path):
    rng = np.random.default_rng(0)
    values = np.asarray(iio.imread(folder / "labels.png"))
    iio.imwrite(tmp_path / "lossy.jpg", values)
    iio.imwrite(tmp_path / "colour.png", rng.integers(0, 255, (70, 100, 3)).astype(np.uint8))
    iio.imwrite(tmp_path / "shares.tif", values.astype(np.float32) + 0.5)
    iio.imwrite(tmp_path / "small.png", values[:50])
    for name, words in {
        "lossy.jpg": "is a JPEG picture, whose compression changes the values of labels",
        "colour.png": "is a colour picture: masks must be grey",
        "shares.tif": "labels must be whole numbers, one per phase",
        "small.png": "has the shape (1, 50, 100)",
    }.items():
        code, answer, err = explained_with(folder, run, tmp_path, tmp_path / name)
        assert (code, answer) == (2, None)
        assert words in err
        assert name in err
    assert not (tmp_path / "out").exists()


def test_folders_that_do_not_follow_each_other_are_refused(folder, run, tmp_path):
    """The heat of one image on the phases of another would look like a result."""
    (tmp_path / "masks").mkdir()
    values = iio.imread(folder / "labels.png")
    for name in ("a_mask.png", "c_mask.png", "d_mask.png"):
        iio.imwrite(tmp_path / "masks" / name, values)
    words = ["--no-faithfulness", "--labels", tmp_path / "masks", "--output", tmp_path / "out"]
    code, _, err = run("explain", folder / "phases.safetensors", folder / "raw", *words)
    assert code == 2
    assert "b.png in" in err
    assert "would be one plane, but differ in name" in err
    for old, new in (("c", "b"), ("d", "c")):
        (tmp_path / "masks" / f"{old}_mask.png").rename(tmp_path / "masks" / f"{new}_mask.png")
    code, answer, err = run("explain", folder / "phases.safetensors", folder / "raw", *words)
    assert (code, err) == (0, "")
    assert len(answer["planes"]) == 3


def test_explain_a_folder_on_one_scale(folder, run, capsys, tmp_path):
    flags = ["--no-faithfulness", "--method", "gradcam", "--output", tmp_path]
    code, answer, _ = run("explain", folder / "phases.safetensors", folder / "raw", *flags)
    assert code == 0
    assert answer["insertion_auc"] is None
    assert answer["comparable"] is True
    table = pd.read_csv(tmp_path / "raw_explained.csv")
    assert table["path"].tolist() == ["a.png", "b.png", "c.png"]
    code = main(["explain", str(folder / "phases.safetensors"), str(folder / "raw"), *map(str, flags)])
    assert code == 0
    said = capsys.readouterr().out
    assert "the same for all planes" in said
    assert all(note in said for note in answer["notes"])


def test_the_recorded_command_gives_the_same_heat(folder, run, tmp_path):
    import shlex

    path = folder / "raw" / "b.png"
    flags = ["--no-faithfulness", "--method", "hirescam", "--layer", "encoder.layer1", "--target", "1"]
    _, answer, _ = run("explain", folder / "phases.safetensors", path, *flags, "--output", tmp_path)
    first = read(tmp_path / "b_HiResCAM Li-Li2O.ome.tif")[0].data
    command = shlex.split(answer["provenance"]["command"])
    assert command[0] == "visualccc"
    (tmp_path / "b_HiResCAM Li-Li2O.ome.tif").unlink()
    assert main(command[1:]) == 0
    np.testing.assert_array_equal(read(tmp_path / "b_HiResCAM Li-Li2O.ome.tif")[0].data, first)


def test_sanity(folder, run, tmp_path):
    flags = ["--no-faithfulness", "--sanity", "--output", tmp_path]
    _, answer, _ = run("explain", folder / "phases.safetensors", folder / "raw" / "a.png", *flags)
    assert answer["sanity"][0] == {"random_from": "nothing", "rank_correlation": pytest.approx(1)}
    assert answer["sanity"][1]["random_from"] == "head"


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--target", "oxide"], "no class 'oxide'"),
        (["--method", "magic"], "knows gradcam"),
        (["--layer", "encoder.layer9"], "no layer 'encoder.layer9'"),
        (["--threshold", "2"], "threshold of heat"),
        (["--labels", "missing.png"], "missing.png"),
    ],
)
def test_what_the_user_must_change(folder, run, tmp_path, flags, words):
    given = ["--no-faithfulness", *flags, "--output", tmp_path]
    code, answer, err = run("explain", folder / "phases.safetensors", folder / "raw" / "a.png", *given)
    assert (code, answer) == (2, None)
    assert words in err
    assert len(err.strip().splitlines()) == 1


def test_encoders_answer_nothing(folder, run, tmp_path):
    from napari_visualccc.models.nn.encoders import shipped_weights

    given = [shipped_weights()["resnet18"], folder / "raw" / "a.png", "--output", tmp_path]
    code, _, err = run("explain", *given)
    assert code == 2
    assert "no answer that could be explained" in err
