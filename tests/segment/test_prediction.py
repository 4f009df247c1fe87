"""Prediction: tiles, stacks, types, pixel sizes, uncertainty."""

import json
from dataclasses import replace

import dask.array as da
import numpy as np
import pytest

from napari_visualccc.core.errors import InputError, OutputError
from napari_visualccc.core.pixel_size import PixelSize
from napari_visualccc.core.progress import Cancelled, Progress
from napari_visualccc.io import read, write_result, zarr_result
from napari_visualccc.models.nn.tiled import TiledNetwork
from napari_visualccc.models.windows import rescale_factors
from napari_visualccc.segment import PredictOptions, predict
from napari_visualccc.segment.prediction import normalised_entropy


@pytest.fixture
def image(discs):
    return discs(20)[0]


def test_discs_are_found(model, discs):
    image, mask = discs(21)
    result = predict(model, image, name="discs", pixel_size=PixelSize(2, 2, "nm"))
    assert (result.labels == mask).mean() > 0.96
    table = result.table
    assert table["class"].tolist() == ["ground", "disc"]
    assert table["area_nm2"].sum() == pytest.approx(image.size * 4)
    assert table["area_fraction"][1] == pytest.approx((result.labels == 1).mean())
    assert result.provenance.input_name == "discs"
    assert result.layers[-1].title == "phases"


def test_tile_size_hardly_matters(model, image):
    whole = predict(model, image, PredictOptions(uncertainty=True, tile=256))
    tiled = predict(model, image, PredictOptions(uncertainty=True, tile=96, overlap=48))
    assert (whole.labels == tiled.labels).mean() > 0.985


def test_stacks_and_types_agree(model, image):
    expected = predict(model, image).labels
    for same in (
        image.astype(np.float64), image.astype(np.int32), image.astype(">u2"), da.from_array(image, chunks=50),
        image * np.float32(3.5) + 11,
    ):  # fmt: skip
        labels = predict(model, same).labels
        assert (labels == expected).mean() > 0.999
    stack = predict(model, np.stack([image, image[::-1]])[:, None]).labels
    assert stack.shape == (2, 1, *image.shape)
    np.testing.assert_array_equal(stack[0, 0], expected)


def test_confidence_and_entropy(model, image):
    result = predict(model, image, PredictOptions(uncertainty=True))
    assert result.confidence.shape == image.shape
    assert 0.5 <= result.confidence.min() <= result.confidence.max() <= 1
    assert 0 <= result.entropy.min() <= result.entropy.max() <= 1
    sure = result.confidence > 0.95
    assert result.entropy[sure].mean() < result.entropy[~sure].mean()


def test_entropy_by_hand():
    probabilities = np.array([[0.5, 1.0, 0.9], [0.5, 0.0, 0.1]], np.float32)
    expected = -(0.9 * np.log(0.9) + 0.1 * np.log(0.1)) / np.log(2)
    assert normalised_entropy(probabilities) == pytest.approx([1, 0, expected], abs=1e-5)


def test_mirrored_views_follow_the_image(model, image):
    options = PredictOptions(tta=True)
    straight, mirrored = predict(model, image, options).labels, predict(model, image[:, ::-1], options).labels
    assert (straight[:, ::-1] == mirrored).mean() > 0.999


def test_pixels_without_value_get_a_label_of_their_own(model, image):
    broken = image.astype(np.float32)
    broken[:10] = np.nan
    result = predict(model, broken, PredictOptions(uncertainty=True))
    assert (result.labels[:10] == 255).all()
    assert (result.labels[12:] != 255).all()
    assert np.isnan(result.confidence[:10]).all()
    assert sum(result.pixels.values()) == image[10:].size


def test_a_plane_without_values_does_not_stop_the_others(model, image, caplog):
    stack = np.stack([image, image, image[::-1], image]).astype(np.float32)
    stack[1] = np.nan
    result = predict(model, stack, PredictOptions(uncertainty=True), name="scan")
    assert (result.labels[1] == 255).all()
    assert np.isnan(result.confidence[1]).all()
    assert np.isnan(result.entropy[1]).all()
    alone = predict(model, stack[2], PredictOptions(uncertainty=True))
    np.testing.assert_array_equal(result.labels[2], alone.labels)
    np.testing.assert_array_equal(result.entropy[2], alone.entropy)
    assert sum(result.pixels.values()) == 3 * image.size
    assert result.notes[0] == "plane 1 has no finite pixel, and therefore no phases"
    assert "scan: plane 1 has no finite pixel" in caplog.text
    stack[3] = np.inf
    assert predict(model, stack).notes[0].startswith("planes 1, 3 have no")
    stack[[0, 2]] = np.nan
    with pytest.raises(InputError, match="no finite pixel"):
        predict(model, stack)


