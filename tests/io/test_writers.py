import os

import dask.array as da
import numpy as np
import pandas as pd
import pytest
import tifffile

from napari_visualccc.cluster import ClusterOptions, cluster_pixels
from napari_visualccc.core.errors import OutputError
from napari_visualccc.core.pixel_size import Axis, PixelSize
from napari_visualccc.io import (
    read,
    write_csv,
    write_image,
    write_labels,
    write_ome_zarr,
    write_result,
    write_tiff,
)
from napari_visualccc.io.writers import atomic

STACK = np.arange(3 * 20 * 30, dtype=np.uint16).reshape(3, 20, 30)
AXES = (Axis("z", 3, 2.0, 0.0, "nm"), Axis("y", 20, 0.2, 0.0, "nm"), Axis("x", 30, 0.5, 0.0, "nm"))
WRITERS = {"a.ome.tif": write_tiff, "a.ome.zarr": write_ome_zarr}


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("lazy", [False, True])
@pytest.mark.parametrize("labels", [False, True])
def test_round_trip(tmp_path, name, lazy, labels):
    data = da.from_array(STACK, chunks=(1, 10, 10)) if lazy else STACK
    path = WRITERS[name](tmp_path / name, data, AXES, labels=labels)
    (signal,) = read(path)
    np.testing.assert_array_equal(np.asarray(signal.data), STACK)
    assert [axis.scale for axis in signal.axes] == pytest.approx([2.0, 0.2, 0.5])
    assert {axis.unit for axis in signal.axes} == {"nm"}
    assert signal.name == "a"


@pytest.mark.parametrize("name", WRITERS)
@pytest.mark.parametrize("dtype", ["u1", "i2", "i4", "f4", "f8", "?", ">u2", "u8"])
def test_every_type_survives(tmp_path, name, dtype):
    data = (STACK[0] % 2).astype(dtype)
    (signal,) = read(WRITERS[name](tmp_path / name, data, PixelSize()))
    np.testing.assert_array_equal(np.asarray(signal.data), data)
    assert not signal.pixel_size.is_calibrated


@pytest.mark.parametrize("name", WRITERS)
def test_reciprocal_units_come_back_and_do_not_lie_to_others(tmp_path, name):
    (signal,) = read(WRITERS[name](tmp_path / name, STACK[0], PixelSize(0.04, 0.04, "1/nm")))
    assert (signal.pixel_size.x, signal.pixel_size.unit) == (pytest.approx(0.04), "1/nm")
    if name.endswith("tif"):
        with tifffile.TiffFile(tmp_path / name) as tiff:
            assert "PhysicalSize" not in tiff.ome_metadata


@pytest.mark.parametrize("name", WRITERS)
def test_colour_survives(tmp_path, name):
    colour = np.random.default_rng(0).integers(0, 255, (20, 30, 3)).astype(np.uint8)
    (signal,) = read(WRITERS[name](tmp_path / name, colour, PixelSize(2, 2, "nm"), rgb=True))
    assert signal.rgb
    np.testing.assert_array_equal(np.asarray(signal.data), colour)


def test_tifffile_finds_the_pixel_size(tmp_path):
    write_tiff(tmp_path / "a.ome.tif", STACK, AXES)
    with tifffile.TiffFile(tmp_path / "a.ome.tif") as tiff:
        pixels = tifffile.xml2dict(tiff.ome_metadata)["OME"]["Image"]["Pixels"]
    assert pixels["PhysicalSizeX"] == pytest.approx(0.5)
    assert pixels["PhysicalSizeY"] == pytest.approx(0.2)
    assert pixels["PhysicalSizeXUnit"] == "nm"


def test_the_reference_reader_of_ome_zarr_agrees(tmp_path):
    from ome_zarr.io import parse_url
    from ome_zarr.reader import Reader

    write_ome_zarr(tmp_path / "a.ome.zarr", STACK, AXES)
    (node,) = Reader(parse_url(str(tmp_path / "a.ome.zarr")))()
    np.testing.assert_array_equal(np.asarray(node.data[0]), STACK)
    assert [axis["unit"] for axis in node.metadata["axes"]] == ["nanometer"] * 3
    assert node.metadata["coordinateTransformations"][0][0]["scale"] == [2.0, 0.2, 0.5]


def test_a_result_is_written_whole(tmp_path):
    result = cluster_pixels(STACK, ClusterOptions(k=3), pixel_size=PixelSize(0.2, 0.5, "nm"))
    paths = write_result(result, tmp_path / "new" / "folder", "scan", AXES)
    assert {path.name for path in paths} == {"scan_clusters.ome.tif", "scan_clusters.csv", "scan_provenance.json"}
    assert pd.read_csv(paths[1]).area_nm2.sum() == pytest.approx(STACK.size * 0.1)


@pytest.mark.parametrize("name", WRITERS)
def test_an_interrupted_write_leaves_the_old_file(tmp_path, name):
    path = WRITERS[name](tmp_path / name, STACK, AXES)

    class Broken:
        shape, dtype, ndim, nbytes = STACK.shape, STACK.dtype, 3, STACK.nbytes

        def __getitem__(self, place):
            raise OSError(28, "No space left on device")

    with pytest.raises(OutputError, match=f"{name} could not be written: No space left"):
        WRITERS[name](path, Broken(), AXES)
    np.testing.assert_array_equal(np.asarray(read(path)[0].data), STACK)
    assert os.listdir(tmp_path) == [name]


def test_atomic_removes_its_traces_after_a_bug(tmp_path):
    def fail_halfway():
        with atomic(tmp_path / "a.txt") as temporary:
            temporary.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail_halfway()
    assert os.listdir(tmp_path) == []


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "taken").write_text("x")
    with pytest.raises(OutputError, match=r"taken.t.csv could not be written|taken/t.csv could not be written"):
        write_csv(tmp_path / "taken" / "t.csv", pd.DataFrame({"a": [1]}))


@pytest.mark.parametrize("name", WRITERS)
def test_layers_saved_from_napari_keep_scale_and_units(tmp_path, name):
    from napari.layers import Image, Labels

    for make, write in ((Image, write_image), (Labels, write_labels)):
        layer = make(STACK.astype(np.uint8), scale=(1, 0.2, 0.5), units=("pixel", "nm", "nm"))
        data, attributes, _ = layer.as_layer_data_tuple()
        (written,) = write(str(tmp_path / name), data, attributes)
        (signal,) = read(written)
        assert (signal.pixel_size.y, signal.pixel_size.x, signal.pixel_size.unit) == (
            pytest.approx(0.2),
            pytest.approx(0.5),
            "nm",
        )
        np.testing.assert_array_equal(np.asarray(signal.data), STACK.astype(np.uint8))


def test_reciprocal_layers_saved_from_napari(tmp_path):
    from napari.layers import Image

    data, attributes, _ = Image(STACK[0], scale=(0.1, 0.1), units=("1/nm", "1/nm")).as_layer_data_tuple()
    (written,) = write_image(str(tmp_path / "a.ome.tif"), data, attributes)
    assert read(written)[0].pixel_size.unit == "1/nm"
