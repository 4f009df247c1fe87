"""Files through napari's own menus: opened, saved, opened again."""

import h5py
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


def test_commands_name_the_image_of_a_file_with_several_and_a_size_that_was_changed(tmp_path, make_napari_viewer):
    from napari_visualccc.widgets._source import make_source

    with h5py.File(tmp_path / "two.emd", "w") as file:
        file.attrs.update(version_major=0, version_minor=2)
        for size in (8, 12):
            group = file.create_group(f"data/scan {size}")
            group.attrs["emd_group_type"] = 1
            group["data"] = np.zeros((size, size), np.uint8)
            for number, name in ((1, "y"), (2, "x")):
                group[f"dim{number}"] = np.arange(size) * 0.5
                group[f"dim{number}"].attrs.update(name=name, units="nm")
    first, second = make_napari_viewer().open(tmp_path / "two.emd", plugin="napari-visualccc")
    path = str(tmp_path / "two.emd")
    assert make_source(first).arguments == [path, "--signal", "0"]
    assert make_source(second).arguments == [path, "--signal", "1"]
    second.scale = (0.25, 0.25)
    assert make_source(second).arguments == [path, "--signal", "1", "--pixel-size", "0.25nm"]


def test_commands_name_the_file_of_one_plane_of_a_folder(tmp_path, make_napari_viewer):
    from napari_visualccc.widgets._source import make_source

    for number in (9, 10):
        write_mrc(tmp_path / f"scan{number}.mrc", IMAGE, 5.0)
    (layer,) = make_napari_viewer().open(tmp_path, plugin="napari-visualccc")
    assert make_source(layer).arguments == make_source(layer).file_arguments == [str(tmp_path)]
    assert make_source(layer, 1).arguments == [str(tmp_path), "--plane", "1"]
    assert make_source(layer, 1).file_arguments == [str(tmp_path / "scan10.mrc")]
    layer.scale = (1, 0.25, 0.25)
    assert make_source(layer, 1).file_arguments == [str(tmp_path / "scan10.mrc"), "--pixel-size", "0.25nm"]