def test_an_image_at_half_the_pixel_size_is_resampled(model, discs):
    image, mask = discs(22)
    fine = np.kron(image, np.ones((2, 2), np.uint16))
    result = predict(model, fine, pixel_size=PixelSize(1, 1, "nm"))
    assert result.rescaled == (0.5, 0.5)
    assert result.provenance.parameters["rescaled"] == [0.5, 0.5]
    assert result.notes == (
        "the model saw the image resampled by 0.5, from 1 nm/px to the 2 nm/px that the model learnt at",
    )  # fmt: skip
    assert result.labels.shape == fine.shape
    assert (result.labels == np.kron(mask, np.ones((2, 2), int))).mean() > 0.95
    assert predict(model, fine, PredictOptions(rescale=False), pixel_size=PixelSize(1, 1, "nm")).rescaled == (1, 1)


def test_a_pixel_size_that_cannot_be_matched_is_told(model, image, caplog):
    uncalibrated = replace(model, card=replace(model.card, pixel_size=PixelSize()))
    two = PixelSize(2, 2, "nm")
    expected = "the model learnt at 2 nm/px, the image has no pixel size: it is taken as it is"
    assert predict(model, image, name="scan").notes == (expected,)
    assert f"scan: {expected}" in caplog.text
    other = "the model learnt from images without pixel size, the image has 2 nm/px: it is taken as it is"
    assert predict(uncalibrated, image, pixel_size=two).notes == (other,)
    diffraction = predict(model, image, pixel_size=PixelSize(0.1, 0.1, "1/nm")).notes
    assert diffraction == ("the model learnt at 2 nm/px, the image has 0.1 1/nm/px: it is taken as it is",)
    for silent in (
        predict(model, image, pixel_size=two), predict(uncalibrated, image),
        predict(model, image, PredictOptions(rescale=False)),
    ):  # fmt: skip
        assert silent.notes == ()


@pytest.mark.parametrize("size", [PixelSize(100, 100, "nm"), PixelSize(0.1, 2, "nm")])
def test_a_pixel_size_too_far_from_the_model_s_is_told_once(model, image, size, caplog):
    expected = f"the model learnt at 2 nm/px, the image has {size}: too far apart to resample, it is taken as it is"
    assert predict(model, image, pixel_size=size).notes == (expected,)
    assert caplog.text.count("too far apart") == 1
    assert predict(model, image, PredictOptions(rescale=False), pixel_size=size).notes == ()


def test_tiles_that_had_to_be_smaller_are_told_and_recorded(model, image, monkeypatch):
    look = TiledNetwork._probabilities

    def greedy(network, values):
        if max(values.shape) > 150:
            raise MemoryError
        return look(network, values)

    assert predict(model, image).provenance.parameters["tile"] == 1024
    monkeypatch.setattr(TiledNetwork, "_probabilities", greedy)
    result = predict(model, image, pixel_size=PixelSize(2, 2, "nm"))
    assert result.notes == ("memory ran out: it was looked at in tiles of 128 pixels instead of 1024",)
    assert result.provenance.parameters["tile"] == 128
    assert "--tile 128" in result.provenance.command


def test_rescale_factors(caplog):
    nm = PixelSize(1, 1, "nm")
    assert rescale_factors(PixelSize(), nm) == (1, 1)
    assert rescale_factors(PixelSize(1, 1, "1/nm"), nm) == (1, 1)
    assert rescale_factors(PixelSize(2, 1, "nm"), nm) == (2, 1)
    assert rescale_factors(PixelSize(1000, 1000, "nm"), nm) == (1, 1)
    assert "too far apart" in caplog.text


@pytest.mark.parametrize("shape", [(1, 1), (1, 300), (17, 3)])
def test_tiny_images(model, shape):
    assert predict(model, np.ones(shape, np.uint8)).labels.shape == shape


def test_constant_image(model):
    assert predict(model, np.full((50, 50), 7, np.uint8)).labels.shape == (50, 50)


def test_nothing_to_segment(model):
    with pytest.raises(InputError, match="finite"):
        predict(model, np.full((20, 20), np.nan))
    with pytest.raises(InputError, match="empty"):
        predict(model, np.zeros((0, 20)))
    with pytest.raises(InputError, match="two axes"):
        predict(model, np.zeros(20))


