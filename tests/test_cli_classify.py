import pandas as pd
import pytest

from napari_visualccc.cli import main
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.io import write_tiff
from napari_visualccc.samples import LithiumOptions, lithium


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Twelve micrographs and a table of them; a model trained on eight."""
    path = tmp_path_factory.mktemp("classify")
    sample = lithium(LithiumOptions(count=12, size=96, pixel_nm=16.0, seed=2))
    rows = ["path,label,group,split"]
    for number, name in enumerate(sample.plane_labels):
        write_tiff(path / f"{number}.tif", sample.image[number], PixelSize())
        rows.append(f"{number}.tif,{name},s{number},{'train' if number < 8 else 'val'}")
    (path / "set.csv").write_text("\n".join(rows))
    assert main(["classify", "train", str(path / "set.csv"), "--output", str(path / "m"), "--no-cache"]) == 0
    return path


def test_evaluate(folder, run):
    code, answer, _ = run("classify", "evaluate", folder / "m.safetensors", folder / "set.csv", "--split", "val",
                          "--report", folder / "report", "--no-cache")  # fmt: skip
    assert code == 0
    assert answer["n"] == 4
    assert {"weighted_accuracy", "balanced_accuracy", "weighted_f1", "per_class", "confusion", "intervals"} <= set(
        answer
    )
    assert (folder / "report" / "report.html").exists()
    assert (answer["learnt_from"], answer["notes"]) == (0, [])


def test_evaluating_on_images_learnt_from_is_told(folder, run, caplog):
    words = ["classify", "evaluate", folder / "m.safetensors", folder / "set.csv", "--no-cache"]
    code, answer, _ = run(*words, "--report", folder / "all")
    assert (code, answer["n"], answer["learnt_from"]) == (0, 12, 8)
    (note,) = answer["notes"]
    assert "8 of the 12 images" in note
    assert note in caplog.text
    assert note in (folder / "all" / "report.html").read_text(encoding="utf-8")


def test_predict_writes_table_maps_and_heat(folder, run):
    table = folder / "out" / "classes.csv"
    code, answer, _ = run("classify", "predict", folder / "m.safetensors", folder / "8.tif", folder / "9.tif",
                          "--output", table, "--class-map", "--window", "64", "--cam", folder / "cam",
                          "--no-cache")  # fmt: skip
    assert code == 0
    first = answer["predictions"][0]
    assert set(first) >= {"path", "plane", "label", "probabilities", "unlike"}
    assert sum(first["probabilities"].values()) == pytest.approx(1)
    assert list(pd.read_csv(table)["label"]) == [row["label"] for row in answer["predictions"]]
    assert not pd.read_csv(table)["learnt_from"].any()
    assert list((folder / "cam").glob("*.png"))


def test_images_learnt_from_are_marked(folder, capsys):
    table = folder / "out" / "known.csv"
    words = ["classify", "predict", folder / "m.safetensors", folder / "0.tif", folder / "9.tif", "--output", table]
    assert main([str(word) for word in (*words, "--no-cache")]) == 0
    learnt, new = capsys.readouterr().out.splitlines()[:2]
    assert "(learnt from)" in learnt
    assert "%" not in learnt
    assert "%" in new
    assert pd.read_csv(table)["learnt_from"].tolist() == [True, False]


def test_options_of_fine_tuning_are_not_ignored_in_silence(folder, caplog, tmp_path):
    words = ["classify", "train", str(folder / "set.csv"), "--output", str(tmp_path / "m"), "--epochs", "3"]
    words += ["--max-minutes", "10", "--crop", "64", "--rare-weight", "0.2"]  # ten minutes are the default
    assert main(words) == 0
    assert "without effect without --method fine-tune: --epochs, --crop" in caplog.text.splitlines()[0]


def test_time_ends_a_fine_tuning_that_has_epochs_left(folder, run, caplog, tmp_path):
    code, answer, _ = run("classify", "train", folder / "set.csv", "--output", tmp_path / "m", "--method", "fine-tune",
                          "--epochs", "100000", "--max-minutes", "0.05", "--batch", "4", "--device", "cpu")  # fmt: skip
    assert code == 0
    (note,) = (one for one in answer["notes"] if "training time was over" in one)
    assert "of 100000 epochs" in note
    assert note in caplog.text
    assert "without effect" not in caplog.text
    assert answer["history"][0]["validation_loss"] >= 0


def test_another_magnification_is_told(folder, run, caplog, tmp_path):
    """Each image by itself; models know the pixel size if all that they learnt from have one."""
    sample = lithium(LithiumOptions(count=6, size=96, pixel_nm=16.0, seed=2))
    lines = ["path,label"]
    for number, name in enumerate(sample.plane_labels):
        write_tiff(tmp_path / f"{number}.tif", sample.image[number], PixelSize(16, 16, "nm"))
        lines.append(f"{number}.tif,{name}")
    (tmp_path / "set.csv").write_text("\n".join(lines))
    write_tiff(tmp_path / "far.tif", sample.image[0][:90], PixelSize(160, 160, "nm"))
    model = tmp_path / "m.safetensors"
    assert main(["classify", "train", str(tmp_path / "set.csv"), "--output", str(model), "--no-cache"]) == 0
    caplog.clear()
    code, answer, _ = run("classify", "predict", model, tmp_path / "5.tif", tmp_path / "far.tif", "--output",
                          tmp_path / "out.csv", "--no-cache")  # fmt: skip
    assert code == 0
    same, far = (row["notes"] for row in answer["predictions"])
    assert same == []
    assert "10 times larger than any that the model learnt from (16 nm)" in far[0]
    assert f"far.tif: {far[0]}" in caplog.text


def test_show_and_refusals(folder, run, capsys):
    code, card, _ = run("models", "show", folder / "m.safetensors")
    assert code == 0
    assert card["task"] == "classify"
    assert main(["models", "show", str(folder / "m.safetensors")]) == 0
    assert "dendritic" in capsys.readouterr().out
    assert main(["segment", "predict", str(folder / "m.safetensors"), str(folder / "8.tif"), "--output", "x"]) == 2
    assert "a model to classify" in capsys.readouterr().err


def test_mistakes_of_the_user_are_one_line(folder, capsys, tmp_path):
    wrong = tmp_path / "wrong.csv"
    wrong.write_text("path,kind\na.tif,b\n")
    assert main(["classify", "train", str(wrong), "--output", str(tmp_path / "m")]) == 2
    assert "lacks the column(s) label" in capsys.readouterr().err
    (tmp_path / "cut.tif").write_bytes((folder / "8.tif").read_bytes()[:300])
    assert (
        main(["classify", "predict", str(folder / "m.safetensors"), str(tmp_path / "cut.tif"), "--output", "x.csv"])
        == 2
    )
    assert "cut.tif" in capsys.readouterr().err
