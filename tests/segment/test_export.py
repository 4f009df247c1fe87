"""bioimage.io packages: what they say, and that the reference implementation computes the same with them."""

import subprocess
import sys
import warnings
import zipfile
from dataclasses import replace

import numpy as np
import pytest
import yaml

from napari_visualccc.core.errors import OptionError, OutputError
from napari_visualccc.segment import (
    PredictOptions,
    Publication,
    QuickSegmenter,
    annotated,
    dataset_of_masks,
    export_bioimageio,
    predict,
)

ABOUT = Publication("Discs", ("A. Maier", "B. Huber"), "CC-BY-4.0", "Finds discs.")


@pytest.fixture(scope="module")
def package(model, tmp_path_factory):
    return export_bioimageio(model, tmp_path_factory.mktemp("export") / "discs.zip", ABOUT)


def described(path):
    with zipfile.ZipFile(path) as archive:
        name = next(name for name in archive.namelist() if name.endswith("rdf.yaml"))
        return yaml.safe_load(archive.read(name)), archive.namelist()


def test_the_package_says_what_the_model_is(package):
    record, files = described(package)
    assert record["name"] == "Discs"
    assert [author["name"] for author in record["authors"]] == ["A. Maier", "B. Huber"]
    assert record["license"] == "CC-BY-4.0"
    channels = next(axis for axis in record["outputs"][0]["axes"] if axis["type"] == "channel")
    assert channels["channel_names"] == ["ground", "disc"]
    y = next(axis for axis in record["inputs"][0]["axes"] if axis.get("id") == "y")
    assert (y["unit"], y["scale"]) == ("nanometer", 2.0)
    assert record["config"]["visualccc"]["classes"][1]["name"] == "disc"
    assert {"weights.pt", "README.md", "input.npy", "output.npy"} <= set(files)


@pytest.mark.parametrize(
    ("names", "channels"),
    [(("γ", "γ′"), ["phase_0", "phase_1"]), (("class", "2nd phase"), ["phase_class", "phase_2nd_phase"])],
)
def test_names_that_the_specification_does_not_take_are_replaced(model, tmp_path, names, channels):
    classes = [replace(one, name=name) for one, name in zip(model.card.classes, names, strict=True)]
    renamed = replace(model, card=replace(model.card, classes=tuple(classes)))
    record, _ = described(export_bioimageio(renamed, tmp_path / "renamed.zip", ABOUT))
    assert next(axis for axis in record["outputs"][0]["axes"] if axis["type"] == "channel")["channel_names"] == channels


def test_the_reference_implementation_accepts_it_and_computes_the_same(package):
    """In a process of its own: the reference implementation leaves files open."""
    code = (
        "import sys; from bioimageio.core import load_description_and_test as check\n"
        "print(check(sys.argv[1]).validation_summary.status)"
    )
    command = [sys.executable, "-W", "ignore", "-c", code, str(package)]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert answer.stdout.strip().splitlines()[-1:] == ["passed"], answer.stdout + answer.stderr


def test_the_reference_implementation_finds_what_we_predict(package, model, discs, tmp_path):
    """Also in images with dead pixels, two at a time, and of any scale of grey values."""
    images = [discs(seed, (256, 256))[0].astype(np.float32) for seed in (31, 32)]
    images[0][::40, ::40] = 60_000
    images[1] *= 3
    np.save(tmp_path / "images.npy", np.stack(images)[:, None])
    code = (
        "import sys, numpy as np; from bioimageio.core import load_model, predict\n"
        "images = np.load(sys.argv[2])\n"
        "found = predict(model=load_model(sys.argv[1]), inputs={'image': images})\n"
        "np.save(sys.argv[3], np.asarray(found.members['probabilities'].data))"
    )
    arguments = [str(package), str(tmp_path / "images.npy"), str(tmp_path / "found.npy")]
    command = [sys.executable, "-W", "ignore", "-c", code, *arguments]
    answer = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert answer.returncode == 0, answer.stderr
    found = np.load(tmp_path / "found.npy")
    for image, probabilities in zip(images, found, strict=True):
        expected = predict(model, image, PredictOptions(uncertainty=True, tile=256))
        assert (probabilities.argmax(0) == expected.labels).mean() > 0.99
        assert np.median(np.abs(probabilities.max(0) - expected.confidence)) < 5e-3


def test_preprocessing_is_what_other_programs_know(package):
    """Percentiles are known to deepImageJ and QuPath in `scale_range` alone, `clip` takes numbers."""
    record, _ = described(package)
    steps = record["inputs"][0]["preprocessing"]
    scale, clip = (step for step in steps if step["id"] != "ensure_dtype")  # which the specification adds
    assert (scale["id"], clip) == ("scale_range", {"id": "clip", "kwargs": {"min": 0.0, "max": 1.0}})
    assert scale["kwargs"]["axes"] == ["channel", "y", "x"]
    assert (scale["kwargs"]["min_percentile"], scale["kwargs"]["max_percentile"]) == (0.5, 99.5)


def test_torchscript_computes_what_we_predict(package, model, discs, tmp_path):
    import torch

    image, mask = discs(30, (256, 320))
    with zipfile.ZipFile(package) as archive:
        archive.extract("weights.pt", tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network = torch.jit.load(tmp_path / "weights.pt")
    low, high = np.percentile(image, [0.5, 99.5])
    values = torch.from_numpy(((image - low) / (high - low)).clip(0, 1).astype(np.float32))[None, None]
    with torch.inference_mode():
        probabilities = network(values)[0]
    torch.testing.assert_close(probabilities.sum(0), torch.ones(image.shape))
    labels = predict(model, image).labels
    assert (probabilities.argmax(0).numpy() == labels).mean() > 0.99


def test_names_of_classes_are_made_fit(model, tmp_path):
    classes = tuple(
        replace(one, name=name) for one, name in zip(model.card.classes, ("1 ground", "däsc/disc"), strict=True)
    )
    named = replace(model, card=replace(model.card, classes=classes))
    record, _ = described(export_bioimageio(named, tmp_path / "named.zip"))
    channels = next(axis for axis in record["outputs"][0]["axes"] if axis["type"] == "channel")
    assert channels["channel_names"] == ["phase_1_ground", "d_sc_disc"]
    assert [author["name"] for author in record["authors"]] == ["not stated"]


def test_the_ending_may_be_in_capitals(model, tmp_path):
    assert described(export_bioimageio(model, tmp_path / "DISCS.ZIP"))[0]["type"] == "model"


def test_quick_models_are_refused_with_a_word(discs, tmp_path):
    model = QuickSegmenter().fit(dataset_of_masks([annotated(*discs(0))])).model
    with pytest.raises(OptionError, match="export a U-Net"):
        export_bioimageio(model, tmp_path / "quick.zip")


def test_what_cannot_be_is_said(model, tmp_path, monkeypatch):
    with pytest.raises(OptionError, match=r"discs\.zip"):
        export_bioimageio(model, tmp_path / "discs.bioimage")
    with pytest.raises(OptionError, match="does not accept"):
        export_bioimageio(model, tmp_path / "a.zip", Publication(licence="my own"))
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(OutputError):
        export_bioimageio(model, file / "a.zip")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_without_the_library_it_says_what_to_install(model, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "bioimageio", None)
    with pytest.raises(OptionError, match=r"pip install 'napari-visualccc\[bioimageio\]'"):
        export_bioimageio(model, tmp_path / "a.zip")