def test_a_prediction_into_files_is_that_in_memory(model, image, tmp_path, monkeypatch):
    """Stack of two leading axes, planes of several bands, resampled."""
    stack = np.stack([image, image[::-1]]).astype(np.float32)[:, None]
    stack[1, 0, :40] = np.nan
    options, words = PredictOptions(uncertainty=True, tile=64, overlap=16), {"pixel_size": PixelSize(3, 3, "nm")}
    expected = predict(model, stack, options, **words)
    write_result(expected, tmp_path / "memory", "a", words["pixel_size"], zarr=True)
    monkeypatch.delattr("napari_visualccc.segment.prediction.allocate")
    with zarr_result(tmp_path / "files", "a", words["pixel_size"]) as files:
        found = predict(model, stack, options, new_array=files.array, **words)
        written = files.finish(found)
        assert not list((tmp_path / "files").glob("*.zarr"))
    assert [path.name for path in written] == [
        "a_entropy.ome.zarr", "a_confidence.ome.zarr", "a_phases.ome.zarr", "a_phases.csv", "a_provenance.json"
    ]  # fmt: skip
    assert sorted(path.name for path in (tmp_path / "files").iterdir()) == sorted(path.name for path in written)
    for path in written[:3]:
        (one,), (other,) = read(path), read(tmp_path / "memory" / path.name)
        np.testing.assert_array_equal(np.asarray(one.data), np.asarray(other.data))
        assert (one.axes, one.name, one.data.dtype) == (other.axes, other.name, other.data.dtype)
        attributes = json.loads((path / "zarr.json").read_text())["attributes"]
        assert ("image-label" in attributes["ome"]) == ("phases" in path.name)
        assert attributes["visualccc"]["provenance"]["operation"] == "segment predict"
    assert found.pixels == expected.pixels


def test_a_prediction_that_was_cancelled_leaves_no_files(model, image, tmp_path):
    (tmp_path / "a_phases.ome.zarr").mkdir()
    (tmp_path / "a_phases.ome.zarr" / "earlier").write_text("")
    done = []
    halfway = Progress(lambda fraction, message: done.append(fraction), lambda: done[-1:] > [0.5])
    with pytest.raises(Cancelled), zarr_result(tmp_path, "a", PixelSize()) as files:
        predict(model, np.stack([image] * 3), PredictOptions(uncertainty=True), new_array=files.array, progress=halfway)
    assert 0.5 < done[-1] < 1
    assert [path.name for path in tmp_path.iterdir()] == ["a_phases.ome.zarr"]
    assert [path.name for path in (tmp_path / "a_phases.ome.zarr").iterdir()] == ["earlier"]


def test_an_image_that_vanishes_is_not_told_as_a_file_that_cannot_be_written(model, image, tmp_path):
    def vanished(_):
        raise OSError(2, "No such file or directory", "scan.tif")

    stack = da.from_array(np.stack([image] * 2)).map_blocks(vanished, dtype=image.dtype, meta=image[:0])
    with pytest.raises(FileNotFoundError, match="scan.tif"), zarr_result(tmp_path, "a", PixelSize()) as files:
        predict(model, stack, new_array=files.array)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full_while_predicting_is_told(model, image, tmp_path, monkeypatch):
    class Full:
        def __setitem__(self, *_):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("napari_visualccc.io.zarr_results.create_array", lambda *_: Full())
    told = pytest.raises(OutputError, match="a_phases.ome.zarr could not be written: No space left")
    with told, zarr_result(tmp_path, "a", PixelSize()) as files:
        predict(model, image, new_array=files.array)
    assert not list(tmp_path.iterdir())


def test_cancelling(model):
    with pytest.raises(Cancelled):
        predict(model, np.zeros((600, 600)), PredictOptions(tile=128), progress=Progress(is_cancelled=lambda: True))


@pytest.mark.parametrize("rows", [1, 40])
@pytest.mark.parametrize(
    ("dtype", "value"), [(np.float32, 3.4e38), (np.float32, -3.4e38), (np.float32, 1e30), (np.float64, 1e300)]
)
def test_what_programs_write_where_there_is_no_data_is_no_data(model, image, rows, dtype, value):
    """In so few pixels that they do not set the grey scale, and in many."""
    holes = image.astype(dtype)
    holes[:rows, :30] = value
    empty = image.astype(np.float64)
    empty[:rows, :30] = np.nan
    found, expected = predict(model, holes), predict(model, empty)
    np.testing.assert_array_equal(found.labels, expected.labels)
    assert found.pixels == expected.pixels
