"""`visualccc segment` and `models`: the names and keys that others script against."""

import json
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest
import tifffile

from napari_visualccc.cli import main
from napari_visualccc.commands.segment_train import _saved
from napari_visualccc.core.errors import OutputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.io import read
from napari_visualccc.models.card import ModelCard
from napari_visualccc.models.files import save_model
from napari_visualccc.segment import SegmentationModel

NETWORK = ["--steps", "4", "--patch", "64", "--batch", "2", "--reduction", "1", "--device", "cpu"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Four images with masks: raw/a.png, painted/a.png …"""
    root = tmp_path_factory.mktemp("set")
    rng = np.random.default_rng(0)
    for kind in ("raw", "painted"):
        (root / kind).mkdir()
    for name in "abcd":
        mask = np.zeros((80, 96), np.uint8)
        mask[20:60, 10 : rng.integers(40, 90)] = 1
        iio.imwrite(root / "raw" / f"{name}.png", (80 + 60 * mask + rng.normal(0, 8, mask.shape)).astype(np.uint8))
        iio.imwrite(root / "painted" / f"{name}.png", mask)
    return root


@pytest.fixture(scope="module")
def model(folder):
    path = folder / "phases.safetensors"
    flags = ["--images", folder / "raw", "--masks", folder / "painted", "--classes", "ground,phase", "--output", path]
    assert main([*map(str, ["segment", "train", *flags]), *NETWORK]) == 0
    return path


def test_train(folder, run):
    code, answer, err = run(
        "segment", "train", "--images", folder / "raw", "--masks", folder / "painted",
        "--val-images", folder / "raw", "--val-masks", folder / "painted", "--output", folder / "other", *NETWORK,
    )  # fmt: skip
    assert code == 0
    assert err == ""
    assert {"classes", "metrics", "steps", "seconds"} <= answer.keys()
    assert answer["classes"] == ["class 0", "class 1"]
    assert answer["metrics"]["held_out"] == "validation images"
    assert answer["steps"] == 4
    assert (folder / "other.safetensors").exists()
    assert not (folder / "other.training").exists()


def test_predict(folder, model, run, tmp_path):
    code, answer, _ = run("segment", "predict", model, folder / "raw", "--output", tmp_path, "--uncertainty")
    assert code == 0
    assert answer["megapixels_per_second"] > 0
    assert len([path for path in answer["outputs"] if path.endswith("_phases.ome.tif")]) == 4
    labels = np.asarray(read(tmp_path / "a_phases.ome.tif")[0].data)
    assert labels.shape == (80, 96)
    assert set(np.unique(labels)) <= {0, 1}
    entropy = np.asarray(read(tmp_path / "a_entropy.ome.tif")[0].data)
    assert 0 <= entropy.min() <= entropy.max() <= 1


def test_a_pixel_size_that_files_do_not_know_is_said(folder, run, tmp_path):
    model, result = tmp_path / "sized.safetensors", tmp_path / "a_phases.ome.tif"
    data = ["--images", folder / "raw", "--masks", folder / "painted"]
    _, trained, _ = run("segment", "train", *data, "--pixel-size", "0.5nm", "--output", model, *NETWORK)
    assert "--pixel-size 0.5nm" in trained["provenance"]["command"]
    image = folder / "raw" / "a.png"
    _, answer, _ = run("segment", "predict", model, image, "--pixel-size", "1nm,0.5nm", "--output", tmp_path)
    assert answer["images"][0]["rescaled"] == [2, 1]
    assert read(result)[0].pixel_size == PixelSize(1, 0.5, "nm")
    record = json.loads((tmp_path / "a_provenance.json").read_text())
    assert "--pixel-size 1nm,0.5nm" in record["command"]
    _, answer, _ = run("segment", "evaluate", model, *data, "--pixel-size", "0.5nm", "--tolerance", "3")
    assert answer["boundary_unit"] == "nm"
    _, answer, _ = run("segment", "measure", result, "--pixel-size", "2µm", "--output", tmp_path / "m")
    assert answer["pixel_size"] == [2000, 2000]
    code, _, err = run("segment", "measure", result, "--pixel-size", "2", "--output", tmp_path / "m")
    assert code == 2
    assert "say such as 0.35nm" in err


def test_predict_to_zarr(folder, model, run, tmp_path):
    code, answer, _ = run(
        "segment", "predict", model, folder / "raw" / "a.png", "--output", tmp_path, "--format", "zarr"
    )
    assert code == 0
    assert np.asarray(read(tmp_path / "a_phases.ome.zarr")[0].data).shape == (80, 96)


def test_evaluate(folder, model, run, caplog):
    code, answer, _ = run(
        "segment", "evaluate", model, "--images", folder / "raw", "--masks", folder / "painted", "--tta"
    )
    assert code == 0
    assert {"mean_iou", "pooled_iou", "iou", "dice", "pixel_accuracy", "confusion", "n"} <= answer.keys()
    assert answer["iou"].keys() == {"ground", "phase"}
    assert answer["n"] == 4
    assert np.sum(answer["confusion"]) == 4 * 80 * 96
    assert answer["learnt_from"] == 4
    assert "learnt from all 4 images" in answer["notes"][0]
    assert answer["notes"][0] in caplog.text


def test_a_model_has_the_licence_it_is_given_and_names_that_of_the_weights_it_began_with(folder, run, tmp_path, capsys):
    flags = ["segment", "train", "--images", folder / "raw", "--masks", folder / "painted", "--licence", "CC-BY-4.0"]
    for kind in (NETWORK, ["--quick"]):
        code, answer, _ = run(*flags, "--output", tmp_path / kind[0].strip("-"), *kind)
        assert code == 0
        assert "--licence CC-BY-4.0" in answer["provenance"]["command"]
        assert run("models", "show", answer["model"])[1]["licence"] == "CC-BY-4.0"
    assert main(["models", "show", str(tmp_path / "steps.safetensors")]) == 0
    said = capsys.readouterr().out
    assert "licence: CC-BY-4.0\n" in said
    assert "begun with: tu-tf_efficientnet_lite0.safetensors, licence: Apache-2.0, blake2b:" in said


def test_models_show_and_list(model, run, capsys):
    code, card, _ = run("models", "show", model)
    assert code == 0
    assert card["task"] == "segment"
    assert [one["name"] for one in card["classes"]] == ["ground", "phase"]
    assert card["training"]["steps"] == 4
    code, answer, _ = run("models", "list")
    assert code == 0
    assert any(one["name"] == "resnet18" for one in answer["encoders"])
    assert main(["models", "show", str(model)]) == 0
    assert "tu-tf_efficientnet_lite0" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("encoder", "words"),
    [("resnet18", ("simulated micrographs", "8 bits", "BSD-3-Clause", "outline_dice: ")),
     ("tu-tf_efficientnet_lite0", ("photographs of ImageNet", "Google", "ML Illustrated", "Apache-2.0"))],
)  # fmt: skip
def test_encoders_of_the_package_are_shown_and_not_exported(capsys, tmp_path, encoder, words):
    from napari_visualccc.models.nn.encoders import shipped_weights

    path = str(shipped_weights()[encoder])
    assert main(["models", "show", path]) == 0
    said = capsys.readouterr().out
    assert all(word in said for word in words)
    assert "None" not in said
    assert main(["models", "export", path, "--output", str(tmp_path / "a.zip"), "--author", "A"]) == 2
    assert "not to segment" in capsys.readouterr().err


def test_words_for_people(folder, model, capsys, tmp_path):
    assert main(["segment", "predict", str(model), str(folder / "raw" / "a.png"), "--output", str(tmp_path)]) == 0
    assert "ground" in capsys.readouterr().out
    assert main(["segment", "evaluate", str(model), "--images", str(folder / "raw"), "--masks",
                 str(folder / "painted")]) == 0  # fmt: skip
    assert "mean IoU" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["segment", "train", "--images", "{raw}", "--masks", "{raw}/nothing", "--output", "x"], "no such file"),
        (["segment", "train", "--images", "{raw}", "--masks", "{numbered}", "--output", "x"], "--binary"),
        (["segment", "train", "--images", "{raw}", "--masks", "{raw}", "--output", "x"], "the images, but no masks"),
        (["segment", "train", "--images", "{raw}", "--masks", "{painted}", "--output", "x", "--classes", "a,b,c",
          "--encoder", "resnet17"], "resnet17"),
        (["segment", "train", "--images", "{raw}", "--masks", "{painted}", "--output", "x", "--val-images", "{raw}"],
         "--val-masks"),
        (["segment", "predict", "{raw}/a.png", "{raw}", "--output", "x"], "not a model file"),
        (["segment", "predict", "nothing.safetensors", "{raw}", "--output", "x"], "cannot be opened"),
        (["models", "show", "{raw}/a.png"], "not a model file"),
    ],
)  # fmt: skip
def test_what_the_user_can_mend_is_one_line_and_exit_2(folder, arguments, words, run, tmp_path):
    places = {"raw": folder / "raw", "painted": folder / "painted", "numbered": tmp_path}
    for name in "abcd":
        iio.imwrite(tmp_path / f"{name}.png", np.arange(80 * 96, dtype=np.uint16).reshape(80, 96))
    code, answer, err = run(*[part.format(**places) for part in arguments])
    assert code == 2
    assert answer is None
    assert words in err
    assert err.count("\n") == 1


def test_help_of_groups(capsys):
    for group in ("segment", "models"):
        with pytest.raises(SystemExit) as stop:
            main([group, "--help"])
        assert stop.value.code == 0
        assert group in capsys.readouterr().out


def test_quick(folder, run, tmp_path):
    code, answer, _ = run(
        "segment", "train", "--quick", "--images", folder / "raw", "--masks", folder / "painted",
        "--val-images", folder / "raw", "--val-masks", folder / "painted", "--output", tmp_path / "quick",
    )  # fmt: skip
    assert code == 0
    assert answer["metrics"]["mean_iou"] > 0.8
    code, answer, _ = run(
        "segment", "evaluate", tmp_path / "quick.safetensors", "--images", folder / "raw", "--masks",
        folder / "painted",
    )  # fmt: skip
    assert answer["mean_iou"] > 0.9
    assert answer["learnt_from"] == 4


def test_measure(folder, model, run, tmp_path):
    run("segment", "predict", model, folder / "raw" / "a.png", "--output", tmp_path)
    code, answer, _ = run(
        "segment", "measure", tmp_path / "a_phases.ome.tif", "--image", folder / "raw" / "a.png",
        "--output", tmp_path / "out.csv",
    )  # fmt: skip
    assert code == 0
    assert [row["class"] for row in answer["fractions"]] == ["ground", "phase"]
    assert sum(row["fraction"] for row in answer["fractions"]) == pytest.approx(1)
    assert answer["unit"] == "px"
    names = {path.name for path in tmp_path.glob("out*")}
    assert {"out.csv", "out_phases.csv", "out_sizes.csv", "out_provenance.json"} <= names


def test_measure_a_mask_by_names(folder, run, capsys, tmp_path):
    code, answer, _ = run(
        "segment", "measure", folder / "painted" / "a.png", "--classes", "ground,film",
        "--thickness-of", "film", "--output", tmp_path / "film",
    )  # fmt: skip
    assert code == 0
    assert len(answer["thickness_summary"]) >= 1
    assert len(answer["objects"]) >= 2
    assert main(["segment", "measure", str(folder / "painted" / "a.png"), "--output", str(tmp_path / "b")]) == 0
    assert "37.50%" in capsys.readouterr().out


def test_measure_takes_one_plane_as_the_widget_says(run, tmp_path):
    stack = np.ones((3, 20, 30), np.uint8)
    stack[1, 5:9, 5:9] = 2
    image = np.arange(3, dtype=np.float32)[:, None, None] * np.ones((20, 30), np.float32)
    tifffile.imwrite(tmp_path / "labels.tif", stack, photometric="minisblack")
    tifffile.imwrite(tmp_path / "image.tif", image, photometric="minisblack")
    code, answer, _ = run(
        "segment", "measure", tmp_path / "labels.tif", "--plane", 1, "--image", tmp_path / "image.tif",
        "--output", tmp_path / "out.csv",
    )  # fmt: skip
    assert code == 0
    assert [row["pixels"] for row in answer["fractions"]] == [600 - 16, 16]
    assert {row["mean_intensity"] for row in answer["objects"]} == {1}
    assert "--plane 1" in answer["provenance"]["command"]


def test_measure_says_that_cracks_may_belong_to_the_layer(run, caplog, tmp_path):
    labels = np.zeros((60, 200), np.uint8)
    labels[20:40] = 1
    labels[20:40, 100:104] = 2
    iio.imwrite(tmp_path / "oxide.png", labels)
    flags = ["segment", "measure", tmp_path / "oxide.png", "--classes", "metal,oxide,crack", "--thickness-of", "oxide"]
    code, answer, _ = run(*flags, "--output", tmp_path / "one")
    assert code == 0
    assert len(answer["notes"]) == 1
    assert "'crack' lies within 'oxide' (83 % of its outline)" in answer["notes"][0]
    assert answer["notes"][0] in caplog.text
    caplog.clear()
    code, answer, _ = run(*flags, "--layer-includes", "crack", "--output", tmp_path / "two")
    assert answer["notes"] == []
    assert "lies within" not in caplog.text


@pytest.fixture(scope="module")
def stroked(folder):
    """Strokes 1 and 2 on the images, in a folder of their own."""
    (folder / "strokes").mkdir()
    for name in "abcd":
        mask = iio.imread(folder / "painted" / f"{name}.png")
        strokes = np.zeros_like(mask)
        strokes[25:30] = mask[25:30] + 1
        iio.imwrite(folder / "strokes" / f"{name}.png", strokes)
    return folder


def stroke_flags(folder, tmp_path, *more):
    return ["segment", "train", "--images", folder / "raw", "--masks", folder / "strokes", "--strokes",
            "--output", tmp_path / "m.safetensors", *NETWORK, *more]  # fmt: skip


def test_masks_that_count_from_0_beside_strokes_that_count_from_1(stroked, run, tmp_path):
    val = ["--val-images", stroked / "raw", "--val-masks", stroked / "painted"]
    code, _, err = run(*stroke_flags(stroked, tmp_path, *val))
    assert code == 2
    assert "--val-offset 1" in err
    code, answer, _ = run(*stroke_flags(stroked, tmp_path, *val, "--val-offset", "1", "--quick"))
    assert code == 0
    assert answer["metrics"]["mean_iou"] > 0.8
    evaluate = ["segment", "evaluate", tmp_path / "m.safetensors", "--images", stroked / "raw", "--masks"]
    code, measured, _ = run(*evaluate, stroked / "painted", "--offset", "1")
    assert code == 0
    assert measured["mean_iou"] == pytest.approx(answer["metrics"]["mean_iou"])


def test_as_many_names_as_painted_phases(stroked, run, tmp_path):
    code, _, err = run(*stroke_flags(stroked, tmp_path, "--classes", "a,b,c"))
    assert code == 2
    assert "names 3 phases, but 2 are painted" in err
    code, answer, _ = run(*stroke_flags(stroked, tmp_path, "--classes", "2=phase,1=the ground", "--quick"))
    assert (code, answer["classes"]) == (0, ["the ground", "phase"])
    code, _, err = run(*stroke_flags(stroked, tmp_path, "--classes", "2=phase", "--quick"))
    assert (code, "no name for the values [1]" in err) == (2, True)


def test_names_of_phases_differ(folder, run, tmp_path):
    flags = ["segment", "train", "--images", folder / "raw", "--masks", folder / "painted"]
    code, _, err = run(*flags, "--classes", "a,a", "--output", tmp_path / "m", *NETWORK)
    assert code == 2
    assert "the name 'a'" in err


def test_masks_in_colours_are_refused_and_grey_ones_saved_as_rgb_are_not(folder, run, tmp_path):
    grey, colour = tmp_path / "grey", tmp_path / "colour"
    for place in (grey, colour):
        place.mkdir()
    for name in "abcd":
        mask = iio.imread(folder / "painted" / f"{name}.png")
        iio.imwrite(grey / f"{name}.png", np.stack([mask] * 3, -1))
        iio.imwrite(colour / f"{name}.png", np.stack([255 * mask, 255 * (1 - mask), 0 * mask], -1))
    flags = ["segment", "train", "--images", folder / "raw", "--output", tmp_path / "m", *NETWORK, "--masks"]
    assert run(*flags, grey)[0] == 0
    code, _, err = run(*flags, colour)
    assert code == 2
    assert "colour picture" in err


def test_one_plane_of_a_stack(model, run, tmp_path):
    from napari_visualccc.core.pixel_size import PixelSize
    from napari_visualccc.io import write_tiff

    stack = np.random.default_rng(0).integers(0, 200, (3, 64, 70), np.uint8)
    path = write_tiff(tmp_path / "stack.tif", stack, PixelSize())
    code, answer, _ = run("segment", "predict", model, path, "--plane", "1", "--output", tmp_path / "out")
    assert code == 0
    assert read(answer["outputs"][0])[0].planes.shape == (1, 64, 70)
    code, _, err = run("segment", "predict", model, path, "--plane", "3", "--output", tmp_path / "out")
    assert code == 2
    assert "planes 0 … 2" in err


def test_a_training_that_was_cut_off_goes_on_only_if_asked(folder, run, tmp_path, caplog):
    flags = ["segment", "train", "--images", folder / "raw", "--masks", folder / "painted", "--output", tmp_path / "m"]
    (tmp_path / "m.training").write_bytes(b"cut off")
    assert run(*flags, *NETWORK)[0] == 0
    assert "rename it to m.training and say --resume" in caplog.text
    assert str(tmp_path / "m.training.old") in caplog.text
    assert (tmp_path / "m.training.old").read_bytes() == b"cut off"
    assert run(*flags, *NETWORK, "--resume")[0] == 0
    assert "there is no training to go on with" in caplog.text


def test_a_model_that_cannot_be_saved_is_not_lost(folder, run, tmp_path, monkeypatch):
    def full(path, *parts):
        if path.parent == tmp_path:
            raise OutputError(f"{path} could not be written: No space left on device")
        return save_model(path, *parts)

    flags = ["segment", "train", "--images", folder / "raw", "--masks", folder / "painted", "--output", tmp_path / "m"]
    with monkeypatch.context() as patched:
        patched.setattr("tempfile.tempdir", str(tmp_path))
        patched.setattr("napari_visualccc.segment.model.save_model", full)
        code, _, err = run(*flags, *NETWORK)
    assert code == 2
    (kept,) = tmp_path.glob("visualccc-*/m.safetensors")
    assert f"No space left on device; the model is kept as {kept}" in err
    assert SegmentationModel.load(kept).card.training["steps"] == 4
    assert (tmp_path / "m.training").exists()
    code, answer, _ = run(*flags, *NETWORK, "--resume")
    assert code == 0
    assert answer["steps"] == 4
    assert answer["history"], "it did not begin anew"
    assert (tmp_path / "m.safetensors").is_file()
    assert not (tmp_path / "m.training").exists()


def test_a_model_is_kept_at_home_if_there_is_no_room_for_temporary_files(tmp_path, monkeypatch, bright_network):
    model = SegmentationModel(bright_network, ModelCard("segment", {}, ()))
    (tmp_path / "full").touch()  # no folder can be made in it
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "full"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    with pytest.raises(OutputError, match="the model is kept as") as told:
        _saved(model, tmp_path / "full" / "m.safetensors")
    (kept,) = tmp_path.glob("visualccc-*/m.safetensors")
    assert str(kept) in str(told.value)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "full")
    with pytest.raises(OutputError, match="could not be written: [^;]*$"):
        _saved(model, tmp_path / "full" / "m.safetensors")


def test_encoders_are_fetched_or_it_is_said_how(capsys, tmp_path, monkeypatch):
    import segmentation_models_pytorch as smp
    import torch

    monkeypatch.setattr("platformdirs.user_cache_path", lambda *_, **__: tmp_path / "cache")
    monkeypatch.setattr("napari_visualccc.models.zoo._MICRONET_URL", "http://127.0.0.1:9/")
    assert main(["models", "fetch", "resnet18", "--weights", "micronet"]) == 2
    path = tmp_path / "cache" / "weights" / "resnet18-micronet.pth"
    said = capsys.readouterr().err
    assert "http://127.0.0.1:9/resnet18_pretrained_microscopynet_v1.0.pth.tar" in said
    assert f"put the file at {path}" in said
    torch.save(smp.encoders.get_encoder("resnet18", weights=None).state_dict(), path)
    assert main(["models", "fetch", "resnet18", "--weights", "micronet", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["path"] == str(path)
    assert main(["models", "list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].startswith("resnet18  ")
    assert "BSD-3-Clause" in lines[1]
    assert lines[2].startswith("tu-tf_efficientnet_lite0  ")
    assert "Apache-2.0" in lines[2]
    assert all(word in lines[3] for word in ("resnet18", "micronet", "here", "NASA", "MIT", str(path)))
