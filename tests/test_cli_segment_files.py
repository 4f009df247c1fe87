"""`visualccc segment`: files that belong together or get in each other's way, and options that do something."""

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import imageio.v3 as iio
import numpy as np
import pytest

from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.io import read, write_tiff
from napari_visualccc.segment import SegmentationModel, TrainOptions, dataset_of_masks, pair_files, train

NETWORK = TrainOptions(steps=4, patch=64, batch=2, reduction="1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two images with masks."""
    root = tmp_path_factory.mktemp("set")
    rng = np.random.default_rng(0)
    for kind in ("raw", "masks"):
        (root / kind).mkdir()
    for name in "ab":
        mask = np.zeros((96, 128), np.uint8)
        mask[20:60, 10 : rng.integers(40, 90)] = 1
        iio.imwrite(root / "raw" / f"{name}.png", (80 + 60 * mask + rng.normal(0, 8, mask.shape)).astype(np.uint8))
        iio.imwrite(root / "masks" / f"{name}.png", mask)
    return root


@pytest.fixture(scope="module")
def network(folder):
    """U-Net that has seen next to nothing, in all eight views."""
    dataset = dataset_of_masks(pair_files(folder / "raw", folder / "masks"))
    options = replace(NETWORK, symmetry="all")
    return train(dataset, options, device="cpu").model.save(folder / "net.safetensors")


def test_results_of_two_images_do_not_overwrite_each_other(folder, network, run, tmp_path):
    image = iio.imread(folder / "raw" / "a.png")
    for place in ("one", "two"):
        (tmp_path / place).mkdir()
        iio.imwrite(tmp_path / place / "scan.tif", image)
    iio.imwrite(tmp_path / "one" / "scan_seg.tif", image)
    out = tmp_path / "out"
    pairs = [("one/scan.tif", "two/scan.tif"), ("one/scan.tif", "one/scan_seg.tif"), ("one", "two/scan.tif")]
    for first, second in pairs:
        code, _, err = run("segment", "predict", network, tmp_path / first, tmp_path / second, "--output", out)
        assert code == 2
        assert "scan.tif and" in err
        assert "would both write scan_phases" in err
        assert not out.exists()
    twice = [tmp_path / "two" / "scan.tif", tmp_path / "two"]
    code, answer, _ = run("segment", "predict", network, *twice, "--output", out)
    assert code == 0
    assert len(answer["images"]) == 1
    assert (out / "scan_phases.ome.tif").exists()


def test_images_of_a_file_and_other_files_are_kept_apart(folder, network, run, tmp_path, monkeypatch):
    image = iio.imread(folder / "raw" / "a.png")
    for name in ("scan", "scan_1"):
        iio.imwrite(tmp_path / f"{name}.tif", image)
    monkeypatch.setattr("napari_visualccc.io.read", lambda path: read(path) * (2 if path.stem == "scan" else 1))
    predict = ["segment", "predict", network, tmp_path / "scan.tif"]
    code, answer, _ = run(*predict, "--output", tmp_path / "out")
    assert code == 0
    assert (tmp_path / "out" / "scan_1_phases.ome.tif").exists()
    code, _, err = run(*predict, tmp_path / "scan_1.tif", "--output", tmp_path / "other")
    assert code == 2
    assert "would both write scan_1_phases" in err


def test_results_in_the_folder_of_the_images_are_no_images(folder, network, run, tmp_path):
    for name in "ab":
        iio.imwrite(tmp_path / f"{name}.png", iio.imread(folder / "raw" / f"{name}.png"))
    predict = ["segment", "predict", network, tmp_path, "--output", tmp_path, "--uncertainty"]
    first, again = (run(*predict)[1] for _ in range(2))
    assert again["outputs"] == first["outputs"]
    assert [one["path"] for one in again["images"]] == [str(tmp_path / "a.png"), str(tmp_path / "b.png")]
    code, answer, _ = run(
        "segment", "evaluate", network, "--images", tmp_path, "--masks", folder / "masks", "--seed", "1"
    )
    assert (code, answer["n"]) == (0, 2)


def test_views_are_averaged_when_asked(folder, network, run, tmp_path):
    """A mirrored image has the mirrored confidence only if all views count."""
    image = iio.imread(folder / "raw" / "a.png")
    for name, pixels in (("a", image), ("b", image[:, ::-1])):
        write_tiff(tmp_path / f"{name}.tif", np.ascontiguousarray(pixels), PixelSize())
    worst = {}
    for flags in ((), ("--tta",)):
        out = tmp_path / f"out{len(flags)}"
        images = [tmp_path / "a.tif", tmp_path / "b.tif"]
        assert run("segment", "predict", network, *images, "--output", out, "--uncertainty", *flags)[0] == 0
        one, other = (np.asarray(read(out / f"{name}_confidence.ome.tif")[0].data) for name in "ab")
        worst[flags] = np.abs(one - other[:, ::-1]).max()
    assert worst["--tta",] < 2e-3 < worst[()]


def test_ome_zarr_is_written_while_it_is_computed(folder, network, run, tmp_path, monkeypatch):
    image = folder / "raw" / "a.png"
    assert run("segment", "predict", network, image, "--output", tmp_path / "tiff")[0] == 0
    monkeypatch.delattr("napari_visualccc.segment.prediction.allocate")  # what it would be kept in
    code, answer, _ = run("segment", "predict", network, image, "--output", tmp_path / "zarr", "--format", "zarr")
    assert code == 0
    expected = read(tmp_path / "tiff" / "a_phases.ome.tif")[0].data
    np.testing.assert_array_equal(read(answer["outputs"][0])[0].data, expected)
    record = json.loads((tmp_path / "zarr" / "a_provenance.json").read_text())
    assert record["command"].split()[4:] == [str(image), "--output", str(tmp_path / "zarr"), "--format", "zarr"]


def test_what_is_to_be_known_of_the_pixel_size_and_of_planes_is_told(folder, network, run, tmp_path, caplog):
    model = SegmentationModel.load(network)
    card = replace(model.card, pixel_size=PixelSize(2, 2, "nm"))
    calibrated = replace(model, card=card).save(tmp_path / "two.safetensors")
    stack = np.stack([iio.imread(folder / "raw" / "a.png")] * 2).astype(np.float32)
    stack[1] = np.nan
    path = write_tiff(tmp_path / "a.tif", stack, PixelSize(1, 1, "nm"))
    code, answer, _ = run(
        "segment", "predict", calibrated, path, folder / "raw" / "b.png", "--output", tmp_path / "out"
    )
    assert code == 0
    first, second = answer["images"]
    assert (first["rescaled"], second["rescaled"]) == ([0.5, 0.5], [1, 1])
    assert [note.split(",")[0] for note in first["notes"]] == [
        "plane 1 has no finite pixel", "the model saw the image resampled by 0.5"
    ]  # fmt: skip
    assert "no pixel size: it is taken as it is" in second["notes"][0]
    assert "b.png: the model learnt at 2 nm/px, the image has no pixel size" in caplog.text
    assert "a.tif: plane 1 has no finite pixel" in caplog.text
    assert json.loads((tmp_path / "out" / "a_provenance.json").read_text())["parameters"]["rescaled"] == [0.5, 0.5]


def test_evaluate_says_that_uncertainty_is_not_measured(folder, network, run, caplog):
    flags = ["segment", "evaluate", network, "--images", folder / "raw", "--masks", folder / "masks"]
    code, plain, _ = run(*flags)
    assert (code, "without effect" in caplog.text) == (0, False)
    code, answer, _ = run(*flags, "--uncertainty")
    assert (code, answer) == (0, plain)
    assert "without effect on what is measured: --uncertainty" in caplog.text


def test_a_training_that_was_cut_off_goes_on(folder, run, tmp_path):
    output, checkpoint = tmp_path / "m.safetensors", tmp_path / "m.training"
    dataset = dataset_of_masks(pair_files(folder / "raw", folder / "masks"))
    with pytest.raises(Cancelled):
        train(dataset, NETWORK, device="cpu", checkpoint=checkpoint, progress=Progress(is_cancelled=checkpoint.exists))
    flags = ["--steps", "6", "--patch", "64", "--batch", "2", "--reduction", "1", "--device", "cpu", "--resume"]
    code, answer, _ = run(
        "segment", "train", "--images", folder / "raw", "--masks", folder / "masks", "--output", output, *flags
    )
    assert code == 0
    assert answer["steps"] == 6
    assert [row["step"] for row in answer["history"]][0] <= 4
    assert output.exists()
    assert not checkpoint.exists()


def test_options_without_effect_are_told(folder, run, caplog, tmp_path):
    flags = ["segment", "train", "--images", folder / "raw", "--masks", folder / "masks", "--output", tmp_path / "m"]
    code, answer, _ = run(*flags, "--quick", "--seed", "1", "--levels", "3")
    assert (code, answer["metrics"]) == (0, {})
    assert "without effect" not in caplog.text
    assert "learns on the CPU" not in caplog.text
    assert run(*flags, "--quick", "--levels", "2", "--device", "cuda")[0] == 0
    assert "--quick learns on the CPU" in caplog.text
    given = ["--resume", "--max-minutes", "3", "--encoder", "resnet18", "--validation", "0.3"]
    assert run(*flags, "--quick", *given)[0] == 0
    assert "without effect with --quick: --max-minutes, --encoder, --validation, --resume" in caplog.text
    network = ["--steps", "1", "--patch", "64", "--batch", "2", "--reduction", "1", "--device", "cpu"]
    assert run(*flags, *network, "--levels", "3")[0] == 0
    assert "without effect without --quick: --levels" in caplog.text


def test_a_file_that_cannot_be_segmented_does_not_keep_the_others_from_it(folder, network, run, tmp_path):
    raw, masks = tmp_path / "raw", tmp_path / "masks"
    for place in (raw, masks):
        place.mkdir()
    image, mask = (iio.imread(folder / kind / "a.png") for kind in ("raw", "masks"))
    for name in "ac":
        iio.imwrite(raw / f"{name}.png", image)
        iio.imwrite(masks / f"{name}.png", mask)
    np.save(raw / "b.npy", np.full(image.shape, np.nan))
    iio.imwrite(masks / "b.png", mask)
    (raw / "broken.png").write_bytes((raw / "a.png").read_bytes()[:2000])
    code, answer, err = run("segment", "predict", network, raw, "--output", tmp_path / "out")
    assert code == 2
    assert [Path(one["path"]).name for one in answer["failed"]] == ["b.npy", "broken.png"]
    assert "no finite pixel" in answer["failed"][0]["error"]
    assert [Path(one["path"]).name for one in answer["images"]] == ["a.png", "c.png"]
    assert (tmp_path / "out" / "c_phases.ome.tif").exists()
    iio.imwrite(raw / "d.tif", np.stack([image, image]))
    _, answer, _ = run(
        "segment", "predict", network, raw / "a.png", raw / "d.tif", "--plane", "1", "--output", tmp_path
    )
    assert [Path(one["path"]).name for one in answer["failed"]] == ["a.png"]
    (raw / "d.tif").unlink()
    code, answer, err = run("segment", "predict", network, raw / "b.npy", "--output", tmp_path / "out")
    assert (code, answer) == (2, None)
    assert "no finite pixel" in err
    (raw / "broken.png").unlink()
    code, answer, _ = run("segment", "evaluate", network, "--images", raw, "--masks", masks)
    assert (code, answer["n"]) == (0, 2)
    assert "b.npy: no finite pixel, left out" in answer["notes"]


def test_layers_of_an_earlier_run_are_told(folder, network, run, tmp_path):
    words = ["segment", "predict", network, folder / "raw" / "a.png", "--output", tmp_path]
    _, answer, _ = run(*words, "--uncertainty")
    assert answer["images"][0]["notes"] == []
    _, answer, _ = run(*words)
    assert answer["images"][0]["notes"] == ["a_confidence.ome.tif, a_entropy.ome.tif beside it are of an earlier run"]


def test_an_output_that_cannot_be_is_refused_before_the_work(folder, network, run, tmp_path):
    (tmp_path / "m.safetensors").mkdir()
    (tmp_path / "file").write_text("")
    data = ["--images", folder / "raw", "--masks", folder / "masks"]
    code, _, err = run("segment", "train", *data, "--output", tmp_path / "m.safetensors", "--steps", "100000")
    assert (code, "is a folder" in err) == (2, True)
    code, _, err = run("segment", "predict", network, folder / "raw", "--output", tmp_path / "file")
    assert (code, "is a file" in err) == (2, True)


@pytest.fixture
def training(folder, tmp_path):
    """Training in a process of its own that has begun, and the model it is to write."""
    words = ["--images", folder / "raw", "--masks", folder / "masks", "--output", tmp_path / "m.safetensors"]
    words += ["--patch", "64", "--batch", "2", "--reduction", "1", "--device", "cpu", "--max-minutes", "10", "--json"]
    command = [sys.executable, "-m", "napari_visualccc.cli", "segment", "train", *map(str, words)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 120
        while not (tmp_path / "m.training").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        yield process, tmp_path / "m.safetensors"
        process.kill()


def test_the_first_interrupt_keeps_the_best_model_so_far(training):
    process, model = training
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert json.loads(out)["steps"] > 0
    assert SegmentationModel.load(model).card.metrics
    assert "press Ctrl-C again" in err


def test_a_training_that_is_told_to_end_says_how_to_go_on(training):
    process, model = training
    process.terminate()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "--resume goes on" in err
    assert model.with_suffix(".training").exists()
    assert not model.exists()


def test_an_interrupt_before_there_is_anything_worth_keeping_cancels(tmp_path):
    from napari_visualccc.commands.base import stop_on_interrupt

    with pytest.raises(KeyboardInterrupt), stop_on_interrupt(lambda: False):
        signal.raise_signal(signal.SIGINT)
    with stop_on_interrupt(lambda: True) as should_stop:
        assert not should_stop()
        signal.raise_signal(signal.SIGINT)
        assert should_stop()
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_what_was_predicted_beside_the_images_is_no_truth(folder, network, run, tmp_path):
    image, mask = (iio.imread(folder / kind / "a.png") for kind in ("raw", "masks"))
    for name in ("a", "b"):
        iio.imwrite(tmp_path / f"{name}.png", image)
    iio.imwrite(tmp_path / "a_mask.png", mask)
    run("segment", "predict", network, tmp_path / "b.png", "--output", tmp_path)
    assert (tmp_path / "b_phases.ome.tif").exists()
    code, answer, _ = run("segment", "evaluate", network, "--images", tmp_path, "--masks", tmp_path)
    assert (code, answer["n"]) == (0, 1)
