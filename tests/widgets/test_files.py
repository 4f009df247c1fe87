"""Files through napari's own menus: opened, saved, opened again."""

import mrcfile
import numpy as np
import pytest

from napari_visualccc.io import calibration_from_file, napari_get_reader

IMAGE = np.arange(20 * 30, dtype=np.uint16).reshape(20, 30)


def write_mrc(path, data, angstrom):
    with mrcfile.new(path) as file:
        file.set_data(data)
        file.voxel_size = angstrom


def test_folders_open_in_napari_with_their_file_names(tmp_path, make_napari_viewer):
    (tmp_path / "scans").mkdir()
    for number in (10, 9):
        write_mrc(tmp_path / "scans" / f"scan{number}.mrc", IMAGE + number, 5.0)
    (layer,) = make_napari_viewer().open(tmp_path / "scans", plugin="napari-visualccc")
    assert layer.data.shape == (2, 20, 30)
    assert layer.metadata["visualccc"]["plane_names"] == ["scan9.mrc", "scan10.mrc"]
    assert layer.scale.tolist() == [1, 0.5, 0.5]
    (tmp_path / "empty").mkdir()
    assert napari_get_reader(str(tmp_path / "empty")) is None


@pytest.mark.parametrize("name", ["a.ome.zarr", "a.ome.tif"])
def test_saved_in_napari_and_opened_again(tmp_path, make_napari_viewer, name):
    viewer = make_napari_viewer()
    labels = viewer.add_labels((IMAGE % 5).astype(np.uint8), scale=(0.2, 0.5), units=("nm", "nm"))
    (saved,) = labels.save(str(tmp_path / name), plugin="napari-visualccc")
    if name.endswith("zarr"):
        (again,) = viewer.open(saved, plugin="napari-visualccc")
        assert again.scale.tolist() == [0.2, 0.5]
        assert [str(unit) for unit in again.units] == ["nanometer", "nanometer"]
    else:  # a TIFF is opened by napari itself, and calibrated from its tags
        (again,) = viewer.open(saved, plugin="napari")
        assert calibration_from_file(saved, again.data.shape).pixel_size.y == pytest.approx(0.2)
    np.testing.assert_array_equal(np.squeeze(again.data), labels.data)


def test_a_sample_opens_from_the_menu(make_napari_viewer):
    viewer = make_napari_viewer()
    image, truth = viewer.open_sample("napari-visualccc", "hrtem")
    assert image.name == "HRTEM interphase"
    assert image.scale.tolist() == [0.025, 0.025]
    assert truth.visible is False
    assert truth.features["name"].tolist()[2:] == ["Li", "Li2O", "LiF", "Li2CO3"]
